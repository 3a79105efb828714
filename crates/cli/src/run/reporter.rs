//! What the relay tells, entered in the ledger.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use handfast_relay::{End, Opened as By, RelayEvent, RelayObserver, TcpReport};

use super::ledger::{ConnectionLine, Ending, Ledger, Opened};

/// Listens to a relay, and keeps the ledger of a run.
pub(super) struct Reporter {
    ledger: Ledger,
    /// Connections that were asked for and are not over, by id.
    open: Mutex<HashMap<u64, Asked>>,
}

struct Asked {
    program: SocketAddr,
    destination: SocketAddr,
    answered: Option<Duration>,
}

impl Reporter {
    pub(super) fn new(ledger: Ledger) -> Reporter {
        Reporter {
            ledger,
            open: Mutex::default(),
        }
    }

    fn open<R>(&self, f: impl FnOnce(&mut HashMap<u64, Asked>) -> R) -> R {
        f(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn closed(&self, report: &TcpReport) {
        let asked = self.open(|open| open.remove(&report.id));
        self.ledger.connection(ConnectionLine {
            opened: match report.opened {
                By::ByProgram => Opened::ByProgram,
                _ => Opened::Published,
            },
            program: report.program,
            destination: report.destination,
            name: report.name.clone(),
            octets_up: report.octets_up,
            octets_down: report.octets_down,
            answered: asked.and_then(|asked| asked.answered),
            lasted: report.lasted,
            info: report.info,
            end: match &report.end {
                End::Closed => Ending::Closed,
                End::ProgramReset => Ending::ProgramReset,
                End::DestinationReset => Ending::DestinationReset,
                End::Relay => Ending::Open,
                other => Ending::Failed(other.to_string()),
            },
        });
    }
}

impl RelayObserver for Reporter {
    fn on_event(&self, event: &RelayEvent) {
        match event {
            RelayEvent::TcpAsked {
                id,
                program,
                destination,
            } => {
                let asked = Asked {
                    program: *program,
                    destination: *destination,
                    answered: None,
                };
                self.open(|open| open.insert(*id, asked));
            }
            RelayEvent::TcpAnswered { id, after } => self.open(|open| {
                if let Some(asked) = open.get_mut(id) {
                    asked.answered = Some(*after);
                }
            }),
            RelayEvent::TcpRefused { id, why } => {
                let Some(asked) = self.open(|open| open.remove(id)) else {
                    return;
                };
                self.ledger.connection(ConnectionLine {
                    opened: Opened::ByProgram,
                    program: asked.program,
                    destination: asked.destination,
                    name: None,
                    octets_up: 0,
                    octets_down: 0,
                    answered: asked.answered,
                    lasted: Duration::ZERO,
                    info: None,
                    end: Ending::Refused(why.to_string()),
                });
            }
            RelayEvent::TcpClosed(report) => self.closed(report),
            RelayEvent::UdpFlowClosed(flow) => self.ledger.udp_flow(
                [flow.datagrams_up, flow.datagrams_down],
                [flow.octets_up, flow.octets_down],
            ),
            RelayEvent::PingUnavailable(why) => eprintln!("handfast: {why}"),
            _ => {}
        }
    }
}
