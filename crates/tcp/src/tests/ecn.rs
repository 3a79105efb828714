//! Explicit Congestion Notification, rule by rule (RFC 3168, 6.1; RFC 8511).

use super::bench::*;
use super::harness::*;
use crate::congestion::{Congestion, CongestionWindow, LossEvent, LossKind};
use crate::{Config, Ecn, EcnMode, SegmentSlot, State, SynReceived};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Ecn as Field, SendReason};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn config(ecn: Ecn) -> Config {
    Config {
        ecn,
        congestion: Congestion::RENO,
        ..prompt()
    }
}

/// ESTABLISHED by our own open, both directions with ECN; segments of 1000 octets.
fn classic() -> Bench {
    let mut b = Bench::new(config(Ecn::On));
    b.drain();
    b.arrive("SYN ACK ECE seq=-1 mss=1000");
    assert_eq!(b.c.info(b.now).ecn, EcnMode::Classic);
    b.sent();
    b
}

/// The same with a peer that reports what arrives, a round trip of 100 ms and ten segments in flight.
fn reporting() -> Bench {
    let mut b = Bench::new(config(Ecn::On));
    b.drain();
    b.advance(MS * 100);
    b.arrive("SYN ACK ECE seq=-1 mss=1000 sackok");
    b.send(100_000);
    b.sent();
    b.advance(MS * 100);
    assert_eq!(b.c.info(b.now).in_flight, 10_000);
    b
}

fn cwnd(b: &Bench) -> u32 {
    b.c.info(b.now).cwnd
}

/// AE, CWR and ECE of a segment.
fn bits(flags: TcpFlags) -> &'static str {
    let bit = |f| usize::from(flags.contains(f));
    let (ae, cwr, ece) = (bit(TcpFlags::AE), bit(TcpFlags::CWR), bit(TcpFlags::ECE));
    ["", "001", "010", "011", "100", "101", "110", "111"][ae * 4 + cwr * 2 + ece]
}

/// RFC 3168, 6.1.1; RFC 9768, table 2.
#[test]
fn who_agrees_on_what_in_every_pair() {
    use Ecn::{Accurate, Off, On, Passive};
    for (client, server, syn, syn_ack, mode) in [
        (Off, Off, "", "", EcnMode::Off),
        (Off, Passive, "", "", EcnMode::Off),
        (Off, On, "", "", EcnMode::Off),
        (Off, Accurate, "", "", EcnMode::Off),
        (Passive, Off, "", "", EcnMode::Off),
        (Passive, Passive, "", "", EcnMode::Off),
        (Passive, On, "", "", EcnMode::Off),
        (Passive, Accurate, "", "", EcnMode::Off),
        (On, Off, "011", "", EcnMode::Off),
        (On, Passive, "011", "001", EcnMode::Classic),
        (On, On, "011", "001", EcnMode::Classic),
        (On, Accurate, "011", "001", EcnMode::Classic),
        (Accurate, Off, "111", "", EcnMode::Off),
        (Accurate, Passive, "111", "001", EcnMode::Classic),
        (Accurate, On, "111", "001", EcnMode::Classic),
        (Accurate, Accurate, "111", "010", EcnMode::Accurate),
    ] {
        let mut w = Wire::new(config(client), config(server));
        w.establish();
        let told = (bits(w.log[0].2.flags), bits(w.log[1].2.flags));
        assert_eq!(told, (syn, syn_ack), "{client:?} {server:?}");
        let now = w.now;
        let modes = w.hosts.each_ref().map(|h| h.connection().info(now).ecn);
        assert_eq!(modes, [mode; 2], "{client:?} {server:?}");
    }
}

