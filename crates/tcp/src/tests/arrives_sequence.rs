//! First, check the sequence number (RFC 9293, 3.10.7.4, table 6).

use super::table::*;

const ZERO_WINDOW: Setup = Setup {
    unread: WINDOW,
    ..PLAIN
};

#[test]
fn length_zero_window_open() {
    table! { PLAIN;
    //  state       | segment               => state       | reply             | disposition
        Established | "ACK seq=0"           => Established | ""                | Processed;
        Established | "ACK seq=999"         => Established | ""                | Processed;
        Established | "ACK seq=1000"        => Established | ""                | Processed;
        Established | "ACK seq=1001"        => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=2147483647"  => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=2147483648"  => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=-2147483647" => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=-2"          => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        // A keep-alive.
        Established | "ACK seq=-1"          => Established | "ACK seq=0 ack=0" | Processed;
        FinWait1    | "ACK seq=-1 ack=-1"   => FinWait1    | "ACK seq=0 ack=0" | Processed;
        FinWait2    | "ACK seq=-1"          => FinWait2    | "ACK seq=0 ack=0" | Processed;
        CloseWait   | "ACK seq=-1"          => CloseWait   | "ACK seq=0 ack=0" | Processed;
        Closing     | "ACK seq=-1 ack=-1"   => Closing     | "ACK seq=0 ack=0" | Processed;
        LastAck     | "ACK seq=-1 ack=-1"   => LastAck     | "ACK seq=0 ack=0" | Processed;
        // Its ACK counts, and that of the last text repeated.
        FinWait1    | "ACK seq=-1 ack=0"    => FinWait2    | "ACK seq=0 ack=0" | Processed;
        FinWait1    | "ACK seq=-9 len=9"    => FinWait2    | "ACK seq=0 ack=0" | TcpDuplicate;
        FinWait1    | "ACK seq=-9 len=8"    => FinWait2    | "ACK seq=0 ack=0" | TcpDuplicate;
        // And that of text before it, if it is of something new, and the text no older than a window.
        FinWait1    | "ACK seq=-9 len=8 ack=-1"    => FinWait1 | "ACK seq=0 ack=0" | TcpDuplicate;
        FinWait1    | "ACK seq=-9 len=8 ack=1"     => FinWait1 | "ACK seq=0 ack=0" | TcpDuplicate;
        FinWait1    | "SYN ACK seq=-9 len=8"       => FinWait1 | "ACK seq=0 ack=0" | TcpDuplicate;
        FinWait1    | "ACK seq=-1000 len=8"        => FinWait2 | "ACK seq=0 ack=0" | TcpDuplicate;
        FinWait1    | "ACK seq=-1001 len=8"        => FinWait1 | "ACK seq=0 ack=0" | TcpDuplicate;
        LastAck     | "ACK seq=-9 len=8"           => Closed   | "" | TcpDuplicate;
    }
}

