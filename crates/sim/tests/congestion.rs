//! Congestion control from end to end: every algorithm that has a name, over paths that lose,
//! reorder and drop; and buffers that keep up with a long fat path.

use handfast_sim::handfast::base::{Duration, Instant};
use handfast_sim::handfast::congestion::Congestion;
use handfast_sim::handfast::link::impaired::{Impairment, Queue, Rate};
use handfast_sim::handfast::{Config, TcpConnector, TcpInfo, TcpListener};
use handfast_sim::transfer::{EndReport, Role, Transfer};
use handfast_sim::{Host, JoinHandle, LinkConfig, Sim};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

/// A path of this rate and round trip; the queue holds `queue` hundredths of their product.
fn path(bits_per_second: u64, round_trip: Duration, queue: u32) -> Impairment {
    let of_queue = round_trip * queue / 100;
    Impairment {
        delay: round_trip / 2,
        rate: Some(Rate {
            bits_per_second,
            queue: Queue::bandwidth_delay_product(bits_per_second, of_queue),
        }),
        ..Impairment::default()
    }
}

/// Two hosts, the first of which sends through `up`, and whose packets are of `mtu` octets.
fn pair(sim: &Sim, up: Impairment, mtu: u32) -> (Host, Host) {
    let a = sim.host("a", &["10.0.0.1/24"]);
    let b = sim.host("b", &["10.0.0.2/24"]);
    let down = Impairment {
        delay: up.delay,
        rate: up.rate,
        ..Impairment::default()
    };
    let link = LinkConfig {
        up,
        down,
        mtu,
        ..LinkConfig::default()
    };
    sim.connect(&a, &b, link);
    (a, b)
}

/// Sends `octets` from one to the other; both ends, and what the sender knew last.
fn send(
    sim: &Sim,
    (a, b): (&Host, &Host),
    congestion: Congestion,
    octets: u64,
) -> ([JoinHandle<EndReport>; 2], Rc<Cell<Option<TcpInfo>>>) {
    let to = SocketAddr::new(b.ip(), 80);
    let transfer = Transfer::new(3, octets, 0);
    let (net, handle, other) = (b.net().clone(), sim.handle(), transfer.clone());
    let server = sim.spawn(async move {
        let listener = TcpListener::bind(&net, to).await.expect("a listener");
        let (stream, _) = listener.accept().await.expect("a connection");
        other.run(Role::Server, &handle, stream).await
    });
    let (net, handle) = (a.net().clone(), sim.handle());
    let info = Rc::new(Cell::new(None));
    let told = info.clone();
    let config = Config {
        congestion,
        ..Config::default()
    };
    let client = sim.spawn(async move {
        let connector = TcpConnector::new().config(config);
        let stream = connector.connect(&net, to).await.expect("a connection");
        told.set(stream.info().ok());
        transfer.run(Role::Client, &handle, stream).await
    });
    ([client, server], info)
}

#[test]
fn every_algorithm_comes_through_loss_reordering_and_tail_drop() {
    const RATE: u64 = 20_000_000;
    const ROUND_TRIP: Duration = Duration::from_millis(20);
    const OCTETS: u64 = 2 << 20;
    let whole = path(RATE, ROUND_TRIP, 100);
    let lossy = Impairment {
        loss: 0.01,
        ..whole
    };
    let reordering = Impairment {
        reorder: 0.01,
        ..whole
    };
    let tail_drop = path(RATE, ROUND_TRIP, 10);
    let algorithms = Congestion::NAMED.into_iter().chain([Congestion::DCTCP]);
    for algorithm in algorithms {
        for (name, up) in [
            ("loss 1 %", lossy),
            ("reorder 1 %", reordering),
            ("tail drop", tail_drop),
        ] {
            for seed in 0..2 {
                let sim = Sim::new(seed);
                let (a, b) = pair(&sim, up, 1_500);
                let (ends, info) = send(&sim, (&a, &b), algorithm, OCTETS);
                sim.run().expect("an end");
                let what = format!("{} over {name}, seed {seed}", algorithm.name());
                let at = ends.map(|end| {
                    let end = end.take().expect("an end");
                    assert!(end.is_complete(), "{what}: {end}");
                    end.at
                });
                let info = info.take().expect("a connection");
                assert_eq!(info.congestion, Some(algorithm.name()));
                // A tenth of the link is what the poorest is worth at such a loss.
                let limit = OCTETS * 8 * 10 / RATE;
                assert!(at[1] < Instant::from_secs(limit + 1), "{what}: {:?}", at[1]);
            }
        }
    }
}

/// What a loss-based algorithm cannot do: nearly the whole link though 1 % is lost.
#[test]
fn bbr_fills_a_link_that_loses() {
    const RATE: u64 = 20_000_000;
    let up = Impairment {
        loss: 0.01,
        ..path(RATE, Duration::from_millis(20), 100)
    };
    let sim = Sim::new(1);
    let (a, b) = pair(&sim, up, 1_500);
    let octets = RATE / 8 * 6;
    let ([_, server], _) = send(&sim, (&a, &b), Congestion::BBR, octets);
    sim.run().expect("an end");
    let end = server.take().expect("an end");
    assert!(end.is_complete(), "{end}");
    let share = octets as f64 * 8.0 / (end.at.as_nanos() as f64 / 1e9) / RATE as f64;
    assert!(share > 0.75, "{share}");
}

/// 1 Gbit/s and 100 ms: 12.5 MB in flight, which default buffers have to grow to.
#[test]
fn default_buffers_fill_a_long_fat_path() {
    const RATE: u64 = 1_000_000_000;
    let sim = Sim::new(1);
    let up = path(RATE, Duration::from_millis(100), 300);
    let (a, b) = pair(&sim, up, 9_000);
    let to = SocketAddr::new(b.ip(), 80);
    let received = Rc::new(Cell::new(0));
    let (net, count) = (b.net().clone(), received.clone());
    sim.spawn(async move {
        let listener = TcpListener::bind(&net, to).await.expect("a listener");
        let (stream, _) = listener.accept().await.expect("a connection");
        loop {
            let chunk = stream.read_bytes(1 << 20).await.expect("a connection");
            count.set(count.get() + chunk.len() as u64);
        }
    });
    let net = a.net().clone();
    sim.spawn(async move {
        let stream = TcpConnector::new()
            .connect(&net, to)
            .await
            .expect("a connection");
        let text = bytes::Bytes::from_static(&[7; 1 << 16]);
        loop {
            let mut chunk = text.clone();
            stream.write_bytes(&mut chunk).await.expect("a connection");
        }
    });
    sim.run_until(Instant::from_millis(2_000));
    let before = received.get();
    sim.run_until(Instant::from_millis(3_000));
    let share = (received.get() - before) as f64 * 8.0 / RATE as f64;
    println!("{share:.3} of 1 Gbit/s");
    assert!(share > 0.97, "{share}");
}
