//! What the links cost, in nanoseconds a packet: `cargo run --release --example ns_per_packet`.
//!
//! Filling a batch and dropping what arrived is measured alone and subtracted.

use handfast_base::{Duration, Instant};
use handfast_link::impaired::{self, Impaired, Impairment, PairConfig, Rate};
use handfast_link::observed::Observed;
use handfast_link::offload::Offload;
use handfast_link::{Capabilities, Link, memory};
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Batch, Checksum, IpHeader, Packet, Protocol};

const PACKETS: usize = 4_000_000;

fn main() {
    println!("a packet takes {} octets", size_of::<Packet>());
    for batch in [1, 8, 64] {
        println!("batches of {batch}:");
        let fill_only = timed(batch, |out| {
            fill(out, 1448, batch);
            out.clear();
        });
        let report = |name: &str, ns: f64| println!("  {name:<34}{:>8.1}", ns - fill_only);
        println!("  {:<34}{fill_only:>8.1}", "(fill and drop)");
        let (a, b) = memory::pair(&memory::Config::default());
        report("memory", time(batch, 1448, &mut Pair(a, b)));

        let (mut a, mut b) = memory::pair(&memory::Config::default());
        let mut some = Batch::new(7);
        while some.push(Packet::new()).is_ok() {}
        a.transmit(Instant::ZERO, &mut some).expect("open");
        report("memory that is never empty", {
            let mut few = Batch::new(batch);
            timed(batch, |out| {
                fill(out, 1448, batch);
                a.transmit(Instant::ZERO, out).expect("open");
                b.receive(Instant::ZERO, &mut few).expect("open");
                few.clear();
            })
        });

        let (a, b) = impaired::pair(&PairConfig::default());
        report("impaired by nothing", time(batch, 1448, &mut Pair(a, b)));
        let up = Impairment {
            loss: 0.01,
            ..Impairment::default()
        };
        let (a, b) = impaired::pair(&PairConfig {
            up,
            ..PairConfig::default()
        });
        report("impaired by loss", time(batch, 1448, &mut Pair(a, b)));
        let up = Impairment {
            delay: Duration::from_millis(25),
            jitter: Duration::from_millis(1),
            rate: Some(Rate::new(100_000_000_000)),
            reorder: 0.001,
            duplicate: 0.001,
            corrupt: 0.001,
            ..up
        };
        let (a, b) = impaired::pair(&PairConfig {
            up,
            ..PairConfig::default()
        });
        report("impaired by everything", time(batch, 1448, &mut Pair(a, b)));
        let nothing = Impairment::default();
        let (a, b) = memory::pair(&memory::Config::default());
        let a = Impaired::new(a, nothing, nothing, 0);
        report(
            "memory behind no impairment",
            time(batch, 1448, &mut Pair(a, b)),
        );
        let (a, b) = memory::pair(&memory::Config::default());
        let a = Observed::new(a, None);
        report(
            "memory that nobody observes",
            time(batch, 1448, &mut Pair(a, b)),
        );
        let (a, b) = memory::pair(&memory::Config::default());
        let a = Offload::new(a);
        report(
            "memory that needs no offload",
            time(batch, 1448, &mut Pair(a, b)),
        );
    }
    let (a, b) = memory::pair(&memory::Config {
        capabilities: Capabilities {
            checksum: true,
            ..Capabilities::ip(1500)
        },
        queue: 4096,
    });
    let ns = time(1, 64_000, &mut Pair(Offload::new(a), b));
    println!(
        "64,000 octets cut into 45: {ns:.0} ns, {:.0} a piece",
        ns / 45.0
    );
}

struct Pair<A, B>(A, B);

/// Nanoseconds a packet, sent from one end and received at the other.
fn time<A: Link, B: Link>(batch: usize, octets: usize, pair: &mut Pair<A, B>) -> f64 {
    let mut got = Batch::new(64);
    let Pair(a, b) = pair;
    let mut now = Instant::ZERO;
    timed(batch, |out| {
        fill(out, octets, batch);
        now += Duration::from_micros(10);
        a.transmit(now, out).expect("open");
        while b.receive(now, &mut got).expect("open") > 0 {
            got.clear();
        }
    })
}

fn timed(batch: usize, mut round: impl FnMut(&mut Batch)) -> f64 {
    let mut out = Batch::new(64);
    (0..1000).for_each(|_| round(&mut out));
    let rounds = PACKETS / batch / 4;
    let best = (0..5).map(|_| {
        let start = std::time::Instant::now();
        (0..rounds).for_each(|_| round(&mut out));
        start.elapsed().as_nanos() as f64 / (rounds * batch) as f64
    });
    best.fold(f64::MAX, f64::min)
}

/// A head as a stack writes it and data by reference.
fn fill(out: &mut Batch, octets: usize, count: usize) {
    use std::sync::LazyLock;
    static DATA: LazyLock<bytes::Bytes> = LazyLock::new(|| vec![0; 64_000].into());
    static HEAD: LazyLock<Packet> = LazyLock::new(|| {
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().expect("an address"));
        let mut packet = Packet::new();
        packet.payload.push(DATA.clone());
        let ip = IpHeader::new(a, b, Protocol::TCP);
        packet.write_tcp(&ip, &TcpHeader::default(), 1448, Checksum::Partial);
        packet
    });
    for _ in 0..count {
        let Some(slot) = out.push_slot() else { return };
        let head = HEAD.head();
        slot.reserve_head(head.len()).copy_from_slice(head);
        slot.payload.push(DATA.slice(..octets));
        slot.checksum = Checksum::Partial;
        slot.gso = HEAD.gso.filter(|gso| octets > usize::from(gso.size));
    }
}
