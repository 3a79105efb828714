//! Fifth, check the ACK field (RFC 9293, 3.10.7.4; RFC 5961, 5). `ack=0` is SND.NXT.

use super::table::*;
use alloc::format;

/// SND.UNA is at -300; the peer's largest window was 60000.
const IN_FLIGHT: Setup = Setup {
    in_flight: 300,
    ..PLAIN
};

#[test]
fn acceptable_between_one_window_ago_and_snd_nxt() {
    table! { IN_FLIGHT;
    //  state       | segment                    => state       | reply              | disposition
        Established | "ACK ack=0"                => Established | ""                 | Processed;
        Established | "ACK ack=-100"             => Established | ""                 | Processed;
        Established | "ACK ack=-150"             => Established | ""                 | Processed;
        Established | "ACK ack=-300"             => Established | ""                 | Processed;
        Established | "ACK ack=-301"             => Established | ""                 | Processed;
        Established | "ACK ack=-60300"           => Established | ""                 | Processed;
        Established | "ACK ack=-60301"           => Established | "ACK seq=0 ack=0"  | TcpAckTooOld;
        Established | "ACK ack=1"                => Established | "ACK seq=0 ack=0"  | TcpAckOfUnsent;
        Established | "ACK ack=2147483000"       => Established | "ACK seq=0 ack=0"  | TcpAckOfUnsent;
        // Text comes with an old ACK, but not with an absurd one.
        Established | "ACK ack=-301 len=10"      => Established | "ACK seq=0 ack=10" | Processed;
        Established | "ACK ack=-60300 len=10"    => Established | "ACK seq=0 ack=10" | Processed;
        Established | "ACK ack=-60301 len=10"    => Established | "ACK seq=0 ack=0"  | TcpAckTooOld;
        Established | "ACK ack=1 len=10"         => Established | "ACK seq=0 ack=0"  | TcpAckOfUnsent;
        Established | "FIN ACK ack=1"            => Established | "ACK seq=0 ack=0"  | TcpAckOfUnsent;
        Established | "FIN ACK ack=-301"         => CloseWait   | "ACK seq=0 ack=1"  | Processed;
    }
}

#[test]
fn without_ack_nothing_counts() {
    for at in At::SYNCHRONIZED {
        let state = format!("{at:?}");
        let rows = [
            "",
            "len=10",
            "FIN",
            "FIN len=10",
            "URG len=10 up=5",
            "PSH len=1",
        ];
        check(PLAIN, &rows.map(|text| (at, text, &*state, "", "TcpNoAck")));
    }
}

#[test]
fn the_ack_of_our_fin_moves_the_state() {
    for setup in [PLAIN, IN_FLIGHT] {
        table! { setup;
        //  state     | segment         => state     | reply             | disposition
            FinWait1  | "ACK ack=0"     => FinWait2  | ""                | Processed;
            FinWait1  | "ACK ack=-1"    => FinWait1  | ""                | Processed;
            FinWait1  | "ACK ack=1"     => FinWait1  | "ACK seq=0 ack=0" | TcpAckOfUnsent;
            FinWait2  | "ACK ack=0"     => FinWait2  | ""                | Processed;
            FinWait2  | "ACK ack=-1"    => FinWait2  | ""                | Processed;
            CloseWait | "ACK ack=0"     => CloseWait | ""                | Processed;
            Closing   | "ACK ack=0"     => TimeWait  | ""                | Processed;
            Closing   | "ACK ack=-1"    => Closing   | ""                | Processed;
            Closing   | "ACK ack=1"     => Closing   | "ACK seq=0 ack=0" | TcpAckOfUnsent;
            LastAck   | "ACK ack=0"     => Closed    | ""                | Processed;
            LastAck   | "ACK ack=-1"    => LastAck   | ""                | Processed;
            LastAck   | "ACK ack=1"     => LastAck   | "ACK seq=0 ack=0" | TcpAckOfUnsent;
            LastAck   | "ACK ack=-70000" => LastAck  | "ACK seq=0 ack=0" | TcpAckTooOld;
        }
    }
}
