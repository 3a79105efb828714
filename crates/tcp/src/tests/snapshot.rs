//! Connections that move while they are at work.

use super::bench::{Bench, IRS, ISS, PATH, prompt, stamped};
use super::harness::*;
use crate::{
    Buffer, Config, Connection, Ecn, EcnSnapshot, ExportError, ImportError, Segment, SegmentSlot,
    Snapshot, State,
};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{SendReason, SeqNumber};

const MINUTE: Duration = Duration::from_secs(60);

/// A connection with nothing queued, by hand.
fn idle() -> Snapshot {
    Snapshot {
        iss: ISS,
        irs: IRS,
        snd_una: ISS + 1,
        snd_nxt: ISS + 1,
        snd_wnd: 60_000,
        max_snd_wnd: 60_000,
        snd_wl1: IRS + 1,
        snd_wl2: ISS + 1,
        send: Vec::new(),
        snd_up: None,
        rcv_nxt: IRS + 1,
        rcv_wnd: 60_000,
        receive: Vec::new(),
        rcv_up: None,
        peer_mss: 1460,
        window_scale: None,
        sack: true,
        timestamps: None,
        ecn: EcnSnapshot::default(),
        rtt: None,
        peer_user_timeout: 0,
    }
}

fn import(snapshot: Snapshot) -> Result<Connection, ImportError> {
    let now = Instant::from_secs(100);
    Connection::import(snapshot, Arc::new(prompt()), PATH, now)
}

#[test]
fn a_transfer_moves_again_and_again_and_loses_nothing() {
    let scaled = Config {
        ecn: Ecn::On,
        ..Config::default()
    };
    let accurate = Config {
        ecn: Ecn::Accurate,
        ..Config::default()
    };
    let plain = Config {
        sack: false,
        timestamps: false,
        window_scaling: false,
        ..Config::default()
    };
    for (config, seed) in [(scaled, 1), (accurate, 2), (plain, 3), (stamped(), 4)] {
        let iss = SeqNumber(u32::MAX - 300_000);
        let mut w = Wire::with_iss(config.clone(), config.clone(), iss, iss);
        w.establish();
        let mut rng = Rng::new(seed);
        w.fault = alloc::boxed::Box::new(move |_, _, _| match rng.below(50) {
            0 => Verdict::Drop,
            1 => Verdict::Duplicate,
            2 => Verdict::Late(15_000),
            3 => Verdict::Mark,
            _ => Verdict::Pass,
        });
        let data = [pattern(1_500_000, 1), pattern(1_500_000, 2)];
        let mut rest = data.clone().map(Bytes::from);
        let mut rng = Rng::new(seed + 100);
        let mut moves = 0;
        let done = w.run(20 * MINUTE, |w| {
            for (host, rest) in w.hosts.iter_mut().zip(&mut rest) {
                host.connection_mut().send(rest).expect("it lives");
            }
            w.flush();
            if rng.below(15) == 0 {
                let pause = Duration::from_millis(rng.below(1500));
                w.carry(rng.below(2) as usize, pause, config.clone());
                moves += 1;
            }
            (0..2).all(|n| w.hosts[n].received.len() >= data[1 - n].len())
        });
        assert!(done, "{:?}", w.states());
        assert!(w.hosts[0].received == data[1] && w.hosts[1].received == data[0]);
        assert!(moves > 5, "{moves} moves");
        assert_eq!(w.count(0, TcpFlags::RST) + w.count(1, TcpFlags::RST), 0);
        // Also the end is as it always is.
        let now = w.now;
        w.client().close(now).unwrap();
        assert!(w.run(5 * MINUTE, |w| w.hosts[1].state() == State::CloseWait));
        w.server().close(now).unwrap();
        let over = (State::TimeWait, State::Closed);
        assert!(w.run(5 * MINUTE, |w| w.states() == over));
    }
}

