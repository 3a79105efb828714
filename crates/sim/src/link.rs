use crate::Host;
use handfast::base::{Duration, Instant};
use handfast::link::impaired::{Choose, Counters, End, Impairment, PairConfig, Verdict, pair};
use handfast::link::{Capabilities, Link as LinkTrait, Source};
use handfast::stack::IfaceId;
use handfast::wire::{Batch, Direction, Observer, Packet};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// What a link between two hosts is like.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkConfig {
    /// What happens to packets from the first host to the second.
    pub up: Impairment,
    /// What happens to packets from the second host to the first.
    pub down: Impairment,
    /// Largest IP packet, in octets.
    pub mtu: u32,
    /// Largest TCP super-segment that hosts may hand to the link, in octets of IP packet; 0: none.
    pub gso: u32,
    /// Whether checksums are left to the link. If not, every packet is summed by its sender and
    /// verified by its receiver.
    pub checksum: bool,
}

impl Default for LinkConfig {
    /// No impairment, not even a delay; 1,500 octets; no offload.
    fn default() -> LinkConfig {
        LinkConfig {
            up: Impairment::default(),
            down: Impairment::default(),
            mtu: 1500,
            gso: 0,
            checksum: false,
        }
    }
}

impl LinkConfig {
    /// The same impairment both ways.
    pub fn symmetric(impairment: Impairment) -> LinkConfig {
        LinkConfig {
            up: impairment,
            down: impairment,
            ..LinkConfig::default()
        }
    }

    /// A link that only takes its time: so long one way.
    pub fn delay(delay: Duration) -> LinkConfig {
        LinkConfig::symmetric(Impairment {
            delay,
            ..Impairment::default()
        })
    }
}

/// A link between two hosts, to be disturbed while it is in use. A handle; cheap to clone.
#[derive(Clone)]
pub struct Link {
    /// Number, interface and end of the first host and of the second.
    sides: [(usize, IfaceId, SharedEnd); 2],
    is_down: Arc<AtomicBool>,
}

impl Link {
    /// Has another impairment for what `sender` sends from now on; what is under way stays so.
    pub fn impair(&self, sender: &Host, impairment: Impairment) {
        let mut end = self.end(sender).lock();
        end.set_impairment(Direction::Sent, impairment);
    }

    /// Lets `choose` decide over single packets of `sender`, until another does. It is given the
    /// packet and how many wire packets `sender` has sent before.
    pub fn choose(
        &self,
        sender: &Host,
        choose: impl FnMut(&Packet, u64) -> Verdict + Send + 'static,
    ) {
        self.end(sender).choose(&self.is_down, choose);
    }

    /// Loses the packets of `sender` with these numbers, counted from 0 at the link's beginning.
    pub fn lose(&self, sender: &Host, numbers: &[u64]) {
        let numbers = numbers.to_vec();
        self.choose(sender, move |_, number| match numbers.contains(&number) {
            true => Verdict::Drop,
            false => Verdict::Pass,
        });
    }

    /// Nothing passes any more, either way; what is under way arrives. Neither host is told.
    pub fn take_down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
        for (_, _, end) in &self.sides {
            // Somebody must look at the flag; without a choice to be made, packets pass unseen.
            if !end.is_choosing.load(Ordering::Relaxed) {
                end.choose(&self.is_down, |_, _| Verdict::Pass);
            }
        }
    }

    /// Packets pass again.
    pub fn bring_up(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    /// Whether packets pass.
    pub fn is_up(&self) -> bool {
        !self.is_down.load(Ordering::Relaxed)
    }

    /// What has become of the packets of `sender`.
    pub fn counters(&self, sender: &Host) -> Counters {
        self.end(sender).lock().counters(Direction::Sent)
    }

    /// The interface of `host`, for routes.
    ///
    /// # Panics
    /// If the link does not end at `host`.
    pub fn interface(&self, host: &Host) -> IfaceId {
        self.side(host).1
    }

    fn end(&self, host: &Host) -> &SharedEnd {
        &self.side(host).2
    }

    fn side(&self, host: &Host) -> &(usize, IfaceId, SharedEnd) {
        let side = self.sides.iter().find(|side| side.0 == host.number());
        side.unwrap_or_else(|| panic!("the link does not end at {host:?}"))
    }

    pub(crate) fn ends(config: &LinkConfig, seed: u64, log: Box<dyn Observer>) -> [SharedEnd; 2] {
        let (mut first, second) = pair(&PairConfig {
            up: config.up,
            down: config.down,
            seed,
            capabilities: Capabilities {
                checksum: config.checksum,
                gso_tcp: config.gso,
                ..Capabilities::ip(config.mtu)
            },
        });
        first.set_observer(Some(log));
        [first, second].map(SharedEnd::new)
    }

    pub(crate) fn new(sides: [(usize, IfaceId, SharedEnd); 2]) -> Link {
        Link {
            sides,
            is_down: Arc::default(),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("hosts", &[self.sides[0].0, self.sides[1].0])
            .field("is_up", &self.is_up())
            .finish_non_exhaustive()
    }
}

/// One end, which a host's engine drives and a [`Link`] disturbs.
#[derive(Clone)]
pub(crate) struct SharedEnd {
    capabilities: Capabilities,
    end: Arc<Mutex<End>>,
    is_choosing: Arc<AtomicBool>,
}

impl SharedEnd {
    fn new(end: End) -> SharedEnd {
        SharedEnd {
            capabilities: *end.capabilities(),
            end: Arc::new(Mutex::new(end)),
            is_choosing: Arc::default(),
        }
    }

    fn choose(
        &self,
        is_down: &Arc<AtomicBool>,
        mut choose: impl FnMut(&Packet, u64) -> Verdict + Send + 'static,
    ) {
        let is_down = Arc::clone(is_down);
        let choose: Choose = Box::new(move |packet, number| match choose(packet, number) {
            _ if is_down.load(Ordering::Relaxed) => Verdict::Drop,
            verdict => verdict,
        });
        self.is_choosing.store(true, Ordering::Relaxed);
        self.lock().choose(Direction::Sent, Some(choose));
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkTrait for SharedEnd {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.lock().receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.lock().transmit(now, batch)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.lock().poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        Source::Polled
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.lock().set_waker(waker);
    }
}
