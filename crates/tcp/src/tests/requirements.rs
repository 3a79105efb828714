//! Requirements of RFC 9293 that no other test had for its subject.

use super::bench::*;
use super::table::{PLAIN, passive};
use crate::{Config, ConnectionError, Path, Readiness, SegmentSlot, State, isn::Secret};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use handfast_base::{Duration, Instant};
use handfast_wire::{SeqNumber, tcp::TcpFlags};

const SECOND: Duration = Duration::from_secs(1);

/// MUST-61, SHLD-27: however often the application wrote.
#[test]
fn only_the_last_of_what_is_queued_is_pushed() {
    let mut b = Bench::established(prompt(), "mss=1000");
    for _ in 0..5 {
        let mut write = Bytes::from(alloc::vec![b'x'; 500]);
        b.c.send(&mut write).unwrap();
    }
    b.drain();
    b.expect(
        "ACK seq=0 ack=0 len=1000; ACK seq=1000 ack=0 len=1000; PSH,ACK seq=2000 ack=0 len=500",
    );
}

/// MUST-60: nothing asks for more text to make it leave.
#[test]
fn what_nagle_holds_leaves_with_the_acknowledgment() {
    let config = Config {
        nodelay: false,
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000");
    b.sent();
    b.send(1);
    b.send(1);
    b.expect("PSH,ACK seq=0 ack=0 len=1");
    b.arrive("ACK ack=1");
    b.expect("PSH,ACK seq=1 ack=0 len=1");
}

/// MUST-17: on one connection, at any time.
#[test]
fn without_nagle_every_write_leaves_at_once() {
    let config = Config {
        nodelay: false,
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000");
    b.sent();
    b.send(1);
    b.send(1);
    b.expect("PSH,ACK seq=0 ack=0 len=1");
    b.c.configure(|k| k.nodelay = true);
    b.advance(Duration::ZERO);
    b.drain();
    b.expect("PSH,ACK seq=1 ack=0 len=1");
    b.send(1);
    b.expect("PSH,ACK seq=2 ack=0 len=1");
}

/// MUST-1: the upper half of the field is no negative window.
#[test]
fn a_window_is_a_number_without_sign() {
    for window in [0x7fff, 0x8000, 0xffff] {
        let config = Config {
            initial_window: 255,
            ..prompt()
        };
        let mut b = Bench::established(config, &alloc::format!("mss=8000 win={window}"));
        assert_eq!(b.c.info(b.now).snd_wnd, window);
        b.c.tcb.cwnd = 1 << 20;
        b.send(100_000);
        // The last segment may be held back as a silly one.
        let in_flight = b.c.info(b.now).in_flight;
        assert!(in_flight <= window && in_flight + 8_000 > window);
    }
}

/// REC-1: with the largest shift it is nearly a gibioctet.
#[test]
fn windows_are_counted_with_32_bits() {
    let config = Config {
        window_scaling: true,
        receive_buffer: (1 << 30).into(),
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000 ws=14");
    b.arrive("ACK win=65535");
    assert_eq!(b.c.info(b.now).snd_wnd, 65_535 << 14);
    b.arrive("ACK seq=0 len=10 win=65535");
    assert_eq!(b.c.info(b.now).rcv_wnd, (1 << 30) - 10);
}

/// SHLD-17: the peer answers, and that is enough.
#[test]
fn data_beyond_a_shrunken_edge_never_ends_the_connection() {
    let mut b = Bench::established(prompt(), "mss=1000 win=4000");
    b.send(4_000);
    for _ in 0..3_600 {
        b.arrive("ACK ack=0 win=0");
        b.advance(SECOND);
    }
    assert_eq!(b.c.state(), State::Established);
    b.sent();
    b.arrive("ACK ack=0 win=4000");
    assert_eq!(b.sent()[0], "ACK seq=0 ack=0 len=1000");
    b.arrive("ACK ack=4000 win=4000");
    assert_eq!(b.c.info(b.now).in_flight, 0);
}

/// MUST-31: while its end is further away than the field can say, the pointer is inside of it.
#[test]
fn urgent_data_may_be_of_any_length() {
    let mut b = Bench::established(prompt(), "mss=1000 win=65535");
    b.c.tcb.cwnd = 1 << 20;
    let mut data = Bytes::from(alloc::vec![b'u'; 100_000]);
    b.c.send_urgent(&mut data).unwrap();
    assert!(data.is_empty());
    b.drain();
    let mut acked = 0;
    while acked < 100_000 {
        acked = b.c.tcb.snd_nxt.offset_from(b.ours);
        b.arrive(&alloc::format!("ACK ack={acked} win=65535"));
    }
    let text = b.log.iter().filter(|s| !s.text.is_empty());
    let mut ends = Vec::new();
    for s in text {
        assert!(s.header.flags.contains(TcpFlags::URG));
        ends.push(s.header.seq.offset_from(b.ours) + u32::from(s.header.urgent_pointer));
    }
    let wanted: Vec<u32> = (0..100)
        .map(|n| (n * 1_000 + 65_535).min(100_000))
        .collect();
    assert_eq!(ends, wanted);
    // And to receive: more than any window, told piece by piece.
    let mut b = Bench::established(prompt(), "");
    for n in 0..3 {
        b.c.poll_readiness();
        b.arrive(&alloc::format!(
            "URG ACK seq={} len=50000 up=65535",
            n * 50_000
        ));
        assert!(b.c.poll_readiness().contains(Readiness::URGENT));
        assert_eq!(b.c.urgent(), Some(65_535));
        b.read();
    }
}

/// MUST-14, SHLD-5, MAY-3: also where the MSS is the default.
#[test]
fn every_syn_names_an_mss() {
    for (mtu, ip_header, mss) in [(1_500, 20, 1_460), (576, 20, 536), (1_280, 40, 1_220)] {
        let path = Path::new(mtu, ip_header);
        let mut b = Bench::on(prompt(), path, ISS);
        b.drain();
        assert_eq!(b.last().header.options.mss, Some(mss));
        b.arrive("SYN seq=-1");
        b.expect("SYN seq=-1; SYN,ACK seq=-1 ack=0");
        assert_eq!(b.last().header.options.mss, Some(mss));
        let (mut half, config, now) = passive(PLAIN);
        let mut slot = SegmentSlot::default();
        half.write_syn_ack(now, &config, path, &mut slot);
        assert_eq!(slot.header.options.mss, Some(mss));
    }
}

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port)
}

/// MUST-8: one every 4 us.
#[test]
fn initial_sequence_numbers_follow_a_clock() {
    let secret = Secret::new([7; 16]);
    let isn = |us| {
        let now = Instant::ZERO + Duration::from_micros(us);
        secret.initial_sequence_number(at(1, 1), at(2, 2), now)
    };
    for start in [0, 1_000_003, 1 << 40] {
        assert_eq!(isn(start + 4).offset_from(isn(start)), 1);
        assert_eq!(isn(start + 4_000_000).offset_from(isn(start)), 1_000_000);
    }
    // The clock goes round in 4.77 hours.
    assert_eq!(isn(4 << 32), isn(0));
}

/// SHLD-1, MUST-9: another tuple or another key, another number that has nothing to do with it.
#[test]
fn initial_sequence_numbers_of_one_tuple_tell_nothing_of_another() {
    let (one, two) = (Secret::new([7; 16]), Secret::new([8; 16]));
    let isn = |s: &Secret, local, remote| {
        s.initial_sequence_number(local, remote, Instant::ZERO)
            .offset_from(SeqNumber(0))
    };
    let base = isn(&one, at(1, 1), at(2, 2));
    assert_eq!(base, isn(&one, at(1, 1), at(2, 2)));
    let others = [
        isn(&one, at(3, 1), at(2, 2)),
        isn(&one, at(1, 3), at(2, 2)),
        isn(&one, at(1, 1), at(3, 2)),
        isn(&one, at(1, 1), at(2, 3)),
        isn(&one, at(2, 2), at(1, 1)),
        isn(&two, at(1, 1), at(2, 2)),
    ];
    for (n, other) in others.iter().enumerate() {
        assert_ne!(base, *other, "{n}");
    }
    // Half of the bits differ from port to port.
    let bits: u32 = (0..1_000)
        .map(|p| (isn(&one, at(1, p), at(2, 2)) ^ isn(&one, at(1, p + 1), at(2, 2))).count_ones())
        .sum();
    assert!((15_000..17_000).contains(&bits), "{bits}");
    assert_eq!(alloc::format!("{one:?}"), "Secret(..)");
}

/// MUST-40: whatever was configured.
#[test]
fn no_acknowledgment_waits_half_a_second() {
    for configured in [SECOND / 2, SECOND, Duration::MAX] {
        let config = Config {
            delayed_ack: configured,
            ..prompt()
        };
        let mut b = Bench::established(config, "");
        b.sent();
        b.arrive("ACK len=10");
        b.expect("");
        b.advance(Duration::from_millis(499));
        b.expect("ACK seq=0 ack=10");
    }
}

/// MUST-59: what came together is processed together.
#[test]
fn segments_that_come_together_have_one_acknowledgment() {
    let mut b = Bench::established(prompt(), "");
    b.sent();
    for n in 0..6 {
        b.arrive_quietly(&alloc::format!("ACK seq={} len=1000", n * 1_000));
    }
    b.drain();
    b.expect("ACK seq=0 ack=6000");
}

/// MUST-21: for one connection, while it lives.
#[test]
fn the_application_sets_r2() {
    let mut b = Bench::established(prompt(), "");
    b.c.configure(|k| k.retransmission_limit = 20 * SECOND);
    b.advance(Duration::ZERO);
    b.send(10);
    b.advance(20 * SECOND - Duration::from_millis(1));
    assert_eq!(b.c.state(), State::Established);
    b.advance(Duration::from_millis(1));
    assert_eq!(b.c.error(), Some(ConnectionError::TimedOut));
    // And it is no less than 100 s where nobody has (SHLD-11).
    assert!(Config::default().retransmission_limit >= 100 * SECOND);
}

/// MUST-22: a SYN that nobody answers is told of as data is.
#[test]
fn r1_is_told_of_a_syn_too() {
    let mut b = Bench::new(prompt());
    b.drain();
    b.advance(5 * SECOND);
    assert!(!b.c.poll_readiness().contains(Readiness::ERROR));
    b.advance(5 * SECOND);
    assert!(b.c.poll_readiness().contains(Readiness::ERROR));
    assert_eq!(b.c.soft_error(), Some(crate::NetError::HostUnreachable));
    assert_eq!((b.c.state(), b.c.error()), (State::SynSent, None));
}

/// SHLD-20: who does not ask is not disturbed.
#[test]
fn soft_errors_that_nobody_asks_for_change_nothing() {
    let mut asked = Bench::established(prompt(), "mss=1000");
    let mut silent = Bench::established(prompt(), "mss=1000");
    for b in [&mut asked, &mut silent] {
        b.send(3_000);
        let quoted = b.c.tcb.snd_una;
        let error = crate::IcmpError::Soft(crate::NetError::TimeExceeded);
        assert!(b.c.icmp_error(error, quoted, b.now));
    }
    assert!(asked.c.soft_error().is_some());
    for b in [&mut asked, &mut silent] {
        b.advance(10 * SECOND);
        b.arrive("ACK ack=3000");
        assert_eq!((b.c.state(), b.c.error()), (State::Established, None));
    }
    assert_eq!(asked.sent(), silent.sent());
}

/// MUST-24, MUST-25, MUST-27, MUST-28: off, unless it is asked for; then as it is asked for.
#[test]
fn keep_alive_is_off_and_its_interval_is_the_applications() {
    assert_eq!(Config::default().keep_alive, None);
    assert!(crate::KeepAlive::default().idle >= 2 * 3_600 * SECOND);
    let mut b = Bench::established(prompt(), "");
    b.sent();
    b.advance(10 * 3_600 * SECOND);
    b.expect("");
    let keep_alive = Some(crate::KeepAlive {
        idle: 30 * SECOND,
        interval: 10 * SECOND,
        ..Default::default()
    });
    b.c.configure(|k| k.keep_alive = keep_alive);
    b.next_deadline();
    b.expect("ACK seq=-1 ack=0");
    b.arrive("ACK");
    b.advance(29 * SECOND);
    b.expect("");
    b.advance(2 * SECOND);
    b.expect("ACK seq=-1 ack=0");
    b.arrive("ACK");
    b.c.configure(|k| k.keep_alive = None);
    b.advance(10 * 3_600 * SECOND);
    b.expect("");
}

/// MUST-17, MUST-21, MUST-24: of an individual connection.
#[test]
fn options_are_those_of_one_connection() {
    let shared = Arc::new(Config::default());
    let mut c = crate::Connection::open(shared.clone(), PATH, ISS, 0, Instant::ZERO);
    c.configure(|k| k.nodelay = true);
    assert!(c.config().nodelay && !shared.nodelay);
}

/// RFC 7323, 7: the same between two hosts, and another between any others.
#[test]
fn timestamp_offsets_tell_nothing_of_other_hosts() {
    let (one, two) = (Secret::new([7; 16]), Secret::new([8; 16]));
    let ip = |last| at(last, 0).ip();
    let base = one.timestamp_offset(ip(1), ip(2));
    assert_eq!(base, one.timestamp_offset(ip(1), ip(2)));
    assert_ne!(base, one.timestamp_offset(ip(1), ip(3)));
    assert_ne!(base, one.timestamp_offset(ip(3), ip(2)));
    assert_ne!(base, two.timestamp_offset(ip(1), ip(2)));
}
