use super::{Algorithm, MasterKey, SignedSegment};
use aes::Aes128;
use cmac::Cmac;
use core::net::{IpAddr, SocketAddr};
use handfast_wire::SeqNumber;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Octets of both MACs on the wire (RFC 5926, 3.2).
pub(crate) const MAC_LEN: usize = 12;

/// A key for one direction of one connection (RFC 5925, 3.2), derived by RFC 5926, 3.1.
#[derive(Clone, Copy)]
pub(crate) enum TrafficKey {
    HmacSha1([u8; 20]),
    Aes128Cmac([u8; 16]),
}

impl core::fmt::Debug for TrafficKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TrafficKey(..)")
    }
}

impl TrafficKey {
    /// The key for what `source` sends to `destination` (RFC 5925, 5.2). Of the ISNs the first is
    /// that of the sender; the other is zero for a SYN without ACK.
    pub(crate) fn derive(
        master: &MasterKey,
        source: SocketAddr,
        destination: SocketAddr,
        isns: [SeqNumber; 2],
    ) -> TrafficKey {
        let secret = master.secret.as_slice();
        match master.algorithm {
            Algorithm::HmacSha1 => {
                let mut out = [0; 20];
                if let Ok(mut prf) = Hmac::<Sha1>::new_from_slice(secret) {
                    input(&mut prf, source, destination, isns, 160);
                    out.copy_from_slice(&prf.finalize().into_bytes());
                }
                TrafficKey::HmacSha1(out)
            }
            Algorithm::Aes128Cmac => {
                // RFC 5926, 3.1.1.2: a master key of another length is made one of 16 octets.
                let key: [u8; 16] = secret
                    .try_into()
                    .unwrap_or_else(|_| cmac(&[0; 16], |prf| prf.update(secret)));
                TrafficKey::Aes128Cmac(cmac(&key, |prf| {
                    input(prf, source, destination, isns, 128);
                }))
            }
        }
    }

    /// The MAC of a segment (RFC 5925, 5.1): over the sequence number extension, the pseudo-header,
    /// the header with checksum and MAC zero, and the text.
    pub(crate) fn mac(
        &self,
        segment: &SignedSegment<'_>,
        extension: u32,
        covers_options: bool,
    ) -> [u8; MAC_LEN] {
        let mut out = [0; MAC_LEN];
        match self {
            TrafficKey::HmacSha1(key) => {
                if let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) {
                    message(&mut mac, segment, extension, covers_options);
                    out.copy_from_slice(&mac.finalize().into_bytes()[..MAC_LEN]);
                }
            }
            TrafficKey::Aes128Cmac(key) => {
                let mac = cmac(key, |mac| message(mac, segment, extension, covers_options));
                out.copy_from_slice(&mac[..MAC_LEN]);
            }
        }
        out
    }
}

fn cmac(key: &[u8; 16], feed: impl FnOnce(&mut Cmac<Aes128>)) -> [u8; 16] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    feed(&mut mac);
    mac.finalize().into_bytes().into()
}

/// RFC 5926, 3.1.1: counter, label, context, and the length of the output in bits.
fn input(
    prf: &mut impl Mac,
    source: SocketAddr,
    destination: SocketAddr,
    isns: [SeqNumber; 2],
    bits: u16,
) {
    prf.update(&[1]);
    prf.update(b"TCP-AO");
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(a) => prf.update(&a.octets()),
            IpAddr::V6(a) => prf.update(&a.octets()),
        }
    }
    prf.update(&source.port().to_be_bytes());
    prf.update(&destination.port().to_be_bytes());
    isns.iter().for_each(|isn| prf.update(&isn.0.to_be_bytes()));
    prf.update(&bits.to_be_bytes());
}

fn message(mac: &mut impl Mac, segment: &SignedSegment<'_>, extension: u32, covers_options: bool) {
    mac.update(&extension.to_be_bytes());
    segment.pseudo_header(|octets| mac.update(octets));
    mac.update(&segment.fixed_header());
    let (options, len) = segment.options(covers_options);
    mac.update(&options[..len]);
    segment.text().for_each(|slice| mac.update(slice));
}
