//! Timestamps and PAWS (RFC 7323, 3.2 and 5.3). `ts=0` is TS.Recent.

use super::bench::*;
use super::table::*;
use crate::{Config, QuickAck, SegmentSlot, State};
use alloc::format;
use handfast_base::Duration;

const STAMPED: Setup = Setup {
    timestamps: true,
    ..PLAIN
};

#[test]
fn an_old_timestamp_is_acknowledged_and_dropped() {
    table! { STAMPED;
    //  state       | segment                      => state       | reply              | disposition
        Established | "ACK len=10 ts=0"            => Established | "ACK seq=0 ack=10" | Processed;
        Established | "ACK len=10 ts=1"            => Established | "ACK seq=0 ack=10" | Processed;
        Established | "ACK len=10 ts=2147483647"   => Established | "ACK seq=0 ack=10" | Processed;
        Established | "ACK len=10 ts=-1"           => Established | "ACK seq=0 ack=0"  | TcpPaws;
        Established | "ACK len=10 ts=2147483648"   => Established | "ACK seq=0 ack=0"  | TcpPaws;
        Established | "ACK ts=-1"                  => Established | "ACK seq=0 ack=0"  | TcpPaws;
        Established | "FIN ACK ts=-1"              => Established | "ACK seq=0 ack=0"  | TcpPaws;
        Established | "SYN ts=-1"                  => Established | "ACK seq=0 ack=0"  | TcpPaws;
        FinWait1    | "ACK ts=-1"                  => FinWait1    | "ACK seq=0 ack=0"  | TcpPaws;
        FinWait2    | "FIN ACK ts=-1"              => FinWait2    | "ACK seq=0 ack=0"  | TcpPaws;
        CloseWait   | "ACK ts=-1"                  => CloseWait   | "ACK seq=0 ack=0"  | TcpPaws;
        Closing     | "ACK ts=-1"                  => Closing     | "ACK seq=0 ack=0"  | TcpPaws;
        LastAck     | "ACK ts=-1"                  => LastAck     | "ACK seq=0 ack=0"  | TcpPaws;
        PassiveSynReceived | "ACK ts=-1"           => SynReceived | "ACK seq=0 ack=0"  | TcpPaws;
        PassiveSynReceived | "ACK ts=0"            => Established | ""                 | Processed;
        ActiveSynReceived  | "ACK ts=-1"           => SynReceived | "ACK seq=0 ack=0"  | TcpPaws;
        ActiveSynReceived  | "SYN ACK seq=-1 ts=1" => Established | ""                 | Processed;
    }
}

#[test]
fn a_missing_timestamp_is_dropped_without_a_word() {
    table! { STAMPED;
    //  state       | segment                  => state       | reply             | disposition
        Established | "ACK len=10"             => Established | ""                | TcpPaws;
        Established | "ACK"                    => Established | ""                | TcpPaws;
        Established | "FIN ACK"                => Established | ""                | TcpPaws;
        FinWait1    | "ACK"                    => FinWait1    | ""                | TcpPaws;
        PassiveSynReceived | "ACK"             => SynReceived | ""                | TcpPaws;
        // But a peer that has restarted may have none.
        Established | "SYN"                    => Established | "ACK seq=0 ack=0" | TcpSynInConnection;
        Established | "SYN seq=50000"          => Established | "ACK seq=0 ack=0" | TcpOutsideWindow;
    }
}

#[test]
fn a_reset_is_never_judged_by_its_timestamp() {
    table! { STAMPED;
    //  state       | segment          => state       | reply             | disposition
        Established | "RST"            => Closed      | ""                | Processed;
        Established | "RST ts=-1000"   => Closed      | ""                | Processed;
        Established | "RST seq=5"      => Established | "ACK seq=0 ack=0" | TcpResetNotExact;
        FinWait2    | "RST ts=-1000"   => Closed      | ""                | Processed;
        PassiveSynReceived | "RST"     => Listen      | ""                | Processed;
        SynSent     | "RST ACK"        => Closed      | ""                | Processed;
    }
}

fn echo(b: &Bench) -> u32 {
    let stamp = b
        .last()
        .header
        .options
        .timestamps
        .expect("timestamps on every segment");
    stamp.echo.wrapping_sub(TS_BASE)
}