#[test]
fn what_is_unread_unsent_and_in_flight_is_in_the_value() {
    let mut b = Bench::established(prompt(), "win=2000 mss=1000");
    b.arrive("ACK seq=0 len=300 win=2000");
    b.arrive("ACK seq=300 len=200 win=2000");
    // Out of order: the peer has to say it again.
    b.arrive("ACK seq=900 len=100 win=2000");
    b.send(5000);
    let s = b.c.export(b.now).unwrap();
    assert_eq!(s.snd_una, ISS + 1);
    assert_eq!(s.snd_nxt, ISS + 1 + 2000);
    assert_eq!(s.send.iter().map(Bytes::len).sum::<usize>(), 5000);
    assert_eq!(s.rcv_nxt, IRS + 501);
    assert_eq!(s.receive.iter().map(Bytes::len).sum::<usize>(), 500);
    assert_eq!((s.snd_wnd, s.peer_mss), (2000, 1000));
    assert_eq!(b.c.export(b.now), Err(ExportError::State(State::Closed)));

    let c = Connection::import(s.clone(), Arc::new(prompt()), PATH, b.now).unwrap();
    assert!(c.has_unread());
    let mut moved = Bench::adopt(c, b.now);
    moved.drain();
    let again = moved.log.iter().filter(|s| s.reason == SendReason::Moved);
    assert_eq!(again.count(), 2);
    // What was in flight goes out again; beyond the peer's window nothing does.
    moved.expect("ACK seq=0 ack=500 len=1000; ACK seq=1000 ack=500 len=1000");
    assert_eq!(
        moved.read(),
        b"".to_vec()
            .into_iter()
            .chain(octets(500))
            .collect::<Vec<_>>()
    );
    moved.arrive("ACK seq=500 ack=2000 win=3000");
    let sent = moved.sent();
    assert!(sent.iter().any(|s| s.contains("seq=2000")), "{sent:?}");
    // A value says all there is to say: it survives another journey as it is.
    let once = Connection::import(s.clone(), Arc::new(prompt()), PATH, b.now);
    let again = once.unwrap().export(b.now).unwrap();
    assert_eq!(
        Snapshot {
            rcv_wnd: s.rcv_wnd,
            ..again
        },
        s
    );
}

fn octets(len: u32) -> impl Iterator<Item = u8> {
    (0..len).map(super::bench::octet)
}

#[test]
fn an_idle_connection_says_only_where_it_stands() {
    let mut b = Bench::adopt(import(idle()).unwrap(), Instant::from_secs(100));
    b.drain();
    b.expect("ACK seq=0 ack=0");
    b.advance(MINUTE);
    b.expect("");
    b.send(100);
    b.expect("PSH,ACK seq=0 ack=0 len=100");
}

#[test]
fn our_timestamp_clock_goes_on_from_where_it_was_on_any_clock() {
    let mut b = Bench::established(stamped(), "");
    b.arrive("ACK seq=0 len=10 ts=400");
    let before = b.last().header.options.timestamps.unwrap();
    let s = b.c.export(b.now).unwrap();
    // On a machine that was started a minute ago.
    let now = Instant::from_secs(60);
    let c = Connection::import(s, Arc::new(stamped()), PATH, now).unwrap();
    let mut b = Bench::adopt(c, now);
    b.drain();
    let after = b.last().header.options.timestamps.unwrap();
    assert_eq!(after, before, "clock and echo");
    b.advance(Duration::from_millis(70));
    b.arrive("ACK seq=10 len=10 ts=410");
    let later = b.last().header.options.timestamps.unwrap();
    assert_eq!(later.value, before.value + 70);
    assert_eq!(later.echo, before.echo + 10);
    // PAWS guards as before.
    b.arrive("ACK seq=20 len=10 ts=100");
    assert_eq!(b.c.rcv_nxt(), IRS + 21);
}

#[test]
fn an_unknown_ts_recent_believes_the_next_segment() {
    let mut s = idle();
    s.timestamps = Some(crate::TimestampClock {
        value: 5,
        recent: None,
    });
    let mut b = Bench::adopt(import(s).unwrap(), Instant::from_secs(100));
    b.arrive("ACK seq=0 len=10 ts=-80000");
    assert_eq!(b.c.rcv_nxt(), IRS + 11);
}

#[test]
fn the_right_edge_does_not_move_left_into_a_smaller_buffer() {
    let mut s = idle();
    s.window_scale = Some((2, 5));
    s.rcv_wnd = 1 << 20;
    let config = Config {
        receive_buffer: Buffer::Fixed(4096),
        window_scaling: true,
        ..prompt()
    };
    let now = Instant::from_secs(100);
    let c = Connection::import(s, Arc::new(config), PATH, now).unwrap();
    let mut b = Bench::adopt(c, now);
    b.drain();
    assert_eq!(u32::from(b.last().header.window) << 5, 1 << 20);
    for n in 0..100 {
        b.arrive(&alloc::format!("ACK seq={} len=1000", n * 1000));
        let edge = n * 1000 + 1000 + (u32::from(b.last().header.window) << 5);
        // But for what cannot be told with that shift.
        assert!(edge + 31 >= 1 << 20, "{edge}");
    }
    assert_eq!(b.read().len(), 100_000);
}

