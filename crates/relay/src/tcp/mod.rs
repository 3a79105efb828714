//! TCP: every connection of the program is terminated by the stack, and accepted once the host's
//! own connection to the destination is there.

mod carried;
mod chunk;
mod door;
mod ftp;
mod gate;
mod inbound;
mod published;
mod pump;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use chunk::Chunks;
pub(crate) use published::listen as listen_published;

use crate::{Opened, Refusal, RelayEvent, Shared};
use carried::{Carried, Labels};
use gate::Gate;
use handfast::stack::Reject;
use handfast::stack::icmp::Problem;
use handfast::{Net, PendingSyn, TcpListener};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What all TCP connections of a relay share.
pub(crate) struct Tcp {
    pub(crate) net: Net,
    pub(crate) shared: Arc<Shared>,
    gate: Arc<Gate>,
    next: AtomicU64,
}

impl Tcp {
    pub(crate) fn new(net: &Net, shared: &Arc<Shared>) -> Arc<Tcp> {
        let limits = shared.limits;
        Arc::new(Tcp {
            net: net.clone(),
            shared: shared.clone(),
            gate: Gate::new(limits.connections, limits.connects),
            next: AtomicU64::new(0),
        })
    }

    /// Listens for every connection that no other listener takes.
    ///
    /// # Errors
    /// Somebody does so already.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let mut builder = TcpListener::builder()
            .accept_any()
            .pending()
            .backlog(self.shared.limits.half_open);
        if let Some(config) = &self.shared.config {
            builder = builder.config(config.clone());
        }
        builder.bind(&self.net, "[::]:0".parse().map_err(io::Error::other)?)
    }

    /// Relays until the stack is gone, or `stopped` is closed.
    pub(crate) async fn serve(
        self: Arc<Tcp>,
        listener: TcpListener,
        mut stopped: watch::Receiver<()>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                syn = listener.pending() => match syn {
                    Ok(syn) => _ = connections.spawn(self.clone().asked(syn)),
                    Err(_) => break,
                },
                Some(_) = connections.join_next() => {}
                _ = stopped.changed() => break,
            }
        }
        drop(listener);
        connections.shutdown().await;
    }

    /// One connection that the program asks for.
    async fn asked(self: Arc<Tcp>, syn: PendingSyn) {
        let (program, destination) = (syn.peer_addr(), syn.local_addr());
        let id = self.next_id();
        self.shared.tell(|| RelayEvent::TcpAsked {
            id,
            program,
            destination,
        });
        let refused = |why: Refusal| self.shared.tell(|| RelayEvent::TcpRefused { id, why });
        let outside = self.shared.substitutes.outside(destination);
        // What is addressed to ourselves and finds no service is not for the host.
        let is_ours =
            outside == destination && self.net.with_stack(|stack, _| stack.owns(destination.ip()));
        if is_ours {
            syn.reject(Reject::Reset);
            return refused(Refusal::Refused);
        }
        if let Err(why) = self.shared.admit(destination) {
            syn.reject(Reject::Unreachable(Problem::Prohibited));
            return refused(Refusal::Policy(why));
        }
        let began = Instant::now();
        let attempt = self.gate.enter(id, outside);
        let connect = self.shared.outbound.connect(outside);
        let (host, place) = match attempt.run(connect).await {
            Some((Ok(host), place)) => (host, place),
            Some((Err(why), _)) => {
                match why {
                    Refusal::Refused => syn.reject(Reject::Reset),
                    Refusal::Unreachable(problem) => syn.reject(Reject::Unreachable(problem)),
                    _ => syn.ignore(),
                }
                return refused(why);
            }
            None => {
                syn.ignore();
                return refused(Refusal::GaveWay);
            }
        };
        self.gate.answered(&outside);
        self.shared.tell(|| RelayEvent::TcpAnswered {
            id,
            after: began.elapsed(),
        });
        let Ok(ours) = syn.accept().await else {
            // Nobody is there any more to whom the destination could be told to have closed.
            let _ = host.set_zero_linger();
            return refused(Refusal::GivenUp);
        };
        let labels = Labels {
            id,
            program,
            destination,
            name: self.shared.names_of(destination.ip()).into_iter().next(),
            opened: Opened::ByProgram,
        };
        let (filter, transfers) = self.transfers(program, destination, &host).unzip();
        let carried = Carried::new(&self.shared, labels, ours, host).run(filter);
        // Few have any: the others need not have room for them.
        let transfers = transfers.map(|t| Box::pin(self.clone().serve_transfers(t, outside.ip())));
        let beside = async {
            if let Some(transfers) = transfers {
                transfers.await;
            }
        };
        tokio::join!(carried, beside);
        drop(place);
    }

    fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}
