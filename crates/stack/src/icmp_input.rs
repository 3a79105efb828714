//! ICMP as the stack meets it: echo is answered, errors find whom they concern.

use crate::demux::Owner;
use crate::icmp::{self, IcmpEvent, IcmpInput, Problem};
use crate::interface::Addressee;
use crate::receive::Arrived;
use crate::tuple::{Tuple, endpoint};
use crate::{IfaceId, Stack, fragment};
use handfast_base::Instant;
use handfast_tcp::IcmpError;
use handfast_wire::icmp::{Echo, QuotedTransport};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Checksum, Discard, IpHeader, Packet, Protocol, SeqNumber};

impl Stack {
    pub(crate) fn icmp_input(
        &mut self,
        arrived: &Arrived,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        let input = icmp::parse(packet, &arrived.ip, arrived.transport, arrived.end)?;
        match (input, arrived.addressee) {
            (IcmpInput::EchoRequest(echo), Addressee::Us) => {
                self.answer_echo(arrived, echo, packet)
            }
            (IcmpInput::EchoRequest(echo), Addressee::Foreign) => {
                self.foreign_echo_input(arrived, echo, packet)
            }
            (IcmpInput::EchoReply(echo), _) => self.echo_reply_input(arrived, echo, packet, now),
            (IcmpInput::Error(event), _) => self.icmp_error(arrived.iface, &event, now),
            _ => Err(Discard::IpDestination),
        }
    }

    /// Echo replies have no rate limit of their own: the answers of an interface are bounded.
    fn answer_echo(
        &mut self,
        arrived: &Arrived,
        echo: Echo,
        request: &mut Packet,
    ) -> Result<(), Discard> {
        let Arrived {
            iface,
            ref ip,
            transport,
            end,
            ..
        } = *arrived;
        if !icmp::is_answerable(ip, |a| self.network.interfaces.is_broadcast(a)) {
            return Err(Discard::IpDestination);
        }
        let to = endpoint(ip.source, 0, iface.0);
        let id = self.network.egress(to).ok_or(Discard::NoRoute)?;
        let hop_limit = self.config.hop_limit;
        let Some(out) = self.network.interfaces.get_mut(id) else {
            return Err(Discard::NoRoute);
        };
        let Some(reply) = out.answers.push_slot() else {
            out.metrics.answers_lost += 1;
            return Ok(());
        };
        if !icmp::write_echo_reply(request, ip, transport, end, echo, hop_limit, reply) {
            out.answers.unpush();
        } else if reply.len() > out.mtu {
            // The request came in fragments, and so the reply goes.
            let mut reply = core::mem::take(reply);
            out.answers.unpush();
            let random = self.random();
            if let Some(out) = self.network.interfaces.get_mut(id)
                && !fragment::fragment(&mut reply, out.mtu, random, &mut out.answers)
            {
                out.metrics.answers_lost += 1;
            }
        }
        Ok(())
    }

    fn icmp_error(
        &mut self,
        iface: IfaceId,
        event: &IcmpEvent,
        now: Instant,
    ) -> Result<(), Discard> {
        let quote = &event.quote;
        match quote.transport {
            QuotedTransport::Tcp {
                source_port,
                destination_port,
                seq,
            } => {
                let tuple = Tuple {
                    local: endpoint(quote.source, source_port, iface.0),
                    remote: endpoint(quote.destination, destination_port, iface.0),
                };
                self.tcp_icmp_error(&tuple, seq, event.error, now)
            }
            QuotedTransport::Udp { .. } => {
                if !self.udp.on_icmp_error(event, iface, now) {
                    return Err(Discard::IcmpQuote);
                }
                if let IcmpError::TooBig { mtu } = event.error {
                    self.network.path_mtus.told(quote.destination, mtu, now);
                }
                Ok(())
            }
            QuotedTransport::Echo(echo) => self.ping_error(event, echo),
            _ => Err(Discard::IcmpQuote),
        }
    }

    /// An ICMP error about a segment of ours goes to its connection (RFC 9293, 3.9.2.2, MUST-54;
    /// RFC 5927).
    fn tcp_icmp_error(
        &mut self,
        tuple: &Tuple,
        seq: SeqNumber,
        error: IcmpError,
        now: Instant,
    ) -> Result<(), Discard> {
        let Some(Owner::Connection(index)) = self.table.owner_of(tuple) else {
            return Err(Discard::IcmpQuote);
        };
        let Some(socket) = self.table.connections.get_mut(index) else {
            return Err(Discard::IcmpQuote);
        };
        // RFC 5925, 7.8: nobody has signed it. IPv6's "packet too big" is only held to what is in
        // flight, as without keys.
        let is_hard = match error {
            IcmpError::Hard(_) => true,
            IcmpError::TooBig { .. } => tuple.remote.is_ipv4(),
            _ => false,
        };
        if is_hard
            && socket.connection.state().is_synchronized()
            && socket.session.as_ref().is_some_and(|s| !s.accepts_icmp())
        {
            return Err(Discard::IcmpUnsigned);
        }
        if !socket.connection.icmp_error(error, seq, now) {
            return Err(Discard::IcmpQuote);
        }
        self.mark_dirty(index);
        self.settle(index, now);
        Ok(())
    }

    /// Tells who sent a SYN with sequence number `irs` that its destination is unreachable.
    pub(crate) fn answer_unreachable(&mut self, tuple: &Tuple, irs: SeqNumber, problem: Problem) {
        let ours = tuple.local.ip();
        let source = match self.network.interfaces.is_ours(ours) {
            true => ours,
            // Without an address of our own we say it in the name of the one we stand in for.
            false => self.network.source_for(tuple.remote).unwrap_or(ours),
        };
        let Some(id) = self.network.egress(tuple.remote) else {
            return;
        };
        // The SYN itself was not kept; what an error must quote of it is known.
        let ip = IpHeader::new(tuple.remote.ip(), ours, Protocol::TCP);
        let syn = TcpHeader {
            source_port: tuple.remote.port(),
            destination_port: tuple.local.port(),
            seq: irs,
            flags: TcpFlags::SYN,
            ..TcpHeader::default()
        };
        let mut offending = Packet::new();
        offending.write_tcp(&ip, &syn, 0, Checksum::None);
        let (transport, end) = (ip.header_len(), offending.len());
        let mut answer = Packet::new();
        let interfaces = &self.network.interfaces;
        let written = icmp::write_error(
            &offending,
            &ip,
            transport,
            end,
            problem,
            source,
            interfaces.get(id).map_or(0, |i| i.mtu),
            |a| interfaces.is_broadcast(a),
            &mut answer,
        );
        if written {
            self.network.interfaces.answer(id, answer);
        }
    }
}
