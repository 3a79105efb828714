use std::net::{IpAddr, SocketAddr};

use handfast::base::Instant;
use handfast::wire::{Direction, Fate, Observation, Observer, Packet};
use handfast_trace::LadderOptions;
use sha2::{Digest, Sha256};

use super::Watch;
use super::octets::{self, Octets};
use crate::kernel_peer::hexadecimal;
use crate::serve::http::parts::Source;

const V4: &str = "10.77.0.1";
const V6: &str = "fd68:616e:6466:1::1";

fn watch() -> Watch {
    Watch::new(&[V4, V6].map(|ip| ip.parse::<IpAddr>().unwrap()))
}

/// A segment without text.
fn segment(from: &str, to: &str, flags: u8) -> Packet {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let mut octets = Vec::new();
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            octets.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
            octets.extend(from.octets().iter().chain(&to.octets()));
            let words = octets
                .chunks(2)
                .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
            let sum: u32 = words.sum();
            let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
            octets[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            octets.extend([0x60, 0, 0, 0, 0, 20, 6, 64]);
            octets.extend(from.octets().iter().chain(&to.octets()));
        }
        _ => panic!("one family"),
    }
    octets.extend(
        from.port()
            .to_be_bytes()
            .iter()
            .chain(&to.port().to_be_bytes()),
    );
    octets.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    Packet::from_bytes(octets.into())
}

fn show(watch: &mut Watch, packet: &Packet) {
    let at = Instant::from_nanos(1);
    watch.on_packet(Observation {
        at,
        arrival: Some(at),
        direction: Direction::Received,
        fate: Fate::Passed,
        packet,
    });
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

#[test]
fn nothing_is_watched_but_port_80_of_our_addresses() {
    let watch = watch();
    for (from, to, wanted) in [
        ("10.77.0.2:5000", "10.77.0.1:80", true),
        ("10.77.0.1:80", "10.77.0.2:5000", true),
        ("10.77.0.2:5000", "10.77.0.1:7", false),
        ("10.77.0.2:80", "10.77.0.1:7", false),
        ("10.77.0.2:5000", "192.0.2.1:80", false),
        ("192.0.2.1:80", "10.77.0.2:5000", false),
        (
            "[fd68:616e:6466:1::2]:5000",
            "[fd68:616e:6466:1::1]:80",
            true,
        ),
        (
            "[fd68:616e:6466:1::1]:80",
            "[fd68:616e:6466:1::2]:5000",
            true,
        ),
        ("[fd68:616e:6466:1::2]:5000", "[2001:db8::1]:80", false),
    ] {
        assert_eq!(
            watch.wants(&segment(from, to, ACK)),
            wanted,
            "{from} > {to}"
        );
    }
}

#[test]
fn no_packet_is_too_short_or_too_strange() {
    let whole = segment("10.77.0.2:5000", "10.77.0.1:80", SYN).to_bytes();
    let v6 = segment(
        "[fd68:616e:6466:1::2]:5000",
        "[fd68:616e:6466:1::1]:80",
        SYN,
    );
    let mut watch = watch();
    for octets in [whole.clone(), v6.to_bytes()] {
        for len in 0..octets.len() {
            let cut = Packet::from_bytes(octets.slice(..len));
            watch.wants(&cut);
            show(&mut watch, &cut);
        }
        for at in 0..octets.len() {
            let mut changed = octets.to_vec();
            changed[at] ^= 0xff;
            let changed = Packet::from_bytes(changed.into());
            watch.wants(&changed);
            show(&mut watch, &changed);
        }
    }
    // Neither a datagram nor a fragment has a TCP header where one would be.
    for (at, octet) in [(9, 17), (7, 1), (6, 0x20), (0, 0x75)] {
        let mut other = whole.to_vec();
        other[at] = octet;
        assert!(!watch.wants(&Packet::from_bytes(other.into())), "{at}");
    }
}

#[test]
fn the_stillest_connections_make_room_for_new_ones() {
    let mut watch = watch();
    let ladder = |watch: &Watch, client: &str| {
        let server = "10.77.0.1:80".parse().unwrap();
        watch.ladder(client.parse().unwrap(), server, &LadderOptions::default())
    };
    let client = |n: usize| format!("10.77.0.2:{}", 10_000 + n);
    for n in 0..1000 {
        show(&mut watch, &segment(&client(n), "10.77.0.1:80", SYN));
        // The first is never still.
        show(&mut watch, &segment(&client(0), "10.77.0.1:80", ACK));
    }
    let kept = (0..1000).filter(|n| ladder(&watch, &client(*n)).is_some());
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), 256, "{kept:?}");
    assert_eq!(kept[0], 0);
    assert_eq!(kept[1..], (745..1000).collect::<Vec<_>>());
    // Who was forgotten, or began unseen, has no ladder that would lack its first rungs.
    show(&mut watch, &segment(&client(5), "10.77.0.1:80", ACK));
    assert!(ladder(&watch, &client(5)).is_none());
    assert!(ladder(&watch, &client(745)).is_some());
}

#[test]
fn a_long_connection_takes_no_more_room_than_its_share() {
    let mut watch = watch();
    let (client, server) = ("10.77.0.2:5000", "10.77.0.1:80");
    show(&mut watch, &segment(client, server, SYN));
    for _ in 0..10_000 {
        show(&mut watch, &segment(client, server, ACK));
    }
    let options = LadderOptions {
        band_at_least: usize::MAX,
        max_rows: usize::MAX,
        ..LadderOptions::default()
    };
    let (client, server) = (client.parse().unwrap(), server.parse().unwrap());
    let ladder = watch.ladder(client, server, &options).unwrap();
    // The log's share and the row that tells what it has not kept.
    assert!(
        (512..=513).contains(&ladder.rows.len()),
        "{}",
        ladder.rows.len()
    );
    let sentences = ladder.sentences();
    assert!(
        sentences.starts_with("1. At 0.0 ms, 10.77.0.2:5000 sends SYN"),
        "{sentences:.200}"
    );
}

#[test]
fn content_is_the_same_wherever_it_is_taken() {
    let waker = std::task::Waker::noop();
    let take = |from: u64, to: u64| {
        let mut all = Vec::new();
        let mut at = from;
        while at < to {
            let cx = &mut std::task::Context::from_waker(waker);
            let std::task::Poll::Ready(Ok(octets)) = Octets.poll_take(cx, at..to) else {
                panic!("it is made, not waited for");
            };
            assert!(!octets.is_empty() && octets.len() as u64 <= to - at);
            at += octets.len() as u64;
            all.extend_from_slice(&octets);
        }
        all
    };
    let all = take(0, 3_000_000);
    for (from, to) in [(0, 1), (1_048_570, 1_048_580), (999_999, 2_999_999)] {
        assert_eq!(take(from, to), all[from as usize..to as usize]);
    }
    // It repeats, and not at a round number.
    assert_eq!(take(1_048_573, 1_048_673), all[..100]);
    let beyond = take((1 << 40) - 100, 1 << 40);
    assert_eq!(beyond.len(), 100);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let sum = hexadecimal(&Sha256::digest(&all));
    assert_eq!(runtime.block_on(octets::sha256(3_000_000)), sum);
}
