//! The ladder as text for a terminal.

use super::quantity::{duration, grouped, millis};
use super::{Change, Ladder, Note, Row, RowKind, Segment, SegmentKind, Side, label, sequence};
use handfast_base::Duration;

/// How the terminal renderer draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TerminalOptions {
    /// Columns; fewer than 80 are taken as 80.
    pub width: usize,
    /// Only ASCII.
    pub ascii: bool,
    /// ANSI colours. They repeat what the lines say already. A caller decides, by `NO_COLOR` and
    /// by what it writes to.
    pub colour: bool,
    /// Notes beside the rows where the width allows it; where not, only those that explain an
    /// anomaly, below their row.
    pub notes: bool,
}

impl Default for TerminalOptions {
    /// 80 columns of Unicode with notes, without colour.
    fn default() -> TerminalOptions {
        TerminalOptions {
            width: 80,
            ascii: false,
            colour: false,
            notes: true,
        }
    }
}

impl Ladder {
    /// The ladder as lines of text, each ended by a line feed, without trailing blanks.
    pub fn terminal(&self, options: &TerminalOptions) -> String {
        let mut pen = Pen::new(self, options);
        pen.header(self);
        for row in &self.rows {
            pen.row(row);
        }
        for remark in &self.remarks {
            pen.line(format!("note: {}", pen.text(remark)));
        }
        pen.out
    }
}

const TIME: usize = 9;
const STATE: usize = 12;
/// What stands beside the lane: time, state, state, and three blanks.
const BESIDE: usize = TIME + 1 + STATE + 1 + 1 + STATE;
const NARROWEST: usize = 80;
/// A lane that gives up room for notes stays this wide.
const LANE_WITH_NOTES: usize = 62;
const NOTES_AT_LEAST: usize = 20;
const NOTES_AT_MOST: usize = 44;
const WIDEST_LANE: usize = 100;

/// The characters of a line between the two ends.
struct Stroke {
    line: char,
    right: char,
    left: char,
    colour: &'static str,
}

struct Pen {
    out: String,
    lane: usize,
    notes: Option<usize>,
    inline_notes: bool,
    ascii: bool,
    colour: bool,
    decimals: usize,
}

impl Pen {
    fn new(ladder: &Ladder, options: &TerminalOptions) -> Pen {
        let width = options.width.max(NARROWEST);
        let spare = width - BESIDE;
        let notes = || ladder.rows.iter().map(|r| joined(&r.notes).chars().count());
        let longest = notes().max().unwrap_or(0);
        let beside = options.notes && longest > 0 && spare >= LANE_WITH_NOTES + 2 + NOTES_AT_LEAST;
        let notes = beside.then(|| {
            let room = spare - LANE_WITH_NOTES - 2;
            longest.clamp(NOTES_AT_LEAST, NOTES_AT_MOST).min(room)
        });
        Pen {
            out: String::new(),
            lane: (spare - notes.map_or(0, |n| n + 2)).min(WIDEST_LANE),
            notes,
            inline_notes: options.notes && !beside,
            ascii: options.ascii,
            colour: options.colour,
            decimals: decimals(&ladder.rows),
        }
    }

    fn header(&mut self, ladder: &Ladder) {
        let title = |side| {
            let derived = match ladder.end(side).states_derived {
                true => " (states derived)",
                false => "",
            };
            self.text(&format!("{}{derived}", ladder.title(side)))
        };
        let (left, right) = (title(Side::Left), title(Side::Right));
        let to = BESIDE - TIME - 1 + self.lane;
        let used = left.chars().count() + right.chars().count();
        if used + 2 <= to {
            let gap = " ".repeat(to - used);
            self.line(format!("{:>TIME$} {left}{gap}{right}", "ms"));
        } else {
            self.line(format!("{:>TIME$} {left}", "ms"));
            self.line(format!("{:>TIME$} {right:>to$}", ""));
        }
    }

