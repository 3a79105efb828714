//! What becomes a row of its own, what is folded, and what is said about it.

mod support;

use handfast_base::{Duration, Instant, Rng};
use handfast_tcp::State;
use handfast_trace::ladder::{RowKind, SegmentKind, TerminalOptions};
use handfast_trace::{Close, EventLog, Ladder, LadderOptions, SegmentEvent, Side};
use handfast_wire::{Discard, Fate, Loss, SendReason};
use support::*;

fn ladder_of(segments: Vec<SegmentEvent>) -> Ladder {
    let log = log_of(segments, Vec::new());
    let connections = log.connections();
    assert_eq!(connections.len(), 1, "{connections:#?}");
    Ladder::of(&log, &connections[0])
}

fn handshake() -> Vec<SegmentEvent> {
    let (c, s) = (curl(), stack());
    vec![
        with_options(segment(0.0, c, "SYN", 0, 0, 0, 64240), 7, true),
        with_options(segment(25.0, s, "SYN,ACK", 0, 1, 0, 65535), 7, false),
        segment(50.0, c, "ACK", 1, 1, 0, 502),
    ]
}

fn notes(ladder: &Ladder, row: usize) -> String {
    let notes = ladder.rows[row].notes.iter().map(|n| n.text.as_str());
    notes.collect::<Vec<_>>().join("; ")
}

fn text(ladder: &Ladder) -> String {
    ladder.terminal(&TerminalOptions {
        width: 160,
        ..TerminalOptions::default()
    })
}

/// A download of this many octets at 1448 a segment with one ACK for every two, each segment
/// lost with this probability and then sent again a round trip later.
fn bulk(octets: u32, loss: f64) -> Vec<SegmentEvent> {
    let (c, s) = (curl(), stack());
    let mut rng = Rng::new(11);
    let mut all = handshake();
    all.push(segment(52.0, c, "PSH,ACK", 1, 1, 76, 502));
    let (mut at, mut seq, mut hole) = (80.0, 1, None);
    let mut resend = Vec::new();
    for n in 0.. {
        let len = 1448.min(octets + 1 - seq);
        if len == 0 {
            break;
        }
        let mut data = segment(at, s, "ACK", seq, 77, len, 512);
        if rng.chance(loss) {
            data = lost(data, Loss::Random);
            hole.get_or_insert(seq);
            resend.push((at + 50.0, seq, len));
        }
        all.push(data);
        seq += len;
        if n % 2 == 1 {
            all.push(segment(
                at + 25.01,
                c,
                "ACK",
                77,
                hole.unwrap_or(seq),
                0,
                502,
            ));
        }
        at += 0.1;
        while let Some(&(due, again, len)) = resend.first().filter(|r| r.0 <= at) {
            let data = segment(due + 0.05, s, "ACK", again, 77, len, 512);
            all.push(because(data, SendReason::FastRetransmit));
            resend.remove(0);
            hole = resend.first().map(|r| r.1);
        }
    }
    for (due, again, len) in resend {
        let data = segment(due + 0.05, s, "ACK", again, 77, len, 512);
        all.push(because(data, SendReason::FastRetransmit));
    }
    all.push(segment(at + 100.0, c, "ACK", 77, seq, 0, 502));
    all.push(segment(at + 101.0, c, "FIN,ACK", 77, seq, 0, 502));
    all.push(segment(at + 126.0, s, "FIN,ACK", seq, 78, 0, 512));
    all.push(segment(at + 151.0, c, "ACK", 78, seq + 1, 0, 502));
    all.sort_by_key(|s| s.at);
    all
}

#[test]
fn sixty_four_mebibytes_without_loss_are_a_short_ladder() {
    let segments = bulk(64 << 20, 0.0);
    assert!(segments.len() > 60_000);
    let ladder = ladder_of(segments);
    assert!(ladder.rows.len() < 16, "{}", text(&ladder));
    let bands: Vec<_> = ladder
        .rows
        .iter()
        .filter_map(|r| match &r.kind {
            RowKind::Band(b) => Some((b.segments, b.seq, b.end)),
            _ => None,
        })
        .collect();
    // The last segment is not a full one and stands alone.
    assert_eq!(bands, [(46_345, 1, 1 + 46_345 * 1448)]);
    assert!(text(&ladder).contains("23,174 ACKs"), "{}", text(&ladder));
}

