use super::{Machine, Step};
use State::*;
use handfast_tcp::State;
use handfast_wire::tcp::TcpFlags;

#[derive(Clone, Copy)]
enum Way {
    Sent,
    Received,
}
use Way::{Received as R, Sent as S};

/// Way, flags, seq, ack, len, and the states entered.
type Line = (Way, &'static str, i64, i64, u32, &'static [State]);

fn check(name: &str, initial: State, lines: &[Line]) {
    let mut machine = Machine::new(initial);
    for (i, &(way, flags, seq, ack, len, entered)) in lines.iter().enumerate() {
        let flags = flags.split(',').fold(TcpFlags::empty(), |all, f| {
            all | TcpFlags::from_name(f).unwrap()
        });
        let step = Step {
            flags,
            seq,
            ack,
            len,
        };
        let got = match way {
            S => machine.sent(step),
            R => machine.received(step),
        };
        assert_eq!(got, entered, "{name}, line {i}");
    }
}

const ACTIVE: [Line; 3] = [
    (S, "SYN", 0, 0, 0, &[SynSent]),
    (R, "SYN,ACK", 0, 1, 0, &[Established]),
    (S, "ACK", 1, 1, 0, &[]),
];
const PASSIVE: [Line; 3] = [
    (R, "SYN", 0, 0, 0, &[SynReceived]),
    (S, "SYN,ACK", 0, 1, 0, &[]),
    (R, "ACK", 1, 1, 0, &[Established]),
];

fn after(open: &[Line], more: &[Line]) -> Vec<Line> {
    open.iter().chain(more).copied().collect()
}

#[test]
fn opens() {
    check("active", Closed, &ACTIVE);
    check("passive", Listen, &PASSIVE);
    check(
        "refused",
        Closed,
        &[
            (S, "SYN", 0, 0, 0, &[SynSent]),
            (R, "RST,ACK", 0, 1, 0, &[Closed]),
        ],
    );
    check(
        "RST with a wrong ACK, and without one, refuse nothing",
        Closed,
        &[
            (S, "SYN", 0, 0, 0, &[SynSent]),
            (R, "RST,ACK", 0, 7, 0, &[]),
            (R, "RST", 0, 0, 0, &[]),
        ],
    );
    check(
        "simultaneous open",
        Closed,
        &[
            (S, "SYN", 0, 0, 0, &[SynSent]),
            (R, "SYN", 0, 0, 0, &[SynReceived]),
            (S, "SYN,ACK", 0, 1, 0, &[]),
            (R, "SYN,ACK", 0, 1, 0, &[]),
            (R, "ACK", 1, 1, 0, &[Established]),
        ],
    );
    check(
        "an old SYN: the RST puts the listener back",
        Listen,
        &[
            (R, "SYN", 0, 0, 0, &[SynReceived]),
            (S, "SYN,ACK", 0, 1, 0, &[]),
            (R, "RST", 1, 0, 0, &[Listen]),
            (R, "SYN", 0, 0, 0, &[SynReceived]),
            (S, "SYN,ACK", 0, 1, 0, &[]),
            (R, "ACK", 1, 1, 0, &[Established]),
        ],
    );
    check(
        "an ACK to SYN-SENT draws RST and changes nothing",
        Closed,
        &[
            (S, "SYN", 0, 0, 0, &[SynSent]),
            (R, "ACK", 500, 900, 0, &[]),
            (S, "RST", 900, 0, 0, &[]),
        ],
    );
    check(
        "data on the third segment",
        Listen,
        &[
            (R, "SYN", 0, 0, 0, &[SynReceived]),
            (S, "SYN,ACK", 0, 1, 0, &[]),
            (R, "ACK,FIN", 1, 1, 9, &[Established, CloseWait]),
        ],
    );
}

