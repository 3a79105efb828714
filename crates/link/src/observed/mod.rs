//! Watching a link: every packet that crosses it is shown to an [`Observer`] as on a wire.

#[cfg(test)]
mod tests;

use crate::{Capabilities, Link, Medium, Source, wire_packets};
use handfast_base::Instant;
use handfast_wire::{Batch, Checksum, Direction, Fate, Observation, Observer, Packet};
use std::fmt;
use std::io;
use std::task::Waker;

/// Shows an observer every packet that passes a link, both ways.
///
/// The observer sees wire packets: a copy of a super-segment is cut and a checksum that was left
/// to the link is completed, in the copy only. Without an observer that [wants](Observer::wants) it
/// nothing is copied. What a link did not take has not been sent and is not shown.
pub struct Observed<L> {
    link: L,
    observer: Option<Box<dyn Observer>>,
    /// What the link may take and the observer wants, each with its place in the batch: the link
    /// keeps what it does take.
    offered: Vec<(usize, Packet)>,
}

impl<L: Link> Observed<L> {
    /// Watches `link`, if there is an observer.
    pub fn new(link: L, observer: Option<Box<dyn Observer>>) -> Observed<L> {
        Observed {
            link,
            observer,
            offered: Vec::new(),
        }
    }

    /// Has another observer, or none; returns the one before.
    pub fn set_observer(
        &mut self,
        observer: Option<Box<dyn Observer>>,
    ) -> Option<Box<dyn Observer>> {
        std::mem::replace(&mut self.observer, observer)
    }

    /// The link that is watched.
    pub fn get_ref(&self) -> &L {
        &self.link
    }

    /// The link that is watched.
    pub fn get_mut(&mut self) -> &mut L {
        &mut self.link
    }
}

impl<L: Link> Link for Observed<L> {
    fn capabilities(&self) -> &Capabilities {
        self.link.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let before = batch.len();
        let received = self.link.receive(now, batch);
        let medium = self.capabilities().medium;
        let mut watchers = Watchers::one(medium, &mut self.observer, Direction::Received);
        for packet in batch.packets().get(before..).unwrap_or(&[]) {
            watchers.tell(packet, now, Some(now), Fate::Passed);
        }
        received
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let Some(observer) = &self.observer else {
            return self.link.transmit(now, batch);
        };
        let before = batch.len();
        let offered = batch.packets().iter().enumerate();
        let wanted = offered.filter(|(_, packet)| observer.wants(packet));
        self.offered
            .extend(wanted.map(|(at, packet)| (at, packet.clone())));
        let sent = self.link.transmit(now, batch);
        // Not the number it returned: a link that failed may have taken some before.
        let taken = before.saturating_sub(batch.len());
        let medium = self.capabilities().medium;
        let mut watchers = Watchers::one(medium, &mut self.observer, Direction::Sent);
        for (_, packet) in self.offered.iter().take_while(|(at, _)| *at < taken) {
            watchers.show([true, false], packet, now, Some(now), Fate::Passed);
        }
        self.offered.clear();
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        self.link.readiness()
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.link.set_waker(waker);
    }
}

impl<L: fmt::Debug> fmt::Debug for Observed<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("link", &self.link)
            .field("observed", &self.observer.is_some())
            .finish_non_exhaustive()
    }
}

/// Who watches packets that go one way: nobody, or an observer at either end of it.
pub struct Watchers<'a> {
    medium: Medium,
    observers: [Option<(&'a mut dyn Observer, Direction)>; 2],
}

impl<'a> Watchers<'a> {
    /// Nobody watches.
    pub fn none() -> Watchers<'a> {
        Watchers {
            medium: Medium::Ip,
            observers: [None, None],
        }
    }

    /// One observer of a link, who calls this way `direction`.
    pub fn one(
        medium: Medium,
        observer: &'a mut Option<Box<dyn Observer>>,
        direction: Direction,
    ) -> Watchers<'a> {
        Watchers {
            medium,
            observers: [watcher(observer, direction), None],
        }
    }

    /// An observer where the packets are sent and one where they arrive.
    pub fn both(
        medium: Medium,
        sender: &'a mut Option<Box<dyn Observer>>,
        receiver: &'a mut Option<Box<dyn Observer>>,
    ) -> Watchers<'a> {
        Watchers {
            medium,
            observers: [
                watcher(sender, Direction::Sent),
                watcher(receiver, Direction::Received),
            ],
        }
    }

    /// Shows those of them who want it the wire packets that `packet` is.
    pub fn tell(&mut self, packet: &Packet, at: Instant, arrival: Option<Instant>, fate: Fate) {
        let wanting = self.observers.each_ref().map(|watcher| {
            let observer = watcher.as_ref().map(|w| &w.0);
            observer.is_some_and(|observer| observer.wants(packet))
        });
        self.show(wanting, packet, at, arrival, fate);
    }

    /// As [`tell`](Watchers::tell), to those who have been asked and want it.
    fn show(
        &mut self,
        wanting: [bool; 2],
        packet: &Packet,
        at: Instant,
        arrival: Option<Instant>,
        fate: Fate,
    ) {
        if wanting == [false, false] {
            return;
        }
        let mut show = |packet: &Packet| {
            let asked = self.observers.iter_mut().zip(wanting);
            let wanting = asked.filter_map(|(watcher, wants)| watcher.as_mut().filter(|_| wants));
            for (observer, direction) in wanting {
                observer.on_packet(Observation {
                    at,
                    arrival,
                    direction: *direction,
                    fate,
                    packet,
                });
            }
        };
        if wire_packets::is_complete(packet) {
            return show(packet);
        }
        let mut copy = packet.clone();
        wire_packets::cut(&mut copy, self.medium, Checksum::None, |piece| show(piece));
    }
}

impl fmt::Debug for Watchers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directions = self.observers.iter().flatten().map(|w| w.1);
        f.debug_set().entries(directions).finish()
    }
}

fn watcher(
    observer: &mut Option<Box<dyn Observer>>,
    direction: Direction,
) -> Option<(&mut dyn Observer, Direction)> {
    match observer {
        Some(observer) => Some((&mut **observer, direction)),
        None => None,
    }
}