#[test]
fn length_not_zero_window_open() {
    table! { PLAIN;
    //  state       | segment                    => state       | reply                | disposition
        Established | "ACK seq=0 len=10"         => Established | "ACK seq=0 ack=10"   | Processed;
        Established | "ACK seq=0 len=1000"       => Established | "ACK seq=0 ack=1000" | Processed;
        // Straddles the left edge: the old part is cut off.
        Established | "ACK seq=-5 len=10"        => Established | "ACK seq=0 ack=5"    | Processed;
        Established | "ACK seq=-10 len=11"       => Established | "ACK seq=0 ack=1"    | Processed;
        Established | "ACK seq=-10 len=10"       => Established | "ACK seq=0 ack=0"    | TcpDuplicate;
        Established | "ACK seq=-1 len=1"         => Established | "ACK seq=0 ack=0"    | TcpDuplicate;
        // SYN and FIN count.
        Established | "FIN ACK seq=-10 len=10"   => CloseWait   | "ACK seq=0 ack=1"    | Processed;
        Established | "FIN ACK seq=-11 len=10"   => Established | "ACK seq=0 ack=0"    | TcpDuplicate;
        // Straddles the right edge: the rest is cut off, and the FIN with it.
        Established | "ACK seq=0 len=1001"       => Established | "ACK seq=0 ack=1000" | Processed;
        Established | "FIN ACK seq=0 len=1001"   => Established | "ACK seq=0 ack=1000" | Processed;
        Established | "ACK seq=999 len=1"        => Established | "ACK seq=0 ack=0"    | Processed;
        Established | "ACK seq=990 len=20"       => Established | "ACK seq=0 ack=0"    | Processed;
        Established | "ACK seq=1000 len=1"       => Established | "ACK seq=0 ack=0"    | TcpOutsideWindow;
        Established | "FIN ACK seq=1000"         => Established | "ACK seq=0 ack=0"    | TcpOutsideWindow;
        // 2^31 apart: before and after at once.
        Established | "ACK seq=2147483648 len=1" => Established | "ACK seq=0 ack=0"    | TcpDuplicate;
        // Both edges inside the segment, which table 6 forgets.
        Established | "ACK seq=-500 len=2000"    => Established | "ACK seq=0 ack=1000" | Processed;
    }
}

#[test]
fn window_closed() {
    table! { ZERO_WINDOW;
    //  state       | segment                   => state       | reply             | disposition
        Established | "ACK seq=0"               => Established | ""                | Processed;
        Established | "ACK seq=1"               => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=-1"              => Established | "ACK seq=0 ack=0" | Processed;
        // Window probes: the ACK counts, the text does not.
        Established | "ACK seq=0 len=1"         => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=0 len=1000"      => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=-1 len=1"        => Established | "ACK seq=0 ack=0" | TcpDuplicate;
        Established | "ACK seq=1 len=1"         => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        Established | "ACK seq=-10 len=20"      => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        // A FIN needs no room; behind text that finds none it is cut off.
        Established | "FIN ACK seq=0"           => CloseWait   | "ACK seq=0 ack=1" | Processed;
        Established | "FIN ACK seq=0 len=1"     => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
        FinWait1    | "ACK seq=0 len=1"         => FinWait2    | "ACK seq=0 ack=0" | TcpOutsideWindow;
        FinWait1    | "FIN ACK seq=0 ack=-1"    => Closing     | "ACK seq=0 ack=1" | Processed;
        // Resets (MUST-66) and SYNs.
        Established | "RST seq=0"               => Closed      | ""                | Processed;
        Established | "RST seq=1"               => Established | ""                | TcpResetOutside;
        Established | "SYN seq=0"               => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
    }
}

#[test]
fn what_is_outside_is_answered_in_every_state() {
    for at in At::SYNCHRONIZED {
        let state = alloc::format!("{at:?}");
        let rows = [
            ("ACK seq=5000", "ACK seq=0 ack=0", "TcpOutsideWindow"),
            ("ACK seq=5000 len=10", "ACK seq=0 ack=0", "TcpOutsideWindow"),
            ("FIN ACK seq=5000", "ACK seq=0 ack=0", "TcpOutsideWindow"),
            ("SYN seq=5000", "ACK seq=0 ack=0", "TcpOutsideWindow"),
            (
                "ACK seq=-10 ack=-1 len=5",
                "ACK seq=0 ack=0",
                "TcpDuplicate",
            ),
            ("ACK seq=-1 ack=-1 len=1", "ACK seq=0 ack=0", "TcpDuplicate"),
            ("len=10 seq=5000", "ACK seq=0 ack=0", "TcpOutsideWindow"),
            ("RST seq=5000", "", "TcpResetOutside"),
            ("RST ACK seq=-10 len=5", "", "TcpResetOutside"),
        ];
        let rows = rows.map(|(text, reply, what)| (at, text, &*state, reply, what));
        check(PLAIN, &rows);
    }
}
