use super::{KeyError, KeyOctets, Peers, SignedSegment};
use md5::{Digest, Md5};

/// A key for MD5 signatures (RFC 2385).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Md5Key {
    pub(crate) peers: Peers,
    secret: KeyOctets,
}

impl Md5Key {
    /// Octets that the option takes on every segment, padding included.
    pub(crate) const OPTION_LEN: u8 = 20;

    /// The key that connections with these peers share.
    ///
    /// # Errors
    /// [`KeyError::Empty`] or [`KeyError::TooLong`].
    pub fn new(peers: impl Into<Peers>, secret: &[u8]) -> Result<Md5Key, KeyError> {
        Ok(Md5Key {
            peers: peers.into(),
            secret: KeyOctets::new(secret)?,
        })
    }

    /// RFC 2385, 2.0: pseudo-header, header without options and with a checksum of zero, text, key.
    pub(crate) fn digest(&self, segment: &SignedSegment<'_>) -> [u8; 16] {
        let mut md5 = Md5::new();
        segment.pseudo_header(|octets| md5.update(octets));
        md5.update(segment.fixed_header());
        segment.text().for_each(|slice| md5.update(slice));
        md5.update(self.secret.as_slice());
        md5.finalize().into()
    }
}
