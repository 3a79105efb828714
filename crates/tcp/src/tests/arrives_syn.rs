//! Fourth, check the SYN bit (RFC 9293, 3.10.7.4; RFC 5961, 4).

use super::table::*;
use alloc::format;

#[test]
fn a_syn_in_a_live_connection_draws_a_challenge_wherever_it_is() {
    for at in At::SYNCHRONIZED {
        let state = format!("{at:?}");
        let rows = [
            ("SYN seq=0", "TcpSynInConnection"),
            ("SYN ACK seq=0", "TcpSynInConnection"),
            ("SYN seq=500 len=10", "TcpSynInConnection"),
            ("SYN FIN seq=500", "TcpSynInConnection"),
            // It straddles the left edge, and still nothing of it is taken.
            ("SYN seq=-5 len=100", "TcpSynInConnection"),
            ("SYN seq=1000", "TcpOutsideWindow"),
            ("SYN seq=2147483000", "TcpOutsideWindow"),
            ("SYN seq=-100", "TcpDuplicate"),
            ("SYN ACK seq=-100", "TcpDuplicate"),
        ];
        let rows = rows.map(|(text, what)| (at, text, &*state, "ACK seq=0 ack=0", what));
        check(PLAIN, &rows);
    }
}

/// The restarted peer answers our challenge with a reset that fits exactly.
#[test]
fn a_peer_that_restarted_gets_through() {
    for at in At::SYNCHRONIZED {
        let mut b = bench_at(at, PLAIN);
        b.theirs = b.c.rcv_nxt();
        b.ours = b.c.tcb.snd_nxt;
        b.sent();
        b.arrive("SYN seq=123456");
        b.expect("ACK seq=0 ack=0");
        // <SEQ=SEG.ACK><CTL=RST>
        b.arrive("RST seq=0");
        assert_eq!(b.c.state(), crate::State::Closed, "{at:?}");
    }
}
