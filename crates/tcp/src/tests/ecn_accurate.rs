//! Accurate ECN, rule by rule (RFC 9768).

use super::bench::*;
use super::harness::*;
use crate::congestion::Congestion;
use crate::{Config, Ecn, EcnMode, Path, SegmentSlot, State, SynReceived};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use handfast_base::{Duration, Instant};
use handfast_wire::Ecn as Field;
use handfast_wire::tcp::{TcpFlags, TcpHeader};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config {
        ecn: Ecn::Accurate,
        congestion: Congestion::RENO,
        ..prompt()
    }
}

fn ace(h: &TcpHeader) -> u8 {
    let bit = |f, value| if h.flags.contains(f) { value } else { 0 };
    bit(TcpFlags::AE, 4) | bit(TcpFlags::CWR, 2) | bit(TcpFlags::ECE, 1)
}

/// The control bits that say this number in ACE.
fn said(value: u8) -> String {
    let bit = |n, name| if value & n != 0 { name } else { "" };
    format!("{} {} {}", bit(4, "AE"), bit(2, "CWR"), bit(1, "ECE"))
}

/// ESTABLISHED by our own open; segments of 1000 octets.
fn accurate() -> Bench {
    let mut b = Bench::new(config());
    b.drain();
    b.arrive("SYN ACK CWR seq=-1 mss=1000");
    assert_eq!(b.c.info(b.now).ecn, EcnMode::Accurate);
    b.sent();
    b
}

/// A passive open that answered `syn`, after the third segment `third`.
fn passive(syn: &str, third: &str) -> (TcpHeader, Bench) {
    let (config, now) = (Arc::new(config()), Instant::from_secs(100));
    let syn = segment(syn, ISS + 1, IRS + 1);
    let half = SynReceived::new(&syn.header, ISS, TS_OFFSET, &config, PATH, now);
    let mut half = half.with_ecn(syn.ecn);
    let mut slot = SegmentSlot::default();
    half.write_syn_ack(now, &config, PATH, &mut slot);
    let mut b = Bench::adopt(half.into_connection(config, PATH, now), now);
    b.arrive(third);
    (slot.header, b)
}

/// Tables 2 and 3.
#[test]
fn each_end_says_with_which_field_the_others_syn_came() {
    for (field, value) in [("", 0b010), ("ect1", 0b011), ("ect0", 0b100), ("ce", 0b110)] {
        let (syn_ack, b) = passive(
            &format!("SYN AE CWR ECE seq=-1 mss=1000 {field}"),
            "ACK CWR",
        );
        assert_eq!(ace(&syn_ack), value, "{field}");
        assert_eq!(b.c.info(b.now).ecn, EcnMode::Accurate);
        let mut b = Bench::new(config());
        b.drain();
        b.arrive(&format!("SYN ACK CWR seq=-1 mss=1000 {field}"));
        assert_eq!(ace(&b.last().header), value, "{field}");
        // From then on it is a counter, which begins with 5; CE on a SYN,ACK counts.
        b.arrive("ACK AE ECE len=10");
        let counter = if field == "ce" { 6 } else { 5 };
        assert_eq!(ace(&b.last().header), counter, "{field}");
    }
}

/// Table 2, and 3.1.3.
#[test]
fn what_a_syn_and_a_syn_ack_lead_to() {
    use EcnMode::{Accurate, Classic, Off};
    for (value, client, server) in [
        (0b000, Off, Off),
        (0b001, Classic, Accurate),
        (0b010, Accurate, Accurate),
        (0b011, Accurate, Classic),
        (0b100, Accurate, Accurate),
        (0b101, Accurate, Accurate),
        (0b110, Accurate, Accurate),
        (0b111, Off, Accurate),
    ] {
        let mut b = Bench::new(config());
        b.drain();
        b.arrive(&format!("SYN ACK {} seq=-1", said(value)));
        assert_eq!(b.c.info(b.now).ecn, client, "SYN,ACK {value:03b}");
        let (_, b) = passive(&format!("SYN {} seq=-1", said(value)), "ACK CWR");
        assert_eq!(b.c.info(b.now).ecn, server, "SYN {value:03b}");
    }
}

/// 3.1.4.1.
#[test]
fn a_syn_asks_once_more_and_then_no_longer() {
    let mut b = Bench::new(config());
    b.drain();
    b.advance(8 * SECOND);
    let asked: Vec<_> = b.log.iter().map(|s| ace(&s.header)).collect();
    assert_eq!(asked, [7, 7, 0, 0]);
    b.arrive("SYN ACK CWR seq=-1");
    assert_eq!(b.c.info(b.now).ecn, EcnMode::Accurate);
    b.send(10);
    assert_eq!(b.last().ecn, Field::NotEct, "a SYN of ours did not ask");
    b.arrive("ACK AE ECE ack=10 len=10 ce");
    assert_eq!(ace(&b.last().header), 6, "but marks are heard");
}

