//! The way down: from those who have output to the packets of a batch.

use crate::interface::Work;
use crate::tcp_sockets::SYN_RECEIVED_TIMER;
use crate::tuple::Tuple;
use crate::{IfaceId, Stack, TcpMetrics};
use handfast_base::Instant;
use handfast_tcp::SegmentSlot;
use handfast_tcp::authentication::Session;
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Batch, Checksum, Ecn, IpHeader, Packet, Protocol, TcpEncapsulation};

/// Octets that one connection may send before the next one has its turn.
const QUANTUM: u32 = 16 * 1024;
/// Packets that travel inside the stack in one go.
const LOCAL_BATCH: usize = 64;
/// Goes in one call, so that two local ends cannot keep the caller for ever.
const LOCAL_ROUNDS: usize = 16;

/// What all segments of one connection are wrapped in.
struct Envelope {
    ip: TcpEncapsulation,
    ports: [u16; 2],
    checksum: Checksum,
}

impl Envelope {
    #[inline]
    fn new(tuple: &Tuple, fields: Fields) -> Option<Envelope> {
        // From the address that the connection began with (MUST-45).
        let mut ip = IpHeader::new(tuple.local.ip(), tuple.remote.ip(), Protocol::TCP);
        ip.hop_limit = fields.hop_limit;
        // As it was set (SHLD-22); the last two bits belong to the connection (RFC 3168, 5).
        ip.traffic_class = fields.traffic_class & !3;
        ip.flow_label = fields.flow_label;
        Some(Envelope {
            ip: TcpEncapsulation::new(&ip)?,
            ports: [tuple.local.port(), tuple.remote.port()],
            checksum: fields.checksum,
        })
    }

    /// From a segment to a packet; the slot's text moves.
    #[inline]
    fn write(
        &self,
        packet: &mut Packet,
        slot: &mut SegmentSlot,
        session: Option<&mut Session>,
        counters: &mut TcpMetrics,
    ) {
        [slot.header.source_port, slot.header.destination_port] = self.ports;
        core::mem::swap(&mut packet.payload, &mut slot.payload);
        if let Some(session) = session {
            session.sign(&mut slot.header, &packet.payload);
        }
        packet.reason = slot.reason;
        let (size, checksum) = (slot.gso_size, self.checksum);
        packet.write_tcp_segment(&self.ip, &slot.header, size, checksum, slot.ecn);
        counters.segments_out += 1;
        counters.ect_out += u64::from(slot.ecn != Ecn::NotEct);
        counters.retransmissions += u64::from(slot.reason.is_retransmission());
        counters.resets_out += u64::from(slot.header.flags.contains(TcpFlags::RST));
    }
}

/// What an IP header needs beside the tuple.
#[derive(Clone, Copy)]
struct Fields {
    hop_limit: u8,
    traffic_class: u8,
    flow_label: u32,
    checksum: Checksum,
}

impl Stack {
    /// Appends what is to leave by `iface` now to `out`, as far as there is room, and returns how
    /// many packets that were. What does not fit stays, and is offered again.
    ///
    /// Those with output have it in turns of 16 KiB, so that one bulk flow does not delay
    /// another's small packets. Also carries what goes from one local address to another.
    pub fn poll_transmit(&mut self, iface: IfaceId, now: Instant, out: &mut Batch) -> usize {
        self.deliver_locally(now);
        if iface == IfaceId::LOOPBACK {
            return 0;
        }
        self.drain(iface, now, out)
    }

    /// Carries packets that are addressed to ourselves; they never see a link.
    pub(crate) fn deliver_locally(&mut self, now: Instant) {
        for _ in 0..LOCAL_ROUNDS {
            let waits = self.network.interfaces.get(IfaceId::LOOPBACK);
            if !waits.is_some_and(|i| i.has_output()) {
                return;
            }
            // Taken out while it is in use, because receiving needs all of the stack.
            let mut batch = self.local.take().unwrap_or_else(|| Batch::new(LOCAL_BATCH));
            self.drain(IfaceId::LOOPBACK, now, &mut batch);
            for packet in batch.packets_mut() {
                self.receive(IfaceId::LOOPBACK, packet, now);
            }
            batch.clear();
            self.local = Some(batch);
        }
    }

    fn drain(&mut self, id: IfaceId, now: Instant, out: &mut Batch) -> usize {
        let before = out.len();
        self.drain_answers(id, out);
        while !out.is_full() {
            let Some(iface) = self.network.interfaces.get_mut(id) else {
                break;
            };
            let Some(work) = iface.dirty.pop_front() else {
                break;
            };
            let has_more = match work {
                Work::Connection(index) => self.transmit_connection(index, id, now, out),
                Work::SynReceived(index) => self.transmit_half_open(index, now, out),
                Work::TimeWait(index) => self.transmit_time_wait(index, now, out),
                Work::Udp(index) => self.transmit_udp(index, id, out),
                Work::Foreign => self.transmit_foreign(id, out),
            };
            if has_more && let Some(iface) = self.network.interfaces.get_mut(id) {
                iface.dirty.push_back(work);
            }
        }
        // What had to be cut lies there, too: with nothing else to send, nobody would ask again.
        self.drain_answers(id, out);
        let sent = out.packets().get(before..).unwrap_or(&[]);
        if let Some(iface) = self.network.interfaces.get_mut(id) {
            iface.metrics.packets_out += sent.len() as u64;
            iface.metrics.octets_out += sent.iter().map(|p| u64::from(p.len())).sum::<u64>();
        }
        sent.len()
    }

