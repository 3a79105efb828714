//! Hosts, links, and what goes wrong on them.

use handfast_sim::handfast::base::{Duration, Instant};
use handfast_sim::handfast::link::impaired::{Impairment, Queue, Rate, Verdict};
use handfast_sim::handfast::link::{Link as _, memory};
use handfast_sim::handfast::trace::{Ladder, ladder::TerminalOptions};
use handfast_sim::handfast::wire::Batch;
use handfast_sim::handfast::{Config, TcpConnector, TcpListener, TcpStream};
use handfast_sim::transfer::{EndReport, Role, Transfer};
use handfast_sim::{Host, JoinHandle, Link, LinkConfig, Sim};
use std::net::SocketAddr;

/// Both ends of a transfer from `a` to `b`, at b's first address.
fn transfer(sim: &Sim, a: &Host, b: &Host, up: u64, down: u64) -> [JoinHandle<EndReport>; 2] {
    transfer_to(
        sim,
        a,
        b,
        SocketAddr::new(b.ip(), 80),
        Transfer::new(3, up, down),
    )
}

fn transfer_to(
    sim: &Sim,
    a: &Host,
    b: &Host,
    to: SocketAddr,
    transfer: Transfer,
) -> [JoinHandle<EndReport>; 2] {
    let (net, handle, other) = (b.net().clone(), sim.handle(), transfer.clone());
    let server = sim.spawn(async move {
        let listener = TcpListener::bind(&net, to).await.expect("a listener");
        let (stream, _) = listener.accept().await.expect("a connection");
        other.run(Role::Server, &handle, stream).await
    });
    let (net, handle) = (a.net().clone(), sim.handle());
    let client = sim.spawn(async move {
        let stream = TcpStream::connect(&net, to).await.expect("a connection");
        transfer.run(Role::Client, &handle, stream).await
    });
    [client, server]
}

fn assert_delivered(ends: &[JoinHandle<EndReport>; 2]) {
    for end in ends {
        let end = end.take().expect("an end");
        assert!(end.is_complete(), "{end}");
    }
}

fn pair(sim: &Sim, config: LinkConfig) -> (Host, Host, Link) {
    let a = sim.host("a", &["10.0.0.1/24"]);
    let b = sim.host("b", &["10.0.0.2/24"]);
    let link = sim.connect(&a, &b, config);
    (a, b, link)
}

fn bad_path() -> Impairment {
    Impairment {
        loss: 0.03,
        burst: 2.0,
        delay: Duration::from_millis(15),
        jitter: Duration::from_millis(5),
        rate: Some(Rate {
            bits_per_second: 20_000_000,
            queue: Queue::Packets(50),
        }),
        reorder: 0.02,
        duplicate: 0.02,
        corrupt: 0.02,
        ..Impairment::default()
    }
}

fn hash_of(seed: u64) -> (u64, Instant) {
    let sim = Sim::new(seed);
    let (a, b, _) = pair(&sim, LinkConfig::symmetric(bad_path()));
    let ends = transfer(&sim, &a, &b, 300_000, 200_000);
    sim.run().unwrap();
    assert_delivered(&ends);
    sim.run_to_rest();
    (sim.trace_hash(), sim.now())
}

#[test]
fn the_same_seed_gives_the_same_packets_at_the_same_nanosecond() {
    let first = hash_of(11);
    assert_eq!(first, hash_of(11));
    assert_ne!(first.0, hash_of(12).0);
}

