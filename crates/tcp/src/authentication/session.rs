use super::sequence_extension::SequenceExtension;
use super::signed::octets_of;
use super::traffic_key::{MAC_LEN, TrafficKey};
use super::{KeyError, MasterKey, Md5Key, SignedSegment};
use alloc::vec::Vec;
use core::net::SocketAddr;
use handfast_wire::tcp::{Authentication, TcpFlags, TcpHeader};
use handfast_wire::{Discard, Payload, SeqNumber};
use subtle::ConstantTimeEq;

/// How one connection signs what it sends and verifies what arrives.
#[derive(Clone, Debug)]
pub struct Session {
    local: SocketAddr,
    remote: SocketAddr,
    scheme: Scheme,
}

#[derive(Clone, Debug)]
enum Scheme {
    Md5(Md5Key),
    Ao(Ao),
}

/// The KeyIDs of a connection with TCP-AO, and of the segment heard last (RFC 5925, 7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyIds {
    /// current_key: the SendID of what is sent.
    pub send: u8,
    /// rnext_key: the RecvID that the peer is asked to use.
    pub receive: u8,
    /// KeyID of the last genuine segment; `None` before the first.
    pub heard: Option<u8>,
    /// RNextKeyID of the last genuine segment.
    pub asked: Option<u8>,
}

/// The per-connection parameters (RFC 5925, 4).
#[derive(Clone, Debug)]
struct Ao {
    keys: Vec<Key>,
    /// current_key, as an index: at most one at any time.
    current: usize,
    /// rnext_key.
    next: usize,
    iss: SeqNumber,
    /// The peer's ISN, once a segment has told it.
    irs: Option<SeqNumber>,
    /// It is certain: the peer has answered our ISN, or the connection began with its SYN.
    is_settled: bool,
    sent: SequenceExtension,
    received: SequenceExtension,
    heard: Option<[u8; 2]>,
    accepts_icmp: bool,
}

/// A master key with the traffic keys for all but SYNs (RFC 5925, 5.2), made when first needed.
#[derive(Clone, Debug)]
struct Key {
    master: MasterKey,
    send: Option<TrafficKey>,
    receive: Option<TrafficKey>,
}

impl Session {
    pub(super) fn with_md5(local: SocketAddr, remote: SocketAddr, key: Md5Key) -> Session {
        Session {
            local,
            remote,
            scheme: Scheme::Md5(key),
        }
    }

    /// `keys` match the connection, and there is at least one.
    pub(super) fn with_ao(
        local: SocketAddr,
        remote: SocketAddr,
        iss: SeqNumber,
        irs: Option<SeqNumber>,
        keys: Vec<MasterKey>,
        accepts_icmp: bool,
    ) -> Session {
        let keys = keys.into_iter().map(Key::new).collect();
        let scheme = Scheme::Ao(Ao {
            keys,
            current: 0,
            next: 0,
            iss,
            irs,
            is_settled: irs.is_some(),
            sent: SequenceExtension::new(iss),
            received: SequenceExtension::new(irs.unwrap_or_default()),
            heard: None,
            accepts_icmp,
        });
        Session {
            local,
            remote,
            scheme,
        }
    }

    /// Octets that the option takes on every segment.
    pub fn option_len(&self) -> u8 {
        match &self.scheme {
            Scheme::Md5(_) => Md5Key::OPTION_LEN,
            Scheme::Ao(_) => 4 + MAC_LEN as u8,
        }
    }

    /// Whether timestamps leave room for reports of what is missing: with an MD5 signature, no SACK
    /// block fits beside them (RFC 5925, 7.6), and blocks are worth more.
    pub fn allows_timestamps(&self) -> bool {
        matches!(self.scheme, Scheme::Ao(_))
    }

    /// Whether a hard error of ICMP, or "fragmentation needed", is to be believed while the
    /// connection is synchronized (RFC 5925, 7.8).
    pub fn accepts_icmp(&self) -> bool {
        match &self.scheme {
            Scheme::Md5(_) => true,
            Scheme::Ao(ao) => ao.accepts_icmp,
        }
    }

