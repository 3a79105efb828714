use super::bottleneck::Bottleneck;
use super::dice::Dice;
use super::mark::mark;
use super::{CAPACITY, Counters, Impairment, Reordering};
use crate::observed::Watchers;
use crate::{Medium, wire_packets};
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::{Batch, Checksum, Fate, Loss, Packet};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::repeat_n;

/// One direction of a path: packets go in at one instant and come out at a later one.
///
/// It has no clock: the `now` of its calls must not run backwards. A path that does nothing
/// passes super-segments whole; else they are cut first, so that one loss loses one wire packet.
#[derive(Debug)]
pub struct Path {
    impairment: Impairment,
    medium: Medium,
    dice: Dice,
    chosen: Chosen,
    bottleneck: Bottleneck,
    /// No packet in order arrives before.
    latest: Instant,
    /// Packets so far: breaks ties between arrivals.
    number: u64,
    in_order: Batch,
    /// Of those in order: when each arrives, and when it came.
    arrivals: VecDeque<(Arrival, Instant)>,
    out_of_order: BTreeMap<Arrival, (Packet, Instant)>,
    counters: Counters,
    /// What a hop has to tell, until somebody puts it on the way back.
    messages: Batch,
}

/// Arrivals looked at in one go.
const LOOK: usize = 64;

/// When, and the how manieth in all.
type Arrival = (Instant, u64);

/// What a test has decided for a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The dice decide.
    Pass,
    /// It is lost.
    Drop,
    /// It arrives so much later, out of order.
    Hold(Duration),
    /// It arrives twice.
    Duplicate,
    /// It arrives with a bit flipped.
    Corrupt,
}

/// Decides for single packets: given the packet and how many wire packets went before it.
pub type Choose = Box<dyn FnMut(&Packet, u64) -> Verdict + Send>;

impl Path {
    /// A path whose dice are forked from `seed`.
    pub fn new(impairment: Impairment, medium: Medium, seed: &mut Rng) -> Path {
        Path {
            impairment,
            medium,
            dice: Dice::new(seed),
            chosen: Chosen(None),
            bottleneck: Bottleneck::default(),
            latest: Instant::ZERO,
            number: 0,
            in_order: Batch::new(usize::MAX),
            arrivals: VecDeque::new(),
            out_of_order: BTreeMap::new(),
            counters: Counters::default(),
            messages: Batch::new(CAPACITY),
        }
    }

