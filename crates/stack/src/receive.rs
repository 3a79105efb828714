//! The way up: from a packet to whom it is for.

use crate::interface::Addressee;
use crate::trace::ShortHeader;
use crate::{IfaceId, Stack, TraceEvent};
use handfast_base::Instant;
use handfast_wire::{Discard, IpHeader, Packet, Protocol};

impl Stack {
    /// Takes in one packet that arrived on `iface`, and leaves its slot empty. What it leads to
    /// is then there to be polled: output, events, another deadline.
    ///
    /// Hand over all packets that have arrived before calling [`timeout`](Stack::timeout), so
    /// that nothing expires whose answer is already here.
    pub fn receive(&mut self, iface: IfaceId, packet: &mut Packet, now: Instant) {
        let len = packet.len();
        let Some(interface) = self.interfaces.get_mut(iface) else {
            packet.clear();
            return;
        };
        interface.metrics.packets_in += 1;
        interface.metrics.octets_in += u64::from(len);
        // Read before the packet is taken apart, and only for those who look.
        let header = self
            .trace
            .is_on()
            .then(|| ShortHeader::of(packet))
            .flatten();
        if let Err(reason) = self.ip_input(iface, packet, now) {
            self.metrics.discard(reason);
            self.trace.push(|| TraceEvent::Discard {
                at: now,
                iface,
                reason,
                header,
            });
        }
        packet.clear();
    }

    fn ip_input(
        &mut self,
        iface: IfaceId,
        packet: &mut Packet,
        now: Instant,
    ) -> Result<(), Discard> {
        let (ip, offset, end) = IpHeader::parse(packet.headers(), packet.len())?;
        let addressee = self.interfaces.addressee(iface, &ip, false)?;
        if ip.fragment.is_some() {
            return Err(Discard::IpFragment);
        }
        packet.verify_transport(&ip, offset, end)?;
        match ip.protocol {
            Protocol::TCP => self.tcp_input(iface, &ip, addressee, (offset, end), packet, now),
            Protocol::ICMP if ip.source.is_ipv4() => {
                self.icmp_input(iface, &ip, addressee, (offset, end), packet, now)
            }
            Protocol::ICMPV6 if ip.source.is_ipv6() => {
                self.icmp_input(iface, &ip, addressee, (offset, end), packet, now)
            }
            _ if addressee == Addressee::Foreign => Err(Discard::IpDestination),
            _ => Err(Discard::IpProtocol),
        }
    }
}
