//! Seventh, process the segment text (RFC 9293, 3.10.7.4).

use super::bench::*;
use super::table::*;
use crate::{Config, Disposition};
use alloc::format;
use alloc::vec::Vec;

#[test]
fn text_is_taken_until_the_peers_fin() {
    table! { PLAIN;
    //  state       | segment                    => state       | reply              | disposition
        Established | "ACK len=10"               => Established | "ACK seq=0 ack=10" | Processed;
        Established | "PSH ACK len=10"           => Established | "ACK seq=0 ack=10" | Processed;
        Established | "ACK seq=5 len=10"         => Established | "ACK seq=0 ack=0"  | Processed;
        FinWait1    | "ACK ack=-1 len=10"        => FinWait1    | "ACK seq=0 ack=10" | Processed;
        FinWait1    | "ACK ack=0 len=10"         => FinWait2    | "ACK seq=0 ack=10" | Processed;
        FinWait2    | "ACK len=10"               => FinWait2    | "ACK seq=0 ack=10" | Processed;
        // After it there is none.
        CloseWait   | "ACK len=10"               => CloseWait   | "ACK seq=0 ack=0"  | TcpDuplicate;
        CloseWait   | "ACK seq=5 len=10"         => CloseWait   | "ACK seq=0 ack=0"  | TcpDuplicate;
        Closing     | "ACK ack=-1 len=10"        => Closing     | "ACK seq=0 ack=0"  | TcpDuplicate;
        LastAck     | "ACK ack=-1 len=10"        => LastAck     | "ACK seq=0 ack=0"  | TcpDuplicate;
    }
}

#[test]
fn text_that_nobody_will_read_draws_a_reset() {
    let orphan = Setup {
        orphan: true,
        ..PLAIN
    };
    table! { orphan;
    //  state    | segment               => state    | reply                 | disposition
        FinWait1 | "ACK ack=-1 len=10"   => Closed   | "RST,ACK seq=0 ack=0" | TcpAfterClose;
        FinWait1 | "ACK ack=0 len=10"    => Closed   | "RST,ACK seq=0 ack=0" | TcpAfterClose;
        FinWait2 | "ACK len=10"          => Closed   | "RST,ACK seq=0 ack=0" | TcpAfterClose;
        FinWait2 | "ACK seq=10 len=10"   => Closed   | "RST,ACK seq=0 ack=0" | TcpAfterClose;
        FinWait2 | "FIN ACK len=10"      => Closed   | "RST,ACK seq=0 ack=0" | TcpAfterClose;
        // What came before is no new data.
        FinWait2 | "ACK seq=-10 len=10"  => FinWait2 | "ACK seq=0 ack=0"     | TcpDuplicate;
        FinWait2 | "ACK"                 => FinWait2 | ""                    | Processed;
        FinWait2 | "FIN ACK"             => TimeWait | "ACK seq=0 ack=1"     | Processed;
    }
}

/// Whatever the order and the overlaps, the stream is the peer's.
#[test]
fn text_ahead_of_a_gap_is_held() {
    let orders: [&[(u32, u32)]; 6] = [
        &[(10, 10), (0, 10)],
        &[(20, 10), (10, 10), (0, 10)],
        &[(20, 10), (0, 10), (10, 10)],
        &[(5, 20), (0, 30)],
        &[(5, 5), (15, 5), (0, 40)],
        &[(10, 10), (5, 30), (0, 6)],
    ];
    for order in orders {
        let mut b = Bench::established(prompt(), "");
        for (seq, len) in order {
            b.arrive(&format!("ACK seq={seq} len={len}"));
        }
        let end = order.iter().map(|(seq, len)| seq + len).max().unwrap();
        assert_eq!(b.c.rcv_nxt(), b.theirs + end, "{order:?}");
        assert_eq!(
            b.read(),
            (0..end).map(octet).collect::<Vec<_>>(),
            "{order:?}"
        );
    }
}

/// RFC 9293, 3.10.7.4 (SHLD-31), within bounds: each piece costs what it takes to hold it. A small
/// window has room for as many lone octets as 16 KiB hold, and no more.
#[test]
fn a_small_window_holds_many_lone_octets_and_not_any_number() {
    let config = Config {
        receive_buffer: 1_000.into(),
        ..prompt()
    };
    let mut b = Bench::established(config, "");
    let odd = (1..1_000).step_by(2);
    let held =
        odd.take_while(|seq| b.arrive(&format!("ACK seq={seq} len=1")) == Disposition::Processed);
    assert_eq!(held.count(), (2 * 1_000 + 16 * 1_024) / 65);
}
