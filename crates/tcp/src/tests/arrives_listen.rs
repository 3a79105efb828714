//! RFC 9293, 3.10.7.1 (CLOSED) and 3.10.7.2 (LISTEN). Numbers are absolute here.

use super::table::*;

#[test]
fn closed_answers_everything_but_a_reset_with_a_reset() {
    table! { PLAIN;
    //  state  | segment                         => state  | reply               | disposition
        Closed | "SYN seq=100"                   => Closed | "RST,ACK seq=0 ack=101" | TcpNoConnection;
        Closed | "SYN seq=100 len=10"            => Closed | "RST,ACK seq=0 ack=111" | TcpNoConnection;
        Closed | "SYN FIN seq=100 len=10"        => Closed | "RST,ACK seq=0 ack=112" | TcpNoConnection;
        Closed | "FIN seq=9"                     => Closed | "RST,ACK seq=0 ack=10"  | TcpNoConnection;
        Closed | "seq=9 len=3"                   => Closed | "RST,ACK seq=0 ack=12"  | TcpNoConnection;
        Closed | "ACK seq=7 ack=50"              => Closed | "RST seq=50"            | TcpNoConnection;
        Closed | "PSH ACK seq=7 ack=50 len=5"    => Closed | "RST seq=50"            | TcpNoConnection;
        Closed | "SYN ACK seq=7 ack=50"          => Closed | "RST seq=50"            | TcpNoConnection;
        Closed | "FIN ACK seq=7 ack=50"          => Closed | "RST seq=50"            | TcpNoConnection;
        Closed | "RST seq=7"                     => Closed | ""                      | TcpNoConnection;
        Closed | "RST ACK seq=7 ack=50"          => Closed | ""                      | TcpNoConnection;
        Closed | "RST SYN seq=7"                 => Closed | ""                      | TcpNoConnection;
        Closed | "RST FIN ACK seq=7 len=4"       => Closed | ""                      | TcpNoConnection;
    }
}

#[test]
fn listen_checks_rst_then_ack_then_syn() {
    table! { PLAIN;
    //  state  | segment                         => state       | reply        | disposition
        Listen | "RST seq=7"                     => Listen      | ""           | TcpListenReset;
        Listen | "RST ACK seq=7 ack=50"          => Listen      | ""           | TcpListenReset;
        Listen | "RST SYN seq=7"                 => Listen      | ""           | TcpListenReset;
        Listen | "ACK seq=7 ack=50"              => Listen      | "RST seq=50" | TcpListenAck;
        Listen | "SYN ACK seq=7 ack=50"          => Listen      | "RST seq=50" | TcpListenAck;
        Listen | "FIN ACK seq=7 ack=50 len=4"    => Listen      | "RST seq=50" | TcpListenAck;
        Listen | "SYN seq=7"                     => SynReceived | ""           | Processed;
        Listen | "SYN seq=7 len=10"              => SynReceived | ""           | Processed;
        Listen | "SYN FIN seq=7"                 => SynReceived | ""           | Processed;
        Listen | "SYN URG seq=7 up=3"            => SynReceived | ""           | Processed;
        Listen | "seq=7 len=10"                  => Listen      | ""           | TcpListenOther;
        Listen | "FIN seq=7"                     => Listen      | ""           | TcpListenOther;
        Listen | "PSH URG seq=7"                 => Listen      | ""           | TcpListenOther;
        Listen | ""                              => Listen      | ""           | TcpListenOther;
    }
}
