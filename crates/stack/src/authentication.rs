//! Who must sign, and whose signature is verified before anything else is done with a segment
//! (RFC 5925, sections 7.4 and 7.5; RFC 2385).
//!
//! A session belongs to whatever has the tuple: a half-open connection, a connection, a TIME-WAIT
//! record. It is made of the listener's keys, or of those given to an active open, and moves along.

use crate::demux::Owner;
use crate::tuple::Tuple;
use crate::{SocketId, Stack};
use alloc::boxed::Box;
use handfast_tcp::authentication::{KeyRing, Session, SignedSegment};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Discard, SeqNumber};

/// The header of the segment that is being looked at as it came, if it carries a signature.
#[derive(Debug)]
pub(crate) struct RawHeader {
    octets: [u8; TcpHeader::MAX_LEN],
    len: usize,
}

impl RawHeader {
    pub(crate) const NONE: RawHeader = RawHeader {
        octets: [0; TcpHeader::MAX_LEN],
        len: 0,
    };

    fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl Stack {
    /// Keeps the header as it came when it carries a signature.
    #[inline]
    pub(crate) fn keep_header(&mut self, octets: &[u8]) {
        let options = &self.segment.header.options;
        self.raw_header.len = 0;
        if options.md5.is_some() || options.authentication.is_some() {
            let len = octets.len().min(TcpHeader::MAX_LEN);
            self.raw_header.octets[..len].copy_from_slice(&octets[..len]);
            self.raw_header.len = len;
        }
    }

    /// Whether what belongs to this tuple is signed.
    #[inline]
    pub(crate) fn is_signed(&self, owner: Owner) -> bool {
        match owner {
            Owner::Connection(i) => {
                let socket = self.table.connections.get(i);
                socket.is_some_and(|s| s.session.is_some())
            }
            Owner::SynReceived(i) => {
                let half_open = self.table.half_open.get(i);
                half_open.is_some_and(|h| h.session.is_some())
            }
            Owner::TimeWait(i) => {
                let entry = self.table.time_wait.slots.get(i);
                entry.is_some_and(|e| e.session.is_some())
            }
        }
    }

    /// Verifies the segment in `self.segment` for what its tuple belongs to.
    #[inline]
    pub(crate) fn authenticate(&mut self, owner: Owner, tuple: &Tuple) -> Result<(), Discard> {
        if !self.is_signed(owner) {
            return self.unexpected_signature();
        }
        let session = match owner {
            Owner::Connection(i) => {
                let socket = self.table.connections.get_mut(i);
                socket.and_then(|s| s.session.as_deref_mut())
            }
            Owner::SynReceived(i) => {
                let half_open = self.table.half_open.get_mut(i);
                half_open.and_then(|h| h.session.as_deref_mut())
            }
            Owner::TimeWait(i) => {
                let entry = self.table.time_wait.slots.get_mut(i);
                entry.and_then(|e| e.session.as_deref_mut())
            }
        };
        let Some(session) = session else {
            return Ok(());
        };
        let header = self.raw_header.as_slice();
        let text = self.segment.payload.slices();
        let segment = SignedSegment::new(tuple.remote, tuple.local, header, text);
        session.verify(&self.segment.header, &segment)
    }

    /// A digest that nobody here can verify is a failed one (RFC 2385, 2.0). TCP-AO without a key
    /// is overlooked (RFC 5925, 7.3) unless a listener wants otherwise.
    #[inline]
    pub(crate) fn unexpected_signature(&self) -> Result<(), Discard> {
        match self.segment.header.options.md5 {
            Some(_) => Err(Discard::TcpSignatureUnexpected),
            None => Ok(()),
        }
    }

    /// Verifies the segment in `self.segment`, which a listener is to have, before any state is made
    /// of it. A SYN gets the session of the connection to be, if that is to be signed.
    pub(crate) fn authenticate_syn(
        &mut self,
        listener: u32,
        tuple: &Tuple,
        iss_floor: Option<SeqNumber>,
        now: handfast_base::Instant,
    ) -> Result<Option<Box<Session>>, Discard> {
        let keys = self.listeners.slots.get(listener).map(|l| &l.options.keys);
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
            return self.unexpected_signature().map(|()| None);
        };
        let header = &self.segment.header;
        let iss = self.initial_sequence_number(tuple, iss_floor, now);
        let session = keys.session_for_syn(tuple.local, tuple.remote, iss, header.seq);
        let Some(mut session) = session else {
            if keys.is_required() {
                return Err(Discard::TcpUnsigned);
            }
            return self.unexpected_signature().map(|()| None);
        };
        if !header.flags.contains(TcpFlags::SYN) || header.flags.contains(TcpFlags::ACK) {
            // Whatever it is, its ISNs and with them its traffic keys are gone.
            return Err(Discard::TcpSignature);
        }
        let text = self.segment.payload.slices();
        let raw = self.raw_header.as_slice();
        let segment = SignedSegment::new(tuple.remote, tuple.local, raw, text);
        session.verify(header, &segment)?;
        Ok(Some(Box::new(session)))
    }

    /// The keys of a listener, to be changed: what comes of later SYNs heeds that. `None` when the
    /// handle was closed.
    pub fn tcp_listener_keys(&mut self, listener: SocketId) -> Option<&mut KeyRing> {
        let index = self.listener_index(listener)?;
        let listener = self.listeners.slots.get_mut(index)?;
        Some(&mut listener.options.keys)
    }
}