/// 3.1.4.2, 3.1.5.
#[test]
fn a_syn_ack_without_an_answer_stops_mentioning_it() {
    let (config, now) = (Arc::new(config()), Instant::from_secs(100));
    let syn = segment("SYN AE CWR ECE seq=-1", ISS + 1, IRS + 1);
    let mut half = SynReceived::new(&syn.header, ISS, 0, &config, PATH, now);
    let mut slot = SegmentSlot::default();
    let sent: Vec<_> = (0..4)
        .map(|_| {
            half.write_syn_ack(half.poll_timeout(), &config, PATH, &mut slot);
            (
                ace(&slot.header),
                slot.header.options.accurate_ecn.is_some(),
            )
        })
        .collect();
    assert_eq!(sent, [(2, true), (2, false), (0, false), (0, false)]);
    let mut b = Bench::adopt(half.into_connection(config, PATH, now), now);
    b.arrive("ACK CWR");
    b.send(10);
    assert_eq!(b.last().ecn, Field::NotEct);
    b.arrive("ACK AE ECE ack=10 len=10 ce");
    assert_eq!(ace(&b.last().header), 6);
}

/// 3.1.5: the mode stays, but what is sent is not ECT.
#[test]
fn a_syn_that_comes_again_without_asking_ends_ect_and_not_the_mode() {
    let (config, now) = (Arc::new(config()), Instant::from_secs(100));
    let syn = |text| segment(text, ISS + 1, IRS + 1);
    let first = syn("SYN AE CWR ECE seq=-1");
    let mut half = SynReceived::new(&first.header, ISS, 0, &config, PATH, now);
    let mut slot = SegmentSlot::default();
    half.write_syn_ack(now, &config, PATH, &mut slot);
    half.segment_arrives(&mut syn("SYN seq=-1"), now);
    half.write_syn_ack(now, &config, PATH, &mut slot);
    assert_eq!(ace(&slot.header), 0);
    let mut b = Bench::adopt(half.into_connection(config, PATH, now), now);
    assert_eq!(b.c.info(now).ecn, EcnMode::Accurate);
    b.send(10);
    assert_eq!(b.last().ecn, Field::NotEct);
}

/// 3.2.2: every packet with CE counts, with text or not; nothing else does.
#[test]
fn marked_packets_and_octets_are_counted() {
    let mut b = accurate();
    let mut seq = 0;
    for (i, field) in ["ce", "ect0", "ce", "ect0", "ce"].iter().enumerate() {
        b.arrive(&format!("ACK AE ECE seq={seq} len=100 {field}"));
        seq += 100;
        let marked = i as u32 / 2 + 1;
        let last = b.last();
        assert_eq!(u32::from(ace(&last.header)), (5 + marked) & 7);
        let option = last.header.options.accurate_ecn.unwrap();
        let ect0 = 1 + 100 * (i as u32).div_ceil(2);
        assert_eq!(option.counters, [Some(ect0), Some(100 * marked), None]);
    }
    // A pure ACK is counted, and not answered. A repeated segment is not acceptable.
    b.sent();
    b.arrive(&format!("ACK AE ECE seq={seq} ce"));
    b.expect("");
    b.arrive("ACK AE ECE seq=0 len=100 ce");
    assert_eq!(ace(&b.last().header), (5 + 4) & 7);
    // A merged one counts as what crossed the wire; ECT(1) gets its own counter.
    let mut seg = segment(
        &format!("ACK AE ECE seq={seq} len=450 ce"),
        b.ours,
        b.theirs,
    );
    seg.gso_size = 100;
    b.take(seg);
    assert_eq!(ace(&b.last().header), (5 + 4 + 5) & 7);
    b.arrive(&format!("ACK AE ECE seq={} len=10 ect1", seq + 450));
    let option = b.last().header.options.accurate_ecn.unwrap();
    assert_eq!(option.counters[2], Some(11));
    assert_eq!(b.c.info(b.now).ce_in, 9);
}