    /// Has another impairment from the next packet on; what is under way stays so.
    pub fn set_impairment(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// Lets `choose` decide for single packets, or none any more.
    pub fn choose(&mut self, choose: Option<Choose>) {
        self.chosen = Chosen(choose);
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Packets under way.
    pub fn len(&self) -> usize {
        self.in_order.len() + self.out_of_order.len()
    }

    /// Whether no packet is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it takes no more packets before some are received: [`CAPACITY`] are under way.
    pub fn is_full(&self) -> bool {
        self.len() >= CAPACITY
    }

    /// When the next packet arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let late = self.out_of_order.first_key_value().map(|(at, _)| at);
        let in_order = self.arrivals.front().map(|(at, _)| at);
        let next = in_order.into_iter().chain(late).min();
        next.map(|at| at.0)
    }

    /// Takes packets from the front of `batch` at `now`; returns how many. What it cannot take
    /// because it [is full](Path::is_full) stays.
    pub fn send(&mut self, now: Instant, batch: &mut Batch, watchers: &mut Watchers<'_>) -> usize {
        if self.impairment.is_active() || self.chosen.0.is_some() {
            return self.send_impaired(now, batch, watchers);
        }
        let room = CAPACITY.saturating_sub(self.len()).min(batch.len());
        self.latest = self.latest.max(now);
        for packet in &batch.packets()[..room] {
            watchers.tell(packet, now, Some(self.latest), Fate::Passed);
            self.counters.sent_octets += u64::from(packet.len());
        }
        let count = self.in_order.append(batch, room);
        let numbers = self.number..;
        let arrivals = repeat_n(self.latest, count).zip(numbers);
        self.arrivals.extend(arrivals.map(|at| (at, now)));
        self.number += count as u64;
        self.counters.sent += count as u64;
        count
    }

    /// What a [hop](Impairment::hop) has to tell the sender, to be sent the other way.
    pub fn messages(&mut self) -> &mut Batch {
        &mut self.messages
    }

    /// Moves packets that have arrived by `now` to the end of `batch`; returns how many.
    pub fn receive(&mut self, now: Instant, batch: &mut Batch) -> usize {
        let mut moved = 0;
        while !batch.is_full() {
            let late = self.out_of_order.first_entry();
            let first = late.as_ref().map(|late| *late.key());
            let arrived = |(at, _): &&(Arrival, Instant)| {
                at.0 <= now && first.is_none_or(|first| *at < first)
            };
            // A look at all that has arrived, for each of many small batches, would be quadratic.
            let some = self.arrivals.iter().take(LOOK);
            let before = batch.len();
            let count = batch.append(&mut self.in_order, some.take_while(arrived).count());
            if count > 0 {
                let came = self.arrivals.drain(..count);
                for (packet, (_, came)) in batch.packets()[before..].iter().zip(came) {
                    self.counters.deliver(packet.len(), now.since(came));
                }
                moved += count;
                continue;
            }
            let Some(late) = late.filter(|late| late.key().0 <= now) else {
                break;
            };
            if let Some(slot) = batch.push_slot() {
                let came;
                (*slot, came) = late.remove();
                self.counters.deliver(slot.len(), now.since(came));
                moved += 1;
            }
        }
        moved
    }

    fn send_impaired(
        &mut self,
        now: Instant,
        batch: &mut Batch,
        watchers: &mut Watchers<'_>,
    ) -> usize {
        let mut count = 0;
        for packet in batch.packets_mut() {
            if self.is_full() {
                break;
            }
            wire_packets::cut(packet, self.medium, Checksum::Partial, |piece| {
                self.send_one(now, piece, watchers);
            });
            count += 1;
        }
        batch.consume(count);
        count
    }

    fn send_one(&mut self, now: Instant, packet: &mut Packet, watchers: &mut Watchers<'_>) {
        let number = self.counters.sent;
        self.counters.sent += 1;
        self.counters.sent_octets += u64::from(packet.len());
        let medium = self.medium;
        if let Some(hop) = self.impairment.hop.filter(|h| !h.passes(packet, medium)) {
            if let Some(message) = hop.message(packet, medium) {
                // With more than so many they are lost.
                let _ = self.messages.push(message);
            }
            self.counters.lose(Loss::TooBig);
            watchers.tell(packet, now, None, Fate::Lost(Loss::TooBig));
            return;
        }
        let verdict = self.chosen.ask(packet, number);
        let roll = self.dice.roll(&self.impairment);
        let departure = match &self.impairment.rate {
            Some(rate) => {
                let departure = self.bottleneck.admit(now, packet.len(), rate);
                let (packets, octets) = self.bottleneck.waiting();
                let most = &mut self.counters;
                most.queue_most = most.queue_most.max(packets);
                most.queue_most_octets = most.queue_most_octets.max(octets);
                departure
            }
            None => Some(now),
        };
        let loss = match (departure, verdict) {
            (None, _) => Some(Loss::QueueFull),
            (_, Verdict::Drop) => Some(Loss::Chosen),
            _ => roll.loss,
        };
        let (Some(departure), None) = (departure, loss) else {
            let loss = loss.unwrap_or(Loss::QueueFull);
            self.counters.lose(loss);
            watchers.tell(packet, now, None, Fate::Lost(loss));
            return;
        };

        let waiting = self.bottleneck.waiting().1;
        if self.impairment.ecn_mark.is_some_and(|most| waiting > most) {
            self.counters.marked += u64::from(mark(packet, self.medium));
        }
        let arrival = departure + roll.delay;
        let (arrival, reordered) = match (verdict, roll.reorder) {
            (Verdict::Hold(time), _) => (arrival + time, true),
            (_, true) => (self.reordered(packet, departure, arrival), true),
            (_, false) => (arrival.max(self.latest), false),
        };
        let copy = (roll.duplicate || verdict == Verdict::Duplicate).then(|| packet.clone());
        let corrupted = roll.corrupt || verdict == Verdict::Corrupt;
        if corrupted {
            let bits = u64::from(packet.len()) * 8;
            wire_packets::flip_bit(packet, self.medium, self.dice.bit(bits));
            self.counters.corrupted += 1;
        }
        self.counters.reordered += u64::from(reordered);
        let fate = match (corrupted, reordered) {
            (true, _) => Fate::Corrupted,
            (_, true) => Fate::Reordered,
            _ => Fate::Passed,
        };
        watchers.tell(packet, now, Some(arrival), fate);
        self.put(now, arrival, reordered, packet);
        if let Some(mut copy) = copy {
            self.counters.duplicated += 1;
            watchers.tell(&copy, now, Some(arrival), Fate::Duplicate);
            self.put(now, arrival, reordered, &mut copy);
        }
    }

    /// When a packet arrives that passes out of order.
    fn reordered(&self, packet: &Packet, departure: Instant, arrival: Instant) -> Instant {
        match self.impairment.reordering {
            Reordering::Overtake => departure,
            Reordering::HoldBack { packets, time } => {
                let rate = self.impairment.rate;
                let one = rate.map_or(Duration::ZERO, |r| r.serialization(packet.len()));
                // One more, so as to arrive after the last of them and not together with it.
                let behind = one.saturating_mul(packets.saturating_add(1));
                arrival + time.max(behind)
            }
        }
    }

    /// Puts a packet on its way, leaving the slot it was in empty.
    fn put(&mut self, now: Instant, arrival: Instant, out_of_order: bool, packet: &mut Packet) {
        let at = (arrival, self.number);
        self.number += 1;
        if out_of_order {
            self.out_of_order.insert(at, (std::mem::take(packet), now));
        } else if let Some(slot) = self.in_order.push_slot() {
            self.latest = arrival;
            self.arrivals.push_back((at, now));
            std::mem::swap(slot, packet);
        }
    }
}

struct Chosen(Option<Choose>);

impl Chosen {
    fn ask(&mut self, packet: &Packet, number: u64) -> Verdict {
        match &mut self.0 {
            Some(choose) => choose(packet, number),
            None => Verdict::Pass,
        }
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "chosen" } else { "none" })
    }
}