#[test]
fn recording_changes_nothing() {
    let run = |records| {
        let sim = Sim::new(4);
        let recorder = if records { Some(sim.record()) } else { None };
        let (a, b, _) = pair(&sim, LinkConfig::symmetric(bad_path()));
        let ends = transfer(&sim, &a, &b, 100_000, 0);
        sim.run().unwrap();
        assert_delivered(&ends);
        sim.run_to_rest();
        if let Some(recorder) = recorder {
            recorder.with_log(|log| {
                let connections = log.connections();
                assert_eq!(connections.len(), 1);
                let ladder = Ladder::of(log, &connections[0]);
                let text = ladder.terminal(&TerminalOptions::default());
                assert!(
                    text.contains("SYN-SENT") && text.contains("TIME-WAIT"),
                    "{text}"
                );
            });
        }
        sim.trace_hash()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn one_host_more_changes_nothing_on_other_links() {
    let run = |more| {
        let sim = Sim::new(8);
        let (a, b, _) = pair(&sim, LinkConfig::symmetric(bad_path()));
        if more {
            let c = sim.host("c", &["10.0.9.1/24"]);
            let d = sim.host("d", &["10.0.9.2/24"]);
            sim.connect(&c, &d, LinkConfig::default());
        }
        let ends = transfer(&sim, &a, &b, 100_000, 0);
        sim.run().unwrap();
        assert_delivered(&ends);
        sim.trace_hash()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_super_segment_link_carries_whole_super_segments() {
    let packets = |gso| {
        let sim = Sim::new(1);
        let config = LinkConfig {
            gso,
            checksum: true,
            ..LinkConfig::default()
        };
        let (a, b, link) = pair(&sim, config);
        let ends = transfer(&sim, &a, &b, 1_000_000, 0);
        sim.run().unwrap();
        assert_delivered(&ends);
        // What is counted on the wire is the same: that is where they are cut.
        assert!(sim.traffic().data_segments >= 1_000_000 / 1448);
        link.counters(&a).sent
    };
    assert!(packets(65_535) * 5 < packets(0));
}

#[test]
fn chosen_packets_are_lost_and_no_others() {
    let sim = Sim::new(1);
    let (a, b, link) = pair(&sim, LinkConfig::delay(Duration::from_millis(10)));
    link.lose(&a, &[0, 4]);
    link.choose(&b, |_, number| match number {
        2 => Verdict::Duplicate,
        3 => Verdict::Corrupt,
        _ => Verdict::Pass,
    });
    let ends = transfer(&sim, &a, &b, 50_000, 0);
    sim.run().unwrap();
    assert_delivered(&ends);
    assert_eq!(link.counters(&a).lost, 2);
    let back = link.counters(&b);
    assert_eq!((back.duplicated, back.corrupted, back.lost), (1, 1, 0));
    // The SYN was the first to be lost, and comes again after a second (RFC 6298, section 2.1).
    assert!(sim.now() > Instant::from_secs(1) && sim.now() < Instant::from_secs(3));
}

#[test]
fn what_is_sent_while_a_link_is_down_comes_when_it_is_up_again() {
    let sim = Sim::new(1);
    let (a, b, link) = pair(&sim, LinkConfig::delay(Duration::from_millis(10)));
    let (down, up) = (link.clone(), link.clone());
    sim.at(Instant::from_millis(30), move || down.take_down());
    sim.at(Instant::from_secs(20), move || up.bring_up());
    let ends = transfer(&sim, &a, &b, 1_000_000, 1_000_000);
    sim.run_until(Instant::from_secs(19));
    assert!(!link.is_up() && link.counters(&a).lost > 0);
    assert!(ends[0].take().is_none());
    sim.run().unwrap();
    assert_delivered(&ends);
    // The timeout doubles: at the latest after as long again.
    assert!(sim.now() < Instant::from_secs(45), "{:?}", sim.now());
}

#[test]
fn a_link_cut_for_good_is_reported_after_the_limit() {
    let sim = Sim::new(1);
    let (a, b, link) = pair(&sim, LinkConfig::delay(Duration::from_millis(10)));
    sim.at(Instant::from_millis(100), move || link.take_down());
    let net = b.net().clone();
    drop(sim.spawn_background(async move {
        let listener = TcpListener::bind(&net, "10.0.0.2:80".parse().unwrap()).await?;
        let (stream, _) = listener.accept().await?;
        stream.read_bytes(1).await
    }));
    let (net, handle) = (a.net().clone(), sim.handle());
    let error = sim.block_on(async move {
        let config = Config {
            user_timeout: Some(Duration::from_secs(45)),
            ..Config::default()
        };
        let connector = TcpConnector::new().config(config);
        let to = "10.0.0.2:80".parse().unwrap();
        let stream = connector.connect(&net, to).await.expect("a connection");
        handle.sleep(Duration::from_secs(1)).await;
        stream.write_bytes(&mut "hello".into()).await.expect("room");
        stream.read_bytes(1).await.expect_err("nobody is there")
    });
    assert_eq!(error.unwrap().kind(), std::io::ErrorKind::TimedOut);
    let waited = sim.now().since(Instant::from_secs(1));
    assert!((45..50).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn three_hosts_each_joined_to_each() {
    let sim = Sim::new(1);
    let a = sim.host("a", &["10.0.1.1/24", "10.0.2.1/24"]);
    let b = sim.host("b", &["10.0.1.2/24", "10.0.3.2/24"]);
    let c = sim.host("c", &["10.0.2.3/24", "10.0.3.3/24"]);
    let path = LinkConfig::symmetric(bad_path());
    for (one, other) in [(&a, &b), (&a, &c), (&b, &c)] {
        sim.connect(one, other, path);
    }
    let mut all = Vec::new();
    for (from, to, at) in [
        (&a, &b, "10.0.1.2:1"),
        (&b, &c, "10.0.3.3:2"),
        (&c, &a, "10.0.2.1:3"),
        (&b, &a, "10.0.1.1:4"),
    ] {
        let plan = Transfer::new(1, 70_000, 50_000);
        all.push(transfer_to(&sim, from, to, at.parse().unwrap(), plan));
    }
    sim.run().unwrap();
    all.iter().for_each(assert_delivered);
}

#[test]
fn routes_are_set_by_hand() {
    let sim = Sim::new(1);
    // b has an address that is in no network of a's; both families at once.
    let a = sim.host("a", &["10.0.0.1/24", "fd00::1/64"]);
    let b = sim.host("b", &["10.0.0.2/24", "192.0.2.9/32", "fd00::2/64"]);
    let link = sim.connect(&a, &b, LinkConfig::delay(Duration::from_millis(1)));
    let net = b.net().clone();
    let iface = link.interface(&b);
    net.with_stack(|stack, now| {
        let prefix = "192.0.2.9/32".parse().unwrap();
        stack.add_address(iface, prefix, now).unwrap();
    });
    a.add_route(
        "192.0.2.0/24",
        Some("10.0.0.2".parse().unwrap()),
        link.interface(&a),
    );
    let to = "192.0.2.9:80".parse().unwrap();
    let v4 = transfer_to(&sim, &a, &b, to, Transfer::new(1, 10_000, 10_000));
    let to = "[fd00::2]:80".parse().unwrap();
    let v6 = transfer_to(&sim, &a, &b, to, Transfer::new(1, 10_000, 10_000));
    sim.run().unwrap();
    assert_delivered(&v4);
    assert_delivered(&v6);
}

#[test]
fn any_link_can_be_attached() {
    let sim = Sim::new(1);
    let a = sim.host("a", &[]);
    let (link, mut far) = memory::pair(&memory::Config::default());
    a.attach(Box::new(link), &["10.0.0.1/24"]);
    let net = a.net().clone();
    sim.spawn(async move { TcpStream::connect(&net, "10.0.0.2:80".parse().unwrap()).await });
    sim.run_for(Duration::from_millis(3500));
    let mut batch = Batch::new(8);
    // The SYN, and again after 1 s and 3 s.
    assert_eq!(far.receive(sim.now(), &mut batch).unwrap(), 3);
    assert!(
        batch
            .packets()
            .iter()
            .all(|packet| packet.headers()[0] == 0x45)
    );
}

#[test]
fn a_connection_to_nobody_is_refused_at_once() {
    let sim = Sim::new(1);
    let (a, _b, _) = pair(&sim, LinkConfig::delay(Duration::from_millis(10)));
    let net = a.net().clone();
    let refused = sim.block_on(async move {
        let to = "10.0.0.2:81".parse().unwrap();
        TcpStream::connect(&net, to).await.map(drop)
    });
    let refused = refused.unwrap().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(sim.now(), Instant::from_millis(20));
}

#[test]
#[should_panic(expected = "share no network")]
fn hosts_without_a_common_network_are_not_connected() {
    let sim = Sim::new(1);
    let a = sim.host("a", &["10.0.0.1/24"]);
    let b = sim.host("b", &["10.0.1.2/24"]);
    sim.connect(&a, &b, LinkConfig::default());
}

#[test]
fn damage_and_silence_are_told_apart_from_delivery() {
    // The oracle must be able to fail: a path that flips a bit behind the checksum's back.
    let sim = Sim::new(1);
    let config = LinkConfig {
        checksum: true,
        ..LinkConfig::default()
    };
    let (a, b, _) = pair(&sim, config);
    let net = b.net().clone();
    let handle = sim.handle();
    let wrong = Transfer::new(4, 10_000, 0);
    let server = sim.spawn(async move {
        let to = "10.0.0.2:80".parse().unwrap();
        let listener = TcpListener::bind(&net, to).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        wrong.run(Role::Server, &handle, stream).await
    });
    let (net, handle) = (a.net().clone(), sim.handle());
    let other = Transfer::new(5, 10_000, 0);
    sim.spawn(async move {
        let to = "10.0.0.2:80".parse().unwrap();
        let stream = TcpStream::connect(&net, to).await.unwrap();
        other.run(Role::Client, &handle, stream).await
    });
    sim.run().unwrap();
    let end = server.take().unwrap();
    assert_eq!(end.fault(), Some("a wrong octet at 0"));
}