#[test]
fn a_long_lossy_ladder_keeps_its_ends_and_counts_its_middle() {
    let segments = bulk(8 << 20, 0.02);
    let log = log_of(segments, Vec::new());
    let summary = &log.connections()[0];
    assert_eq!(summary.octets, [76, 8 << 20]);
    assert!(summary.lost[1] > 80 && summary.retransmissions[1] == summary.lost[1]);
    let ladder = Ladder::of(&log, summary);
    let shown = text(&ladder);
    assert!(ladder.rows.len() <= 180, "{}", ladder.rows.len());
    assert!(shown.contains("rows of bulk transfer, "), "{shown}");
    assert!(
        ladder.rows[..4]
            .iter()
            .all(|r| matches!(r.kind, RowKind::Segment(_)))
    );
    // Nothing is shown twice and nothing disappears.
    let all = Ladder::with(
        &log,
        summary,
        &LadderOptions {
            max_rows: usize::MAX,
            ..LadderOptions::default()
        },
    );
    let count = |l: &Ladder| {
        l.rows
            .iter()
            .fold([0; 2], |[segments, lost], r| match &r.kind {
                RowKind::Segment(s) => [segments + 1, lost + usize::from(s.is_lost())],
                RowKind::Band(b) => [segments + b.segments, lost],
                RowKind::Acks(a) => [segments + a.segments, lost],
                RowKind::Elided(e) => [segments + e.segments, lost + e.lost],
                _ => [segments, lost],
            })
    };
    let expected = [summary.segments.iter().sum::<u64>(), summary.lost[1]].map(|n| n as usize);
    assert_eq!(count(&ladder), expected);
    assert_eq!(count(&all), expected);
    let fins = |l: &Ladder| text(l).matches("FIN,ACK").count();
    assert_eq!((fins(&ladder), fins(&all)), (2, 2));
}