/// 3.2.2.5.1.
#[test]
fn a_change_and_every_second_mark_are_told_at_once() {
    let delayed = Config {
        delayed_ack: Duration::from_millis(40),
        ..config()
    };
    let mut b = Bench::new(delayed);
    b.drain();
    b.arrive("SYN ACK CWR seq=-1 mss=1000");
    b.arrive("ACK AE ECE len=1000 ect0"); // sets what a full segment is
    b.advance(SECOND);
    b.sent();
    let mut seq = 1000;
    let mut answers = Vec::new();
    for field in ["ect0", "ce", "ce", "ce", "ce", "ect0", "ect0"] {
        b.arrive(&format!("ACK AE ECE seq={seq} len=100 {field}"));
        seq += 100;
        answers.push(b.sent().len());
    }
    assert_eq!(answers, [0, 1, 0, 1, 0, 1, 0]);
    // Marks on what carries no text are compared with, too, and every third of them is told where
    // nothing is owed, every second where something is.
    b.advance(SECOND);
    b.sent();
    let bare = |b: &mut Bench, n: usize| -> [usize; 2] {
        let first = (1..n).map(|_| {
            b.arrive(&format!("ACK AE ECE seq={seq} ce"));
            b.sent().len()
        });
        let first = first.sum();
        b.arrive(&format!("ACK AE ECE seq={seq} ce"));
        [first, b.sent().len()]
    };
    assert_eq!(bare(&mut b, 3), [0, 1]);
    assert_eq!(bare(&mut b, 3), [0, 1]);
    assert_eq!(ace(&b.log[b.log.len() - 1].header), (5 + 4 + 6) & 7);
    assert!(b.log[b.log.len() - 1].header.options.sack.is_empty());
    b.arrive(&format!("ACK AE ECE seq={seq} len=100 ce"));
    assert_eq!(b.sent().len(), 0, "no change, one mark");
    b.arrive(&format!("ACK AE ECE seq={} ce", seq + 100));
    assert_eq!(
        b.sent().len(),
        1,
        "the second mark, and text unacknowledged"
    );
}

/// 3.2.2.2: without options a mark is a packet of full size.
#[test]
fn marks_counted_by_ace_reduce_the_window_once_for_each_window_of_data() {
    let mut b = accurate();
    b.send(100_000);
    let cwnd = |b: &Bench| b.c.info(b.now).cwnd;
    assert_eq!(cwnd(&b), 10_000);
    assert!(b.log.iter().skip(2).all(|s| s.ecn == Field::Ect0));
    b.arrive(&format!("ACK {} ack=1000", said(5)));
    assert_eq!(cwnd(&b), 11_000);
    b.arrive(&format!("ACK {} ack=2000", said(6)));
    assert_eq!(cwnd(&b), 8_800);
    b.arrive(&format!("ACK {} ack=3000", said(7)));
    b.arrive(&format!("ACK {} ack=4000", said(0)));
    assert!((8_800..=9_000).contains(&cwnd(&b)));
    let info = b.c.info(b.now);
    assert_eq!((info.ece_in, info.ecn_reductions), (3, 1));
    // CWR is a bit of a counter now: no segment says that the window was reduced.
    assert!(b.log.iter().skip(2).all(|s| ace(&s.header) == 5));
}

/// 3.2.2.5.2: with an acknowledgment for 20 packets three bits may have gone round twice.
#[test]
fn what_may_have_gone_round_is_assumed_to_have() {
    for (option, marked) in [("", 18_000), ("e0b=1 ceb=2000", 2_000)] {
        let seen = spy();
        let mut b = Bench::new(Config {
            initial_window: 20,
            mss: Some(700),
            congestion: seen,
            ..config()
        });
        b.drain();
        b.arrive("SYN ACK CWR seq=-1 mss=700");
        b.send(14_000);
        b.arrive(&format!("ACK {} ack=14000 {option}", said(7)));
        let marked = marked.min(18 * 700);
        assert_eq!(b.c.info(b.now).ssthresh, 2_000_000 + marked, "{option}");
    }
}

/// An algorithm that leaves what it hears of marks in ssthresh.
fn spy() -> Congestion {
    use crate::congestion::*;
    #[derive(Debug)]
    struct Spy;
    impl CongestionControl for Spy {
        fn name(&self) -> &'static str {
            "spy"
        }
        fn on_ack(&mut self, _: &mut CongestionWindow, _: &AckEvent) {}
        fn on_loss(&mut self, _: &mut CongestionWindow, _: &LossEvent) {}
        fn on_recovery_exit(&mut self, _: &mut CongestionWindow, _: u32) {}
        fn on_feedback(&mut self, w: &mut CongestionWindow, f: &Feedback) {
            w.ssthresh = 2_000_000 + f.marked;
        }
    }
    Congestion::custom(|| alloc::boxed::Box::new(Spy))
}