#[test]
fn closes() {
    check(
        "active",
        Closed,
        &after(
            &ACTIVE,
            &[
                (S, "FIN,ACK", 1, 1, 0, &[FinWait1]),
                (R, "ACK", 1, 2, 0, &[FinWait2]),
                (R, "FIN,ACK", 1, 2, 0, &[TimeWait]),
                (S, "ACK", 2, 2, 0, &[]),
                (R, "FIN,ACK", 1, 2, 0, &[]),
            ],
        ),
    );
    check(
        "three segments",
        Closed,
        &after(
            &ACTIVE,
            &[
                (S, "FIN,ACK", 1, 1, 0, &[FinWait1]),
                (R, "FIN,ACK", 1, 2, 0, &[FinWait2, TimeWait]),
            ],
        ),
    );
    check(
        "passive",
        Listen,
        &after(
            &PASSIVE,
            &[
                (R, "FIN,ACK", 1, 1, 0, &[CloseWait]),
                (S, "ACK", 1, 2, 10, &[]),
                (S, "FIN,ACK", 11, 2, 0, &[LastAck]),
                (R, "ACK", 2, 11, 0, &[]),
                (R, "ACK", 2, 12, 0, &[Closed]),
            ],
        ),
    );
    check(
        "simultaneous",
        Closed,
        &after(
            &ACTIVE,
            &[
                (S, "FIN,ACK", 1, 1, 0, &[FinWait1]),
                (R, "FIN,ACK", 1, 1, 0, &[Closing]),
                (S, "ACK", 2, 2, 0, &[]),
                (R, "ACK", 2, 2, 0, &[TimeWait]),
            ],
        ),
    );
    check(
        "a FIN before its text",
        Listen,
        &after(
            &PASSIVE,
            &[
                (R, "FIN,ACK", 101, 1, 50, &[]),
                (R, "ACK", 1, 1, 100, &[CloseWait]),
            ],
        ),
    );
    check(
        "a FIN repeated does not close twice",
        Closed,
        &after(
            &ACTIVE,
            &[
                (S, "FIN,ACK", 1, 1, 0, &[FinWait1]),
                (S, "FIN,ACK", 1, 1, 0, &[]),
                (R, "ACK", 1, 2, 0, &[FinWait2]),
                (S, "RST,ACK", 2, 1, 0, &[Closed]),
            ],
        ),
    );
}

#[test]
fn resets() {
    check(
        "only the exact number (RFC 5961)",
        Closed,
        &after(
            &ACTIVE,
            &[
                (R, "ACK", 1, 1, 100, &[]),
                (R, "RST", 50, 0, 0, &[]),
                (R, "RST", 500, 0, 0, &[]),
                (R, "RST", 101, 0, 0, &[Closed]),
            ],
        ),
    );
    check(
        "an abort closes, the answer to a stray segment does not",
        Closed,
        &after(
            &ACTIVE,
            &[
                (S, "ACK", 1, 1, 100, &[]),
                (S, "RST", 70_000, 0, 0, &[]),
                (S, "RST,ACK", 101, 1, 0, &[Closed]),
            ],
        ),
    );
}

#[test]
fn a_repeated_fin_restarts_2msl() {
    let mut machine = Machine::new(Closed);
    let step = |flags: &[TcpFlags], seq, ack| Step {
        flags: flags.iter().fold(TcpFlags::empty(), |a, f| a | *f),
        seq,
        ack,
        len: 0,
    };
    let (syn, ack, fin) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN);
    machine.sent(step(&[syn], 0, 0));
    machine.received(step(&[syn, ack], 0, 1));
    machine.sent(step(&[fin, ack], 1, 1));
    machine.received(step(&[fin, ack], 1, 2));
    assert_eq!(
        (machine.state(), machine.time_wait_restarts()),
        (TimeWait, 0)
    );
    machine.received(step(&[fin, ack], 1, 2));
    machine.received(step(&[ack], 2, 2));
    assert_eq!(
        (machine.state(), machine.time_wait_restarts()),
        (TimeWait, 1)
    );
}
