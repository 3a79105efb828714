//! Netlink messages and their attributes (RFC 3549, section 2.2 and 2.3).

const NLM_F_REQUEST: u16 = 1;
const NLA_F_NESTED: u16 = 0x8000;
/// Octets of a message's header.
pub(super) const HEADER: usize = 16;

/// One request under construction: a netlink header, then the octets and attributes added so far.
#[derive(Debug)]
pub struct Message(pub(super) Vec<u8>);

impl Message {
    /// A request of type `kind` (`RTM_*`, `SOCK_DIAG_BY_FAMILY`) with extra `NLM_F_*` flags.
    pub fn new(kind: u16, flags: u16) -> Message {
        let mut octets = vec![0; HEADER];
        octets[4..6].copy_from_slice(&kind.to_ne_bytes());
        octets[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        Message(octets)
    }

    /// Appends the fixed part that follows the header.
    pub fn octets(mut self, octets: &[u8]) -> Message {
        self.0.extend_from_slice(octets);
        self.pad()
    }

    /// Appends an attribute.
    pub fn attribute(self, kind: u16, value: &[u8]) -> Message {
        let length = (4 + value.len()) as u16;
        self.octets(
            &length
                .to_ne_bytes()
                .into_iter()
                .chain(kind.to_ne_bytes())
                .collect::<Vec<_>>(),
        )
        .octets(value)
    }

    /// Appends an attribute that holds the attributes added by `inner`.
    pub fn nested(self, kind: u16, inner: impl FnOnce(Message) -> Message) -> Message {
        let value = inner(Message(Vec::new())).0;
        self.attribute(kind | NLA_F_NESTED, &value)
    }

    fn pad(mut self) -> Message {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// The attributes of a received message: type and value of each, as far as they are well formed.
pub fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(octets, 0)?);
        let kind = u16_at(octets, 2)? & !NLA_F_NESTED;
        let value = octets.get(4..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// Two octets in the machine's order, if there are so many.
pub(crate) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

/// Four octets in the machine's order, if there are so many.
pub(crate) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}
