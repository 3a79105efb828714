//! From a tuple to what it belongs to, by keyed hash: a sender who does not know the key cannot
//! make tuples collide.

use crate::IfaceId;
use crate::tuple::Tuple;
use alloc::boxed::Box;
use handfast_wire::tcp::{TcpFlow, TcpPlace};
use handfast_wire::{IpHeader, Packet};
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

/// What a tuple belongs to: an index into the storage of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Connection(u32),
    SynReceived(u32),
    TimeWait(u32),
}

/// The hash of a tuple; kept beside what the tuple names so that it is computed once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag(u32);

impl Tag {
    /// The table looks at the low bits and the top seven; both come from the tag, so that growing
    /// the table needs no tuple.
    #[inline]
    fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

/// 30 bits of index, 2 of kind.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed(u32);

const INDEX: u32 = (1 << 30) - 1;

impl Packed {
    #[inline]
    fn new(owner: Owner) -> Packed {
        Packed(match owner {
            Owner::Connection(i) => i & INDEX,
            Owner::SynReceived(i) => i & INDEX | 1 << 30,
            Owner::TimeWait(i) => i & INDEX | 2 << 30,
        })
    }

    #[inline]
    fn owner(self) -> Owner {
        let index = self.0 & INDEX;
        match self.0 >> 30 {
            0 => Owner::Connection(index),
            1 => Owner::SynReceived(index),
            _ => Owner::TimeWait(index),
        }
    }
}

pub(crate) struct Demux {
    hasher: SipHasher13,
    table: HashTable<(Tag, Packed)>,
    ports: PortUse,
    /// The connection found last, by the packets that led to it: they come in trains.
    train: Option<Train>,
}

struct Train {
    iface: IfaceId,
    flow: TcpFlow,
    connection: u32,
}

/// How many owners have each local port: who binds one need not look through the table.
struct PortUse([Option<Box<[u32; 256]>>; 256]);

impl PortUse {
    #[inline]
    fn count(&mut self, port: u16) -> &mut u32 {
        let [high, low] = port.to_be_bytes();
        let page = &mut self.0[usize::from(high)];
        &mut page.get_or_insert_with(|| Box::new([0; 256]))[usize::from(low)]
    }

    fn is_used(&self, port: u16) -> bool {
        let [high, low] = port.to_be_bytes();
        let page = self.0[usize::from(high)].as_deref();
        page.is_some_and(|page| page[usize::from(low)] > 0)
    }
}

impl Demux {
    pub(crate) fn new(key: &[u8; 16]) -> Demux {
        Demux {
            hasher: SipHasher13::new_with_key(key),
            table: HashTable::new(),
            ports: PortUse([const { None }; 256]),
            train: None,
        }
    }

    #[inline]
    pub(crate) fn tag(&self, tuple: &Tuple) -> Tag {
        Tag(self.hasher.hash(tuple.octets(&mut [0; Tuple::MAX_LEN])) as u32)
    }

    /// The connection found last and where the packet has its parts, if it is one more for it.
    #[inline]
    pub(crate) fn recall(&self, iface: IfaceId, packet: &Packet) -> Option<(u32, TcpPlace)> {
        let train = self.train.as_ref().filter(|train| train.iface == iface)?;
        Some((train.connection, train.flow.place_in(packet)?))
    }

    /// The packet was found sound, sent to an address of ours, and for this connection.
    #[inline]
    pub(crate) fn remember(
        &mut self,
        iface: IfaceId,
        packet: &Packet,
        ip: &IpHeader,
        connection: u32,
    ) {
        self.train = TcpFlow::of(packet, ip).map(|flow| Train {
            iface,
            flow,
            connection,
        });
    }

    /// What was true of the packets found last may no longer be.
    pub(crate) fn forget(&mut self) {
        self.train = None;
    }

    /// The owner with this tag for which `is_it` holds.
    #[inline]
    pub(crate) fn find(&self, tag: Tag, mut is_it: impl FnMut(Owner) -> bool) -> Option<Owner> {
        self.table
            .find(tag.spread(), |&(t, p)| t == tag && is_it(p.owner()))
            .map(|(_, p)| p.owner())
    }

    /// Adds an owner; its tuple, with this local port, must not be in the table.
    #[inline]
    pub(crate) fn insert(&mut self, tag: Tag, port: u16, owner: Owner) {
        let entry = (tag, Packed::new(owner));
        self.table
            .insert_unique(tag.spread(), entry, |&(t, _)| t.spread());
        *self.ports.count(port) += 1;
    }

    /// Removes an owner; says whether it was there.
    #[inline]
    pub(crate) fn remove(&mut self, tag: Tag, port: u16, owner: Owner) -> bool {
        self.forget();
        let entry = (tag, Packed::new(owner));
        let Ok(found) = self.table.find_entry(tag.spread(), |e| *e == entry) else {
            return false;
        };
        found.remove();
        *self.ports.count(port) -= 1;
        true
    }

    /// Puts `new` in the place of `old`; says whether that was there.
    #[inline]
    pub(crate) fn replace(&mut self, tag: Tag, old: Owner, new: Owner) -> bool {
        self.forget();
        let entry = (tag, Packed::new(old));
        let found = self.table.find_mut(tag.spread(), |e| *e == entry);
        found.map(|found| found.1 = Packed::new(new)).is_some()
    }

    /// Whether `is_it` holds for any owner with this local port. Looks through the table, but
    /// only when there is one.
    pub(crate) fn any_with_port(&self, port: u16, mut is_it: impl FnMut(Owner) -> bool) -> bool {
        self.ports.is_used(port) && self.table.iter().any(|(_, p)| is_it(p.owner()))
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl core::fmt::Debug for Demux {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Demux({})", self.len())
    }
}