    /// Signs a segment that leaves with this text: the last thing done to its options (RFC 5925,
    /// 7.4). Ports are those of the connection.
    pub fn sign(&mut self, header: &mut TcpHeader, text: &Payload) {
        let (from, to) = (self.local, self.remote);
        [header.source_port, header.destination_port] = [from.port(), to.port()];
        match &mut self.scheme {
            Scheme::Md5(key) => {
                header.options.md5 = Some([0; 16]);
                let (octets, len) = octets_of(header);
                let segment = SignedSegment::new(from, to, &octets[..len], text.slices());
                header.options.md5 = Some(key.digest(&segment));
            }
            Scheme::Ao(ao) => {
                let Some((send_id, receive_id)) = ao.ids() else {
                    return;
                };
                // With a MAC of zero, which is how the MAC itself sees it.
                header.options.authentication =
                    Authentication::new(send_id, receive_id, &[0; MAC_LEN]);
                let (octets, len) = octets_of(header);
                let segment = SignedSegment::new(from, to, &octets[..len], text.slices());
                let mac = ao.sign(header, &segment);
                header.options.authentication = Authentication::new(send_id, receive_id, &mac);
            }
        }
    }

    /// Verifies a segment that has arrived, before anything else looks at it (RFC 5925, 7.5;
    /// RFC 2385, 2.0), and learns what a genuine one says about keys.
    ///
    /// # Errors
    /// [`Discard::TcpUnsigned`] or [`Discard::TcpSignature`]: the segment goes, without an answer.
    pub fn verify(
        &mut self,
        header: &TcpHeader,
        segment: &SignedSegment<'_>,
    ) -> Result<(), Discard> {
        match &mut self.scheme {
            Scheme::Md5(key) => {
                let digest = header.options.md5.ok_or(Discard::TcpUnsigned)?;
                let is_genuine = digest.ct_eq(&key.digest(segment));
                bool::from(is_genuine)
                    .then_some(())
                    .ok_or(Discard::TcpSignature)
            }
            Scheme::Ao(ao) => {
                let option = header.options.authentication;
                ao.verify(&option.ok_or(Discard::TcpUnsigned)?, header, segment)
            }
        }
    }

    /// The KeyIDs in use (RFC 5925, 7.1); `None` without TCP-AO.
    pub fn key_ids(&self) -> Option<KeyIds> {
        let Scheme::Ao(ao) = &self.scheme else {
            return None;
        };
        let (send, receive) = ao.ids()?;
        Some(KeyIds {
            send,
            receive,
            heard: ao.heard.map(|[key, _]| key),
            asked: ao.heard.map(|[_, next]| next),
        })
    }

    /// The keys it knows, for TCP-AO (RFC 5925, 7.1: STATUS).
    pub fn master_keys(&self) -> impl Iterator<Item = &MasterKey> {
        let keys = match &self.scheme {
            Scheme::Md5(_) => &[][..],
            Scheme::Ao(ao) => &ao.keys[..],
        };
        keys.iter().map(|key| &key.master)
    }

    /// One more key (RFC 5925, 7.1), which the peer may ask for from now on (RFC 5925, 3.1: the set may change, its
    /// members may not).
    ///
    /// # Errors
    /// [`KeyError::Overlap`], or [`KeyError::Unknown`] when it is for other connections or this one
    /// uses no TCP-AO.
    pub fn add(&mut self, key: MasterKey) -> Result<(), KeyError> {
        let matches = key.matches(self.local, self.remote);
        let ao = self.ao()?;
        if !matches {
            return Err(KeyError::Unknown);
        }
        if ao.keys.iter().any(|k| k.master.conflicts(&key)) {
            return Err(KeyError::Overlap);
        }
        ao.keys.push(Key::new(key));
        Ok(())
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], or [`KeyError::InUse`] for the current key and the one that the peer is
    /// asked to use.
    pub fn remove(&mut self, send_id: u8, receive_id: u8) -> Result<(), KeyError> {
        let ao = self.ao()?;
        let is_it = |k: &Key| k.master.send_id == send_id && k.master.receive_id == receive_id;
        let at = ao.keys.iter().position(is_it).ok_or(KeyError::Unknown)?;
        if at == ao.current || at == ao.next {
            return Err(KeyError::InUse);
        }
        ao.keys.remove(at);
        ao.current -= usize::from(ao.current > at);
        ao.next -= usize::from(ao.next > at);
        Ok(())
    }

    /// Asks the peer to sign with the key of this RecvID from now on: rnext_key.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn ask_for(&mut self, receive_id: u8) -> Result<(), KeyError> {
        let ao = self.ao()?;
        ao.next = ao.by_receive_id(receive_id).ok_or(KeyError::Unknown)?;
        Ok(())
    }

    /// Signs with the key of this SendID from now on: current_key. The next segment of the peer that
    /// asks for another one changes it again.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn sign_with(&mut self, send_id: u8) -> Result<(), KeyError> {
        let ao = self.ao()?;
        ao.current = ao.by_send_id(send_id).ok_or(KeyError::Unknown)?;
        Ok(())
    }

    fn ao(&mut self) -> Result<&mut Ao, KeyError> {
        match &mut self.scheme {
            Scheme::Md5(_) => Err(KeyError::Unknown),
            Scheme::Ao(ao) => Ok(ao),
        }
    }
}