/// 3.2.2.3, 3.2.2.4: nothing is sent as ECT over a path that writes or clears the fields; marks on
/// what arrives are reported all the same. What is reported over one that clears them is not
/// believed.
#[test]
fn a_path_that_mangles_or_clears_is_not_trusted() {
    let mut ends = Vec::new();
    for (value, trusted) in [
        (0b010, true),
        (0b011, false),
        (0b100, false),
        (0b110, false),
    ] {
        let mut b = Bench::new(config());
        b.drain();
        b.arrive(&format!("SYN ACK {} seq=-1 mss=1000", said(value)));
        ends.push((format!("SYN,ACK {value:03b}"), b, trusted, true));
        let (_, b) = passive("SYN AE CWR ECE seq=-1", &format!("ACK {}", said(value)));
        ends.push((format!("ACK {value:03b}"), b, trusted, true));
    }
    let (_, b) = passive("SYN AE CWR ECE seq=-1", "ACK");
    ends.push(("zero".into(), b, false, false));
    let mut b = accurate();
    b.arrive("ACK len=1");
    b.theirs += 1;
    ends.push(("zero after the handshake".into(), b, false, false));
    for (name, mut b, trusted, believed) in ends {
        assert_eq!(b.c.state(), State::Established);
        b.send(10);
        assert_eq!(b.last().ecn == Field::Ect0, trusted, "{name}");
        b.arrive("ACK AE CWR ECE ack=10 len=10 ce");
        assert_eq!(
            b.c.info(b.now).ecn_reductions,
            u32::from(believed),
            "{name}"
        );
        assert_eq!(ace(&b.last().header), 6, "{name}");
    }
}

/// 3.2.3.2.4: an option that begins with zero was cleared on the way; ACE still counts.
#[test]
fn an_option_that_was_cleared_is_not_believed() {
    for (option, reductions) in [("e0b=0 ceb=0", 1), ("e0b=1 ceb=0", 0)] {
        let mut b = accurate();
        b.send(5_000);
        b.arrive(&format!("ACK {} ack=1000 {option}", said(6)));
        assert_eq!(b.c.info(b.now).ecn_reductions, reductions, "{option}");
    }
}

#[test]
fn super_segments_wait_while_the_counter_has_the_bit_of_cwr() {
    let path = Path {
        gso_max: 65_535,
        ..PATH
    };
    let mut b = Bench::on(config(), path, ISS);
    b.drain();
    b.arrive("SYN ACK CWR seq=-1 mss=1000");
    b.send(4_000);
    assert!(b.last().gso_size > 0);
    b.arrive("ACK AE ECE ack=4000 len=10 ce");
    b.send(4_000);
    assert_eq!((b.last().gso_size, ace(&b.last().header)), (0, 6));
}

#[test]
fn counters_and_marks_agree_at_both_ends_of_a_long_transfer() {
    for fast_path in [true, false] {
        let with = Config {
            fast_path,
            ecn: Ecn::Accurate,
            ..Config::default()
        };
        let mut w = Wire::new(with.clone(), with);
        let mut n = 0;
        w.fault = alloc::boxed::Box::new(move |_, slot, _| {
            n += 1;
            let is_text = !slot.payload.is_empty();
            if is_text && n % 7 == 0 {
                Verdict::Mark
            } else {
                Verdict::Pass
            }
        });
        w.establish();
        let data = pattern(400_000, 9);
        assert!(w.transfer(0, &data, 600 * SECOND));
        w.run(SECOND, |_| false);
        let now = w.now;
        let heard = w.server().info(now).ce_in;
        assert!(heard > 20, "{heard}");
        let info = w.client().info(now);
        assert_eq!(info.retransmissions, 0);
        assert!(info.ece_in > 10 && info.ece_in <= heard, "{info:?}");
        // The server's last acknowledgment has told of all of them.
        let last = w.log.iter().rev().find(|l| l.1 == 1).unwrap();
        assert_eq!(u32::from(ace(&last.2)), (heard + 5) & 7);
    }
}

/// RFC 8257: a path that marks all beyond 20 segments keeps the window of DCTCP near that, and full;
/// Reno swings below it.
#[test]
fn dctcp_stays_near_the_threshold_of_the_marks() {
    let least_of = |congestion| {
        let with = Config {
            ecn: Ecn::Accurate,
            congestion,
            ..Config::default()
        };
        let mut w = Wire::new(with.clone(), with);
        let (mut una, threshold) = (0u32, 20 * 1448);
        w.fault = alloc::boxed::Box::new(move |from, slot, _| {
            if from == 1 {
                una = slot.header.ack.0;
            }
            let waits = slot.header.seq.0.wrapping_sub(una);
            match from == 0 && una != 0 && waits < 1 << 30 && waits > threshold {
                true => Verdict::Mark,
                false => Verdict::Pass,
            }
        });
        w.establish();
        let mut least = u32::MAX;
        for round in 0..40 {
            let data = pattern(100_000, round);
            assert!(w.transfer(0, &data, 60 * SECOND));
            let now = w.now;
            let info = w.client().info(now);
            assert_eq!(info.retransmissions, 0);
            if round >= 20 {
                least = least.min(info.cwnd);
            }
        }
        let now = w.now;
        assert!(w.client().info(now).ecn_reductions > 10);
        least
    };
    let (dctcp, reno) = (least_of(Congestion::DCTCP), least_of(Congestion::RENO));
    assert!(dctcp > reno, "{dctcp} {reno}");
    assert!((18 * 1448..40 * 1448).contains(&dctcp), "{dctcp}");
}
