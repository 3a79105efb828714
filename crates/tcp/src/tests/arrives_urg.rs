//! Sixth, check the URG bit (RFC 9293, 3.10.7.4 and 3.8.5).

use super::bench::*;
use crate::Readiness;

/// The pointer counts from SEG.SEQ, is kept at its maximum, and each advance is told once.
#[test]
fn urgent_data_ahead_is_told_once_for_each_advance() {
    let mut b = Bench::established(prompt(), "");
    b.c.poll_readiness();
    b.arrive("URG ACK seq=0 len=10 up=5");
    assert!(b.c.poll_readiness().contains(Readiness::URGENT));
    assert_eq!(b.c.urgent(), Some(5));
    for same in [
        "URG ACK seq=5 len=8 up=0",
        "URG ACK seq=3 len=10 up=2",
        "ACK seq=13 len=1",
    ] {
        b.arrive(same);
        assert!(!b.c.poll_readiness().contains(Readiness::URGENT), "{same}");
    }
    b.arrive("URG ACK seq=14 len=1 up=100");
    assert!(b.c.poll_readiness().contains(Readiness::URGENT));
    assert_eq!(b.c.urgent(), Some(114));
    assert_eq!(b.read().len(), 15);
    // The data consumed has not come so far.
    assert_eq!(b.c.urgent(), Some(99));
    b.arrive("ACK seq=15 len=99");
    assert_eq!(b.read().len(), 99);
    assert_eq!(b.c.urgent(), None);
    assert!(!b.c.readiness().contains(Readiness::URGENT));
}

/// Urgent data that was read before its pointer came is no news; text is delivered all the same.
#[test]
fn a_pointer_at_what_was_consumed_says_nothing() {
    let mut b = Bench::established(prompt(), "");
    b.arrive("ACK seq=0 len=10");
    b.read();
    b.c.poll_readiness();
    b.arrive("URG ACK seq=0 len=20 up=10");
    assert_eq!(b.c.urgent(), None);
    assert!(!b.c.poll_readiness().contains(Readiness::URGENT));
    assert_eq!(b.read().len(), 10);
}

#[test]
fn urg_is_ignored_after_the_peers_fin() {
    let mut b = Bench::established(prompt(), "");
    b.arrive("FIN ACK seq=0");
    b.c.poll_readiness();
    b.arrive("URG ACK seq=1 up=100");
    assert!(b.c.poll_readiness().is_empty());
    assert_eq!(b.c.urgent(), None);
}

/// Through a closed window, too (MUST-66).
#[test]
fn urg_passes_a_closed_window() {
    let config = crate::Config {
        receive_buffer: 10.into(),
        ..prompt()
    };
    let mut b = Bench::established(config, "");
    b.arrive("ACK seq=0 len=10");
    b.arrive("URG ACK seq=10 len=1 up=1");
    assert_eq!(b.c.urgent(), Some(11));
}

/// Ours points behind the urgent data (MUST-62), on every segment until that is acknowledged.
#[test]
fn our_pointer_points_behind_the_urgent_data() {
    let mut b = Bench::established(prompt(), "mss=100");
    let mut data = bytes::Bytes::from(alloc::vec![b'u'; 150]);
    b.c.send_urgent(&mut data).unwrap();
    b.drain();
    b.expect("URG,ACK seq=0 ack=0 len=100 up=150; PSH,URG,ACK seq=100 ack=0 len=50 up=50");
    b.send(10);
    b.expect("PSH,ACK seq=150 ack=0 len=10");
    b.arrive("ACK ack=160");
    b.send(10);
    b.expect("PSH,ACK seq=160 ack=0 len=10");
}
