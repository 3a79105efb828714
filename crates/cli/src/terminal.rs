//! What the user sees: standard output or standard error, and how much it can show.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// How lines may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns that a line should fit in, 80 to 160.
    pub width: usize,
    /// Only ASCII.
    pub ascii: bool,
    /// ANSI colours, which only repeat what the words say.
    pub colour: bool,
    /// Somebody watches, and a line may be written over.
    pub live: bool,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Errors alone.
    Quiet,
    /// The report.
    Normal,
    /// The report, and what is left out of it.
    Verbose,
}

/// An emphasis, drawn as a colour where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A heading.
    Strong,
    /// An aside.
    Faint,
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
}

/// Where is written. The first error of writing is kept, and nothing is written after it.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    style: Style,
    detail: Detail,
    /// A status stands in the line where the next one will.
    has_status: bool,
    error: Option<io::Error>,
}

impl Style {
    /// What standard output can show, as terminal and environment (`NO_COLOR`, `TERM`, `COLUMNS`)
    /// say.
    pub fn of_standard_output(ascii: bool) -> Style {
        Style::of(&io::stdout(), ascii)
    }

    /// What standard error can show.
    pub fn of_standard_error(ascii: bool) -> Style {
        Style::of(&io::stderr(), ascii)
    }

    fn of(out: &(impl IsTerminal + AsFd), ascii: bool) -> Style {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let terminal = out.is_terminal();
        let columns = terminal
            .then(|| rustix::termios::tcgetwinsize(out).ok())
            .flatten()
            .map(|size| usize::from(size.ws_col))
            .filter(|&columns| columns > 0);
        let asked = set("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
        let live = terminal && set("TERM").is_some_and(|term| term != "dumb");
        Style {
            width: columns.or(asked).unwrap_or(100).clamp(80, 160),
            ascii,
            colour: live && set("NO_COLOR").is_none(),
            live,
        }
    }

    /// `text` with emphasis.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Bad => "1;31",
        };
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// Words and signs with what stands for them where there is only ASCII.
    fn spelled(&self, text: &str) -> String {
        if !self.ascii || text.is_ascii() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                c if c.is_ascii() => out.push(c),
                '→' => out.push_str("->"),
                '✓' => out.push_str("ok"),
                '✗' => out.push_str("BAD"),
                'µ' => out.push('u'),
                '…' => out.push_str("..."),
                '±' => out.push_str("+-"),
                '─' | '—' => out.push('-'),
                _ => out.push('?'),
            }
        }
        out
    }
}

impl Terminal {
    /// Standard output.
    pub fn standard_output(style: Style, detail: Detail) -> Terminal {
        Terminal::new(io::stdout(), style, detail)
    }

    /// Standard error.
    pub fn standard_error(style: Style, detail: Detail) -> Terminal {
        Terminal::new(io::stderr(), style, detail)
    }

    /// Any output.
    pub fn new(out: impl Write + Send + 'static, style: Style, detail: Detail) -> Terminal {
        Terminal {
            out: Box::new(out),
            style,
            detail,
            has_status: false,
            error: None,
        }
    }

    /// How lines may be drawn.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether what the report leaves out is wanted.
    pub fn is_verbose(&self) -> bool {
        self.detail == Detail::Verbose
    }

    /// Writes a line and shows it at once.
    pub fn line(&mut self, text: &str) {
        self.write(&format!("{}\n", self.style.spelled(text)));
    }

    /// Writes an empty line.
    pub fn gap(&mut self) {
        self.line("");
    }

    /// Writes words as a paragraph, indented and broken at blanks to fit.
    pub fn paragraph(&mut self, text: &str) {
        let style = self.style;
        for line in wrapped(&style.spelled(text), style.width.min(100) - INDENT.len()) {
            self.write(&format!("{INDENT}{line}\n"));
        }
    }

    /// Writes lines that are complete, line feeds included, and drawn in this style already.
    pub fn drawn(&mut self, lines: &str) {
        self.write(lines);
    }

    /// Says what is under way, to whoever watches, until the next line.
    pub fn status(&mut self, text: &str) {
        if self.style.live {
            let text = self.style.paint(Ink::Faint, &self.style.spelled(text));
            self.write(&format!("{INDENT}{text}"));
            self.has_status = true;
        }
    }

    /// Takes away what [`Terminal::status`] said.
    pub fn end_status(&mut self) {
        if self.has_status {
            self.write("");
        }
    }

    /// Why nothing more could be written, if so.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn write(&mut self, text: &str) {
        if self.detail == Detail::Quiet || self.error.is_some() {
            return;
        }
        let clear = match std::mem::take(&mut self.has_status) {
            true => "\r\x1b[K",
            false => "",
        };
        let written = self.out.write_all(format!("{clear}{text}").as_bytes());
        self.error = written.and_then(|()| self.out.flush()).err();
    }
}

/// What paragraphs are indented by.
const INDENT: &str = "  ";

/// The lines of at most `width` characters that the words make.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("style", &self.style)
            .field("detail", &self.detail)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