/// RFC 3168, 6.1.1.2: a peer that reflects the reserved bits of our SYN has agreed to nothing.
#[test]
fn only_ece_without_cwr_on_a_syn_ack_agrees() {
    for (flags, mode) in [
        ("SYN ACK", EcnMode::Off),
        ("SYN ACK CWR", EcnMode::Off),
        ("SYN ACK ECE CWR", EcnMode::Off),
        ("SYN ACK ECE", EcnMode::Classic),
    ] {
        let mut b = Bench::new(config(Ecn::On));
        b.drain();
        b.arrive(&format!("{flags} seq=-1"));
        assert_eq!(b.c.info(b.now).ecn, mode, "{flags}");
        let mut b = Bench::new(config(Ecn::Passive));
        b.drain();
        b.arrive(&format!("{flags} seq=-1"));
        assert_eq!(
            b.c.info(b.now).ecn,
            EcnMode::Off,
            "nobody asked for {flags}"
        );
    }
}

#[test]
fn a_simultaneous_open_agrees_when_both_syns_asked() {
    for (ours, theirs, answer, mode) in [
        (Ecn::On, "ECE CWR", "001", EcnMode::Classic),
        (Ecn::On, "", "", EcnMode::Off),
        // Our own SYN did not ask: then nothing we send may be ECT (6.1.1).
        (Ecn::Passive, "ECE CWR", "", EcnMode::Off),
    ] {
        let mut b = Bench::new(config(ours));
        b.drain();
        b.arrive(&format!("SYN {theirs} seq=-1"));
        assert_eq!(bits(b.last().header.flags), answer, "{ours:?} {theirs}");
        let theirs = if answer.is_empty() { "" } else { "ECE" };
        b.arrive(&format!("SYN ACK {theirs} seq=-1"));
        assert_eq!(b.c.state(), State::Established);
        assert_eq!(b.c.info(b.now).ecn, mode, "{ours:?} {theirs}");
        b.send(10);
        let is_ect = b.last().ecn == Field::Ect0;
        assert_eq!(is_ect, mode == EcnMode::Classic);
    }
}

/// RFC 3168, 6.1.1.1.
#[test]
fn a_syn_that_gets_no_answer_is_repeated_without_ecn() {
    let mut b = Bench::new(config(Ecn::On));
    b.drain();
    b.advance(4 * SECOND);
    b.expect("SYN,ECE,CWR seq=-1; SYN seq=-1; SYN seq=-1");
    // What answers the first all the same: we hear marks, and send nothing that can be marked.
    b.arrive("SYN ACK ECE seq=-1 mss=1000");
    b.sent();
    b.send(10);
    b.expect("PSH,ACK seq=0 ack=0 len=10");
    b.arrive("ACK ack=10 len=5 ce");
    b.expect("ACK,ECE seq=10 ack=5");
    b.arrive("ACK ECE ack=10 seq=5");
    assert_eq!(b.c.info(b.now).ecn_reductions, 0);
}

/// RFC 3168, 6.1.1.1.
#[test]
fn a_syn_that_is_refused_is_repeated_once_without_ecn() {
    let mut b = Bench::new(config(Ecn::On));
    b.drain();
    b.arrive("RST ACK seq=0 ack=0");
    b.expect("SYN,ECE,CWR seq=-1; SYN seq=-1");
    assert_eq!(b.c.state(), State::SynSent);
    b.arrive("RST ACK seq=0 ack=0");
    assert_eq!(b.c.state(), State::Closed);
    b.expect("");
    // One that did not ask is refused at once.
    let mut b = Bench::new(config(Ecn::Passive));
    b.drain();
    b.arrive("RST ACK seq=0 ack=0");
    assert_eq!(b.c.state(), State::Closed);
}

#[test]
fn a_syn_that_comes_again_without_ecn_is_answered_without() {
    let config = Arc::new(config(Ecn::Passive));
    let now = Instant::from_secs(100);
    let syn = |text| segment(text, ISS + 1, IRS + 1);
    let mut half = SynReceived::new(
        &syn("SYN ECE CWR seq=-1").header,
        ISS,
        0,
        &config,
        PATH,
        now,
    );
    let mut slot = SegmentSlot::default();
    let mut answers = Vec::new();
    for again in ["SYN ECE CWR seq=-1", "SYN seq=-1", "SYN ECE CWR seq=-1"] {
        half.write_syn_ack(now, &config, PATH, &mut slot);
        answers.push(bits(slot.header.flags));
        half.segment_arrives(&mut syn(again), now);
    }
    assert_eq!(answers, ["001", "001", ""]);
    let c = half.into_connection(config, PATH, now);
    assert_eq!(c.info(now).ecn, EcnMode::Off);
}