impl Key {
    fn new(master: MasterKey) -> Key {
        Key {
            master,
            send: None,
            receive: None,
        }
    }
}

impl Ao {
    fn ids(&self) -> Option<(u8, u8)> {
        let (current, next) = (self.keys.get(self.current)?, self.keys.get(self.next)?);
        Some((current.master.send_id, next.master.receive_id))
    }

    fn by_send_id(&self, id: u8) -> Option<usize> {
        self.keys.iter().position(|k| k.master.send_id == id)
    }

    fn by_receive_id(&self, id: u8) -> Option<usize> {
        self.keys.iter().position(|k| k.master.receive_id == id)
    }

    /// RFC 5925, 7.4.
    fn sign(&mut self, header: &TcpHeader, segment: &SignedSegment<'_>) -> [u8; MAC_LEN] {
        let (from, to) = (segment.source(), segment.destination());
        let Some(key) = self.keys.get_mut(self.current) else {
            return [0; MAC_LEN];
        };
        let master = &key.master;
        let traffic_key = match self.irs {
            _ if is_first(header) => TrafficKey::derive(master, from, to, [self.iss, SeqNumber(0)]),
            Some(irs) => *key
                .send
                .get_or_insert_with(|| TrafficKey::derive(master, from, to, [self.iss, irs])),
            // Only a SYN leaves before the peer's ISN is known, or a reset that answers nonsense.
            None => TrafficKey::derive(master, from, to, [self.iss, SeqNumber(0)]),
        };
        let extension = match header.flags.contains(TcpFlags::SYN) {
            true => 0,
            false => self.sent.of(header.seq),
        };
        if !header.flags.contains(TcpFlags::RST) {
            self.sent.note(header.seq);
        }
        traffic_key.mac(segment, extension, key.master.covers_options)
    }

    /// RFC 5925, 7.5.
    fn verify(
        &mut self,
        option: &Authentication,
        header: &TcpHeader,
        segment: &SignedSegment<'_>,
    ) -> Result<(), Discard> {
        let at = self.by_receive_id(option.key_id);
        let key = at.and_then(|at| self.keys.get_mut(at));
        let key = key.ok_or(Discard::TcpSignature)?;
        // The length first, which costs nothing.
        if option.mac().len() != MAC_LEN {
            return Err(Discard::TcpSignature);
        }
        let is_syn = header.flags.contains(TcpFlags::SYN);
        let (from, to) = (segment.source(), segment.destination());
        let master = &key.master;
        let traffic_key = if is_first(header) {
            TrafficKey::derive(master, from, to, [header.seq, SeqNumber(0)])
        } else if is_syn {
            TrafficKey::derive(master, from, to, [header.seq, self.iss])
        } else {
            let irs = self.irs.ok_or(Discard::TcpSignature)?;
            *key.receive
                .get_or_insert_with(|| TrafficKey::derive(master, from, to, [irs, self.iss]))
        };
        let extension = if is_syn {
            0
        } else {
            self.received.of(header.seq)
        };
        let mac = traffic_key.mac(segment, extension, key.master.covers_options);
        if !bool::from(mac.ct_eq(option.mac())) {
            return Err(Discard::TcpSignature);
        }
        // It is genuine.
        if is_syn {
            self.learn_isn(header);
        } else {
            self.received.note(header.seq);
        }
        self.heard = Some([option.key_id, option.next_key_id]);
        if let Some(wanted) = self.by_send_id(option.next_key_id) {
            self.current = wanted;
        }
        Ok(())
    }

    /// A SYN alone could be one of an earlier connection, sent again by somebody else; one that
    /// answers our ISN could not.
    fn learn_isn(&mut self, header: &TcpHeader) {
        let answers = header.flags.contains(TcpFlags::ACK);
        if self.is_settled || !answers && self.irs.is_some() {
            return;
        }
        self.irs = Some(header.seq);
        self.is_settled = answers;
        self.received = SequenceExtension::new(header.seq);
        for key in &mut self.keys {
            (key.send, key.receive) = (None, None);
        }
    }
}

/// A SYN without ACK: its sender does not know the other ISN yet (RFC 5925, 5.2).
fn is_first(header: &TcpHeader) -> bool {
    let flags = header.flags;
    flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK)
}
