//! SEGMENT ARRIVES, as far as it is not yet clear for which connection (RFC 9293, 3.10.7).

use crate::demux::Owner;
use crate::interface::Addressee;
use crate::receive::Arrived;
use crate::tcp_sockets::CONNECTION_COST;
use crate::tuple::{Tuple, endpoint};
use crate::{SocketId, SocketKind, Stack};
use handfast_base::Instant;
use handfast_tcp::{
    Disposition, ListenVerdict, SynReceivedVerdict, TimeWaitVerdict, closed, listen,
};
use handfast_wire::tcp::{TcpFlags, TcpPlace};
use handfast_wire::{Discard, Ecn, Packet};

impl Stack {
    pub(crate) fn tcp_input(
        &mut self,
        arrived: &Arrived,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        let Arrived {
            iface,
            ref ip,
            addressee,
            transport: offset,
            end,
        } = *arrived;
        let headers = packet.headers();
        let headers = &headers[..headers.len().min(end as usize)];
        let header = &mut self.segment.header;
        let len = header.parse_from(headers.get(offset..).unwrap_or(&[]))?;
        let (flags, ports) = (header.flags, [header.source_port, header.destination_port]);
        match addressee {
            Addressee::Us => {}
            // MUST-57.
            Addressee::Many if flags.contains(TcpFlags::SYN) => return Err(Discard::TcpSynAddress),
            Addressee::Foreign if self.listeners.takes_foreign() => {}
            _ => return Err(Discard::IpDestination),
        }
        if ports.contains(&0) {
            return Err(Discard::TcpPort);
        }
        let tuple = Tuple {
            local: endpoint(ip.destination, ports[1], iface.0),
            remote: endpoint(ip.source, ports[0], iface.0),
        };
        let owner = self.table.owner_of(&tuple);
        if let Some(owner @ Owner::Connection(index)) = owner
            && addressee == Addressee::Us
            && !self.is_signed(owner)
        {
            self.table.demux.remember(iface, packet, ip, index);
        }
        let headers = packet.headers();
        self.keep_header(headers.get(offset..offset + len).unwrap_or(&[]));
        self.take_text(packet, offset + len, end, ip.ecn());
        let genuine = owner.map_or(Ok(()), |owner| self.authenticate(owner, &tuple));
        let result = match owner {
            _ if genuine.is_err() => genuine,
            Some(Owner::Connection(index)) => self.connection_input(index, now),
            Some(Owner::SynReceived(index)) => self.syn_received_input(index, &tuple, now),
            Some(Owner::TimeWait(index)) => self.time_wait_input(index, &tuple, addressee, now),
            None => self.listen_input(&tuple, addressee, now),
        };
        self.segment.payload.clear();
        result
    }

    /// One more packet for the connection that had the last one.
    #[inline]
    pub(crate) fn tcp_train_input(
        &mut self,
        index: u32,
        place: TcpPlace,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        let headers = packet.headers();
        let headers = &headers[..headers.len().min(place.end as usize)];
        let segment = headers.get(place.transport..).unwrap_or(&[]);
        let len = self.segment.header.parse_from(segment)?;
        self.take_text(packet, place.transport + len, place.end, place.ecn);
        // One that signs is never remembered.
        let result = match self.unexpected_signature() {
            Ok(()) => self.connection_input(index, now),
            unexpected => unexpected,
        };
        self.segment.payload.clear();
        result
    }

    /// The rest of the segment, whose header is there already.
    #[inline]
    fn take_text(&mut self, packet: &mut Packet, start: usize, end: u32, ecn: Ecn) {
        self.metrics.tcp.segments_in += 1;
        self.metrics.tcp.resets_in += u64::from(self.segment.has(TcpFlags::RST));
        self.segment.gso_size = packet.gso.map_or(0, |gso| gso.size);
        self.segment.ecn = ecn;
        self.metrics.tcp.ce_in += u64::from(ecn == Ecn::Ce);
        packet.move_payload(start as u32, end, &mut self.segment.payload);
    }