/// RFC 3168, 6.1.2, 6.1.4 to 6.1.6.
#[test]
fn only_new_data_can_be_marked() {
    let mut b = classic();
    b.send(2500);
    b.expect(
        "ACK seq=0 ack=0 len=1000 Ect0; ACK seq=1000 ack=0 len=1000 Ect0; \
         PSH,ACK seq=2000 ack=0 len=500 Ect0",
    );
    b.arrive("ACK len=10"); // a pure ACK
    b.expect("ACK seq=2500 ack=10");
    b.advance(2 * SECOND); // retransmission
    assert_eq!(b.sent()[0], "ACK seq=0 ack=10 len=1000");
    b.arrive("ACK seq=10 ack=2500 win=0");
    b.sent();
    b.send(10);
    assert!(b.next_deadline()); // window probe
    b.expect("ACK seq=2500 ack=10 len=1");
    assert_eq!(b.last().reason, SendReason::WindowProbe);
    b.arrive("ACK seq=10 ack=2501 win=60000");
    b.sent();
    b.arrive("ACK seq=10 ack=2510");
    b.close();
    b.expect("FIN,ACK seq=2510 ack=10");
    assert!(b.log[0].ecn == Field::NotEct, "nor can the SYN");
}

/// RFC 3168, 6.1.3.
#[test]
fn a_mark_is_echoed_until_cwr_arrives() {
    let mut b = classic();
    b.arrive("ACK len=10 ect0");
    b.expect("ACK seq=0 ack=10");
    b.arrive("ACK seq=10 len=10 ce");
    b.arrive("ACK seq=20 len=10 ect0");
    b.expect("ACK,ECE seq=0 ack=20; ACK,ECE seq=0 ack=30");
    b.send(10); // on data, too
    b.expect("PSH,ACK,ECE seq=0 ack=30 len=10 Ect0");
    b.arrive("ACK CWR seq=30 len=10 ack=10 ect0");
    b.expect("ACK seq=10 ack=40");
    // A marked segment with CWR answers the marks before it only.
    b.arrive("ACK CWR seq=40 len=10 ack=10 ce");
    b.arrive("ACK seq=50 len=10 ack=10 ect0");
    b.expect("ACK,ECE seq=10 ack=50; ACK,ECE seq=10 ack=60");
    assert_eq!(b.c.info(b.now).ce_in, 2);
}

/// RFC 3168, 6.1.5: an attacker who guesses no sequence number slows nobody down.
#[test]
fn a_mark_outside_the_window_or_without_text_says_nothing() {
    let mut b = classic();
    b.arrive("ACK len=100");
    b.sent();
    b.arrive("ACK seq=-1000 len=10 ce");
    b.arrive("ACK seq=9000000 len=10 ce");
    b.arrive("ACK seq=100 ce");
    b.arrive("ACK seq=100 len=10 ect0");
    assert!(b.sent().iter().all(|s| !s.contains("ECE")));
    assert_eq!(b.c.info(b.now).ce_in, 0);
}

