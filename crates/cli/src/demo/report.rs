//! The words and tables of the demo.

use std::path::Path;

use handfast::State;
use handfast_trace::ladder::{Ladder, TerminalOptions};

use super::KernelWord;
use super::transfer::{Bulk, Done, End, Transfer, What};
use super::world::{MTU, World, address};
use crate::netlink::Family;
use crate::size;
use crate::terminal::{Ink, Style, Terminal};

/// Columns of the table: what it is; and for each family time, rate and verdict.
const LABEL: usize = 28;
const TIME: usize = 9;
const RATE: usize = 12;
const SIGN: usize = 7;
const BESIDE: usize = RATE + SIGN;

/// Who talks to whom over what.
pub(super) fn introduction(terminal: &mut Terminal, world: &World, capture: Option<&Path>) {
    let style = terminal.style();
    let other = match world.kernel() {
        Some(_) => "the kernel's own TCP",
        None => "a second one of its kind",
    };
    let title = format!("A TCP/IP stack in user space talks HTTP with {other}, both ways");
    terminal.line(&style.paint(Ink::Strong, &title));
    terminal.gap();
    if let Some(obstacle) = &world.obstacle {
        let without = match world.kernel() {
            Some(_) => "without IPv6",
            None => "not with the kernel here",
        };
        let line = format!("  {without}: {obstacle}");
        terminal.line(&style.paint(Ink::Bad, &line));
        terminal.gap();
    }
    let addresses = |end| {
        let each = world
            .families
            .iter()
            .map(|f| address(end, *f).ip().to_string());
        each.collect::<Vec<_>>().join(", ")
    };
    let mut row = |name: &str, text: &str| terminal.line(&format!("  {name:<12}{text}"));
    match world.kernel() {
        Some(namespace) => {
            let backend = namespace.backend();
            let release = rustix::system::uname();
            let release = release.release().to_string_lossy();
            let version = env!("CARGO_PKG_VERSION");
            let (near, far) = (addresses(End::Near), addresses(End::Far));
            row(
                "backend",
                &format!("{backend}, in a network namespace that ends with this process"),
            );
            row(
                "kernel",
                &format!("Linux {release}, in the namespace, at {far}"),
            );
            row(
                "handfast",
                &format!("{version}, in this process, at {near}"),
            );
        }
        None => {
            row(
                "backend",
                "memory: two stacks in this process, joined by a link that loses nothing",
            );
            row(world.name(End::Near), &addresses(End::Near));
            row(world.name(End::Far), &addresses(End::Far));
        }
    }
    row("link", &format!("MTU {MTU}; {}", offload(world)));
    if let Some(path) = capture {
        row(
            "capture",
            &format!("{} (all but the bulk transfers)", path.display()),
        );
    }
}

fn offload(world: &World) -> String {
    let to_us = match world.kernel() {
        Some(namespace) => namespace
            .offload()
            .contains(handfast_link::tun::sys::Offload::TCP),
        None => true,
    };
    match (world.gso, to_us) {
        (0, _) => "every packet is one segment".to_owned(),
        (_, true) => "TCP segmentation and checksums offloaded both ways".to_owned(),
        (_, false) => "TCP segmentation and checksums offloaded towards the kernel".to_owned(),
    }
}

/// The heading of a part.
pub(super) fn heading(terminal: &mut Terminal, number: usize, text: &str) {
    let style = terminal.style();
    terminal.gap();
    terminal.line(&style.paint(Ink::Strong, &format!("{number}  {text}")));
    terminal.gap();
}

/// One transfer in words.
pub(super) fn of_one(world: &World, transfer: &Transfer) -> String {
    let what = match transfer.what {
        What::Page => "GET /",
        What::Login => "POST /login",
        What::Download => "GET /bytes",
        What::Upload => "POST /upload",
    };
    let who = who(world, transfer.client);
    format!("{who}: {what} over {}", family(transfer.family))
}

