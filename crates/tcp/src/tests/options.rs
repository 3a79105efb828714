//! Options: MSS, and room for what rides on every segment. Timestamps have `arrives_paws`.

use super::bench::*;
use crate::{Config, Path};
use alloc::format;

#[test]
fn a_missing_mss_option_means_536_for_ipv4_and_1220_for_ipv6() {
    for (ip_header, mss) in [(20, 536), (40, 1_220)] {
        let mut b = Bench::on(prompt(), Path { ip_header, ..PATH }, ISS);
        b.drain();
        b.arrive("SYN ACK seq=-1");
        assert_eq!(b.c.info(b.now).snd_mss, mss);
        // What we announce: MMS_R - 20 (MUST-67), whatever options ride.
        assert_eq!(
            b.log[0].header.options.mss,
            Some(1_460 + 20 - u16::from(ip_header))
        );
    }
}

#[test]
fn a_peer_mss_of_0_or_1_is_raised_to_a_floor() {
    for mss in [0, 1, 63, 64] {
        let b = Bench::established(stamped(), &format!("mss={mss}"));
        assert_eq!(b.c.info(b.now).snd_mss, 52, "{mss}");
    }
}

#[test]
fn payload_leaves_room_for_the_options_really_sent() {
    for (config, text) in [(stamped(), 1_448), (prompt(), 1_460)] {
        let mut b = Bench::established(config, "mss=1460");
        b.send(10_000);
        for sent in b.log.iter().filter(|s| !s.text.is_empty()) {
            assert!(20 + sent.header.header_len() + sent.text.len() <= 1_500);
        }
        assert_eq!(b.log[2].text.len(), text);
    }
}

#[test]
fn an_mss_cap_holds_for_both_directions() {
    let b = Bench::established(
        Config {
            mss: Some(700),
            ..stamped()
        },
        "mss=1460",
    );
    assert_eq!(b.log[0].header.options.mss, Some(700));
    assert_eq!(b.c.info(b.now).snd_mss, 688);
}

/// Neither MSS nor window scale leave the handshake (MUST-65).
#[test]
fn syn_options_are_on_syns_only() {
    let mut b = Bench::established(Config::default(), "mss=1460 ws=7 ts=0");
    b.send(5_000);
    b.arrive("ACK len=10 ts=1");
    b.close();
    let late = b.log.iter().skip(1);
    for sent in late {
        let o = &sent.header.options;
        assert_eq!((o.mss, o.window_scale), (None, None));
        assert!(o.timestamps.is_some());
    }
    // Options of a SYN on another segment mean nothing.
    b.arrive("ACK seq=10 mss=100 ws=1 ts=2");
    assert_eq!((b.c.info(b.now).snd_mss, b.c.tcb.snd_scale), (1_448, 7));
}
