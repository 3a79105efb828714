//! Segmentation and checksums in software, for a link that has not got them.

#[cfg(test)]
mod tests;

use crate::outbox::Outbox;
use crate::{Capabilities, Link, Source, wire_packets};
use handfast_base::Instant;
use handfast_wire::{Batch, Checksum, GsoKind, Packet};
use std::io;
use std::mem::swap;
use std::task::Waker;

/// The largest super-segment whose length fits its field.
const IP_MAX: u32 = 65_535;

/// Gives a link super-segments of 65,535 octets and checksum offload.
///
/// What the link can do is left to it; the rest is done here, once, as packets pass: a sender
/// builds one set of headers for a super-segment and this door repeats them. Packets that arrive
/// pass as they are.
#[derive(Debug)]
pub struct Offload<L> {
    link: L,
    capabilities: Capabilities,
    outbox: Outbox,
}

impl<L: Link> Offload<L> {
    /// The door of `link`.
    pub fn new(link: L) -> Offload<L> {
        let own = *link.capabilities();
        Offload {
            link,
            capabilities: Capabilities {
                checksum: true,
                gso_tcp: own.gso_tcp.max(IP_MAX),
                gso_udp: own.gso_udp.max(IP_MAX),
                ..own
            },
            outbox: Outbox::new(),
        }
    }

    /// The link behind the door.
    pub fn get_ref(&self) -> &L {
        &self.link
    }

    /// The link behind the door.
    pub fn get_mut(&mut self) -> &mut L {
        &mut self.link
    }
}

impl<L: Link> Link for Offload<L> {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        self.outbox.flush(now, &mut self.link)?;
        self.link.receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let own = *self.link.capabilities();
        let mut count = 0;
        while self.outbox.flush(now, &mut self.link)? && !batch.is_empty() {
            let waiting = batch.packets();
            let plain = waiting
                .iter()
                .take_while(|p| limit(p, &own).is_none())
                .count();
            if plain == waiting.len() {
                return Ok(count + self.link.transmit(now, batch)?);
            }
            let mut taken = 0;
            for packet in batch.packets_mut() {
                if self.outbox.packets.len() >= own.batch {
                    break;
                }
                self.take(packet, &own);
                taken += 1;
            }
            batch.consume(taken);
            count += taken;
        }
        Ok(count)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.outbox.poll_timeout(), self.link.poll_timeout()];
        times.into_iter().flatten().min()
    }

    fn readiness(&self) -> Source<'_> {
        self.link.readiness()
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.link.set_waker(waker);
    }
}

impl<L: Link> Offload<L> {
    /// Puts the packets that the link can send for `packet` into the outbox.
    fn take(&mut self, packet: &mut Packet, own: &Capabilities) {
        let outbox = &mut self.outbox.packets;
        let mut put = |packet: &mut Packet| {
            outbox
                .push_slot()
                .into_iter()
                .for_each(|slot| swap(slot, packet));
        };
        let checksum = match own.checksum {
            true => Checksum::Partial,
            false => Checksum::None,
        };
        match limit(packet, own) {
            None => put(packet),
            Some(limit) => wire_packets::fit(packet, own.medium, limit, checksum, put),
        }
    }
}

/// To how many octets of super-segment a packet must be cut for a link that can do so much, 0 to
/// wire packets with the checksum that the link needs; `None` if it can go as it is.
fn limit(packet: &Packet, own: &Capabilities) -> Option<u32> {
    let (most, is_super) = match packet.gso.map(|gso| gso.kind) {
        None => (0, false),
        // A device that cannot sum cannot cut either.
        Some(_) if !own.checksum => (0, true),
        Some(GsoKind::TcpV4 | GsoKind::TcpV6) => (own.gso_tcp, true),
        Some(GsoKind::Udp) => (own.gso_udp, true),
    };
    let is_unsummed = packet.checksum == Checksum::Partial && !own.checksum;
    let is_too_long = is_super && packet.len() > most;
    (is_unsummed || is_too_long).then_some(most)
}