    fn connection_input(&mut self, index: u32, now: Instant) -> Result<(), Discard> {
        let found = self.table.connections.get_mut_with_generation(index);
        let Some((socket, generation)) = found else {
            return Err(Discard::TcpNoConnection);
        };
        let text = self.segment.payload.len() as usize;
        let (mut refused, mut is_short) = (false, false);
        if text > 0 && self.budget.is_tight(text) {
            // The reserve is for text that lets the application proceed.
            let in_order = socket.connection.rcv_nxt() == self.segment.header.seq;
            if in_order && self.budget.is_exceeded(text) && socket.connection.renege() {
                // What came too early must not keep out what fills the gap.
                let held = socket.connection.memory() + CONNECTION_COST;
                self.budget.settle(&mut socket.charged, held);
            }
            let room = match (in_order, self.budget.is_exceeded(text)) {
                (false, _) => 0,
                (true, false) => text,
                (true, true) => self.budget.share_left(socket.connection.receive_memory()),
            };
            if room < text {
                self.segment.payload.truncate(room as u32);
                self.segment.header.flags -= TcpFlags::FIN | TcpFlags::PSH | TcpFlags::URG;
                self.metrics.tcp.memory_refusals += 1;
            }
            refused = room == 0;
            is_short = in_order && room < text;
        }
        socket.connection.set_memory_room(self.budget.room());
        let disposition = socket.connection.segment_arrives(&mut self.segment, now);
        if is_short {
            socket.connection.refuse_text();
        }
        let id = SocketId {
            kind: SocketKind::Tcp,
            index,
            generation,
        };
        // As `settle`, but it is at hand already: this is where most packets end.
        socket.account(id, &mut self.budget, &mut self.ready);
        let is_unsettled = socket.is_unsettled();
        if !is_unsettled {
            socket.schedule(index, &mut self.wheel);
        }
        if !socket.dirty {
            self.mark_dirty(index);
        }
        if self.config.decisions {
            self.tell_decisions(index);
        }
        if is_unsettled {
            self.conclude(index, now);
        }
        match disposition {
            Disposition::Discarded(reason) => Err(reason),
            _ if refused => Err(Discard::NoMemory),
            _ => Ok(()),
        }
    }

    pub(crate) fn syn_received_input(
        &mut self,
        index: u32,
        tuple: &Tuple,
        now: Instant,
    ) -> Result<(), Discard> {
        let Some(half_open) = self.table.half_open.get_mut(index) else {
            return Err(Discard::TcpNoConnection);
        };
        let decided = half_open.decided;
        match half_open.record.segment_arrives(&mut self.segment, now) {
            SynReceivedVerdict::Remove => {
                self.metrics.tcp.open_failures += 1;
                self.remove_half_open(index, Some(now));
                Ok(())
            }
            SynReceivedVerdict::Discard(reason) => Err(reason),
            // Who does not know our sequence number can only have guessed.
            _ if !decided => Err(Discard::TcpDuplicate),
            SynReceivedVerdict::SynAckAgain => {
                half_open.syn_ack_due = true;
                self.mark_half_open_dirty(index);
                Ok(())
            }
            SynReceivedVerdict::Acknowledge(reason) => {
                half_open.ack_due = true;
                self.mark_half_open_dirty(index);
                Err(reason)
            }
            SynReceivedVerdict::Reset(reason) => {
                half_open.record.write_reset(&self.segment, &mut self.slot);
                let mut session = half_open.session.take();
                self.answer_signed(tuple, session.as_deref_mut());
                if let Some(half_open) = self.table.half_open.get_mut(index) {
                    half_open.session = session;
                }
                Err(reason)
            }
            SynReceivedVerdict::Established => match self.establish(index, now) {
                Ok(connection) => self.connection_input(connection, now),
                Err(reason) => {
                    self.establish_failed(index, reason, now);
                    Err(reason)
                }
            },
        }
    }

