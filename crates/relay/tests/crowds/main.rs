//! Very many connections through a relay, at once and one after another, and what they leave
//! behind. One test at a time, for they count the descriptors of the process.

#[path = "../tcp/world.rs"]
#[expect(dead_code, reason = "what the other tests need of it")]
mod world;

use handfast::TcpStream;
use handfast_relay::{End, Limits, Refusal, RelayEvent, raise_descriptor_limit};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use world::{World, blackhole, listen, soon};

static ALONE: Mutex<()> = Mutex::const_new(());

/// Open sockets of this process that lead out of it: a runtime has Unix sockets of its own, and
/// tests that wait for their turn have theirs already or get it meanwhile.
fn descriptors() -> usize {
    let unix = std::fs::read_to_string("/proc/self/net/unix").unwrap();
    let inside: HashSet<&str> = unix
        .lines()
        .filter_map(|l| l.split_whitespace().nth(6))
        .collect();
    let all = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let is_outside = |target: &PathBuf| {
        let inode = target.to_str().and_then(|t| t.strip_prefix("socket:["));
        inode.is_some_and(|i| !inside.contains(i.trim_end_matches(']')))
    };
    targets.filter(is_outside).count()
}

/// Waits for a condition that must come to hold.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(120);
    assert!(tokio::time::timeout(limit, wait).await.is_ok(), "{what}");
}

/// Echoes whatever comes, for as long as the test lasts.
fn echo(listener: tokio::net::TcpListener) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut r, mut w) = stream.split();
                let _ = tokio::io::copy(&mut r, &mut w).await;
                let _ = w.shutdown().await;
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_dead_destinations_do_not_stall_a_living_one() {
    let _alone = ALONE.lock().await;
    const DEAD: usize = 10_000;
    raise_descriptor_limit().unwrap();
    let mut limits = Limits::default();
    limits.connects = 1000;
    let world = World::with(|builder| builder.limits(limits)).await;
    let (_hole, dead) = blackhole(0).await;
    let (server, living) = listen(0).await;
    echo(server);
    let before = descriptors();
    let mut attempts = JoinSet::new();
    for _ in 0..DEAD {
        let net = world.net();
        attempts.spawn(async move { TcpStream::connect(&net, dead).await });
    }
    let events = world.events.clone();
    let count = |is_it: fn(&RelayEvent) -> bool| events.all().iter().filter(|e| is_it(e)).count();
    until("all have asked", || {
        count(|e| matches!(e, RelayEvent::TcpAsked { .. })) >= DEAD
    })
    .await;
    assert!(descriptors() - before <= 1000 + 16, "{}", descriptors());
    let gave_way = RelayEvent::TcpRefused {
        id: 0,
        why: Refusal::GaveWay,
    };
    assert!(events.all().contains(&gave_way), "the first one had to go");
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        let mut stream = soon(TcpStream::connect(&world.net(), living))
            .await
            .unwrap();
        stream.write_all(b"alive").await.unwrap();
        let mut back = [0; 5];
        soon(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"alive");
        slowest = slowest.max(began.elapsed());
    }
    // Nobody waited for as much as one repetition of a SYN.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let answered = count(|e| matches!(e, RelayEvent::TcpAnswered { .. }));
    assert_eq!(answered, 20);
    attempts.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_at_once_each_get_their_own() {
    let _alone = ALONE.lock().await;
    const CROWD: usize = 2000;
    // Two descriptors each: the relay's and the server's.
    let limit = raise_descriptor_limit().unwrap();
    assert!(
        limit > 2 * CROWD as u64 + 100,
        "raise `ulimit -Hn` {limit} for this test"
    );
    let world = World::new().await;
    let (server, at) = listen(0).await;
    echo(server);
    let before = descriptors();
    let all_there = Arc::new(tokio::sync::Barrier::new(CROWD));
    let mut crowd = JoinSet::new();
    for i in 0..CROWD {
        let (net, all_there) = (world.net(), all_there.clone());
        crowd.spawn(async move {
            let mut stream = TcpStream::connect(&net, at).await.unwrap();
            all_there.wait().await;
            for round in 0..5 {
                let said = format!("{i} in round {round}; ").repeat(100);
                stream.write_all(said.as_bytes()).await.unwrap();
                let mut heard = vec![0; said.len()];
                stream.read_exact(&mut heard).await.unwrap();
                assert_eq!(heard, said.as_bytes());
            }
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        });
    }
    while let Some(one) = soon(crowd.join_next()).await {
        one.unwrap();
    }
    assert_left_nothing(&world, before, CROWD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_in_turn_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let total = std::env::var("HANDFAST_RELAY_CONNECTIONS");
    let total: usize = total.map_or(2000, |n| n.parse().expect("a number of connections"));
    raise_descriptor_limit().unwrap();
    let world = World::new().await;
    let mut targets = Vec::new();
    for family in [0, 1, 0, 1] {
        let (server, at) = listen(family).await;
        echo(server);
        targets.push(at);
    }
    let before = descriptors();
    let turns = Arc::new(Semaphore::new(32));
    let mut all = JoinSet::new();
    let began = Instant::now();
    for i in 0..total {
        let turn = turns.clone().acquire_owned().await.unwrap();
        let (net, at) = (world.net(), targets[i % targets.len()]);
        all.spawn(async move {
            let mut stream = TcpStream::connect(&net, at).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert_eq!(back, b"hello");
            drop(turn);
        });
        while let Some(one) = all.try_join_next() {
            one.unwrap();
        }
    }
    while let Some(one) = soon(all.join_next()).await {
        one.unwrap();
    }
    let rate = total as f64 / began.elapsed().as_secs_f64();
    println!("{total} connections, {rate:.0} a second");
    assert_left_nothing(&world, before, total).await;
}

/// All was reported as closed in peace, and no descriptor, connection or memory is left.
async fn assert_left_nothing(world: &World, before: usize, connections: usize) {
    until("all were reported", || {
        let told = world.events.all();
        let closed = told.iter().filter(|event| match event {
            RelayEvent::TcpClosed(report) => {
                assert_eq!(report.end, End::Closed);
                true
            }
            _ => false,
        });
        closed.count() == connections
    })
    .await;
    until("all descriptors are closed", || descriptors() <= before).await;
    until("the stack is empty", || {
        let usage = world.gateway.net().with_stack(|stack, _| stack.usage());
        usage.memory == 0 && usage.connections == 0 && usage.half_open == 0 && usage.timers == 0
    })
    .await;
}