    fn row(&mut self, row: &Row) {
        match &row.kind {
            RowKind::Segment(s) => {
                let long = label::parts(s, false);
                let len: usize = long.iter().map(|p| p.chars().count() + 1).sum();
                let parts = if len > self.lane - 6 {
                    label::parts(s, true)
                } else {
                    long
                };
                self.arrow(row, s.from, &parts, self.stroke(s));
            }
            RowKind::Band(b) => {
                let stroke = self.stroke_of('━', '▶', '◀', "34");
                self.arrow(row, b.from, &label::band(b), stroke);
            }
            RowKind::Acks(a) => {
                let stroke = self.stroke_of('─', '▶', '◀', "2");
                self.arrow(row, a.from, &label::acks(a), stroke);
            }
            RowKind::Message { from, text, fate } => {
                let mut parts: Vec<String> = text.split(' ').map(String::from).collect();
                let fate = sequence::fate_text(*fate);
                parts.extend((!fate.is_empty()).then(|| format!("({fate})")));
                let stroke = self.stroke_of('┈', '▶', '◀', "33");
                self.arrow(row, *from, &parts, stroke);
            }
            RowKind::State => {
                let lane = self.beside("");
                self.lines(Some(row.at), &row.changes, vec![lane], &row.notes);
            }
            RowKind::Idle {
                duration: d,
                time_wait,
            } => {
                let what = if *time_wait { "2MSL" } else { "idle" };
                self.gap(&format!("⋮ {} {what} ⋮", duration(*d)));
            }
            RowKind::Elided(e) => self.gap(&format!("… {} …", e.text())),
            RowKind::LeftOut { events } => {
                let events = grouped(*events);
                self.gap(&format!(
                    "… {events} events that the full log did not keep …"
                ));
            }
        }
    }

    /// A row without time, states or arrow.
    fn gap(&mut self, text: &str) {
        let text = self.text(text);
        let words: Vec<String> = text.split(' ').map(String::from).collect();
        let lines = wrap(&words, self.lane - 4);
        let lane = lines.iter().map(|l| self.beside(l)).collect();
        self.lines(None, &[], lane, &[]);
    }

    fn arrow(&mut self, row: &Row, from: Side, parts: &[String], stroke: Stroke) {
        let mut parts: Vec<String> = parts.iter().map(|p| self.text(p)).collect();
        let room = self.lane - 7;
        if self.inline_notes {
            let important = row.notes.iter().filter(|n| n.important);
            parts.extend(important.map(|n| self.text(&format!("({})", n.text))));
        }
        let mut lines = wrap(&parts, room).into_iter();
        let rung = self.rung(&lines.next().unwrap_or_default(), from, &stroke, row);
        let mut lane = vec![match self.colour {
            true => format!("\x1b[{}m{rung}\x1b[0m", stroke.colour),
            false => rung,
        }];
        lane.extend(lines.map(|l| self.beside(&l)));
        self.lines(Some(row.at), &row.changes, lane, &row.notes);
    }

    /// `├── label ──▶┤`, as wide as the lane.
    fn rung(&self, label: &str, from: Side, stroke: &Stroke, row: &Row) -> String {
        let fill = self.lane - 2 - 1 - label.chars().count() - 2;
        let (near_left, near_right) = (fill / 2, fill - fill / 2);
        let line = |n: usize| String::from(stroke.line).repeat(n);
        let is_lost = matches!(&row.kind, RowKind::Segment(s) if s.kind() == SegmentKind::Lost)
            || matches!(&row.kind, RowKind::Message { fate, .. } if matches!(fate, handfast_wire::Fate::Lost(_)));
        let cross = self.glyph('╳');
        let (post, other) = (self.glyph('├'), self.glyph('┤'));
        let blank = |n: usize| " ".repeat(n);
        match (from, is_lost) {
            (Side::Left, false) => {
                let head = stroke.right;
                format!(
                    "{post}{} {label} {}{head}{other}",
                    line(near_left),
                    line(near_right)
                )
            }
            (Side::Right, false) => {
                let head = stroke.left;
                format!(
                    "{post}{head}{} {label} {}{other}",
                    line(near_left),
                    line(near_right)
                )
            }
            (Side::Left, true) => {
                format!(
                    "{post}{} {label} {cross}{}{other}",
                    line(near_left),
                    blank(near_right)
                )
            }
            (Side::Right, true) => {
                format!(
                    "{post}{}{cross} {label} {}{other}",
                    blank(near_left),
                    line(near_right)
                )
            }
        }
    }

    /// `┊   text   ┊`, as wide as the lane.
    fn beside(&self, text: &str) -> String {
        let post = self.glyph('┊');
        format!("{post}{text:^width$}{post}", width = self.lane - 2)
    }

