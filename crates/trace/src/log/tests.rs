use super::*;
use handfast_base::Duration;
use handfast_wire::{Discard, Loss, SeqNumber};

fn segment(at: u64, seq: u32) -> SegmentEvent {
    let source = SocketAddr::from(([10, 0, 0, 1], 1000));
    let destination = SocketAddr::from(([10, 0, 0, 2], 80));
    SegmentEvent {
        at: Instant::from_millis(at),
        arrival: Some(Instant::from_millis(at + 5)),
        direction: Direction::Sent,
        source,
        destination,
        header: TcpHeader {
            source_port: 1000,
            destination_port: 80,
            seq: SeqNumber(seq),
            ..TcpHeader::default()
        },
        payload_len: 10,
        fate: Fate::Passed,
        reason: SendReason::Data,
        first_line: None,
    }
}

fn times(log: &EventLog) -> Vec<u64> {
    log.events().map(|e| e.at().as_millis()).collect()
}

#[test]
fn a_log_keeps_its_first_and_its_newest_events() {
    for capacity in [0, 1, 2, 3, 7, 10] {
        let mut log = EventLog::with_capacity(capacity);
        log.extend((0..100).map(|at| Event::Segment(segment(at, 0))));
        let kept = capacity.max(2);
        assert_eq!((log.len(), log.left_out()), (kept, 100 - kept as u64));
        let head = kept as u64 / 2;
        let wanted: Vec<u64> = (0..head).chain(100 - (kept as u64 - head)..100).collect();
        assert_eq!(times(&log), wanted);
        assert_eq!(
            log.resumes_at(),
            Some(Instant::from_millis(wanted[head as usize]))
        );
    }
    let mut log = EventLog::with_capacity(10);
    log.extend((0..10).map(|at| Event::Segment(segment(at, 0))));
    assert_eq!((log.len(), log.left_out(), log.resumes_at()), (10, 0, None));
}

#[test]
fn a_discard_finds_the_newest_equal_segment_that_had_arrived() {
    let mut log = EventLog::with_capacity(8);
    let lost = SegmentEvent {
        fate: Fate::Lost(Loss::Random),
        arrival: None,
        ..segment(3, 7)
    };
    log.extend(
        [
            segment(0, 7),
            segment(1, 7),
            segment(2, 8),
            lost,
            segment(20, 7),
        ]
        .map(Event::Segment),
    );
    let discarded = SegmentEvent {
        fate: Fate::Discarded(Discard::TcpDuplicate),
        ..segment(10, 7)
    };
    assert!(log.push_discarded(discarded.clone()));
    let fates = |log: &EventLog| -> Vec<bool> {
        let is_discarded =
            |e: &Event| matches!(e, Event::Segment(s) if matches!(s.fate, Fate::Discarded(_)));
        log.events().map(is_discarded).collect()
    };
    assert_eq!(fates(&log), [false, true, false, false, false]);
    assert!(log.push_discarded(discarded.clone()));
    assert_eq!(fates(&log), [true, true, false, false, false]);
    assert!(!log.push_discarded(discarded));
    assert_eq!(fates(&log), [true, true, false, false, false, true]);
}

#[test]
fn a_flood_of_syns_between_two_endpoints_stays_cheap_and_is_one_connection() {
    let syn = |n: u32| {
        let mut s = segment(u64::from(n), n.wrapping_mul(77_777));
        s.header.flags = handfast_wire::tcp::TcpFlags::SYN;
        Event::Segment(s)
    };
    let mut log = EventLog::new();
    log.extend((0..50_000).map(syn));
    let connections = log.connections();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].segments, [50_000, 0]);
    assert_eq!(connections[0].duration, Duration::from_millis(49_999 + 5));
}