/// RFC 3168, 6.1.2; RFC 8511, 3.
#[test]
fn an_echo_reduces_the_window_once_for_each_window_of_data() {
    let mut b = classic();
    b.send(100_000);
    assert_eq!((cwnd(&b), b.sent().len()), (10_000, 10));
    b.arrive("ACK ECE ack=1000");
    assert_eq!(cwnd(&b), 8_000);
    b.arrive("ACK ECE ack=2000");
    b.arrive("ACK ECE ack=3000");
    assert_eq!(cwnd(&b), 8_000, "neither down again, nor up");
    // 8 segments in flight, of which the first new one says that we have heard.
    b.expect("ACK,CWR seq=10000 ack=0 len=1000 Ect0");
    for ack in 4..=10 {
        b.arrive(&format!("ACK ECE ack={ack}000"));
    }
    assert_eq!(cwnd(&b), 8_000);
    assert!(b.sent().iter().all(|s| !s.contains("CWR")), "one only");
    // What it acknowledges now left after the reduction.
    b.arrive("ACK ECE ack=11000");
    assert_eq!(cwnd(&b), 6_400);
    let info = b.c.info(b.now);
    assert_eq!((info.ece_in, info.ecn_reductions), (11, 2));
    assert_eq!(info.ssthresh, 6_400);
    assert_eq!(info.retransmissions, 0);
}

#[test]
fn an_echo_of_nothing_in_flight_or_an_old_one_says_nothing() {
    let mut b = classic();
    b.arrive("ACK ECE ack=0");
    b.send(5_000);
    b.arrive("ACK ack=3000");
    b.arrive("ACK ECE ack=2000");
    assert!(cwnd(&b) >= 10_000);
    assert_eq!(b.c.info(b.now).ecn_reductions, 0);
}

/// RFC 3168, 6.1.2: "only once in response to a series of dropped and/or CE packets from a single
/// window of data".
#[test]
fn a_loss_in_a_window_that_was_reduced_for_a_mark_reduces_it_no_more() {
    let mut b = classic();
    b.send(100_000);
    b.arrive("ACK ECE ack=1000");
    assert_eq!(b.c.info(b.now).ssthresh, 8_000);
    b.sent();
    for _ in 0..3 {
        b.arrive("ACK ECE ack=1000");
    }
    assert_eq!(b.c.info(b.now).ssthresh, 8_000);
    let sent = b.sent();
    assert!(
        sent.contains(&"ACK seq=1000 ack=0 len=1000".into()),
        "{sent:?}"
    );
}

/// The same where reports name what was lost.
#[test]
fn a_loss_that_reports_name_and_a_mark_in_one_window_reduce_it_once() {
    let mut b = reporting();
    b.arrive("ACK ECE ack=1000");
    assert_eq!(b.c.info(b.now).ssthresh, 8_000);
    b.arrive("ACK ack=1000 sack=2000..5000");
    let info = b.c.info(b.now);
    assert_eq!((info.ssthresh, info.retransmissions), (8_000, 1));
    assert!(b.sent().contains(&"ACK seq=1000 ack=0 len=1000".into()));
    // It ends where the mark has let it, and what left since is a window of its own.
    b.arrive("ACK ack=1000 sack=2000..12000");
    b.arrive("ACK ack=12000");
    assert_eq!((cwnd(&b), b.c.info(b.now).ssthresh), (8_000, 8_000));
    b.sent();
    b.arrive("ACK ECE ack=13000");
    assert_eq!(b.c.info(b.now).ssthresh, 6_400);
}

/// RFC 5681, 3.1: two segments, however small the window was that a mark has left.
#[test]
fn a_loss_in_a_window_that_a_mark_has_reduced_leaves_two_segments_as_ssthresh() {
    let mut b = reporting();
    b.arrive("ACK ECE ack=1000");
    assert_eq!(b.c.info(b.now).ssthresh, 8_000);
    b.c.tcb.cwnd = 1_000;
    b.arrive("ACK ack=1000 sack=2000..6000");
    let info = b.c.info(b.now);
    assert_eq!((info.retransmissions, info.ssthresh), (1, 2_000));
}

