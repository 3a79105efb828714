//! RFC 9293, 3.10.7.3 (SYN-SENT). `ack=0` acknowledges our SYN; `seq=-1` is the peer's ISN.

use super::table::*;

#[test]
fn first_the_ack_second_the_rst() {
    table! { PLAIN;
    //  state   | segment                      => state   | reply        | disposition
        SynSent | "ACK ack=-1"                 => SynSent | "RST seq=-1" | TcpUnacceptableAck;
        SynSent | "ACK ack=1"                  => SynSent | "RST seq=1"  | TcpUnacceptableAck;
        SynSent | "SYN ACK seq=-1 ack=-1"      => SynSent | "RST seq=-1" | TcpUnacceptableAck;
        SynSent | "SYN ACK seq=-1 ack=1"       => SynSent | "RST seq=1"  | TcpUnacceptableAck;
        SynSent | "SYN ACK seq=-1 ack=2147483647" => SynSent | "RST seq=2147483647" | TcpUnacceptableAck;
        SynSent | "PSH ACK ack=1 len=4"        => SynSent | "RST seq=1"  | TcpUnacceptableAck;
        SynSent | "FIN ACK ack=1"              => SynSent | "RST seq=1"  | TcpUnacceptableAck;
        SynSent | "RST ACK ack=-1"             => SynSent | ""           | TcpUnacceptableAck;
        SynSent | "RST ACK ack=1"              => SynSent | ""           | TcpUnacceptableAck;
        SynSent | "RST SYN ACK ack=1"          => SynSent | ""           | TcpUnacceptableAck;
        SynSent | "RST"                        => SynSent | ""           | TcpResetInSynSent;
        SynSent | "RST SYN"                    => SynSent | ""           | TcpResetInSynSent;
        SynSent | "RST ACK ack=0"              => Closed  | ""           | Processed;
        SynSent | "RST SYN ACK ack=0"          => Closed  | ""           | Processed;
        SynSent | "RST FIN ACK ack=0 len=9"    => Closed  | ""           | Processed;
    }
}

#[test]
fn fourth_the_syn_fifth_nothing_else() {
    table! { PLAIN;
    //  state   | segment                        => state       | reply                 | disposition
        SynSent | "SYN ACK seq=-1"               => Established | "ACK seq=0 ack=0"     | Processed;
        SynSent | "SYN ACK seq=-1 len=10"        => Established | "ACK seq=0 ack=10"    | Processed;
        SynSent | "SYN ACK seq=-1 len=1000"      => Established | "ACK seq=0 ack=1000"  | Processed;
        SynSent | "SYN ACK seq=-1 len=1200"      => Established | "ACK seq=0 ack=1000"  | Processed;
        SynSent | "SYN FIN ACK seq=-1"           => CloseWait   | "ACK seq=0 ack=1"     | Processed;
        SynSent | "SYN FIN ACK seq=-1 len=10"    => CloseWait   | "ACK seq=0 ack=11"    | Processed;
        SynSent | "SYN FIN ACK seq=-1 len=1200"  => Established | "ACK seq=0 ack=1000"  | Processed;
        SynSent | "SYN seq=-1"                   => SynReceived | "SYN,ACK seq=-1 ack=0" | Processed;
        SynSent | "SYN seq=-1 len=10"            => SynReceived | "SYN,ACK seq=-1 ack=0" | Processed;
        SynSent | "SYN FIN seq=-1"               => SynReceived | "SYN,ACK seq=-1 ack=0" | Processed;
        SynSent | "ACK ack=0"                    => SynSent     | ""                    | TcpNoSynNorReset;
        SynSent | "ACK ack=0 len=10"             => SynSent     | ""                    | TcpNoSynNorReset;
        SynSent | "FIN ACK ack=0"                => SynSent     | ""                    | TcpNoSynNorReset;
        SynSent | "FIN"                          => SynSent     | ""                    | TcpNoSynNorReset;
        SynSent | "URG PSH len=10 up=3"          => SynSent     | ""                    | TcpNoSynNorReset;
        SynSent | ""                             => SynSent     | ""                    | TcpNoSynNorReset;
    }
}
