//! Random segments thrown at a connection in every state, between random calls: nothing panics,
//! the invariants hold (they are checked after every input and output), memory stays bounded, and
//! nothing spins.

use super::bench::*;
use super::table::*;
use crate::{
    ConnectionError, IcmpError, NetError, Path, Segment, SegmentSlot, State, SynReceivedVerdict,
    closed, listen,
};
use alloc::format;
use bytes::Bytes;
use handfast_base::{Duration, Rng};
use handfast_wire::tcp::{TcpFlags, Timestamps};
use handfast_wire::{Payload, SeqNumber};

/// What a receiver may hold beside its buffer: all that is out of order, and its overhead.
const HELD: usize = 2 * WINDOW as usize + 20_000;

fn near(rng: &mut Rng, points: &[SeqNumber]) -> SeqNumber {
    let point = points[rng.below(points.len() as u64) as usize];
    match rng.below(8) {
        0 => SeqNumber(rng.next_u32()),
        1 => point + (1 << 31),
        2..=4 => point + rng.below(5) as u32 - 2,
        _ => point + rng.below(3_000) as u32 - 1_500,
    }
}

fn any_segment(rng: &mut Rng, theirs: &[SeqNumber], ours: &[SeqNumber], clock: u32) -> Segment {
    let mut seg = Segment::default();
    let h = &mut seg.header;
    h.seq = near(rng, theirs);
    h.ack = near(rng, ours);
    h.flags = match rng.below(4) {
        0 => TcpFlags::from_bits_truncate(rng.next_u32() as u16),
        1 => TcpFlags::ACK | TcpFlags::from_bits_truncate(1 << rng.below(9)),
        _ => TcpFlags::ACK,
    };
    if rng.chance(0.9) {
        h.flags -= TcpFlags::RST; // few would live long
    }
    h.window = if rng.chance(0.3) {
        0
    } else {
        rng.next_u32() as u16
    };
    h.urgent_pointer = rng.next_u32() as u16;
    if rng.chance(0.2) {
        h.options.mss = Some(rng.next_u32() as u16);
        h.options.window_scale = Some(rng.next_u32() as u8);
    }
    if rng.chance(0.7) {
        h.options.timestamps = Some(Timestamps {
            value: match rng.below(6) {
                0 => rng.next_u32(),
                _ => TS_BASE.wrapping_add(rng.below(9) as u32).wrapping_sub(2),
            },
            echo: if rng.chance(0.5) {
                clock
            } else {
                rng.next_u32()
            },
        });
    }
    let lens = [0, 0, 1, 2, 100, 999, 1000, 1001, 3000];
    let len = lens[rng.below(lens.len() as u64) as usize];
    seg.payload = Payload::from(Bytes::from(alloc::vec![7; len]));
    seg.gso_size = if rng.chance(0.3) {
        rng.next_u32() as u16
    } else {
        0
    };
    seg
}

fn any_call(rng: &mut Rng, b: &mut Bench) {
    let c = &mut b.c;
    match rng.below(24) {
        0..=3 => _ = c.send(&mut Bytes::from(alloc::vec![1; rng.below(5_000) as usize])),
        4 => _ = c.send_urgent(&mut Bytes::from_static(b"urgent")),
        5..=7 => {
            let octets = c.receive(rng.below(2_000) as usize);
            c.release(octets.map_or(0, |o| o.len() as u32));
        }
        8 => c.release(rng.below(100_000) as u32),
        9 => _ = c.close(b.now),
        10 => c.shutdown_read(),
        11 => c.orphan(b.now),
        12 if rng.chance(0.1) => c.abort(),
        13 => {
            let why = NetError::HostUnreachable;
            let error = match rng.below(3) {
                0 => IcmpError::Soft(why),
                1 => IcmpError::Hard(why),
                _ => IcmpError::TooBig {
                    mtu: rng.next_u32() >> rng.below(32),
                },
            };
            let quoted = near(rng, &[c.tcb.snd_una, c.tcb.snd_nxt]);
            c.icmp_error(error, quoted, b.now);
        }
        14 => c.set_path(Path {
            mtu: 68 + rng.below(70_000) as u32,
            gso_max: rng.below(300_000) as u32,
            ..PATH
        }),
        15 => {
            c.configure(|k| k.receive_buffer = (1 + rng.below(u64::from(WINDOW)) as u32).into());
            c.timeout(b.now);
        }
        16..=18 => {
            if let Some(at) = c.poll_timeout() {
                b.now = b.now.max(at);
                c.timeout(b.now);
            }
        }
        _ => b.advance(Duration::from_micros(1 << rng.below(28))),
    }
}