#[test]
fn what_breaks_a_band_stays_visible() {
    let (c, s) = (curl(), stack());
    let data = |n: u32| segment(80.0 + f64::from(n), s, "ACK", 1 + 1448 * n, 1, 1448, 512);
    let rows = |change: &dyn Fn(&mut SegmentEvent)| {
        let mut segments = handshake();
        segments.extend((0..12).map(data));
        change(&mut segments[3 + 6]);
        let ladder = ladder_of(segments);
        let kinds = ladder.rows[3..].iter().map(|r| match &r.kind {
            RowKind::Band(b) => format!("band {}", b.segments),
            RowKind::Segment(s) => format!("{:?}", s.kind()),
            other => format!("{other:?}"),
        });
        kinds.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(rows(&|_| {}), "band 12");
    assert_eq!(
        rows(&|s| s.fate = Fate::Lost(Loss::Burst)),
        "band 6, Lost, band 5"
    );
    assert_eq!(
        rows(&|s| s.fate = Fate::Discarded(Discard::TcpChecksum)),
        "band 6, Discarded, band 5"
    );
    assert_eq!(rows(&|s| s.fate = Fate::Reordered), "band 6, Data, band 5");
    assert_eq!(rows(&|s| s.header.window = 0), "band 6, Data, Data, band 4");
    assert_eq!(
        rows(&|s| s.reason = SendReason::RetransmissionTimeout(1)),
        "band 6, Retransmission, band 5"
    );
    assert_eq!(
        rows(&|e| *e = sack(e.clone(), &[(5, 9)])),
        "band 6, Data, band 5"
    );
    assert_eq!(
        rows(&|s| s.header.flags |= handfast_wire::tcp::TcpFlags::URG),
        "band 6, Data, band 5"
    );
    // Three segments are no band.
    let mut segments = handshake();
    segments.extend((0..3).map(data));
    assert_eq!(ladder_of(segments).rows.len(), 6);
    // A request in between ends the band before it.
    let mut segments = handshake();
    segments.extend((0..5).map(data));
    segments.push(segment(86.0, c, "PSH,ACK", 1, 1, 40, 502));
    segments.extend((8..13).map(|n| {
        let mut d = data(n);
        d.header.seq = STACK_ISN + 1 + 1448 * (n - 3);
        d
    }));
    let ladder = ladder_of(segments);
    assert!(matches!(ladder.rows[3].kind, RowKind::Band(b) if b.segments == 5));
    assert!(matches!(ladder.rows[5].kind, RowKind::Band(b) if b.segments == 5));
}

#[test]
fn duplicate_acks_that_only_repeat_are_one_row() {
    let (c, s) = (curl(), stack());
    let mut all = handshake();
    let data = |n: u32| segment(60.0 + f64::from(n), s, "ACK", 1 + 1448 * n, 1, 1448, 512);
    all.push(lost(data(0), Loss::Random));
    all.extend((1..12).map(data));
    let again = |at, window| segment(at, c, "ACK", 1, 1, 0, window);
    all.extend((0..7).map(|n| again(90.0 + f64::from(n), 502)));
    // Another window and a selective acknowledgment say something of their own.
    all.push(again(97.5, 501));
    all.push(sack(again(98.0, 501), &[(1449, 2897)]));
    all.extend((0..3).map(|n| again(99.0 + f64::from(n), 501)));
    let ladder = ladder_of(all);
    let folded: Vec<_> = ladder
        .rows
        .iter()
        .enumerate()
        .filter_map(|(i, row)| match &row.kind {
            RowKind::Acks(a) => Some((i, a.segments, a.first, a.last)),
            _ => None,
        })
        .collect();
    let &[(row, 7, 1, 1)] = &folded[..] else {
        panic!("{folded:?}\n{}", text(&ladder));
    };
    assert_eq!(notes(&ladder, row), "dup ACK 1 to 7");
    let drawn = text(&ladder);
    assert!(drawn.contains("7 duplicate ACKs ack=1 win="), "{drawn}");
    assert!(drawn.contains("<SACK 1449-2897>"), "{drawn}");
    let plain = |s: &&str| s.contains(" ACK ack=1 win=");
    assert_eq!(drawn.lines().filter(|l| plain(l)).count(), 1 + 5, "{drawn}");
    let told = ladder.sentences();
    assert!(told.contains("repeats the ACK of 1 7 times"), "{told}");
}

#[test]
fn duplicate_acks_whose_block_grows_are_one_row() {
    let (c, s) = (curl(), stack());
    let mut all = handshake();
    let data = |n: u32| segment(60.0 + f64::from(n), s, "ACK", 1 + 1448 * n, 1, 1448, 512);
    all.push(lost(data(0), Loss::Random));
    all.extend((1..9).map(data));
    all.push(lost(data(9), Loss::Random));
    all.extend((10..18).map(data));
    let again = |n: u32, blocks: &[(u32, u32)]| {
        sack(segment(80.0 + f64::from(n), c, "ACK", 1, 1, 0, 502), blocks)
    };
    let at = |n: u32| 1 + 1448 * n;
    all.extend((1..9).map(|n| again(n, &[(at(1), at(n + 1))])));
    // A second hole is news, and what comes beyond it goes on in a row of its own.
    all.extend((10..18).map(|n| again(n, &[(at(10), at(n + 1)), (at(1), at(9))])));
    let ladder = ladder_of(all);
    let folded: Vec<_> = ladder
        .rows
        .iter()
        .filter_map(|row| match &row.kind {
            RowKind::Acks(a) => Some((a.segments, a.sack.as_slice())),
            _ => None,
        })
        .collect();
    let first: &[(i64, i64)] = &[(1449, 13_033)];
    let second: &[(i64, i64)] = &[(14_481, 26_065), (1449, 13_033)];
    assert_eq!(folded, [(8, first), (8, second)], "{}", text(&ladder));
    let drawn = text(&ladder);
    assert!(drawn.contains("<SACK 1449-13033>"), "{drawn}");
    let told = ladder.sentences();
    let words = "repeats the ACK of 1 8 times, and 1449 to 13033 out of order";
    assert!(told.contains(words), "{told}");
}

#[test]
fn a_closed_window_is_marked_until_it_opens() {
    let (c, s) = (curl(), stack());
    let mut segments = handshake();
    segments.push(segment(80.0, s, "ACK", 1, 1, 1448, 512));
    segments.push(segment(110.0, c, "ACK", 1, 1449, 0, 0));
    segments.push(segment(400.0, s, "ACK", 1449, 1, 1, 512));
    segments.push(segment(430.0, c, "ACK", 1, 1449, 0, 0));
    segments.push(segment(700.0, c, "ACK", 1, 1449, 0, 502));
    segments.push(segment(730.0, s, "ACK", 1449, 1, 1448, 512));
    let ladder = ladder_of(segments);
    let shown = text(&ladder);
    assert_eq!(shown.matches("ZWIN").count(), 2, "{shown}");
    assert_eq!(notes(&ladder, 4), "window closed");
    assert_eq!(notes(&ladder, 6), "window probe");
    let reopened = ladder
        .rows
        .iter()
        .position(|r| r.at == Duration::from_millis(700))
        .unwrap();
    assert_eq!(notes(&ladder, reopened), "window open again after 590 ms");
    let RowKind::Segment(last) = &ladder.rows.last().unwrap().kind else {
        panic!("{shown}");
    };
    assert_eq!(
        last.kind(),
        SegmentKind::Data,
        "the probe's octet again: {shown}"
    );
}

#[test]
fn keep_alives_are_probes() {
    let mut segments = handshake();
    segments.push(segment(80.0, curl(), "PSH,ACK", 1, 1, 10, 502));
    segments.push(segment(110.0, stack(), "ACK", 1, 11, 0, 512));
    segments.push(segment(7000.0, stack(), "ACK", 0, 11, 0, 512));
    segments.push(segment(9000.0, curl(), "ACK", 10, 1, 0, 502));
    let ladder = ladder_of(segments);
    let probes = ladder.rows.iter().filter(|r| match &r.kind {
        RowKind::Segment(s) => s.probe == Some(SendReason::KeepAlive),
        _ => false,
    });
    // The stack had sent nothing yet, so that only curl's is below what was sent.
    assert_eq!(probes.count(), 1, "{}", text(&ladder));
}

#[test]
fn a_foreign_sender_is_understood_by_its_numbers() {
    let s = stack();
    let data = |at, n: u32| segment(at, s, "ACK", 1 + 1000 * n, 1, 1000, 512);
    let mut segments = handshake();
    segments.extend([
        data(80.0, 0),
        data(81.0, 1),
        data(130.0, 1), // again
        data(131.0, 4), // leaves a hole
        data(132.0, 3), // a straggler
        data(190.0, 2), // lost before we could see it
    ]);
    let ladder = ladder_of(segments);
    let shown = text(&ladder);
    assert_eq!(notes(&ladder, 5), "sent again after 49 ms");
    assert_eq!(notes(&ladder, 7), "out of order");
    assert_eq!(notes(&ladder, 8), "fills a hole that we saw");
    assert_eq!(shown.matches("R ?:").count(), 2, "{shown}");
    assert_eq!(shown.matches("OOO").count(), 1, "{shown}");
}

#[test]
fn duplicates_dsack_and_resets_are_named() {
    let (c, s) = (curl(), stack());
    let mut segments = handshake();
    let data = segment(80.0, s, "ACK", 1, 1, 1000, 512);
    let copy = SegmentEvent {
        at: ms(80.5),
        fate: Fate::Duplicate,
        ..data.clone()
    };
    segments.extend([data, copy]);
    segments.push(sack(
        segment(106.0, c, "ACK", 1, 1001, 0, 502),
        &[(1, 1001)],
    ));
    segments.push(segment(120.0, c, "RST,ACK", 1, 1001, 0, 0));
    let log = log_of(segments, Vec::new());
    let summary = &log.connections()[0];
    assert_eq!(summary.close, Close::Reset(Side::Left));
    assert_eq!(summary.octets, [0, 1000]);
    assert_eq!(summary.retransmissions, [0, 0]);
    let ladder = Ladder::of(&log, summary);
    let shown = text(&ladder);
    assert!(shown.contains("DUP ACK seq=1"), "{shown}");
    assert!(shown.contains("D-SACK: 1..1001 arrived twice"), "{shown}");
    assert!(shown.contains("■┤ CLOSED"), "{shown}");
    let colours = ladder.terminal(&TerminalOptions {
        colour: true,
        ..TerminalOptions::default()
    });
    assert!(colours.contains("\x1b[1;31m"));
    assert_eq!(colours.matches('\x1b').count() % 2, 0);
}

#[test]
fn a_refused_and_an_unanswered_connection() {
    let (c, s) = (curl(), stack());
    let syn = segment(0.0, c, "SYN", 0, 0, 0, 64240);
    let mut reset = segment(25.0, s, "RST,ACK", 0, 1, 0, 0);
    reset.header.seq = handfast_wire::SeqNumber(0);
    let log = log_of(vec![syn.clone(), reset], Vec::new());
    assert_eq!(log.connections()[0].close, Close::Refused);
    let shown = text(&Ladder::of(&log, &log.connections()[0]));
    assert!(shown.contains("RST,ACK seq=0 ack=1 ─"), "{shown}");
    let left = shown.lines().filter_map(|l| l.get(10..22)).map(str::trim);
    assert_eq!(
        left.skip(1).collect::<Vec<_>>(),
        ["SYN-SENT", "CLOSED"],
        "{shown}"
    );

    let again = |at| SegmentEvent {
        at: ms(at),
        arrival: None,
        ..syn.clone()
    };
    let log = log_of(vec![again(0.0), again(1000.0), again(3000.0)], Vec::new());
    let summary = &log.connections()[0];
    assert_eq!(
        (summary.close, summary.retransmissions),
        (Close::Unanswered, [2, 0])
    );
    let shown = text(&Ladder::of(&log, summary));
    assert!(shown.contains("sent again after 2000 ms"), "{shown}");
}

#[test]
fn a_reused_pair_of_endpoints_is_two_connections() {
    let first = download();
    let second = download().into_iter().map(|mut s| {
        s.at += Duration::from_secs(5);
        s.arrival = s.arrival.map(|a| a + Duration::from_secs(5));
        let shift = if s.source == curl() { 77_777 } else { 99_999 };
        let unshift = if s.source == curl() { 99_999 } else { 77_777 };
        s.header.seq += shift;
        s.header.ack += unshift;
        s
    });
    let mut states = reported();
    let closed = states.last().copied().unwrap();
    // The second opens before the first is told to be over.
    states.push(handfast_trace::StateChange {
        at: ms(5030.0),
        from: State::Closed,
        to: State::Listen,
        ..closed
    });
    let log = log_of(first.into_iter().chain(second).collect(), states);
    let connections = log.connections();
    assert_eq!(connections.len(), 2);
    assert!(
        connections.iter().all(|c| c.octets == [76, 17_520]),
        "{connections:#?}"
    );
    assert!(
        connections
            .iter()
            .all(|c| c.close == Close::Finished(Side::Left))
    );
    assert!(connections.iter().all(|c| c.retransmissions == [0, 2]));
    assert_eq!(connections[0].duration, Duration::from_micros(797_500));
    let [a, b] = [0, 1].map(|i| Ladder::of(&log, &connections[i]));
    assert_eq!(b.start, Instant::from_secs(5));
    assert!(!a.right.states_derived);
    let strip = |l: &Ladder| l.sentences().replace(" is now CLOSED", "").len();
    assert!(strip(&a).abs_diff(strip(&b)) < 200);
}

#[test]
fn relative_numbers_pass_four_gibibytes() {
    let mut segments = handshake();
    // Steps below 2^31, as windows make them.
    for n in 0..6u64 {
        let mut s = segment(80.0 + n as f64, stack(), "ACK", 0, 1, 1448, 512);
        s.header.seq = STACK_ISN + ((1 + n * (1 << 30)) as u32);
        segments.push(s);
    }
    let ladder = ladder_of(segments);
    let RowKind::Segment(last) = &ladder.rows.last().unwrap().kind else {
        panic!("a segment");
    };
    assert_eq!(last.seq, 1 + 5 * (1 << 30));
}

#[test]
fn states_reported_without_a_segment_have_a_row() {
    let mut states = reported();
    for s in &mut states {
        (s.local, s.remote) = (curl(), stack());
    }
    states.clear();
    let change = |at, from, to| handfast_trace::StateChange {
        at: ms(at),
        local: curl(),
        remote: stack(),
        from,
        to,
    };
    states.extend([
        change(0.0, State::Closed, State::SynSent),
        change(50.0, State::SynSent, State::Established),
        change(420.0, State::Established, State::FinWait1),
        change(470.0, State::FinWait1, State::FinWait2),
        change(472.0, State::FinWait2, State::TimeWait),
        change(60_772.0, State::TimeWait, State::Closed),
    ]);
    let log = log_of(download(), states);
    let ladder = Ladder::of(&log, &log.connections()[0]);
    assert!(ladder.right.states_derived && !ladder.left.states_derived);
    let shown = text(&ladder);
    assert!(shown.contains("⋮ 60 s 2MSL ⋮"), "{shown}");
    assert!(shown.contains("TIME-WAIT lasts 60.3 s"), "{shown}");
    let last = shown.lines().last().unwrap();
    assert!(
        last.trim_start().starts_with("60772.0       CLOSED ┊"),
        "{shown}"
    );
    // And they agree with what is derived.
    let log = log_of(download(), Vec::new());
    let derived = Ladder::of(&log, &log.connections()[0]);
    let changes = |l: &Ladder| {
        let all = l.rows.iter().flat_map(|r| &r.changes);
        let left = all.filter(|c| c.side == Side::Left && c.to != State::Closed);
        left.copied().collect::<Vec<_>>()
    };
    assert_eq!(changes(&ladder), changes(&derived));
}

#[test]
fn late_reports_stand_beside_their_segments() {
    let change = |at, from, to| handfast_trace::StateChange {
        at: ms(at),
        local: curl(),
        remote: stack(),
        from,
        to,
    };
    // The other end's ACK and FIN are handled in one go, and a busy machine was slow to send.
    let states = vec![
        change(0.0, State::Closed, State::SynSent),
        change(53.0, State::SynSent, State::Established),
        change(418.0, State::Established, State::FinWait1),
        change(475.0, State::FinWait1, State::FinWait2),
        change(475.0, State::FinWait2, State::TimeWait),
    ];
    let log = log_of(download(), states);
    let ladder = Ladder::of(&log, &log.connections()[0]);
    let log = log_of(download(), Vec::new());
    let derived = Ladder::of(&log, &log.connections()[0]);
    let rows = |l: &Ladder| -> Vec<(usize, State)> {
        let rows = l.rows.iter().enumerate();
        rows.flat_map(|(i, row)| row.changes.iter().map(move |c| (i, c)))
            .filter(|(_, c)| c.side == Side::Left)
            .map(|(i, c)| (i, c.to))
            .collect()
    };
    assert_eq!(rows(&ladder), rows(&derived), "{}", text(&ladder));
}

#[test]
fn a_full_log_keeps_both_ends_and_says_what_is_missing() {
    let mut log = EventLog::with_capacity(200);
    for s in bulk(1 << 20, 0.0) {
        log.push(handfast_trace::Event::Segment(s));
    }
    assert_eq!(log.len(), 200);
    let connections = log.connections();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].close, Close::Finished(Side::Left));
    let shown = text(&Ladder::of(&log, &connections[0]));
    assert!(
        shown.contains(&format!("… {} events that the full log", log.left_out())),
        "{shown}"
    );
    assert!(
        shown.contains("SYN seq=0") && shown.contains("TIME-WAIT"),
        "{shown}"
    );
}

#[test]
fn a_log_without_the_connection_gives_no_rows() {
    let log = log_of(download(), Vec::new());
    let summary = &log.connections()[0];
    let ladder = Ladder::of(&EventLog::new(), summary);
    assert!(ladder.rows.is_empty());
    assert_eq!(text(&ladder).lines().count(), 1);
    assert_eq!(ladder.sentences(), "");
}

#[test]
fn json_says_what_the_picture_says() {
    let log = log_of(download(), reported());
    let ladder = Ladder::of(&log, &log.connections()[0]);
    let json = ladder.json();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), ladder.rows.len());
    let syn = &rows[0]["segment"];
    assert_eq!(
        syn["label"],
        "SYN seq=0 win=64240 <MSS 1460, SACK, TS, WS 7>"
    );
    assert_eq!(syn["raw"]["seq"], CURL_ISN.0);
    assert_eq!(rows[0]["changes"][1]["to"], "SYN-RECEIVED");
    assert_eq!(rows[5]["band"]["segments"], 8);
    assert_eq!(rows[6]["segment"]["fate"], "lost: chosen");
    assert_eq!(json["left"]["states_derived"], true);
    assert!(json.to_string().parse::<serde_json::Value>().is_ok());
}