#[test]
fn a_mark_in_a_window_that_was_reduced_for_a_reported_loss_reduces_it_no_more() {
    let mut b = reporting();
    b.arrive("ACK ack=1000 sack=2000..5000");
    assert_eq!(b.c.info(b.now).ssthresh, 4_500);
    let mut sent = b.sent();
    assert!(sent[0].starts_with("ACK seq=1000 "), "{sent:?}");
    for end in 6..=10 {
        b.arrive(&format!("ACK ECE ack=1000 sack=2000..{end}000"));
    }
    assert_eq!(b.c.info(b.now).ssthresh, 4_500);
    assert_eq!(b.c.info(b.now).ecn_reductions, 0);
    // The peer hears of the reduction, and stops.
    sent.extend(b.sent());
    let told = sent.iter().filter(|s| s.contains("CWR")).count();
    assert_eq!(told, 1, "{sent:?}");
}

#[test]
fn a_recovery_that_is_undone_leaves_what_a_mark_has_taken_since() {
    for (ece, window) in [("", 10_000), ("ECE ", 4_000)] {
        let mut b = reporting();
        b.arrive("ACK ack=1000 sack=2000..5000");
        b.arrive("ACK ack=10000");
        b.sent();
        // What left after the reduction is marked, or not.
        b.arrive(&format!("ACK {ece}ack=11000"));
        // The retransmission came twice: nothing had been lost.
        b.arrive("ACK ack=11000 sack=1000..2000");
        let info = b.c.info(b.now);
        assert!(info.cwnd.abs_diff(window) <= 1_000, "{ece}{info:?}");
    }
}

/// RFC 5681, 4.3: two indications of congestion.
#[test]
fn a_retransmission_that_is_lost_reduces_a_window_reduced_for_a_mark() {
    let mut b = reporting();
    b.arrive("ACK ECE ack=1000");
    b.arrive("ACK ack=1000 sack=2000..5000");
    assert_eq!(b.c.info(b.now).ssthresh, 8_000);
    b.sent();
    b.advance(MS * 50);
    b.arrive("ACK ack=1000 sack=2000..10000");
    b.sent();
    b.advance(MS * 100);
    // What left after the retransmission arrives.
    b.arrive("ACK ack=1000 sack=2000..13000");
    assert!(b.sent().contains(&"ACK seq=1000 ack=0 len=1000".into()));
    let info = b.c.info(b.now);
    assert!(info.ssthresh < 8_000, "{info:?}");
    assert_eq!(info.timeouts, 0);
}

#[test]
fn the_peer_is_told_of_a_reduction_for_loss_on_new_data_too() {
    let mut b = classic();
    b.send(100_000);
    b.arrive("ACK ack=1000");
    for _ in 0..3 {
        b.arrive("ACK ack=1000");
    }
    let before = b.c.info(b.now).ssthresh;
    b.sent();
    // Nor does a mark in the same window reduce it again.
    b.arrive("ACK ECE ack=2000");
    assert_eq!(b.c.info(b.now).ssthresh, before);
    b.arrive("ACK ECE ack=12000");
    let sent = b.sent();
    let told: Vec<_> = sent.iter().filter(|s| s.contains("CWR")).collect();
    assert_eq!(told.len(), 1, "{sent:?}");
    assert!(told[0].ends_with("Ect0"), "new data: {told:?}");
}

/// RFC 3168, 6.1.2: "able to send a new packet only when the retransmit timer expires".
#[test]
fn a_mark_at_a_window_of_one_segment_waits_for_the_timer() {
    let mut b = Bench::new(Config {
        initial_window: 1,
        ..config(Ecn::On)
    });
    b.drain();
    b.arrive("SYN ACK ECE seq=-1 mss=1000");
    b.sent();
    b.send(3_000);
    b.expect("ACK seq=0 ack=0 len=1000 Ect0");
    b.arrive("ACK ECE ack=1000");
    b.expect("");
    assert_eq!(cwnd(&b), 1_000);
    let start = b.now;
    assert!(b.next_deadline());
    assert!(b.now.since(start) >= Duration::from_millis(200));
    b.expect("ACK,CWR seq=1000 ack=0 len=1000 Ect0");
    b.arrive("ACK ack=2000");
    b.expect("PSH,ACK seq=2000 ack=0 len=1000 Ect0");
    assert_eq!(b.c.info(b.now).timeouts, 0);
}