fn thrown_at(at: At, setup: Setup, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut b = bench_at(at, setup);
    for _ in 0..60 {
        if rng.chance(0.6) {
            let t = &b.c.tcb;
            let theirs = [t.rcv_nxt, t.rcv_nxt, t.rcv_nxt, t.rcv_adv, t.rcv_fin, t.irs];
            let ours = [t.snd_una, t.snd_nxt, t.snd_nxt, t.iss];
            let clock = (b.now.as_millis() as u32).wrapping_add(TS_OFFSET);
            let mut seg = any_segment(&mut rng, &theirs, &ours, clock);
            b.c.segment_arrives(&mut seg, b.now);
        } else {
            any_call(&mut rng, &mut b);
        }
        if rng.chance(0.8) {
            b.drain();
            b.log.clear();
        }
        let queued = b.c.unacknowledged() as usize;
        assert!(b.c.memory() <= queued + HELD, "{}", b.c.memory());
        b.c.info(b.now);
        b.c.readiness();
        b.c.time_wait(b.now);
    }
    b.advance(Duration::from_secs(10_000));
    // Whatever was said, nobody is kept for ever who waits for an answer.
    let unheard = b.c.state() != State::Closed && b.c.flight_size() > 0 && b.c.tcb.snd_wnd > 0;
    assert!(!unheard, "still {:?}", b.c.state());
    let refused = b.c.error() == Some(ConnectionError::Refused);
    assert!(!refused || at == At::SynSent || at == At::ActiveSynReceived);
}

#[test]
fn connections_survive_them_in_every_state() {
    let setups = [
        PLAIN,
        Setup {
            timestamps: true,
            ..PLAIN
        },
        Setup {
            in_flight: 500,
            ..PLAIN
        },
        Setup {
            unread: WINDOW,
            ..PLAIN
        },
        Setup {
            orphan: true,
            unread: 10,
            in_flight: 100,
            timestamps: true,
        },
    ];
    let states = [
        At::SynSent,
        At::ActiveSynReceived,
        At::Established,
        At::FinWait1,
        At::FinWait2,
        At::CloseWait,
        At::Closing,
        At::LastAck,
        At::TimeWait,
    ];
    for seed in 0..300 {
        for setup in setups {
            for at in states {
                let run = || thrown_at(at, setup, seed);
                let outcome = std::panic::catch_unwind(run);
                assert!(outcome.is_ok(), "seed {seed}, {at:?}, {setup:?}");
            }
        }
    }
}

#[test]
fn the_small_records_survive_them() {
    let mut slot = SegmentSlot::default();
    for seed in 0..2_000 {
        let mut rng = Rng::new(seed);
        let stamped = Setup {
            timestamps: rng.chance(0.5),
            ..PLAIN
        };
        let (theirs, ours) = ([IRS, IRS + 1, IRS + 1 + WINDOW], [ISS, ISS + 1]);
        let (mut half, config, mut now) = passive(stamped);
        let (mut wait, _) = time_wait(stamped);
        for _ in 0..30 {
            let mut seg = any_segment(&mut rng, &theirs, &ours, 0);
            closed(&seg, &mut slot);
            listen(&seg, &mut slot);
            wait.segment_arrives(&seg, now);
            wait.write_ack(now, &mut slot);
            match half.segment_arrives(&mut seg, now) {
                SynReceivedVerdict::SynAckAgain => {
                    half.write_syn_ack(now, &config, PATH, &mut slot);
                }
                SynReceivedVerdict::Established => {
                    let c = half.clone().into_connection(config.clone(), PATH, now);
                    let mut b = Bench::adopt(c, now);
                    b.take(seg);
                    b.advance(Duration::from_secs(1));
                }
                SynReceivedVerdict::Reset(_) => half.write_reset(&seg, &mut slot),
                _ => half.write_ack(now, &mut slot),
            }
            now = now.max(half.poll_timeout());
            if half.timeout(now) {
                break;
            }
        }
        assert!(
            half.poll_timeout().since(now) < Duration::from_secs(3_600),
            "{}",
            format!("{half:?}")
        );
    }
}
