use crate::Medium;
use bytes::Bytes;
use handfast_wire::{Checksum, Gso, Packet, segment};

/// Whether a packet is as a wire carries it: one wire packet, its checksum in place.
pub(crate) fn is_complete(packet: &Packet) -> bool {
    packet.gso.is_none() && packet.checksum != Checksum::Partial
}

/// Calls `each` with the wire packets that `packet` is: itself, or the pieces of a super-segment,
/// with checksums left as `checksum` says where they are partial. What cannot be parsed cannot be
/// cut, and passes as it is. `each` may take the packet out of its slot.
pub(crate) fn cut(
    packet: &mut Packet,
    medium: Medium,
    checksum: Checksum,
    mut each: impl FnMut(&mut Packet),
) {
    let is_done = match checksum {
        Checksum::Partial => packet.gso.is_none(),
        _ => is_complete(packet),
    };
    if is_done || segment(packet, ip_offset(packet, medium), checksum, &mut each).is_err() {
        each(packet);
    }
}

/// As [`cut`], but into super-segments of at most `limit` octets where that is room for some.
pub(crate) fn fit(
    packet: &mut Packet,
    medium: Medium,
    limit: u32,
    checksum: Checksum,
    mut each: impl FnMut(&mut Packet),
) {
    let headers = (Packet::HEAD_CAPACITY + Packet::LINK_HEADROOM) as u32;
    let room = limit.saturating_sub(headers).min(u16::MAX.into()) as u16;
    let Some(gso) = packet
        .gso
        .filter(|gso| room / 2 >= gso.size && gso.size > 0)
    else {
        return cut(packet, medium, checksum, each);
    };
    let size = room - room % gso.size;
    packet.gso = Some(Gso { size, ..gso });
    cut(packet, medium, Checksum::Partial, |piece| {
        piece.gso = Some(gso);
        each(piece);
    });
}

/// Flips a bit, counted from the packet's first octet and its highest bit. The checksum is put in
/// place before, and nobody trusts the packet afterwards, so that a receiver can see it.
pub(crate) fn flip_bit(packet: &mut Packet, medium: Medium, bit: u64) {
    if packet.checksum == Checksum::Partial {
        let mut whole = None;
        cut(packet, medium, Checksum::None, |p| whole = Some(p.clone()));
        whole.into_iter().for_each(|whole| *packet = whole);
    }
    packet.checksum = Checksum::None;
    let (at, mask) = ((bit / 8) as usize, 0x80 >> (bit % 8));
    if let Some(octet) = packet.head_mut().get_mut(at) {
        *octet ^= mask;
        return;
    }
    // Others may hold the same octets, the sender's own send queue among them: flip in a copy.
    let mut left = at.checked_sub(packet.head().len());
    let mut payload = std::mem::take(&mut packet.payload);
    for slice in payload.drain() {
        match left {
            Some(at) if at < slice.len() => {
                let mut octets = slice.to_vec();
                octets[at] ^= mask;
                packet.payload.push(Bytes::from(octets));
                left = None;
            }
            _ => {
                left = left.map(|at| at - slice.len());
                packet.payload.push(slice);
            }
        }
    }
}

/// Where the IP header starts: behind an Ethernet header and its VLAN tag (IEEE 802.1Q).
pub(crate) fn ip_offset(packet: &Packet, medium: Medium) -> usize {
    match medium {
        Medium::Ip => 0,
        Medium::Ethernet => match packet.headers().get(12..14) {
            Some([0x81, 0x00] | [0x88, 0xa8]) => 18,
            _ => 14,
        },
    }
}
