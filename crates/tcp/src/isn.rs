//! Initial sequence numbers and timestamp offsets (RFC 9293, 3.4.1; RFC 7323, 5.4).

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};
use handfast_base::Instant;
use handfast_wire::SeqNumber;
use siphasher::sip::SipHasher24;

/// The secret behind initial sequence numbers and timestamp offsets (RFC 9293, section 3.4.1).
///
/// ISN = M + F(local, remote, key): M ticks every 4 us, F is a keyed pseudorandom
/// function (SHLD-1, MUST-9), so any number of observed ISNs predicts none of another tuple.
#[derive(Clone)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret of 16 octets from a cryptographic source.
    pub fn new(key: [u8; 16]) -> Secret {
        Secret(key)
    }

    /// The initial sequence number for a connection from `local` to `remote` opened at `now`.
    pub fn initial_sequence_number(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) -> SeqNumber {
        // The clock (MUST-8).
        let m = (now.as_micros() / 4) as u32;
        let mut h = self.hasher(b"isn");
        write_address(&mut h, local.ip());
        h.write_u16(local.port());
        write_address(&mut h, remote.ip());
        h.write_u16(remote.port());
        SeqNumber(m.wrapping_add(h.finish() as u32))
    }

    /// What a connection between two hosts adds to its timestamp clock (RFC 7323, section 5.4),
    /// so that the clock tells nothing about other peers or the time since start (RFC 7323, 7). It is the same
    /// for all ports, because PAWS and TIME-WAIT reuse compare timestamps across connections.
    pub fn timestamp_offset(&self, local: IpAddr, remote: IpAddr) -> u32 {
        let mut h = self.hasher(b"tso");
        write_address(&mut h, local);
        write_address(&mut h, remote);
        h.finish() as u32
    }

    fn hasher(&self, purpose: &[u8; 3]) -> SipHasher24 {
        let mut h = SipHasher24::new_with_key(&self.0);
        h.write(purpose);
        h
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn write_address(h: &mut SipHasher24, address: IpAddr) {
    match address {
        IpAddr::V4(a) => h.write(&a.octets()),
        IpAddr::V6(a) => h.write(&a.octets()),
    }
}