    fn drain_answers(&mut self, id: IfaceId, out: &mut Batch) {
        let Some(iface) = self.network.interfaces.get_mut(id) else {
            return;
        };
        let mut taken = 0;
        for packet in iface.answers.packets_mut() {
            let Some(slot) = out.push_slot() else {
                break;
            };
            core::mem::swap(slot, packet);
            taken += 1;
        }
        iface.answers.consume(taken);
    }

    /// One connection's turn; true when it is to have another.
    fn transmit_connection(
        &mut self,
        index: u32,
        id: IfaceId,
        now: Instant,
        out: &mut Batch,
    ) -> bool {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return false;
        };
        if socket.iface != id {
            // The route has changed since, and it is on the list of the other one.
            return false;
        }
        let fields = Fields {
            hop_limit: socket.hop_limit,
            traffic_class: socket.traffic_class,
            flow_label: socket.flow_label,
            checksum: self.network.interfaces.checksum(id),
        };
        let Some(envelope) = Envelope::new(&socket.tuple.get(), fields) else {
            return false;
        };
        let mut octets = 0;
        let has_more = loop {
            if octets >= QUANTUM {
                break true;
            }
            let Some(packet) = out.push_slot() else {
                break true;
            };
            if !socket.connection.poll_transmit(now, &mut self.slot) {
                out.unpush();
                break false;
            }
            let session = socket.session.as_deref_mut();
            envelope.write(packet, &mut self.slot, session, &mut self.metrics.tcp);
            octets += packet.len();
        };
        socket.dirty = has_more;
        self.settle(index, now);
        has_more
    }

    fn transmit_half_open(&mut self, index: u32, now: Instant, out: &mut Batch) -> bool {
        let Some(half_open) = self.table.half_open.get(index) else {
            return false;
        };
        let tuple = half_open.tuple.get();
        let id = half_open.iface;
        let path = self.network.path(id, tuple.remote.ip(), now);
        let Some(envelope) = Envelope::new(&tuple, self.fields(id)) else {
            return false;
        };
        let Some(config) = self.half_open_config(index) else {
            return false;
        };
        let (Some(half_open), slot) = (self.table.half_open.get_mut(index), &mut self.slot) else {
            return false;
        };
        if half_open.syn_ack_due {
            let Some(packet) = out.push_slot() else {
                return true;
            };
            half_open.record.write_syn_ack(now, &config, path, slot);
            if half_open.gives_cookie {
                slot.header.options.fast_open = self.fast_open_keys.cookie(&tuple);
            }
            let session = half_open.session.as_deref_mut();
            envelope.write(packet, slot, session, &mut self.metrics.tcp);
            half_open.syn_ack_due = false;
            let key = SYN_RECEIVED_TIMER | u64::from(index);
            let at = half_open.record.poll_timeout();
            self.wheel.schedule(&mut half_open.timer, key, at);
        }
        if half_open.ack_due {
            let Some(packet) = out.push_slot() else {
                return true;
            };
            half_open.record.write_ack(now, slot);
            let session = half_open.session.as_deref_mut();
            envelope.write(packet, slot, session, &mut self.metrics.tcp);
            half_open.ack_due = false;
        }
        half_open.dirty = false;
        false
    }

    fn transmit_time_wait(&mut self, index: u32, now: Instant, out: &mut Batch) -> bool {
        let Some(entry) = self.table.time_wait.slots.get(index) else {
            return false;
        };
        let Some(envelope) = Envelope::new(&entry.tuple.get(), self.fields(entry.iface)) else {
            return false;
        };
        let Some(entry) = self.table.time_wait.slots.get_mut(index) else {
            return false;
        };
        if entry.ack_due {
            let Some(packet) = out.push_slot() else {
                return true;
            };
            entry.record.write_ack(now, &mut self.slot);
            let session = entry.session.as_deref_mut();
            envelope.write(packet, &mut self.slot, session, &mut self.metrics.tcp);
            entry.ack_due = false;
        }
        false
    }

    /// Queues the segment in the slot, which belongs to no connection, towards `tuple.remote`.
    pub(crate) fn answer_segment(&mut self, tuple: &Tuple) {
        self.answer_signed(tuple, None);
    }

    /// As [`answer_segment`](Stack::answer_segment), signed by who has the tuple.
    pub(crate) fn answer_signed(&mut self, tuple: &Tuple, session: Option<&mut Session>) {
        let Some(id) = self.network.egress(tuple.remote) else {
            return;
        };
        let Some(envelope) = Envelope::new(tuple, self.fields(id)) else {
            return;
        };
        let Some(iface) = self.network.interfaces.get_mut(id) else {
            return;
        };
        match iface.answers.push_slot() {
            Some(packet) => {
                envelope.write(packet, &mut self.slot, session, &mut self.metrics.tcp);
            }
            None => iface.metrics.answers_lost += 1,
        }
    }

    /// What a packet carries that belongs to no connection.
    fn fields(&self, id: IfaceId) -> Fields {
        Fields {
            hop_limit: self.config.hop_limit,
            traffic_class: self.config.traffic_class,
            flow_label: 0,
            checksum: self.network.interfaces.checksum(id),
        }
    }
}
