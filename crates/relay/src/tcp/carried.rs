//! One relayed connection, from the moment both sides are there to its report.

use super::pump::{Broken, Filter, Pump};
use crate::{End, Opened, RelayEvent, Shared, TcpReport};
use handfast::{Readiness, TcpStream};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream as HostStream;
use tokio::time::timeout;

/// What a connection is called.
pub(crate) struct Labels {
    pub(crate) id: u64,
    pub(crate) program: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) name: Option<String>,
    pub(crate) opened: Opened,
}

/// A connection whose both sides are there.
pub(crate) struct Carried {
    host: HostStream,
    ours: Ours,
}

/// Our connection to the program. It tells of itself when it goes, however that comes.
struct Ours {
    stream: TcpStream,
    shared: Arc<Shared>,
    began: Instant,
    report: Box<TcpReport>,
}

impl Carried {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        labels: Labels,
        ours: TcpStream,
        host: HostStream,
    ) -> Carried {
        let report = Box::new(TcpReport {
            id: labels.id,
            program: labels.program,
            destination: labels.destination,
            name: labels.name,
            opened: labels.opened,
            octets_up: 0,
            octets_down: 0,
            lasted: Duration::ZERO,
            info: None,
            end: End::Relay,
        });
        shared.carried.send_modify(|carried| *carried += 1);
        let ours = Ours {
            stream: ours,
            shared: shared.clone(),
            began: Instant::now(),
            report,
        };
        Carried { host, ours }
    }

    /// Carries both directions until the end, and sees to it that both sides hear how it ended.
    pub(crate) async fn run(self, filter: Option<Box<dyn Filter>>) {
        let Carried { host, mut ours } = self;
        let limits = ours.shared.limits;
        let broken = carry(&mut ours, &host, filter).await;
        ours.report.end = match broken {
            Ok(()) => {
                drop(host);
                // What is queued, and our FIN, are still on their way.
                let closed = Readiness::WRITE_CLOSED | Readiness::CLOSED;
                let _ = timeout(limits.drain, ours.stream.ready(closed)).await;
                End::Closed
            }
            Err(Broken::Program(why)) => {
                let _ = host.set_zero_linger();
                match why.kind() {
                    ErrorKind::ConnectionReset => End::ProgramReset,
                    _ => End::Failed(format!("the connection to the program: {why}")),
                }
            }
            Err(Broken::Destination(why)) => {
                drop(host);
                // What was read before the reset is the program's, as if it had come this far
                // by itself.
                let _ = timeout(limits.reset_drain, ours.stream.acknowledged()).await;
                ours.note();
                let _ = ours.stream.abort();
                match is_reset(&why) {
                    true => End::DestinationReset,
                    false => End::Failed(format!("the connection to the destination: {why}")),
                }
            }
        };
    }
}

/// Carries both directions; the report keeps count.
async fn carry(
    ours: &mut Ours,
    host: &HostStream,
    filter: Option<Box<dyn Filter>>,
) -> Result<(), Broken> {
    let Ours {
        stream,
        report,
        shared,
        ..
    } = ours;
    let mut pump = Pump::new(stream, host, &shared.chunks, filter);
    let mut draining = shared.draining.subscribe();
    let mut drained = std::pin::pin!(draining.wait_for(|&draining| draining));
    let mut is_draining = false;
    let mut host_error = std::pin::pin!(host.ready(Interest::ERROR));
    let mut has_error = false;
    poll_fn(|cx| {
        if !has_error && host_error.as_mut().poll(cx).is_ready() {
            has_error = true;
            pump.host_breaks();
        }
        if !is_draining && drained.as_mut().poll(cx).is_ready() {
            is_draining = true;
            pump.program_gone();
        }
        let polled = pump.poll(cx);
        (report.octets_up, report.octets_down) = pump.octets();
        polled
    })
    .await
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected
    )
}

impl Ours {
    /// Keeps what the connection knows, unless that was kept before.
    fn note(&mut self) {
        if self.report.info.is_none() {
            self.report.info = self.stream.info().ok();
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.note();
        self.report.lasted = self.began.elapsed();
        self.shared
            .tell(|| RelayEvent::TcpClosed(self.report.clone()));
        self.shared.carried.send_modify(|carried| *carried -= 1);
    }
}
