//! Connections built from values, and comparison with golden files.
#![allow(dead_code, reason = "each test file uses its own part")]

use handfast_base::{Duration, Instant};
use handfast_tcp::State;
use handfast_trace::{Event, EventLog, SegmentEvent, StateChange};
use handfast_wire::tcp::{SackBlock, TcpFlags, TcpHeader, Timestamps};
use handfast_wire::{Direction, Fate, Loss, SendReason, SeqNumber};
use std::net::SocketAddr;

pub(crate) const CURL_ISN: SeqNumber = SeqNumber(0xffff_ff00);
pub(crate) const STACK_ISN: SeqNumber = SeqNumber(0xffff_e000);
pub(crate) const ONE_WAY: Duration = Duration::from_millis(25);

pub(crate) fn curl() -> SocketAddr {
    "10.0.0.1:34152".parse().unwrap()
}

pub(crate) fn stack() -> SocketAddr {
    "10.0.0.2:80".parse().unwrap()
}

pub(crate) fn ms(at: f64) -> Instant {
    Instant::from_nanos((at * 1e6).round() as u64)
}

/// A segment of curl's (port 34152) or of the stack's, with relative numbers.
pub(crate) fn segment(
    at: f64,
    from: SocketAddr,
    flags: &str,
    seq: u32,
    ack: u32,
    len: u32,
    window: u16,
) -> SegmentEvent {
    let is_curl = from == curl();
    let (to, own, other) = match is_curl {
        true => (stack(), CURL_ISN, STACK_ISN),
        false => (curl(), STACK_ISN, CURL_ISN),
    };
    let flags = flags.split(',').fold(TcpFlags::empty(), |all, name| {
        all | TcpFlags::from_name(name).unwrap()
    });
    let ack = match flags.contains(TcpFlags::ACK) {
        true => other + ack,
        false => SeqNumber(0),
    };
    SegmentEvent {
        at: ms(at),
        arrival: Some(ms(at) + ONE_WAY),
        direction: if is_curl {
            Direction::Received
        } else {
            Direction::Sent
        },
        source: from,
        destination: to,
        header: TcpHeader {
            source_port: from.port(),
            destination_port: to.port(),
            seq: own + seq,
            ack,
            flags,
            window,
            ..TcpHeader::default()
        },
        payload_len: len,
        fate: Fate::Passed,
        reason: SendReason::Unknown,
        first_line: None,
    }
}

pub(crate) fn sack(mut s: SegmentEvent, blocks: &[(u32, u32)]) -> SegmentEvent {
    let base = if s.source == curl() {
        STACK_ISN
    } else {
        CURL_ISN
    };
    for &(left, right) in blocks {
        let (left, right) = (base + left, base + right);
        assert!(s.header.options.sack.push(SackBlock { left, right }));
    }
    s
}

pub(crate) fn lost(mut s: SegmentEvent, why: Loss) -> SegmentEvent {
    s.fate = Fate::Lost(why);
    s.arrival = None;
    s
}

pub(crate) fn because(mut s: SegmentEvent, reason: SendReason) -> SegmentEvent {
    s.reason = reason;
    s
}

pub(crate) fn line(mut s: SegmentEvent, text: &str) -> SegmentEvent {
    s.first_line = Some(text.into());
    s
}

pub(crate) fn with_options(mut s: SegmentEvent, shift: u8, timestamps: bool) -> SegmentEvent {
    s.header.options.mss = Some(1460);
    s.header.options.sack_permitted = true;
    s.header.options.window_scale = Some(shift);
    s.header.options.timestamps = timestamps.then_some(Timestamps { value: 7, echo: 0 });
    s
}

/// The stack's own states, as it reports them.
pub(crate) fn reported() -> Vec<StateChange> {
    let change = |at, from, to| StateChange {
        at: ms(at),
        local: stack(),
        remote: curl(),
        from,
        to,
    };
    vec![
        change(25.0, State::Listen, State::SynReceived),
        change(75.0, State::SynReceived, State::Established),
        change(445.0, State::Established, State::CloseWait),
        change(447.0, State::CloseWait, State::LastAck),
        change(797.5, State::LastAck, State::Closed),
    ]
}

/// The segments of a small download over 25 ms each way: handshake, request, a burst of twelve
/// segments of which one is lost, fast retransmit, close, and a lost last ACK.
pub(crate) fn download() -> Vec<SegmentEvent> {
    let (c, s) = (curl(), stack());
    let data = |at, n: u32| {
        because(
            segment(at, s, "ACK", 1 + 1460 * n, 77, 1460, 512),
            SendReason::Data,
        )
    };
    let mut all = vec![
        with_options(segment(0.0, c, "SYN", 0, 0, 0, 64240), 7, true),
        with_options(
            because(
                segment(25.0, s, "SYN,ACK", 0, 1, 0, 65535),
                SendReason::SynAck,
            ),
            7,
            false,
        ),
        segment(50.0, c, "ACK", 1, 1, 0, 502),
        line(segment(52.0, c, "PSH,ACK", 1, 1, 76, 502), "GET / HTTP/1.1"),
        because(segment(77.0, s, "ACK", 1, 77, 0, 512), SendReason::Ack),
    ];
    all.push(line(data(79.0, 0), "HTTP/1.1 200 OK"));
    all.extend((1..8).map(|n| data(79.0 + f64::from(n), n)));
    all.push(lost(data(87.0, 8), Loss::Chosen));
    all.extend((9..12).map(|n| data(79.0 + f64::from(n), n)));
    all.push(segment(111.5, c, "ACK", 77, 11681, 0, 480));
    for (at, right) in [(113.5, 14601), (115.0, 16061), (116.5, 17521)] {
        all.push(sack(
            segment(at, c, "ACK", 77, 11681, 0, 480),
            &[(13141, right)],
        ));
    }
    all.push(because(
        segment(141.5, s, "ACK", 11681, 77, 1460, 512),
        SendReason::FastRetransmit,
    ));
    all.push(segment(167.0, c, "ACK", 77, 17521, 0, 470));
    all.push(segment(420.0, c, "FIN,ACK", 77, 17521, 0, 470));
    all.push(because(
        segment(445.0, s, "ACK", 17521, 78, 0, 512),
        SendReason::Ack,
    ));
    all.push(because(
        segment(447.0, s, "FIN,ACK", 17521, 78, 0, 512),
        SendReason::Fin,
    ));
    all.push(lost(
        segment(472.0, c, "ACK", 78, 17522, 0, 470),
        Loss::Random,
    ));
    let again = segment(747.0, s, "FIN,ACK", 17521, 78, 0, 512);
    all.push(because(again, SendReason::RetransmissionTimeout(1)));
    all.push(segment(772.5, c, "ACK", 78, 17522, 0, 470));
    all
}

/// A log of these segments and changes of state, in the order of time.
pub(crate) fn log_of(segments: Vec<SegmentEvent>, states: Vec<StateChange>) -> EventLog {
    let mut events: Vec<Event> = segments.into_iter().map(Event::Segment).collect();
    events.extend(states.into_iter().map(Event::State));
    events.sort_by_key(Event::at);
    let mut log = EventLog::new();
    log.extend(events);
    log
}

/// Compares with `tests/golden/NAME`; with `HANDFAST_BLESS` set, writes that file instead.
pub(crate) fn golden(name: &str, got: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("HANDFAST_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert!(
        got == wanted,
        "{name} differs; got:\n{got}\nwanted:\n{wanted}"
    );
}