    /// Writes the lines of one row: time and states go with the first, notes with all.
    fn lines(
        &mut self,
        at: Option<Duration>,
        changes: &[Change],
        lane: Vec<String>,
        notes: &[Note],
    ) {
        let state = |side| {
            let newest = changes.iter().rev().find(move |c| c.side == side);
            newest.map_or("", |c| c.to.name())
        };
        let time = at.map_or(String::new(), |at| millis(at, self.decimals));
        let notes = match self.notes {
            Some(width) => {
                let text = self.text(&joined(notes));
                let words: Vec<String> = text.split(' ').map(String::from).collect();
                wrap(&words, width)
            }
            None => Vec::new(),
        };
        let blank = self.beside("");
        for i in 0..lane.len().max(notes.len()).max(1) {
            let (time, left, right) = match i {
                0 => (time.as_str(), state(Side::Left), state(Side::Right)),
                _ => ("", "", ""),
            };
            let lane = lane.get(i).unwrap_or(&blank);
            let note = notes.get(i).map_or("", String::as_str);
            let line = format!("{time:>TIME$} {left:>STATE$} {lane} {right:<STATE$}  {note}");
            self.line(line);
        }
    }

    fn line(&mut self, line: String) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    fn stroke(&self, s: &Segment) -> Stroke {
        match s.kind() {
            SegmentKind::Lost => self.stroke_of('╌', '▶', '◀', "31"),
            SegmentKind::Discarded => self.stroke_of('─', '╳', '╳', "31"),
            SegmentKind::Reset => self.stroke_of('─', '■', '■', "1;31"),
            SegmentKind::Retransmission => self.stroke_of('═', '▶', '◀', "1;33"),
            SegmentKind::Control => self.stroke_of('─', '▶', '◀', "35"),
            SegmentKind::Probe => self.stroke_of('┈', '▶', '◀', "33"),
            SegmentKind::Duplicate => self.stroke_of('┈', '▶', '◀', "2"),
            SegmentKind::Data => self.stroke_of('─', '▶', '◀', "34"),
            SegmentKind::Ack if s.is_zero_window() => self.stroke_of('─', '▶', '◀', "31"),
            SegmentKind::Ack => self.stroke_of('─', '▶', '◀', "2"),
        }
    }

    fn stroke_of(&self, line: char, right: char, left: char, colour: &'static str) -> Stroke {
        Stroke {
            line: self.glyph(line),
            right: self.glyph(right),
            left: self.glyph(left),
            colour,
        }
    }

    /// A drawing character, or its stand-in.
    fn glyph(&self, c: char) -> char {
        match c {
            _ if !self.ascii => c,
            '├' | '┤' => '|',
            '┊' => ':',
            '─' => '-',
            '═' => '=',
            '━' => '~',
            '╌' | '┈' => '.',
            '▶' => '>',
            '◀' => '<',
            '■' => '#',
            '╳' => 'X',
            _ => '?',
        }
    }

    /// Words, with stand-ins for what ASCII does not have, and without control characters.
    fn text(&self, words: &str) -> String {
        let mut out = String::with_capacity(words.len());
        for c in words.chars() {
            match c {
                c if c.is_control() => out.push('?'),
                c if !self.ascii || c.is_ascii() => out.push(c),
                '①' => out.push_str("(1)"),
                '②' => out.push_str("(2)"),
                '③' => out.push_str("(3)"),
                '…' => out.push_str("..."),
                '⋮' => out.push(':'),
                '✗' => out.push('x'),
                'µ' => out.push('u'),
                _ => out.push('?'),
            }
        }
        out
    }
}

fn joined(notes: &[Note]) -> String {
    let texts: Vec<&str> = notes.iter().map(|n| n.text.as_str()).collect();
    texts.join("; ")
}

/// Breaks words into lines of at most `width` characters; a longer word is cut.
fn wrap(words: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut room = 0;
    for word in words {
        let chars: Vec<char> = word.chars().collect();
        for piece in chars.chunks(width.max(1)) {
            if let Some(line) = lines.last_mut().filter(|_| room > piece.len()) {
                line.push(' ');
                line.extend(piece);
                room -= piece.len() + 1;
            } else {
                lines.push(piece.iter().collect());
                room = width - piece.len();
            }
        }
    }
    lines
}

/// One decimal of a millisecond, or three where one would hide that rows differ and the column
/// is wide enough.
fn decimals(rows: &[Row]) -> usize {
    let same = |w: &[Row]| w[0].at != w[1].at && millis(w[0].at, 1) == millis(w[1].at, 1);
    let last = rows.last().map_or(Duration::ZERO, |r| r.at);
    let wanted = if rows.windows(2).any(same) { 3 } else { 1 };
    let fits = |decimals: &usize| millis(last, *decimals).len() <= TIME;
    (0..=wanted).rev().find(fits).unwrap_or(0)
}
