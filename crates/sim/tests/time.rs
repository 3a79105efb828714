//! Tasks and virtual time.

use handfast_sim::handfast::base::{Duration, Instant};
use handfast_sim::handfast::{KeepAlive, TcpListener, TcpStream};
use handfast_sim::{Elapsed, LinkConfig, Sim, Why};
use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines_at_the_nanosecond() {
    let sim = Sim::new(1);
    let log: Rc<RefCell<Vec<(u64, u64)>>> = Rc::default();
    for (n, nanos) in [300, 1, 200, 1, 0, 3_600_000_000_001]
        .into_iter()
        .enumerate()
    {
        let (handle, log) = (sim.handle(), log.clone());
        sim.spawn(async move {
            handle.sleep(Duration::from_nanos(nanos)).await;
            log.borrow_mut().push((n as u64, handle.now().as_nanos()));
        });
    }
    sim.run().unwrap();
    let expected = [
        (4, 0),
        (1, 1),
        (3, 1),
        (2, 200),
        (0, 300),
        (5, 3_600_000_000_001),
    ];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn the_clock_stops_where_it_is_told_to() {
    let sim = Sim::new(1);
    let (handle, hits) = (sim.handle(), Rc::new(RefCell::new(0)));
    let counted = hits.clone();
    drop(sim.spawn_background(async move {
        loop {
            handle.sleep(Duration::from_secs(1)).await;
            *counted.borrow_mut() += 1;
        }
    }));
    sim.run_for(Duration::from_millis(3500));
    assert_eq!((*hits.borrow(), sim.now()), (3, Instant::from_millis(3500)));
    sim.run_until(Instant::from_secs(4));
    assert_eq!((*hits.borrow(), sim.now()), (4, Instant::from_secs(4)));
    // Nobody in the foreground: nothing to wait for.
    sim.run().unwrap();
    assert_eq!(sim.now(), Instant::from_secs(4));
}

#[test]
fn a_timeout_drops_what_it_waited_for() {
    let sim = Sim::new(1);
    let handle = sim.handle();
    let guard = Rc::new(());
    let held = guard.clone();
    let result = sim.block_on(async move {
        let late = async {
            let _held = held;
            pending::<()>().await;
        };
        let late = handle.timeout(Duration::from_millis(5), late).await;
        let soon = handle.timeout(Duration::from_millis(5), async { 7 }).await;
        (late, soon)
    });
    assert_eq!(result.unwrap(), (Err(Elapsed), Ok(7)));
    assert_eq!(sim.now(), Instant::from_millis(5));
    assert_eq!(Rc::strong_count(&guard), 1);
}

#[test]
fn a_handle_gives_what_its_task_gave() {
    let sim = Sim::new(1);
    let handle = sim.handle();
    let sum = sim.block_on(async move {
        let tasks: Vec<_> = (1..=10u64)
            .map(|n| {
                let sleeper = handle.clone();
                handle.spawn(async move {
                    sleeper.sleep(Duration::from_millis(11 - n)).await;
                    n
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum.unwrap(), 55);
}

#[test]
fn a_simulation_that_is_dropped_drops_its_tasks() {
    let sim = Sim::new(1);
    let guard = Rc::new(());
    let (held, handle) = (guard.clone(), sim.handle());
    sim.spawn(async move {
        let _all = (held, handle);
        pending::<()>().await;
    });
    sim.run_for(Duration::from_secs(1));
    assert_eq!(Rc::strong_count(&guard), 2);
    drop(sim);
    assert_eq!(Rc::strong_count(&guard), 1);
}

#[test]
fn who_waits_in_vain_is_told_with_what_for() {
    let sim = Sim::new(1);
    let a = sim.host("a", &["10.0.0.1/24"]);
    let b = sim.host("b", &["10.0.0.2/24"]);
    sim.connect(&a, &b, LinkConfig::delay(Duration::from_millis(1)));
    let net = b.net().clone();
    let server = sim.spawn(async move {
        let listener = TcpListener::bind(&net, "10.0.0.2:80".parse().unwrap()).await?;
        let (first, _) = listener.accept().await?;
        let second = listener.accept().await?;
        std::io::Result::Ok((first, second))
    });
    sim.spawn(async move {
        let _ = server.await;
    });
    let net = a.net().clone();
    sim.spawn(async move {
        let stream = TcpStream::connect(&net, "10.0.0.2:80".parse().unwrap()).await?;
        stream.read_bytes(1).await
    });
    let stuck = sim.run().unwrap_err();
    assert_eq!(stuck.why, Why::Deadlock);
    let awaits: Vec<&str> = stuck.tasks.iter().map(|task| &*task.awaits[0]).collect();
    assert_eq!(awaits[0], "a connection to b 10.0.0.2:80");
    assert!(awaits[1].starts_with("the end of task 1 of "), "{awaits:?}");
    assert!(awaits[1].contains("time.rs"), "{awaits:?}");
    assert!(
        awaits[2].starts_with("to read from 10.0.0.2:80 on a 10.0.0.1:"),
        "{awaits:?}"
    );
    assert!(awaits[2].contains("(ESTABLISHED, 0 unread, 0 unsent, 0 in flight"));
    let text = stuck.to_string();
    assert!(text.contains("nothing will ever happen"), "{text}");
}

#[test]
fn what_goes_on_for_ever_meets_the_horizon() {
    let sim = Sim::new(1);
    sim.set_horizon(Instant::from_secs(100));
    let handle = sim.handle();
    sim.spawn(async move {
        loop {
            handle.sleep(Duration::from_secs(30)).await;
        }
    });
    let stuck = sim.run().unwrap_err();
    assert_eq!(
        (stuck.why, stuck.at),
        (Why::Horizon, Instant::from_secs(90))
    );
    assert_eq!(stuck.tasks[0].awaits, ["120.000000000s"]);
    assert!(!sim.run_to_rest());
}

#[test]
fn a_week_of_keep_alives_passes_at_once() {
    let sim = Sim::new(1);
    let a = sim.host("a", &["fd00::1/64"]);
    let b = sim.host("b", &["fd00::2/64"]);
    sim.connect(&a, &b, LinkConfig::delay(Duration::from_millis(10)));
    let net = b.net().clone();
    drop(sim.spawn_background(async move {
        let listener = TcpListener::bind(&net, "[::]:80".parse().unwrap()).await?;
        let (stream, _) = listener.accept().await?;
        stream.read_bytes(1).await
    }));
    let net = a.net().clone();
    let stream = sim.block_on(async move {
        let stream = TcpStream::connect(&net, "[fd00::2]:80".parse().unwrap()).await?;
        stream.configure(|config| {
            config.keep_alive = Some(KeepAlive {
                idle: Duration::from_secs(60),
                interval: Duration::from_secs(10),
                ..KeepAlive::default()
            });
        })?;
        std::io::Result::Ok(stream)
    });
    let stream = stream.unwrap().unwrap();
    let before = sim.traffic().packets;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    sim.run_for(week);
    let probes = (sim.traffic().packets - before) / 2;
    // Every minute, and the round trip that the answer takes.
    assert!((10_070..=10_080).contains(&probes), "{probes}");
    assert!(stream.info().unwrap().last_heard < Duration::from_secs(61));
}

#[test]
#[should_panic(expected = "task 1 spins")]
fn a_task_that_spins_is_found() {
    let sim = Sim::new(1);
    sim.spawn(std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    }));
    let _ = sim.run();
}
