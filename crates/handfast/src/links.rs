use crate::engine::Core;
use handfast_base::Instant;
use handfast_link::{Link, Source};
use handfast_stack::address::IfaceId;
use handfast_wire::Batch;
use std::io;
use std::os::fd::BorrowedFd;

/// Packets that are carried in one go, and so the longest that the stack's lock is held.
const BATCH: usize = 64;
/// Batches that are received before whoever drives the engine looks at its other duties.
const ROUNDS: usize = 16;

/// The links of an engine, and the batches between them and the stack.
pub(crate) struct Links {
    attached: Vec<Attached>,
    received: Batch,
}

struct Attached {
    iface: IfaceId,
    link: Box<dyn Link>,
    /// Packets that the link has not taken yet.
    outgoing: Batch,
    /// The link is broken: it is left alone from then on.
    failure: Option<io::Error>,
    blocked: bool,
}

impl Links {
    pub(crate) fn new() -> Links {
        Links {
            attached: Vec::new(),
            received: Batch::new(BATCH),
        }
    }

    pub(crate) fn attach(&mut self, iface: IfaceId, link: Box<dyn Link>) {
        let outgoing = Batch::new(BATCH);
        self.attached.push(Attached {
            iface,
            link,
            outgoing,
            failure: None,
            blocked: false,
        });
    }

    /// Carries what has arrived into the stack. True when more may wait.
    pub(crate) fn receive(
        &mut self,
        clock: &dyn Fn() -> Instant,
        mut with_core: impl FnMut(&mut dyn FnMut(&mut Core)),
    ) -> bool {
        let mut more = false;
        for attached in &mut self.attached {
            for round in 0..ROUNDS {
                if attached.failure.is_some() {
                    break;
                }
                let now = clock();
                match attached.link.receive(now, &mut self.received) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(e) => {
                        attached.failure = Some(e);
                        break;
                    }
                }
                more |= round + 1 == ROUNDS;
                let (iface, received) = (attached.iface, &mut self.received);
                with_core(&mut |core| {
                    for packet in received.packets_mut() {
                        core.stack.receive(iface, packet, now);
                    }
                });
                self.received.clear();
            }
        }
        more
    }

    /// Carries what the stack has to send to the links, until it has nothing more or the links
    /// take nothing more. What stays inside is bounded: [`Engine::poll_timer`] tells when there is
    /// more of it.
    ///
    /// [`Engine::poll_timer`]: crate::Engine::poll_timer
    pub(crate) fn transmit(
        &mut self,
        clock: &dyn Fn() -> Instant,
        mut with_core: impl FnMut(&mut dyn FnMut(&mut Core)),
    ) {
        // What stays inside needs no link, but turns of its own: two local ends may have much to
        // say to each other.
        let mut inside = true;
        for _ in 0..ROUNDS {
            let now = clock();
            with_core(&mut |core| {
                core.stack
                    .poll_transmit(IfaceId::LOOPBACK, now, &mut self.received);
                inside = core.stack.has_output(IfaceId::LOOPBACK);
            });
            if !inside {
                break;
            }
        }
        for attached in &mut self.attached {
            attached.blocked = false;
            while attached.failure.is_none() {
                let now = clock();
                let (iface, outgoing) = (attached.iface, &mut attached.outgoing);
                let mut more = false;
                if !outgoing.is_full() {
                    with_core(&mut |core| {
                        core.stack.poll_transmit(iface, now, outgoing);
                        more = core.stack.has_output(iface);
                    });
                }
                if outgoing.is_empty() {
                    break;
                }
                match attached.link.transmit(now, outgoing) {
                    Ok(_) if !outgoing.is_empty() => {
                        attached.blocked = true;
                        break;
                    }
                    Ok(_) => {}
                    Err(e) => {
                        attached.failure = Some(e);
                        outgoing.clear();
                    }
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// When a link next has something of its own accord.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.attached
            .iter()
            .filter_map(|a| a.link.poll_timeout())
            .min()
    }

    /// Whether some link has refused packets, and room on it is worth waiting for.
    pub(crate) fn is_blocked(&self) -> bool {
        self.attached.iter().any(|a| a.blocked)
    }

    /// The descriptors to wait for, and whether for room to write, too.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.attached
            .iter()
            .filter(|a| a.failure.is_none())
            .filter_map(|a| match a.link.readiness() {
                Source::Fd(fd) => Some((fd, a.blocked)),
                Source::Polled => None,
            })
    }

    /// Takes the error that broke a link, once.
    pub(crate) fn take_failure(&mut self) -> Option<(IfaceId, io::Error)> {
        let broken = self.attached.iter().position(|a| a.failure.is_some())?;
        let gone = self.attached.remove(broken);
        gone.failure.map(|e| (gone.iface, e))
    }
}
