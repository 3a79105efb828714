//! TIME-WAIT (RFC 9293, 3.10.7.4 and 3.6.1; RFC 6191; RFC 1337). `seq=-1` is the peer's FIN.

use super::bench::*;
use super::table::*;
use crate::{SegmentSlot, TimeWaitVerdict};
use handfast_base::Duration;

#[test]
fn only_the_peers_fin_and_a_new_syn_mean_something() {
    table! { PLAIN;
    //  state    | segment                    => state    | reply             | disposition
        TimeWait | "FIN ACK seq=-1"           => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "FIN ACK seq=-11 len=10"   => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "ACK seq=-11 len=10"       => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "ACK seq=0 len=10"         => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "ACK seq=-1"               => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        // Two ends in TIME-WAIT must not answer each other for ever.
        TimeWait | "ACK"                      => TimeWait | ""                | TcpTimeWait;
        TimeWait | "ACK seq=7"                => TimeWait | ""                | TcpTimeWait;
        TimeWait | "ACK seq=-7"               => TimeWait | ""                | TcpTimeWait;
        // Assassination: a reset does nothing.
        TimeWait | "RST"                      => TimeWait | ""                | TcpTimeWait;
        TimeWait | "RST seq=5"                => TimeWait | ""                | TcpTimeWait;
        TimeWait | "RST SYN seq=5"            => TimeWait | ""                | TcpTimeWait;
        // A connection request beyond the old connection opens a new one.
        TimeWait | "SYN seq=0"                => SynReceived | ""             | Processed;
        TimeWait | "SYN seq=100000"           => SynReceived | ""             | Processed;
        TimeWait | "SYN seq=0 len=10"         => SynReceived | ""             | Processed;
        TimeWait | "SYN seq=-1"               => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "SYN seq=-100000"          => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "SYN ACK seq=100000"       => TimeWait | "ACK seq=0 ack=0" | TcpTimeWait;
    }
}

#[test]
fn with_timestamps_they_decide_what_is_new() {
    let stamped = Setup {
        timestamps: true,
        ..PLAIN
    };
    table! { stamped;
    //  state    | segment                    => state       | reply             | disposition
        TimeWait | "SYN seq=-100000 ts=1"     => SynReceived | ""                | Processed;
        TimeWait | "SYN seq=0 ts=1"           => SynReceived | ""                | Processed;
        TimeWait | "SYN seq=0 ts=0"           => SynReceived | ""                | Processed;
        TimeWait | "SYN seq=-1 ts=0"          => TimeWait    | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "SYN seq=100000 ts=-1"     => TimeWait    | "ACK seq=0 ack=0" | TcpTimeWait;
        TimeWait | "SYN seq=0"                => SynReceived | ""                | Processed;
        TimeWait | "SYN seq=-1"               => TimeWait    | "ACK seq=0 ack=0" | TcpTimeWait;
    }
}

#[test]
fn the_peers_fin_restarts_2msl_and_nothing_else_does() {
    let (mut wait, mut now) = time_wait(PLAIN);
    assert_eq!(wait.expires().since(now), Duration::from_secs(60));
    now += Duration::from_secs(10);
    let arrives = |wait: &mut crate::TimeWait, text: &str, now| {
        wait.segment_arrives(&segment(text, ISS + 2, IRS + 2), now)
    };
    for text in [
        "ACK seq=-1",
        "ACK seq=-9 len=4",
        "RST",
        "SYN seq=-5",
        "FIN ACK seq=-5",
    ] {
        arrives(&mut wait, text, now);
        assert_eq!(wait.expires().since(now), Duration::from_secs(50), "{text}");
    }
    let verdict = arrives(&mut wait, "FIN ACK seq=-1", now);
    assert!(matches!(verdict, TimeWaitVerdict::Acknowledge(_)));
    assert_eq!(wait.expires().since(now), Duration::from_secs(60));
}

/// Without any limit on how often.
#[test]
fn a_repeated_fin_is_acknowledged_every_time() {
    let (mut wait, now) = time_wait(Setup {
        timestamps: true,
        ..PLAIN
    });
    let mut slot = SegmentSlot::default();
    for i in 0..100 {
        let fin = segment(&alloc::format!("FIN ACK seq=-1 ts={i}"), ISS + 2, IRS + 2);
        let verdict = wait.segment_arrives(&fin, now);
        assert!(matches!(verdict, TimeWaitVerdict::Acknowledge(_)), "{i}");
        wait.write_ack(now, &mut slot);
        assert_eq!(slot.header.options.timestamps.unwrap().echo, TS_BASE + i);
    }
}