fn who(world: &World, client: End) -> String {
    let (asks, answers) = (world.subject(client), world.subject(client.other()));
    format!("{} asks, {answers} answers", capitalised(asks))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// One connection, segment by segment.
pub(super) fn ladder(terminal: &mut Terminal, ladder: &Ladder) {
    let style = terminal.style();
    let drawn = ladder.terminal(&TerminalOptions {
        width: style.width,
        ascii: style.ascii,
        colour: style.colour,
        notes: true,
    });
    terminal.drawn(&drawn);
    terminal.gap();
}

/// How a ladder is to be read.
pub(super) fn how_to_read(terminal: &mut Terminal) {
    terminal.paragraph(
        "Each arrow is one TCP segment; time runs down, in milliseconds. seq and ack count from each \
         end's SYN, win is in octets, <...> are options. A state stands where an end enters it.",
    );
    terminal.gap();
}

/// That a connection repeated itself without need.
pub(super) fn sent_again(terminal: &mut Terminal, segments: u64) {
    let (style, s) = (terminal.style(), if segments == 1 { "" } else { "s" });
    let text = format!(
        "  {segments} segment{s} sent again (R), though the link loses none: the machine is busy"
    );
    terminal.line(&style.paint(Ink::Bad, &text));
}

/// Where the states of the ladder come from, between two stacks of ours.
pub(super) fn both_real(terminal: &mut Terminal, closer: &str) {
    terminal.paragraph("The states of both ends are real: each stack reported its own.");
    time_wait(terminal, closer);
}

/// Where the states of the ladder come from, and what the kernel itself says of its own.
pub(super) fn kernel_word(terminal: &mut Terminal, closer: &str, word: &KernelWord) {
    terminal.paragraph(
        "handfast's states are real, reported by its stack; the kernel's are derived from the segments.",
    );
    let mut text = String::from("Asked itself (sock_diag), the kernel ");
    if let Some(open) = &word.open {
        text += &format!("said {} before the close and ", open.state);
    }
    text += "now says ";
    text += &match &word.closed {
        Some(closed) if closed.timer_millis > 0 => {
            let left = f64::from(closed.timer_millis) / 1000.0;
            format!("{} for {left:.0} s more", closed.state)
        }
        Some(closed) => closed.state.clone(),
        None => format!("that there is no such connection, so {}", State::Closed),
    };
    text += match word.agrees() {
        true => " ✓",
        false => " ✗",
    };
    terminal.paragraph(&text);
    time_wait(terminal, closer);
    if terminal.is_verbose() {
        for state in [&word.open, &word.closed].into_iter().flatten() {
            terminal.paragraph(&format!("sock_diag: {state}"));
        }
    }
}

fn time_wait(terminal: &mut Terminal, closer: &str) {
    terminal.paragraph(&format!(
        "{} closed first, so it stays in TIME-WAIT for a while: what is still on its way must not \
         meet the next connection between the same ports.",
        capitalised(closer)
    ));
}

/// All transfers, a column for each family.
pub(super) fn transfers(terminal: &mut Terminal, world: &World, done: &[Done]) {
    let style = terminal.style();
    let families: String = world
        .families
        .iter()
        .map(|f| format!("{:>TIME$}{:BESIDE$}", family(*f), ""))
        .collect();
    terminal.line(&style.paint(Ink::Faint, format!("{:LABEL$}{families}", "").trim_end()));
    for client in [End::Far, End::Near] {
        terminal.line(&format!("  {}", who(world, client)));
        for what in [What::Page, What::Login, What::Download, What::Upload] {
            let sought = world.families.iter().filter_map(|family| {
                let wanted = Transfer::new(client, *family, what);
                done.iter().find(|d| d.transfer == wanted)
            });
            let sought: Vec<&Done> = sought.collect();
            let octets = size::format(sought.first().map_or(0, |d| d.octets));
            let label = match what {
                What::Page => "    GET /".to_owned(),
                What::Login => "    POST /login".to_owned(),
                What::Download => format!("    download {octets}"),
                What::Upload => format!("    upload {octets}"),
            };
            let cells: String = sought.iter().map(|d| cell(style, d)).collect();
            terminal.line(format!("{label:LABEL$}{cells}").trim_end());
        }
    }
    for sender in [End::Near, End::Far] {
        let way = format!("  {} → {}", world.name(sender), world.name(sender.other()));
        let rates = world.families.iter().map(|family| {
            let of_way = done.iter().filter(|d| {
                let t = d.transfer;
                t.is_bulk() && t.family == *family && t.sender() == sender
            });
            let sum = |(octets, seconds), d: &Done| (octets + d.octets, seconds + d.seconds);
            let (octets, seconds) = of_way.fold((0, 0.0), sum);
            format!(
                "{:>TIME$}{:>RATE$}{:SIGN$}",
                "",
                size::rate(octets, seconds),
                ""
            )
        });
        let line = format!("{way:LABEL$}{}", rates.collect::<String>());
        terminal.line(&style.paint(Ink::Strong, line.trim_end()));
    }
    terminal.gap();
}

/// The figures of one transfer.
fn cell(style: Style, done: &Done) -> String {
    let time = match done.seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.2} s"),
    };
    let rate = match done.transfer.is_bulk() {
        true => size::rate(done.octets, done.seconds),
        false => String::new(),
    };
    // Spelled here, for what stands beside it must know its width.
    let (ink, sign) = match (&done.fault, style.ascii) {
        (None, false) => (Ink::Good, "✓"),
        (None, true) => (Ink::Good, "ok"),
        (Some(_), false) => (Ink::Bad, "✗"),
        (Some(_), true) => (Ink::Bad, "BAD"),
    };
    let blank = " ".repeat(SIGN - 1 - sign.chars().count());
    let sign = style.paint(ink, sign);
    format!("{time:>TIME$}{rate:>RATE$} {sign}{blank}")
}