#[test]
fn a_mark_costs_less_than_a_loss() {
    use LossKind::{Ecn, FastRetransmit};
    for (algorithm, in_flight, kind, cwnd) in [
        (Congestion::RENO, 20_000, Ecn, 16_000),
        (Congestion::RENO, 20_000, FastRetransmit, 10_000),
        (Congestion::RENO, 2_100, Ecn, 2_000),
        (Congestion::RENO, u32::MAX, Ecn, 20_000),
        (Congestion::CUBIC, 20_000, Ecn, 17_000),
        (Congestion::CUBIC, 20_000, FastRetransmit, 14_000),
        (Congestion::CUBIC, 2_100, Ecn, 2_000),
        (Congestion::CUBIC, u32::MAX, Ecn, 20_000),
    ] {
        let mut w = CongestionWindow {
            cwnd: 20_000,
            ssthresh: u32::MAX,
            mss: 1_000,
        };
        let now = Instant::from_secs(1);
        let loss = LossEvent {
            now,
            in_flight,
            kind,
        };
        algorithm.build().on_loss(&mut w, &loss);
        assert_eq!(w.cwnd, cwnd, "{in_flight} {kind:?}");
    }
}

#[test]
fn a_super_segment_is_marked_as_one_and_carries_cwr_once() {
    let path = crate::Path {
        gso_max: 65_535,
        ..PATH
    };
    let mut b = Bench::on(config(Ecn::On), path, ISS);
    b.drain();
    b.arrive("SYN ACK ECE seq=-1 mss=1000");
    b.send(100_000);
    b.arrive("ACK ECE ack=2000");
    b.sent();
    b.arrive("ACK ack=10000");
    let sent: Vec<_> = b.log.iter().filter(|s| s.gso_size > 0).collect();
    assert!(sent.iter().all(|s| s.ecn == Field::Ect0));
    let told = sent
        .iter()
        .filter(|s| s.header.flags.contains(TcpFlags::CWR));
    assert_eq!(told.count(), 1);
}

/// A path that marks every tenth packet instead of losing it: nothing is ever sent twice.
#[test]
fn a_transfer_over_a_path_that_marks_loses_nothing() {
    for (client, server) in [
        (Ecn::On, Ecn::Passive),
        (Ecn::On, Ecn::On),
        (Ecn::Accurate, Ecn::Accurate),
    ] {
        for fast_path in [true, false] {
            let with = |ecn| Config {
                ecn,
                fast_path,
                ..Config::default()
            };
            let mut w = Wire::new(with(client), with(server));
            let mut rng = Rng::new(7);
            w.fault = Box::new(move |_, _, _| match rng.chance(0.1) {
                true => Verdict::Mark,
                false => Verdict::Pass,
            });
            w.establish();
            let data = pattern(300_000, 3);
            assert!(w.transfer(0, &data, 600 * SECOND));
            assert!(w.transfer(1, &data, 600 * SECOND));
            let now = w.now;
            for host in &w.hosts {
                let info = host.connection().info(now);
                assert_eq!(info.retransmissions, 0);
                assert!(info.ecn_reductions > 3 && info.ce_in > 3, "{info:?}");
                assert!(info.cwnd < 100_000, "{info:?}");
            }
        }
    }
}

#[test]
fn a_connection_without_ecn_keeps_nothing_for_it() {
    let mut b = Bench::established(prompt(), "mss=1000");
    b.send(20_000);
    b.arrive("ACK ECE ack=1000 len=10 ce");
    for _ in 0..4 {
        b.arrive("ACK ECE ack=1000 seq=10");
    }
    let sent: Vec<_> = b
        .log
        .iter()
        .map(|s| (bits(s.header.flags), s.ecn))
        .collect();
    assert!(sent.iter().all(|s| *s == ("", Field::NotEct)));
    assert!(b.c.ecn.is_none());
}
