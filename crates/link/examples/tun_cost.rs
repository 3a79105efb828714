//! What a TUN queue costs, in nanoseconds a packet, alone and through the link:
//! `unshare -n target/release/examples/tun_cost`, as root.
//!
//! Packets written to one interface are forwarded by the kernel to another and read there. The
//! writes are timed once more to an address that the kernel drops at once.

use bytes::{Bytes, BytesMut};
use handfast_base::Instant;
use handfast_link::Link;
use handfast_link::tun::read_write::{READ_ROOM, read_packet, write_packet};
use handfast_link::tun::{self, Tun, TunConfig};
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Batch, Checksum, IpHeader, Packet, Protocol, VirtioNetHeader};
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant as Clock};

/// Fewer than the kernel's ring holds.
const BURST: usize = 256;
const BURSTS: usize = 100;

fn main() {
    let open = |name: &str| {
        tun::open(&TunConfig {
            name: name.into(),
            ..TunConfig::default()
        })
        .expect("root in a network namespace of its own: unshare -n")
    };
    let (mut near, mut far) = (open("near"), open("far"));
    for arguments in [
        "addr add 10.77.0.1/24 dev near",
        "addr add 10.78.0.1/24 dev far",
        "link set near up",
        "link set far up",
    ] {
        let status = Command::new("ip").args(arguments.split(' ')).status();
        assert!(status.is_ok_and(|s| s.success()), "ip {arguments}");
    }
    std::fs::write("/proc/sys/net/ipv4/conf/near/forwarding", "1").expect("sysctl");
    drain(&mut far);

    let mut slab = BytesMut::with_capacity(READ_ROOM);
    let start = Clock::now();
    for _ in 0..100_000 {
        assert!(read_packet(&far, &mut slab).is_err());
    }
    println!(
        "read of nothing          {:>8.0}",
        per(start.elapsed(), 100_000)
    );

    println!(
        "octets                   raw write   link write    (dropped)     raw read    link read"
    );
    for octets in [64, 576, 1500, 16_000, 65_000] {
        let (forwarded, dropped) = (packet(octets, "10.78.0.2"), packet(octets, "10.99.0.2"));
        let mut costs = [Duration::ZERO; 5];
        let mut add = |at: usize, start: Clock| costs[at] += start.elapsed();
        let header = VirtioNetHeader::for_packet(&forwarded, 0).to_octets();
        for _ in 0..BURSTS {
            let start = Clock::now();
            for _ in 0..BURST {
                write_packet(&near, &header, &forwarded).expect("room");
            }
            add(0, start);
            let start = Clock::now();
            for _ in 0..BURST {
                read_packet(&far, &mut slab).expect("forwarded");
                black_box(&slab);
                slab.clear();
            }
            add(3, start);

            write(&mut near, &forwarded, |start| add(1, start));
            let mut got = Batch::new(64);
            let mut count = 0;
            let start = Clock::now();
            while count < BURST {
                count += far.receive(Instant::ZERO, &mut got).expect("forwarded");
                black_box(got.packets());
                got.clear();
            }
            add(4, start);
            write(&mut near, &dropped, |start| add(2, start));
        }
        print!("{octets:<24}");
        for cost in costs {
            print!(" {:>10.0}  ", per(cost, BURST * BURSTS));
        }
        println!();
    }
}

fn write(tun: &mut Tun, packet: &Packet, done: impl FnOnce(Clock)) {
    let mut batch = Batch::new(BURST);
    for _ in 0..BURST {
        batch.push(packet.clone()).expect("room");
    }
    let start = Clock::now();
    tun.transmit(Instant::ZERO, &mut batch).expect("open");
    done(start);
    assert!(batch.is_empty());
}

/// Reads away what the kernel itself says to a new interface.
fn drain(tun: &mut Tun) {
    let mut got = Batch::new(64);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        while tun.receive(Instant::ZERO, &mut got).expect("open") > 0 {
            got.clear();
        }
    }
}

fn packet(octets: usize, to: &str) -> Packet {
    let [a, b] = ["10.77.0.2", to].map(|a| a.parse().expect("an address"));
    let mut packet = Packet::new();
    packet.payload.push(Bytes::from(vec![0; octets - 40]));
    let ip = IpHeader::new(a, b, Protocol::TCP);
    packet.write_tcp(&ip, &TcpHeader::default(), 1448, Checksum::Partial);
    packet
}

fn per(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}
