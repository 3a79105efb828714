//! Sequence numbers: what counts, what wraps, what underflows.

use super::bench::*;
use super::harness::*;
use super::table::{self, At, PLAIN, Setup, bench_at};
use crate::{Config, State};
use handfast_base::Duration;
use handfast_wire::SeqNumber;

#[test]
fn pure_acks_and_resets_use_the_highest_sequence_ever_sent_cut_to_the_peers_window_edge() {
    let mut b = Bench::established(prompt(), "mss=100");
    b.send(300);
    b.sent();
    b.advance(Duration::from_millis(300));
    b.expect("ACK seq=0 ack=0 len=100");
    // The timeout rewound nothing.
    b.arrive("ACK seq=0 len=10");
    b.expect("ACK seq=300 ack=10");
    // The window shrinks.
    b.arrive("ACK seq=10 ack=100 win=50");
    b.sent();
    b.arrive("ACK seq=10 ack=100 len=10 win=50");
    b.expect("ACK seq=150 ack=20");
    b.c.abort();
    b.drain();
    b.expect("RST,ACK seq=150 ack=20");
}

/// Every interleaving of two ends that probe each other and read again, to the millisecond.
#[test]
fn both_ends_probe_at_once_both_windows_reopen_and_the_transfer_resumes() {
    for offset in 0..45u64 {
        let small = Config {
            receive_buffer: 3_000.into(),
            ..Config::default()
        };
        let mut w = Wire::new(small.clone(), small);
        w.establish();
        let data = [pattern(9_000, 1), pattern(9_000, 2)];
        for (host, data) in w.hosts.iter_mut().zip(&data) {
            host.deaf = true;
            let mut all = bytes::Bytes::copy_from_slice(data);
            host.connection_mut().send(&mut all).unwrap();
        }
        let probed = |w: &Wire, i: usize| {
            let probe = handfast_wire::SendReason::WindowProbe;
            w.log.iter().any(|l| l.1 == i && l.4 == probe)
        };
        assert!(w.run(Duration::from_secs(60), |w| probed(w, 0) && probed(w, 1)));
        // The probes are on the wire (10 ms); one end reads `offset` before or after the other.
        let start = w.now;
        let reads = [Duration::from_millis(offset), Duration::from_millis(20)];
        let done = w.run(Duration::from_secs(2), |w| {
            let now = w.now;
            for (host, at) in w.hosts.iter_mut().zip(reads) {
                if host.deaf && now.since(start) >= at {
                    host.deaf = false;
                    host.read();
                }
            }
            w.flush();
            (0..2).all(|i| w.hosts[i].received == data[1 - i])
        });
        let tail = &w.log[w.log.len().saturating_sub(20)..];
        assert!(done, "offset {offset}: {tail:#?}");
    }
}

#[test]
fn a_syn_occupies_its_slot_until_acknowledged_and_its_ack_is_never_credited_to_a_fin() {
    let mut b = bench_at(At::ActiveSynReceived, PLAIN);
    b.sent();
    b.close();
    b.expect("");
    b.advance(Duration::from_secs(1));
    b.expect("SYN,ACK seq=-1 ack=0");
    b.arrive("ACK ack=0");
    b.expect("FIN,ACK seq=0 ack=0");
    assert_eq!(b.c.state(), State::FinWait1);
    b.arrive("ACK ack=1");
    assert_eq!(b.c.state(), State::FinWait2);
}

/// More than 2^31 octets one way, nothing the other: no pointer left behind comes out ahead.
#[test]
fn recovery_and_nagle_work_after_half_of_the_sequence_space() {
    let config = Config {
        nodelay: false,
        initial_window: 255,
        ..prompt()
    };
    let mut b = Bench::established(config, "mss=1000");
    b.send(1);
    b.arrive("ACK ack=1");
    // As if that much had been sent and acknowledged, step by step.
    let far = 0x9000_0000u32;
    for step in 1..=0x9000 {
        let mark = b.ours + (far / 0x9000) * step;
        let (tcb, active) = b.c.parts();
        tcb.snd_una = mark;
        tcb.snd_nxt = mark;
        active.recovery.recover = active.recovery.recover.later(mark - 1);
        active.snd_sml = active.snd_sml.later(mark);
    }
    b.c.active = None;
    b.ours = b.c.tcb.snd_nxt;
    b.sent();
    b.send(3_500);
    // The tail is small, and no small segment is in flight.
    b.expect("ACK seq=0 ack=0 len=1000; ACK seq=1000 ack=0 len=1000; ACK seq=2000 ack=0 len=1000; PSH,ACK seq=3000 ack=0 len=500");
    for _ in 0..3 {
        b.arrive("ACK ack=0");
    }
    b.expect("ACK seq=0 ack=0 len=1000");
}

#[test]
fn window_arithmetic_cannot_underflow_before_a_window_was_advertised_or_while_it_is_zero() {
    let closed = Setup {
        unread: table::WINDOW,
        ..PLAIN
    };
    for setup in [PLAIN, closed] {
        for at in [
            At::SynSent,
            At::ActiveSynReceived,
            At::Established,
            At::FinWait2,
            At::CloseWait,
        ] {
            let b = bench_at(at, setup);
            let info = b.c.info(b.now);
            assert!(info.rcv_wnd <= table::WINDOW, "{at:?} {info:?}");
            assert!(info.in_flight <= 1 && info.unsent == 0, "{at:?} {info:?}");
        }
    }
    let fresh = Bench::new(prompt());
    assert_eq!(fresh.c.info(fresh.now).rcv_wnd, 0);
}

#[test]
fn buffer_sizes_are_capped_so_that_no_offset_can_reach_half_the_space() {
    let config = Config {
        send_buffer: u32::MAX.into(),
        receive_buffer: u32::MAX.into(),
        window_scaling: true,
        ..prompt()
    };
    let mut b = Bench::established(config, "ws=14 mss=1460");
    assert_eq!(b.c.send_room(), 1 << 30);
    b.arrive("ACK len=1460");
    let info = b.c.info(b.now);
    assert_eq!(info.window_scale, Some((14, 14)));
    assert!(info.rcv_wnd <= 1 << 30);
    assert_eq!(b.last().header.window, u16::MAX);
    assert!(b.c.tcb.snd_wnd <= 0xffff << 14);
}

#[test]
fn a_whole_life_passes_with_the_wrap_at_every_offset() {
    for back in 0..40u32 {
        let iss = SeqNumber(0u32.wrapping_sub(back));
        let mut b = Bench::on(
            Config {
                delayed_ack: Duration::ZERO,
                ..prompt()
            },
            PATH,
            iss,
        );
        b.theirs = iss + 1;
        b.drain();
        b.arrive("SYN ACK seq=-1 mss=10");
        b.send(15);
        b.arrive("ACK ack=15 seq=10 len=5");
        b.arrive("FIN ACK ack=15 seq=15");
        b.arrive("ACK ack=15 seq=0 len=10");
        assert_eq!(b.c.state(), State::CloseWait, "{back}");
        b.close();
        assert_eq!(b.sent().last().unwrap(), "FIN,ACK seq=15 ack=16", "{back}");
        b.arrive("ACK seq=16 ack=16");
        assert_eq!(b.c.state(), State::Closed, "{back}");
        assert_eq!(b.read().len(), 15, "{back}");
    }
}
