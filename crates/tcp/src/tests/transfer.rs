//! Whole lives of connections, from SYN to TIME-WAIT, with and without faults.

use super::harness::*;
use crate::{Config, State};
use handfast_base::{Duration, Rng};
use handfast_wire::SeqNumber;
use handfast_wire::tcp::TcpFlags;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn three_segments_open_and_four_close() {
    let mut w = Wire::new(Config::default(), Config::default());
    w.establish();
    assert_eq!(w.log.len(), 3, "{:?}", w.log);
    assert!(w.transfer(0, b"hello", MINUTE));
    assert!(w.transfer(1, b"good day", MINUTE));
    let now = w.now;
    w.client().close(now).unwrap();
    assert!(w.run(MINUTE, |w| w.states()
        == (State::FinWait2, State::CloseWait)));
    let now = w.now;
    w.server().close(now).unwrap();
    assert!(w.run(MINUTE, |w| w.states() == (State::TimeWait, State::Closed)));
    assert_eq!(w.count(0, TcpFlags::FIN) + w.count(1, TcpFlags::FIN), 2);
    assert_eq!(w.count(0, TcpFlags::RST) + w.count(1, TcpFlags::RST), 0);
    let waited = w.now;
    assert!(w.run(2 * MINUTE, |w| w.hosts[0].state() == State::Closed));
    let wait = w.now.since(waited);
    assert!((59..61).contains(&wait.as_secs()), "2 MSL: {wait:?}");
}

#[test]
fn a_megabyte_each_way_without_faults_is_sent_once() {
    let mut w = Wire::new(Config::default(), Config::default());
    w.establish();
    let data = pattern(1 << 20, 1);
    assert!(w.transfer(0, &data, MINUTE));
    assert!(w.transfer(1, &data, MINUTE));
    for end in 0..2 {
        let info = w.hosts[end].connection().info(w.now);
        assert_eq!(info.retransmissions, 0);
        assert_eq!(info.octets_received, 1 << 20);
    }
}

#[test]
fn sequence_numbers_wrap_in_handshake_data_and_fin() {
    for back in [0u32, 1, 2, 700, 70_000] {
        let iss = SeqNumber(0u32.wrapping_sub(back));
        let mut w = Wire::with_iss(Config::default(), Config::default(), iss, iss);
        w.establish();
        let data = pattern(100_000, 2);
        assert!(w.transfer(0, &data, MINUTE), "{back}");
        assert!(w.transfer(1, &data, MINUTE), "{back}");
        let now = w.now;
        w.client().close(now).unwrap();
        assert!(w.run(MINUTE, |w| w.hosts[1].state() == State::CloseWait));
        let now = w.now;
        w.server().close(now).unwrap();
        assert!(w.run(MINUTE, |w| w.states() == (State::TimeWait, State::Closed)));
    }
}

#[test]
fn every_octet_arrives_under_loss_reordering_and_duplication() {
    for seed in 0..60 {
        let mut w = Wire::new(Config::default(), Config::default());
        let mut rng = Rng::new(seed);
        w.fault = alloc::boxed::Box::new(move |_, _, _| {
            let (lost, twice) = (rng.chance(0.05), rng.chance(0.02));
            let late = rng.chance(0.05);
            match (lost, twice, late) {
                (true, _, _) => Verdict::Drop,
                (_, true, _) => Verdict::Duplicate,
                (_, _, true) => Verdict::Late(rng.below(30_000)),
                _ => Verdict::Pass,
            }
        });
        w.establish();
        let data = pattern(300_000, seed);
        assert!(
            w.transfer(0, &data, 10 * MINUTE),
            "seed {seed} at {:?}",
            w.now
        );
        assert!(w.transfer(1, &data[..50_000], 10 * MINUTE), "seed {seed}");
        let now = w.now;
        w.client().close(now).unwrap();
        let now = w.now;
        w.server().close(now).unwrap();
        let ended = |s| matches!(s, State::TimeWait | State::Closed);
        assert!(
            w.run(10 * MINUTE, |w| ended(w.hosts[0].state())
                && ended(w.hosts[1].state())),
            "seed {seed}: {:?}",
            w.states()
        );
    }
}

#[test]
fn a_reader_that_sleeps_stops_the_sender_and_wakes_it() {
    let small = Config {
        receive_buffer: 20_000.into(),
        ..Config::default()
    };
    let large = Config {
        send_buffer: (1 << 20).into(),
        ..Config::default()
    };
    let mut w = Wire::new(large, small);
    w.establish();
    w.hosts[1].deaf = true;
    let data = pattern(200_000, 3);
    assert!(!w.transfer(0, &data, 2 * MINUTE));
    assert_eq!(w.hosts[1].connection().info(w.now).rcv_wnd, 0);
    let probes = w
        .log
        .iter()
        .filter(|l| l.4 == handfast_wire::SendReason::WindowProbe)
        .count();
    assert!((4..40).contains(&probes), "{probes} probes in two minutes");
    w.hosts[1].deaf = false;
    w.hosts[1].read();
    assert!(w.run(MINUTE, |w| w.hosts[1].received.len() == 200_000));
    assert_eq!(w.hosts[1].received, data);
}
