use crate::engine::Core;
use handfast_base::Instant;
use handfast_link::{Link, RECEIVE_LEAST, Source};
use handfast_stack::address::IfaceId;
use handfast_wire::{Batch, Packet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Packets that are carried in one go, and so the longest that the stack's lock is held.
const BATCH: usize = 64;
/// Batches that are received before whoever drives the engine looks at its other duties.
const ROUNDS: usize = 16;

/// The links of an engine, and the batches between them and the stack.
pub(crate) struct Links {
    attached: Vec<Attached>,
    received: Batch,
    /// A link has refused packets, and who waits for room on it does not know yet.
    untold: bool,
}

struct Attached {
    iface: IfaceId,
    link: Box<dyn Link>,
    /// A copy of the link's descriptor, for those who wait for it without holding the link.
    watched: Option<Arc<OwnedFd>>,
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
            untold: false,
        }
    }

    pub(crate) fn attach(&mut self, iface: IfaceId, link: Box<dyn Link>) {
        let outgoing = Batch::new(BATCH);
        self.attached.push(Attached {
            iface,
            link,
            watched: None,
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
                        attached.fail(e);
                        break;
                    }
                }
                let (iface, received) = (attached.iface, &mut self.received);
                let octets: u32 = received.packets().iter().map(Packet::len).sum();
                let is_last = !received.is_full() && octets < RECEIVE_LEAST;
                with_core(&mut |core| {
                    for packet in received.packets_mut() {
                        core.stack.receive(iface, packet, now);
                    }
                });
                self.received.clear();
                if is_last {
                    break;
                }
                more |= round + 1 == ROUNDS;
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
            let was_blocked = std::mem::take(&mut attached.blocked);
            while attached.failure.is_none() {
                let now = clock();
                let (iface, outgoing) = (attached.iface, &mut attached.outgoing);
                // What is full already says nothing of what waits behind it.
                let mut more = true;
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
                        self.untold |= !was_blocked;
                        break;
                    }
                    Ok(_) => {}
                    Err(e) => {
                        outgoing.clear();
                        attached.fail(e);
                    }
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// When a link next has something of its own accord; in the past while one is blocked and
    /// nobody was [told](Links::tell_blocked).
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let untold = self.untold.then_some(Instant::ZERO);
        let links = self.attached.iter().filter_map(|a| a.link.poll_timeout());
        links.chain(untold).min()
    }

    /// As [`is_blocked`](Links::is_blocked), to whoever waits for room.
    pub(crate) fn tell_blocked(&mut self) -> bool {
        self.untold = false;
        self.is_blocked()
    }

    /// Whether some link has refused packets, and room on it is worth waiting for.
    pub(crate) fn is_blocked(&self) -> bool {
        self.attached.iter().any(|a| a.blocked)
    }

    /// Copies of the descriptors to wait for, and whether for room to write, too.
    pub(crate) fn sources(&mut self) -> impl Iterator<Item = io::Result<(&Arc<OwnedFd>, bool)>> {
        self.attached.iter_mut().filter_map(Attached::source)
    }

    /// Takes the error that broke a link, once.
    pub(crate) fn take_failure(&mut self) -> Option<(IfaceId, io::Error)> {
        let broken = self.attached.iter().position(|a| a.failure.is_some())?;
        let gone = self.attached.remove(broken);
        gone.failure.map(|e| (gone.iface, e))
    }
}

impl Attached {
    /// Leaves the link alone from now on. Whoever has waited for its descriptor sees that nobody
    /// else holds the copy any more.
    fn fail(&mut self, error: io::Error) {
        self.failure = Some(error);
        self.watched = None;
    }

    fn source(&mut self) -> Option<io::Result<(&Arc<OwnedFd>, bool)>> {
        let Source::Fd(fd) = self.link.readiness() else {
            return None;
        };
        if self.failure.is_some() {
            return None;
        }
        if self.watched.is_none() {
            match fd.try_clone_to_owned() {
                Ok(copy) => self.watched = Some(Arc::new(copy)),
                Err(e) => return Some(Err(e)),
            }
        }
        self.watched.as_ref().map(|fd| Ok((fd, self.blocked)))
    }
}