#[test]
fn only_an_established_connection_can_go() {
    let mut b = Bench::new(prompt());
    assert_eq!(b.c.export(b.now), Err(ExportError::State(State::SynSent)));
    let mut b = Bench::established(prompt(), "");
    b.c.shutdown_read();
    assert_eq!(b.c.export(b.now), Err(ExportError::ReadShut));
    let mut b = Bench::established(prompt(), "");
    b.close();
    assert_eq!(b.c.export(b.now), Err(ExportError::State(State::FinWait1)));
    let mut b = Bench::established(prompt(), "");
    b.arrive("FIN ACK seq=0");
    assert_eq!(b.c.export(b.now), Err(ExportError::State(State::CloseWait)));
}

#[test]
fn nonsense_is_an_error_with_a_name() {
    let of = |change: fn(&mut Snapshot)| {
        let mut s = idle();
        change(&mut s);
        import(s).expect_err("it is nonsense")
    };
    assert_eq!(of(|s| s.snd_nxt = s.snd_una + 1), ImportError::InFlight);
    assert_eq!(of(|s| s.snd_nxt = s.snd_una - 1), ImportError::InFlight);
    assert_eq!(of(|s| s.snd_wnd = 60_001), ImportError::SendWindow);
    assert_eq!(of(|s| s.snd_wnd = u32::MAX), ImportError::TooLong);
    assert_eq!(of(|s| s.rcv_wnd = 65_536), ImportError::ReceiveWindow);
    assert_eq!(of(|s| s.rcv_wnd = u32::MAX), ImportError::TooLong);
    assert_eq!(
        of(|s| s.window_scale = Some((15, 0))),
        ImportError::WindowScale
    );
    assert_eq!(
        of(|s| s.window_scale = Some((0, 255))),
        ImportError::WindowScale
    );
    assert_eq!(of(|s| s.peer_mss = 0), ImportError::Mss);
    assert_eq!(of(|s| s.snd_up = Some(s.snd_una)), ImportError::Urgent);
    assert_eq!(of(|s| s.rcv_up = Some(s.rcv_nxt)), ImportError::Urgent);
    let large = Bytes::from(vec![0; 1 << 20]);
    let mut s = idle();
    s.receive = vec![large; 1025];
    assert_eq!(import(s).unwrap_err(), ImportError::TooLong);
}

#[test]
fn whatever_is_imported_nothing_panics() {
    let mut taken = 0;
    for seed in 0..3000 {
        let mut rng = Rng::new(seed);
        let mut any = |usual: u32| match rng.below(8) {
            0 => rng.next_u64() as u32,
            1 => usual.wrapping_add(rng.below(3) as u32).wrapping_sub(1),
            _ => usual,
        };
        let mut s = idle();
        s.iss = SeqNumber(any(s.iss.0));
        s.irs = SeqNumber(any(s.irs.0));
        s.snd_una = SeqNumber(any(s.snd_una.0));
        s.snd_nxt = SeqNumber(any(s.snd_una.0 + 500));
        s.send = vec![Bytes::from(vec![1; any(700) as usize & 0xffff]); 2];
        s.receive = vec![Bytes::from(vec![1; any(700) as usize & 0xffff]); 2];
        s.snd_wnd = any(s.snd_wnd);
        s.max_snd_wnd = any(s.snd_wnd);
        s.rcv_nxt = SeqNumber(any(s.rcv_nxt.0));
        s.rcv_wnd = any(s.rcv_wnd);
        s.peer_mss = any(1460) as u16;
        s.window_scale = (any(0) == 0).then(|| (any(7) as u8, any(7) as u8));
        s.snd_up = (any(0) == 1).then_some(s.snd_una + 1);
        s.rcv_up = (any(0) == 1).then_some(s.rcv_nxt + 1);
        s.sack = any(1) == 1;
        s.ecn.mode = [
            crate::EcnMode::Off,
            crate::EcnMode::Classic,
            crate::EcnMode::Accurate,
        ][any(0) as usize % 3];
        s.ecn.sends = any(1) == 1;
        s.ecn.ce_packets = any(5);
        s.rtt = (any(0) == 0).then(|| (Duration::from_secs(any(9).into()), Duration::MAX));
        s.timestamps = (any(0) == 0).then(|| crate::TimestampClock {
            value: any(7),
            recent: Some((any(8), Duration::from_secs(any(9).into()))),
        });
        let Ok(mut c) = import(s) else { continue };
        taken += 1;
        let mut now = Instant::from_secs(100);
        let mut slot = SegmentSlot::default();
        for _ in 0..20 {
            while c.poll_transmit(now, &mut slot) {
                // It comes back as if the peer had sent it.
                let mut seg = Segment {
                    header: slot.header,
                    ..Segment::default()
                };
                (seg.header.seq, seg.header.ack) = (slot.header.ack, slot.header.seq);
                c.segment_arrives(&mut seg, now);
            }
            now = c.poll_timeout().unwrap_or(now);
            c.timeout(now);
        }
    }
    assert!(taken > 300, "{taken} were connections");
}
