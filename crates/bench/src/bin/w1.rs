//! W1: two stacks on one thread, joined in memory; nanoseconds a data segment.
//!
//! `cargo run --release -p handfast-bench --bin w1 [runs] [MiB] [only rows with this in the name]`

use handfast_bench::{measure, memory, smoltcp_pair, spread};

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| args.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (runs, octets) = (number(5), number(128) << 20);
    let only = args.next().unwrap_or_default();
    println!("cubic, ACK every 2nd segment merged per batch of 64, 1 MiB buffers");
    let row = |name: &str, mss: usize, seconds: &[f64], packets: [u64; 2]| {
        let (min, median, max) = spread(seconds);
        let segments = octets.div_ceil(mss) as f64;
        println!(
            "{name:<44} {:7.1} ns a segment ({:.1}..{:.1})  {:6.1} Gb/s  {} packets, {} back",
            median * 1e9 / segments,
            min * 1e9 / segments,
            max * 1e9 / segments,
            octets as f64 * 8.0 / median / 1e9,
            packets[0],
            packets[1],
        );
    };
    let setup = memory::Setup {
        mtu: 1500,
        gso_max: 0,
        offload: true,
        copied: false,
    };
    for (name, mss, setup) in [
        ("W1a handfast 1500, by reference, no sums", 1448, setup),
        (
            "W1b handfast 1500, copied, sums both sides",
            1448,
            memory::Setup {
                offload: false,
                copied: true,
                ..setup
            },
        ),
        (
            "W1c handfast 64 KiB, copied, sums both sides",
            65_483,
            memory::Setup {
                mtu: 65_535,
                offload: false,
                copied: true,
                ..setup
            },
        ),
        (
            "    handfast 64 KiB super-segments, reference",
            65_160,
            memory::Setup {
                gso_max: 65_535,
                ..setup
            },
        ),
    ] {
        if !name.contains(&only) {
            continue;
        }
        let mut pair = memory::Pair::new(setup);
        let seconds = measure(runs, || pair.transfer(octets));
        row(name, mss, &seconds, pair.packets);
    }
    for (name, mss, mtu, sums) in [
        (
            "W1b smoltcp 1500, copied, sums both sides",
            1460,
            1500,
            true,
        ),
        ("    smoltcp 1500, copied, no TCP sums", 1460, 1500, false),
        (
            "W1c smoltcp 64 KiB, copied, sums both sides",
            65_495,
            65_535,
            true,
        ),
    ] {
        if !name.contains(&only) {
            continue;
        }
        let mut pair = smoltcp_pair::Pair::new(mtu, sums);
        let seconds = measure(runs, || pair.transfer(octets));
        row(name, mss, &seconds, pair.packets);
    }
}
