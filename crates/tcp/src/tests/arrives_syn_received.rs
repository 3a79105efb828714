//! RFC 9293, 3.10.7.4, in SYN-RECEIVED: out of LISTEN, and after a simultaneous open. RCV.WND is
//! 1000; `seq=-1` is the peer's SYN again, `ack=0` acknowledges ours.

use super::table::*;

#[test]
fn a_passive_open_waits_for_the_third_segment() {
    table! { PLAIN;
    //  state              | segment                   => state       | reply                  | disposition
        PassiveSynReceived | "ACK"                     => Established | ""                     | Processed;
        PassiveSynReceived | "ACK len=10"              => Established | "ACK seq=0 ack=10"     | Processed;
        PassiveSynReceived | "ACK len=1200"            => Established | "ACK seq=0 ack=1000"   | Processed;
        PassiveSynReceived | "ACK seq=20 len=10"       => Established | "ACK seq=0 ack=0"      | Processed;
        PassiveSynReceived | "FIN ACK"                 => CloseWait   | "ACK seq=0 ack=1"      | Processed;
        PassiveSynReceived | "FIN ACK len=10"          => CloseWait   | "ACK seq=0 ack=11"     | Processed;
        PassiveSynReceived | "URG ACK len=10 up=5"     => Established | "ACK seq=0 ack=10"     | Processed;
        PassiveSynReceived | "ACK ack=-1"              => SynReceived | "RST seq=-1"           | TcpUnacceptableAck;
        PassiveSynReceived | "ACK ack=1"               => SynReceived | "RST seq=1"            | TcpUnacceptableAck;
        PassiveSynReceived | "FIN ACK ack=1 len=4"     => SynReceived | "RST seq=1"            | TcpUnacceptableAck;
        PassiveSynReceived | "SYN seq=-1"              => SynReceived | "SYN,ACK seq=-1 ack=0" | Processed;
        PassiveSynReceived | "SYN seq=-1 len=20"       => SynReceived | "SYN,ACK seq=-1 ack=0" | Processed;
        PassiveSynReceived | "SYN ACK seq=-1"          => SynReceived | "ACK seq=0 ack=0"      | TcpSynInConnection;
        PassiveSynReceived | "SYN seq=5"               => SynReceived | "ACK seq=0 ack=0"      | TcpSynInConnection;
        PassiveSynReceived | "SYN seq=-100"            => SynReceived | "ACK seq=0 ack=0"      | TcpOutsideWindow;
        PassiveSynReceived | "SYN seq=2000"            => SynReceived | "ACK seq=0 ack=0"      | TcpOutsideWindow;
        PassiveSynReceived | "ACK seq=2000"            => SynReceived | "ACK seq=0 ack=0"      | TcpOutsideWindow;
        PassiveSynReceived | "ACK seq=-10 len=10"      => SynReceived | "ACK seq=0 ack=0"      | TcpOutsideWindow;
        PassiveSynReceived | "RST"                     => Listen      | ""                     | Processed;
        PassiveSynReceived | "RST ACK ack=77"          => Listen      | ""                     | Processed;
        PassiveSynReceived | "RST FIN len=3"           => Listen      | ""                     | Processed;
        PassiveSynReceived | "RST SYN"                 => Listen      | ""                     | Processed;
        PassiveSynReceived | "RST seq=1"               => SynReceived | "ACK seq=0 ack=0"      | TcpResetNotExact;
        PassiveSynReceived | "RST seq=999"             => SynReceived | "ACK seq=0 ack=0"      | TcpResetNotExact;
        PassiveSynReceived | "RST seq=1000"            => SynReceived | ""                     | TcpResetOutside;
        PassiveSynReceived | "RST seq=-1"              => SynReceived | ""                     | TcpResetOutside;
        PassiveSynReceived | "RST SYN seq=-1"          => SynReceived | ""                     | TcpResetOutside;
        PassiveSynReceived | "len=10"                  => SynReceived | ""                     | TcpNoAck;
        PassiveSynReceived | "FIN"                     => SynReceived | ""                     | TcpNoAck;
    }
}

#[test]
fn a_simultaneous_open_waits_for_the_ack_of_its_syn() {
    table! { PLAIN;
    //  state             | segment                      => state       | reply                  | disposition
        ActiveSynReceived | "SYN ACK seq=-1"             => Established | ""                     | Processed;
        ActiveSynReceived | "SYN ACK seq=-1 len=10"      => Established | "ACK seq=0 ack=10"     | Processed;
        ActiveSynReceived | "SYN FIN ACK seq=-1 len=10"  => CloseWait   | "ACK seq=0 ack=11"     | Processed;
        ActiveSynReceived | "ACK"                        => Established | ""                     | Processed;
        ActiveSynReceived | "ACK len=10"                 => Established | "ACK seq=0 ack=10"     | Processed;
        ActiveSynReceived | "ACK seq=20 len=10"          => Established | "ACK seq=0 ack=0"      | Processed;
        ActiveSynReceived | "FIN ACK"                    => CloseWait   | "ACK seq=0 ack=1"      | Processed;
        ActiveSynReceived | "ACK ack=-1"                 => SynReceived | "RST seq=-1"           | TcpUnacceptableAck;
        ActiveSynReceived | "ACK ack=1"                  => SynReceived | "RST seq=1"            | TcpUnacceptableAck;
        ActiveSynReceived | "SYN seq=-1"                 => SynReceived | "SYN,ACK seq=-1 ack=0" | TcpDuplicate;
        ActiveSynReceived | "SYN ACK seq=-1 ack=-1"      => SynReceived | "SYN,ACK seq=-1 ack=0" | TcpDuplicate;
        ActiveSynReceived | "SYN seq=5"                  => SynReceived | "ACK seq=0 ack=0"      | TcpSynInConnection;
        ActiveSynReceived | "ACK seq=2000"               => SynReceived | "ACK seq=0 ack=0"      | TcpOutsideWindow;
        ActiveSynReceived | "RST"                        => Closed      | ""                     | Processed;
        ActiveSynReceived | "RST SYN"                    => Closed      | ""                     | Processed;
        ActiveSynReceived | "RST seq=1"                  => SynReceived | "ACK seq=0 ack=0"      | TcpResetNotExact;
        ActiveSynReceived | "RST seq=1001"               => SynReceived | ""                     | TcpResetOutside;
        ActiveSynReceived | "RST seq=-1"                 => SynReceived | ""                     | TcpResetOutside;
        ActiveSynReceived | "len=10"                     => SynReceived | ""                     | TcpNoAck;
    }
}