    fn time_wait_input(
        &mut self,
        index: u32,
        tuple: &Tuple,
        addressee: Addressee,
        now: Instant,
    ) -> Result<(), Discard> {
        let Some(entry) = self.table.time_wait.slots.get_mut(index) else {
            return Err(Discard::TcpNoConnection);
        };
        match entry.record.segment_arrives(&self.segment, now) {
            TimeWaitVerdict::Discard(reason) => Err(reason),
            TimeWaitVerdict::Acknowledge(reason) => {
                self.mark_time_wait_dirty(index);
                Err(reason)
            }
            TimeWaitVerdict::Reuse { iss_floor } => {
                let is_ours = addressee == Addressee::Us;
                let Some(listener) = self.listeners.find(tuple.local, is_ours) else {
                    return self.nobody(tuple, Discard::TcpNoConnection, now);
                };
                let session = self.authenticate_syn(listener, tuple, Some(iss_floor), now)?;
                self.may_take_syn(listener)?;
                self.metrics.tcp.time_waits_reused += 1;
                self.remove_time_wait(index, now);
                self.take_syn(listener, tuple, Some(iss_floor), session, now)
            }
        }
    }

    fn listen_input(
        &mut self,
        tuple: &Tuple,
        addressee: Addressee,
        now: Instant,
    ) -> Result<(), Discard> {
        if !self.segment.has(TcpFlags::SYN) && self.departed.contains(tuple, now) {
            return Err(Discard::TcpNoConnection);
        }
        let is_ours = addressee == Addressee::Us;
        let Some(listener) = self.listeners.find(tuple.local, is_ours) else {
            if !is_ours && !self.listeners.takes_foreign() {
                return Err(Discard::IpDestination);
            }
            return self.nobody(tuple, Discard::TcpNoConnection, now);
        };
        if let Some(session) = self.authenticate_syn(listener, tuple, None, now)? {
            self.may_take_syn(listener)?;
            return self.take_syn(listener, tuple, None, Some(session), now);
        }
        if let Some(result) = self.cookie_input(listener, tuple, now) {
            return result;
        }
        match listen(&self.segment, &mut self.slot) {
            ListenVerdict::Syn if self.wants_cookie(listener) => {
                self.answer_with_cookie(listener, tuple, now)
            }
            ListenVerdict::Syn => {
                self.may_take_syn(listener)?;
                if let Some(result) = self.fast_open_input(listener, tuple, now) {
                    return result;
                }
                self.take_syn(listener, tuple, None, None, now)
            }
            ListenVerdict::Reset(reason) => {
                self.reset_nobody(tuple, now);
                Err(reason)
            }
            ListenVerdict::Discard(reason) => Err(reason),
        }
    }

    /// Whether a listener, and the stack as a whole, has room for one more half-open connection.
    fn may_take_syn(&self, listener: u32) -> Result<(), Discard> {
        let listener = self.listeners.slots.get(listener);
        if !listener.is_some_and(|l| l.may_begin() && l.may_finish())
            || self.table.half_open.len() >= self.config.max_half_open
        {
            return Err(Discard::TcpBacklogFull);
        }
        Ok(())
    }

    /// A segment for nobody (3.10.7.1).
    fn nobody(&mut self, tuple: &Tuple, reason: Discard, now: Instant) -> Result<(), Discard> {
        if closed(&self.segment, &mut self.slot) {
            self.reset_nobody(tuple, now);
        }
        Err(reason)
    }

    /// Sends the reset that lies in the slot, if the rate limit lets it.
    fn reset_nobody(&mut self, tuple: &Tuple, now: Instant) {
        let random = self.random();
        if self.resets.allows(tuple.remote.ip(), random, now) {
            self.answer_segment(tuple);
        } else {
            self.metrics.tcp.resets_suppressed += 1;
        }
    }
}
