use super::{Choose, Counters, CountersHandle, Impairment, Path};
use crate::observed::Watchers;
use crate::outbox::Outbox;
use crate::{Capabilities, Link, Medium, Source};
use handfast_base::{Instant, Rng};
use handfast_wire::{Batch, Direction, Observer};
use std::fmt;
use std::io;
use std::task::Waker;

/// Batches read from the link in one call: where all of them are delayed the caller sees none.
const ROUNDS: usize = 8;

/// A real link behind an impaired path.
///
/// Packets leave the path when a call comes at or after [`Link::poll_timeout`]; `receive` and
/// `transmit`, the latter also of an empty batch, both move what is due in either direction.
pub struct Impaired<L> {
    link: L,
    medium: Medium,
    sent: Path,
    received: Path,
    outbox: Outbox,
    inbox: Batch,
    /// Whether the link may have more to read at once, whatever its readiness says.
    more: bool,
    counters: CountersHandle,
    observer: Option<Box<dyn Observer>>,
}

impl<L: Link> Impaired<L> {
    /// Impairs what is sent to `link` by `up` and what is received from it by `down`, each chance
    /// decided by `seed`.
    pub fn new(link: L, up: Impairment, down: Impairment, seed: u64) -> Impaired<L> {
        let mut seed = Rng::new(seed);
        let Capabilities { medium, batch, .. } = *link.capabilities();
        Impaired {
            link,
            medium,
            sent: Path::new(up, medium, &mut seed),
            received: Path::new(down, medium, &mut seed),
            outbox: Outbox::new(),
            inbox: Batch::new(batch),
            more: false,
            counters: CountersHandle::default(),
            observer: None,
        }
    }

    /// Tells `observer` of every wire packet both ways, when it comes to the path.
    pub fn set_observer(&mut self, observer: Option<Box<dyn Observer>>) {
        self.observer = observer;
    }

    /// Has another impairment from the next packet on.
    pub fn set_impairment(&mut self, direction: Direction, impairment: Impairment) {
        self.path(direction).set_impairment(impairment);
    }

    /// Lets `choose` decide for single packets, or none any more.
    pub fn choose(&mut self, direction: Direction, choose: Option<Choose>) {
        self.path(direction).choose(choose);
    }

    /// What has happened so far.
    pub fn counters(&self, direction: Direction) -> Counters {
        match direction {
            Direction::Sent => self.sent.counters(),
            Direction::Received => self.received.counters(),
        }
    }

    /// The counters of both directions, to be read while somebody else drives the link.
    pub fn counters_handle(&self) -> CountersHandle {
        let handle = self.counters.clone();
        handle.store(&self.sent.counters(), &self.received.counters());
        handle
    }

    /// The link behind the path.
    pub fn get_ref(&self) -> &L {
        &self.link
    }

    /// The link behind the path.
    pub fn get_mut(&mut self) -> &mut L {
        &mut self.link
    }

    fn path(&mut self, direction: Direction) -> &mut Path {
        match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        }
    }

    /// Hands the link what is due. What it does not take waits here, and pushes back from here.
    fn flush(&mut self, now: Instant) -> io::Result<()> {
        while self.outbox.flush(now, &mut self.link)? {
            if self.sent.receive(now, &mut self.outbox.packets) == 0 {
                break;
            }
        }
        Ok(())
    }

    fn carry_in(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.flush(now)?;
        let mut watchers = Watchers::one(self.medium, &mut self.observer, Direction::Received);
        let mut read = Ok(0);
        self.more = true;
        for _ in 0..ROUNDS {
            self.received.send(now, &mut self.inbox, &mut watchers);
            let messages = self.received.messages();
            if !messages.is_empty() {
                self.sent.send(now, messages, &mut Watchers::none());
                messages.clear();
            }
            if self.received.is_full() || !self.inbox.is_empty() {
                break;
            }
            read = self.link.receive(now, &mut self.inbox);
            self.more = matches!(read, Ok(1..));
            if !self.more {
                break;
            }
        }
        match self.received.receive(now, batch) {
            0 => read.map(|_| 0),
            count => Ok(count),
        }
    }

    fn carry_out(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.flush(now)?;
        if !self.outbox.packets.is_empty() {
            return Ok(0);
        }
        let mut watchers = Watchers::one(self.medium, &mut self.observer, Direction::Sent);
        let count = self.sent.send(now, batch, &mut watchers);
        let messages = self.sent.messages();
        if !messages.is_empty() {
            let way = Direction::Received;
            let mut watchers = Watchers::one(self.medium, &mut self.observer, way);
            self.received.send(now, messages, &mut watchers);
            messages.clear();
        }
        self.flush(now)?;
        Ok(count)
    }

    fn store_counters(&self) {
        self.counters
            .store(&self.sent.counters(), &self.received.counters());
    }
}

impl<L: Link> Link for Impaired<L> {
    fn capabilities(&self) -> &Capabilities {
        self.link.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let received = self.carry_in(now, batch);
        self.store_counters();
        received
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let sent = self.carry_out(now, batch);
        self.store_counters();
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // While the link pushes back, its path can only wait with it.
        let sent = match self.outbox.poll_timeout() {
            None => self.sent.poll_timeout(),
            retry => retry,
        };
        let received = match self.more && !self.received.is_full() {
            false => self.received.poll_timeout(),
            true => Some(Instant::ZERO),
        };
        let link = self.link.poll_timeout();
        [sent, received, link].into_iter().flatten().min()
    }

    fn readiness(&self) -> Source<'_> {
        if self.received.is_full() {
            // Readable or not, nothing is read before something has arrived.
            return Source::Polled;
        }
        self.link.readiness()
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.link.set_waker(waker);
    }
}

impl<L: fmt::Debug> fmt::Debug for Impaired<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impaired")
            .field("link", &self.link)
            .field("sent", &self.sent)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