/// How the figures came about.
pub(super) fn measured(terminal: &mut Terminal, bulk: &Bulk, congestion: Option<&str>, again: u64) {
    let again = match again {
        0 => "no segment of ours was sent twice".to_owned(),
        n => format!("{n} segments of ours were sent again"),
    };
    let kernel = congestion.map_or(String::new(), |name| {
        format!(" The kernel's congestion control is {name}.")
    });
    terminal.paragraph(&format!(
        "Measured from connecting to the last octet hashed, one connection at a time, with the \
         recorder off; {again}.{kernel} One end makes the content, the other hashes it as it \
         flows: work that one core alone, without any network, does at {} here.",
        size::rate(bulk.len, bulk.seconds)
    ));
}

/// Packets that a stack threw away, and why.
pub(super) fn discards(terminal: &mut Terminal, discards: &[((&str, &str), u64)]) {
    let total: u64 = discards.iter().map(|(_, n)| n).sum();
    match (terminal.is_verbose(), total) {
        (false, 0) => {}
        (false, n) => {
            terminal.gap();
            terminal.paragraph(&format!("{n} packets were discarded; -v tells why."));
        }
        (true, 0) => {
            terminal.gap();
            terminal.paragraph("Discarded packets: none.");
        }
        (true, n) => {
            terminal.gap();
            terminal.paragraph(&format!("Discarded packets: {n}"));
            for ((why, source), n) in discards {
                terminal.line(&format!("  {n:>7}  {why} ({source})"));
            }
        }
    }
}

/// The end of the report.
pub(super) fn conclusion(
    terminal: &mut Terminal,
    done: &[Done],
    faults: &[String],
    capture: Option<(&Path, usize)>,
    seconds: f64,
) {
    let style = terminal.style();
    let octets = done.iter().map(|d| d.octets).sum();
    let good = done.iter().filter(|d| d.fault.is_none()).count();
    let (ink, sign) = match faults {
        [] => (Ink::Good, "✓"),
        _ => (Ink::Bad, "✗"),
    };
    terminal.gap();
    terminal.line(&format!(
        "{} {good} of {} transfers came through whole, {} in {seconds:.1} s",
        style.paint(ink, sign),
        done.len(),
        size::format(octets),
    ));
    if let Some((path, packets)) = capture {
        let path = path.display();
        terminal.line(&format!("  {packets} packets to look at: wireshark {path}"));
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}
