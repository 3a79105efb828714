//! Second, check the RST bit (RFC 9293, 3.10.7.4; RFC 5961, 3; RFC 1337).

use super::bench::Bench;
use super::table::*;
use crate::{ConnectionError, State};
use alloc::format;

#[test]
fn exactly_at_rcv_nxt_it_resets() {
    for at in At::SYNCHRONIZED {
        let rows = [
            "RST",
            "RST ACK",
            // Neither its ACK, nor other bits, nor text matter (SHLD-2).
            "RST ACK ack=999999",
            "RST SYN",
            "RST FIN",
            "RST len=10",
            "RST URG PSH FIN SYN ACK len=10",
        ];
        check(
            PLAIN,
            &rows.map(|text| (at, text, "Closed", "", "Processed")),
        );
    }
}

#[test]
fn elsewhere_in_the_window_it_draws_a_challenge_and_outside_nothing() {
    for at in At::SYNCHRONIZED {
        let state = format!("{at:?}");
        let rows = [
            ("RST seq=1", "ACK seq=0 ack=0", "TcpResetNotExact"),
            ("RST seq=998", "ACK seq=0 ack=0", "TcpResetNotExact"),
            (
                "RST ACK seq=500 len=10",
                "ACK seq=0 ack=0",
                "TcpResetNotExact",
            ),
            ("RST SYN seq=500", "ACK seq=0 ack=0", "TcpResetNotExact"),
            ("RST seq=1001", "", "TcpResetOutside"),
            ("RST seq=-1", "", "TcpResetOutside"),
            ("RST seq=-10 len=10", "", "TcpResetOutside"),
            ("RST seq=2147483648", "", "TcpResetOutside"),
        ];
        check(
            PLAIN,
            &rows.map(|(text, reply, what)| (at, text, &*state, reply, what)),
        );
    }
}

/// A peer that aborts with its whole window in flight resets from the right edge; should the
/// first of it be lost, only our challenge tells the peer's stack where we stand.
#[test]
fn a_reset_from_the_right_edge_is_asked_about() {
    table! { PLAIN;
    //  state       | segment         => state       | reply             | disposition
        Established | "RST seq=1000"  => Established | "ACK seq=0 ack=0" | TcpResetNotExact;
        Established | "RST seq=1001"  => Established | ""                | TcpResetOutside;
        FinWait2    | "RST seq=1000"  => FinWait2    | "ACK seq=0 ack=0" | TcpResetNotExact;
    }
}

/// What the application hears, by state, whether the reset carries text or not (SHLD-2).
#[test]
fn a_reset_is_told_apart_from_a_clean_end() {
    let error_after_rst = |at, setup: Setup| {
        let errors = ["RST", "RST len=10"].map(|reset| {
            let mut b: Bench = bench_at(at, setup);
            b.theirs = b.c.rcv_nxt();
            b.arrive(reset);
            assert_eq!(b.c.state(), State::Closed);
            b.c.error()
        });
        assert_eq!(errors[0], errors[1], "{at:?}");
        errors[0]
    };
    let unsent = Setup {
        in_flight: 100,
        ..PLAIN
    };
    for at in [At::Established, At::FinWait1, At::FinWait2, At::CloseWait] {
        assert_eq!(
            error_after_rst(at, PLAIN),
            Some(ConnectionError::Reset),
            "{at:?}"
        );
    }
    assert_eq!(
        error_after_rst(At::ActiveSynReceived, PLAIN),
        Some(ConnectionError::Refused)
    );
    // Both ends had closed: everything but our FIN has arrived, or not.
    for at in [At::Closing, At::LastAck] {
        assert_eq!(error_after_rst(at, PLAIN), None, "{at:?}");
        assert_eq!(
            error_after_rst(at, unsent),
            Some(ConnectionError::Reset),
            "{at:?}"
        );
    }
}

#[test]
fn a_connection_that_ended_says_no_more() {
    let mut b = bench_at(At::Established, PLAIN);
    b.theirs = b.c.rcv_nxt();
    b.send(100);
    b.sent();
    b.arrive("RST");
    assert_eq!(b.c.poll_timeout(), None);
    b.arrive("ACK len=10");
    b.arrive("SYN");
    b.arrive("FIN ACK");
    b.expect("");
}