#[test]
fn ts_recent_moves_only_for_tsval_not_older_and_seq_at_or_below_the_last_ack_sent() {
    let mut b = Bench::established(stamped(), "");
    b.arrive("ACK len=10 ts=5");
    assert_eq!(echo(&b), 5);
    // Ahead of a gap: the duplicate ACK echoes what it acknowledges.
    b.arrive("ACK seq=20 len=10 ts=9");
    assert_eq!(echo(&b), 5);
    b.arrive("ACK seq=10 len=10 ts=7");
    assert_eq!((echo(&b), b.c.rcv_nxt()), (7, b.theirs + 30));
    // A pure ACK advances it as well as data does.
    b.arrive("ACK seq=30 ts=11");
    b.send(1);
    assert_eq!(echo(&b), 11);
    // Neither a segment that acknowledges the unsent, nor one outside the window does.
    b.arrive("ACK seq=30 ack=999 len=1 ts=500");
    assert_eq!(echo(&b), 11);
    b.arrive("ACK seq=-5000 len=1 ts=600");
    assert_eq!(echo(&b), 11);
    b.arrive("ACK seq=30 len=1 ts=12");
    assert_eq!(echo(&b), 12);
}

#[test]
fn a_delayed_ack_echoes_the_earliest_unacknowledged_segment() {
    let mut b = Bench::established(
        Config {
            delayed_ack: Duration::from_millis(40),
            quick_ack: QuickAck::Never,
            ..stamped()
        },
        "",
    );
    b.sent();
    b.arrive("ACK len=1000 ts=5");
    b.expect("");
    b.arrive("ACK seq=1000 len=1000 ts=8");
    b.expect("ACK seq=0 ack=2000");
    assert_eq!(echo(&b), 5);
}

#[test]
fn once_negotiated_timestamps_are_on_every_segment_but_resets() {
    let mut b = Bench::established(stamped(), "");
    let provoke = [
        "ACK seq=-1 ts=1",         // keep-alive
        "ACK seq=5000000 ts=1",    // outside: challenge
        "RST seq=5",               // not exact: challenge
        "SYN",                     // challenge
        "ACK seq=5 len=5 ts=1",    // duplicate ACK
        "ACK seq=0 len=5 ts=1",    // immediate ACK
        "ACK seq=-10 len=5 ts=1",  // repeated data
        "ACK seq=10 len=5 ts=-50", // PAWS
        "ACK seq=10 win=0 ts=1",   // closes the window
    ];
    for text in provoke {
        b.advance(Duration::from_secs(1));
        let before = b.log.len();
        b.arrive(text);
        assert!(b.log.len() > before || text.contains("win=0"), "{text}");
    }
    b.send(10);
    b.advance(Duration::from_secs(30)); // probes
    b.arrive("ACK seq=10 ts=2");
    b.close();
    b.advance(Duration::from_secs(1));
    assert!(b.log.len() > 12);
    for sent in &b.log {
        assert!(sent.header.options.timestamps.is_some(), "{sent:?}");
    }
    b.c.abort();
    b.drain();
    assert_eq!(format!("{}", b.last().header.flags), "RST,ACK");
}

/// RFC 7323, 5.5: after 24 days TS.Recent proves nothing; the new value takes its place.
#[test]
fn a_timestamp_older_than_24_days_is_replaced() {
    let mut b = Bench::established(stamped(), "");
    b.advance(Duration::from_secs(25 * 24 * 3600));
    b.arrive("ACK len=10 ts=-7");
    assert_eq!(b.c.rcv_nxt(), b.theirs + 10);
    assert_eq!(echo(&b), 0u32.wrapping_sub(7));
    b.arrive("ACK seq=10 len=10 ts=-8");
    assert_eq!(b.c.rcv_nxt(), b.theirs + 10);
}

#[test]
fn a_repeated_syn_draws_the_syn_ack_again_with_the_newest_timestamp_echo() {
    let (mut half, config, now) = passive(STAMPED);
    let mut slot = SegmentSlot::default();
    let mut syn = segment("SYN seq=-1 ts=3000", ISS + 1, IRS + 1);
    half.segment_arrives(&mut syn, now);
    half.write_syn_ack(now, &config, PATH, &mut slot);
    assert_eq!(slot.header.options.timestamps.unwrap().echo, TS_BASE + 3000);

    let mut b = bench_at(At::ActiveSynReceived, STAMPED);
    b.arrive("SYN seq=-1 ts=3000");
    assert_eq!(echo(&b), 3000);
    assert_eq!(b.c.state(), State::SynReceived);
}
