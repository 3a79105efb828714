//! Connections drawn at the end.

use std::net::SocketAddr;

use handfast_trace::ConnectionSummary;
use handfast_trace::ladder::{LadderOptions, TerminalOptions};

use super::{Summary, words};
use crate::run::addresses;
use crate::run::arguments::Which;
use crate::run::ledger::Opened;
use crate::terminal::{Ink, Terminal};

/// Of the first connections, and of those with losses after them, so many are drawn unasked.
const FIRST: usize = 2;
const LOSSY: usize = 3;

impl Summary<'_> {
    /// Draws the connections that are asked for.
    pub(super) fn ladders(&self, terminal: &mut Terminal) {
        let Some(which) = &self.options.report.ladder else {
            return;
        };
        let all = self.recording.connections();
        let chosen = self.chosen(which, &all);
        let style = terminal.style();
        for connection in &chosen {
            let options = LadderOptions {
                names: self.names(connection),
                ..LadderOptions::default()
            };
            let Some(ladder) = self.recording.ladder(connection, &options) else {
                continue;
            };
            terminal.drawn(&ladder.terminal(&TerminalOptions {
                width: style.width,
                ascii: style.ascii,
                colour: style.colour,
                notes: true,
            }));
            terminal.gap();
        }
        let rest = all.len() - chosen.len();
        let text = match (chosen.len(), rest) {
            (0, 0) => "no connection to draw".to_owned(),
            (0, n) => format!(
                "none of {} is asked for",
                words::count(n as u64, "connection")
            ),
            (_, 0) => return,
            (_, n) => format!(
                "{} not drawn; --ladder=all, =N or =HOST:PORT draws others",
                words::count(n as u64, "connection")
            ),
        };
        terminal.line(&style.paint(Ink::Faint, &format!("  {text}")));
        terminal.gap();
    }

    /// The connections that are to be drawn.
    pub(super) fn chosen<'c>(
        &self,
        which: &Which,
        all: &'c [ConnectionSummary],
    ) -> Vec<&'c ConnectionSummary> {
        let is_lossy = |c: &&ConnectionSummary| {
            let troubles = c.lost.iter().chain(&c.retransmissions);
            troubles.sum::<u64>() > 0
        };
        match which {
            Which::First(n) => all.iter().take(*n).collect(),
            Which::Auto => {
                let later = all.iter().skip(FIRST).filter(is_lossy).take(LOSSY);
                all.iter().take(FIRST).chain(later).collect()
            }
            Which::To(host, port) => {
                let wanted = |c: &&ConnectionSummary| {
                    [c.left, c.right].into_iter().any(|end| {
                        port.is_none_or(|port| port == end.port())
                            && host.as_ref().is_none_or(|host| self.is_called(end, host))
                    })
                };
                all.iter().filter(wanted).collect()
            }
        }
    }

    /// Whether an end has that address or that name.
    fn is_called(&self, end: SocketAddr, host: &str) -> bool {
        end.ip().to_string() == *host
            || self
                .name_of(end)
                .is_some_and(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host))
    }

    fn name_of(&self, end: SocketAddr) -> Option<&str> {
        let lines = self.account.connections.iter();
        let mut of_end = lines.filter(|line| line.destination == end);
        let asked = of_end.find_map(|line| line.name.as_deref());
        asked.or(addresses::name(end.ip()))
    }

    /// What the ends of a connection are called.
    fn names(&self, connection: &ConnectionSummary) -> Vec<(SocketAddr, String)> {
        let published =
            self.account.connections.iter().any(|line| {
                line.opened == Opened::Published && line.destination == connection.left
            });
        let (program, other) = match published {
            true => (connection.right, connection.left),
            false => (connection.left, connection.right),
        };
        let name = self.name_of(other).map(words::printable);
        vec![(program, self.program()), (other, name.unwrap_or_default())]
    }
}
