//! Eighth, check the FIN bit (RFC 9293, 3.10.7.4).

use super::bench::*;
use super::table::*;
use alloc::format;

#[test]
fn a_fin_in_order_moves_the_state() {
    table! { PLAIN;
    //  state       | segment                => state     | reply              | disposition
        Established | "FIN ACK"              => CloseWait | "ACK seq=0 ack=1"  | Processed;
        Established | "FIN ACK len=10"       => CloseWait | "ACK seq=0 ack=11" | Processed;
        FinWait1    | "FIN ACK ack=-1"       => Closing   | "ACK seq=0 ack=1"  | Processed;
        FinWait1    | "FIN ACK ack=0"        => TimeWait  | "ACK seq=0 ack=1"  | Processed;
        FinWait1    | "FIN ACK ack=0 len=10" => TimeWait  | "ACK seq=0 ack=11" | Processed;
        FinWait1    | "FIN ACK ack=-1 len=9" => Closing   | "ACK seq=0 ack=10" | Processed;
        FinWait2    | "FIN ACK"              => TimeWait  | "ACK seq=0 ack=1"  | Processed;
        FinWait2    | "FIN ACK len=10"       => TimeWait  | "ACK seq=0 ack=11" | Processed;
    }
}

/// RFC 9293 throws the ACK of such a segment away; here it counts, for it may be all we get.
#[test]
fn a_fin_again_is_acknowledged_again() {
    table! { PLAIN;
    //  state       | segment                      => state       | reply             | disposition
        CloseWait   | "FIN ACK seq=-1"             => CloseWait   | "ACK seq=0 ack=0" | Processed;
        CloseWait   | "FIN ACK seq=-11 len=10"     => CloseWait   | "ACK seq=0 ack=0" | TcpDuplicate;
        Closing     | "FIN ACK seq=-1 ack=-1"      => Closing     | "ACK seq=0 ack=0" | Processed;
        Closing     | "FIN ACK seq=-1 ack=0"       => TimeWait    | "ACK seq=0 ack=0" | Processed;
        LastAck     | "FIN ACK seq=-1 ack=-1"      => LastAck     | "ACK seq=0 ack=0" | Processed;
        LastAck     | "FIN ACK seq=-1 ack=0"       => Closed      | ""                | Processed;
        TimeWait    | "FIN ACK seq=-1"             => TimeWait    | "ACK seq=0 ack=0" | TcpTimeWait;
        // Where there was none.
        Established | "FIN ACK seq=-1"             => Established | "ACK seq=0 ack=0" | Processed;
        Established | "FIN ACK seq=-11 len=10"     => Established | "ACK seq=0 ack=0" | TcpDuplicate;
        // A second one behind it.
        CloseWait | "FIN ACK seq=0"                => CloseWait | "ACK seq=0 ack=0" | Processed;
        CloseWait | "FIN ACK seq=5"                => CloseWait | "ACK seq=0 ack=0" | Processed;
        LastAck   | "FIN ACK seq=0 ack=-1"         => LastAck   | "ACK seq=0 ack=0" | Processed;
    }
}

#[test]
fn a_fin_ahead_of_a_gap_is_acknowledged_as_any_segment_out_of_order() {
    table! { PLAIN;
    //  state       | segment                       => state       | reply             | disposition
        Established | "FIN ACK seq=10"              => Established | "ACK seq=0 ack=0" | Processed;
        Established | "FIN ACK seq=10 len=10"       => Established | "ACK seq=0 ack=0" | Processed;
        FinWait1    | "FIN ACK seq=10 ack=-1"       => FinWait1    | "ACK seq=0 ack=0" | Processed;
        FinWait1    | "FIN ACK seq=10 ack=0"        => FinWait2    | "ACK seq=0 ack=0" | Processed;
        FinWait2    | "FIN ACK seq=10"              => FinWait2    | "ACK seq=0 ack=0" | Processed;
    }
}

/// It is remembered, and acts when the gap closes; octets past it are none, wherever they came.
#[test]
fn a_fin_that_came_early_acts_when_the_gap_closes() {
    let orders = [
        &["FIN ACK seq=20", "ACK seq=10 len=10", "ACK seq=0 len=10"][..],
        &["FIN ACK seq=10 len=10", "ACK seq=0 len=10"],
        &["FIN ACK seq=10 len=10", "ACK seq=0 len=15"],
        // Past the FIN: queued before it, and arriving after.
        &["ACK seq=15 len=50", "FIN ACK seq=20", "ACK seq=0 len=15"],
        &["ACK seq=30 len=50", "FIN ACK seq=20", "ACK seq=0 len=20"],
        &["FIN ACK seq=20", "ACK seq=0 len=90"],
        &["FIN ACK seq=20", "ACK seq=10 len=90", "ACK seq=0 len=10"],
        &[
            "FIN ACK seq=20",
            "FIN ACK seq=20",
            "ACK seq=5 len=40",
            "ACK seq=0 len=5",
        ],
    ];
    for order in orders {
        let mut b = Bench::established(prompt(), "");
        for text in order {
            assert_eq!(b.c.state(), crate::State::Established, "{order:?}");
            b.arrive(text);
        }
        assert_eq!(b.c.state(), crate::State::CloseWait, "{order:?}");
        assert_eq!(b.c.rcv_nxt(), b.theirs + 21, "{order:?}");
        assert_eq!(b.read().len(), 20, "{order:?}");
        assert_eq!(
            show(&b.last().header, 0, b.ours, b.theirs),
            format!("ACK seq=0 ack={}", 21)
        );
    }
}
