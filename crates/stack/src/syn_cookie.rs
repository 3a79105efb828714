//! SYN cookies (RFC 4987, section 3.6 and appendix A): a SYN is answered and nothing is kept of
//! it. What must be known when the handshake completes lies in our initial sequence number and in
//! the low bits of our timestamp, and the peer brings it back.

use crate::tuple::Tuple;
use crate::{Stack, tcp_sockets};
use handfast_base::{Duration, Instant};
use handfast_tcp::{Segment, SynReceived};
use handfast_wire::tcp::{TcpFlags, TcpHeader, TcpOptions, Timestamps};
use handfast_wire::{Discard, SeqNumber};
use siphasher::sip::SipHasher24;

/// When a listener answers SYNs without keeping anything of them (RFC 4987, section 3.6). A
/// listener that is [`pending`](crate::ListenOptions::pending) never does: the application decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum SynCookies {
    /// Never: with too many handshakes under way, SYNs meet silence.
    Never,
    /// While as many handshakes are under way as there may be.
    #[default]
    WhenFull,
    /// Always. The options that a cookie cannot hold are lost, and a SYN,ACK that is lost is only
    /// repeated when the SYN is.
    Always,
}

/// A cookie's time is counted in epochs; it holds in its own and the next, for 64 to 128 s.
const EPOCH: u64 = 64;
const EPOCHS: u32 = 2;
const LIFETIME: Duration = Duration::from_secs(EPOCH * EPOCHS as u64);

/// The segment sizes that a cookie can hold: the floor of each class of path. Each entry more
/// makes a guess more likely to hit: with 8 it does so once in 2^28 times.
const MSS: [u16; 8] = [64, 536, 1220, 1360, 1440, 1460, 8940, 65460];

/// Low bits of our timestamp that hold options: 64 ms of its clock.
const TIMESTAMP_BITS: u32 = 6;
const TIMESTAMP_MASK: u32 = (1 << TIMESTAMP_BITS) - 1;
const SCALE: u8 = 0x0f;
/// In place of a shift: none was offered (the largest there is, is 14).
const NO_SCALE: u8 = 0x0f;
const SACK: u8 = 0x10;
const ECN: u8 = 0x20;

/// What a cookie keeps of a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Offer {
    /// Index into [`MSS`].
    mss: u8,
    /// Bits of the timestamp; `None` without timestamps, and then the other options are lost.
    options: Option<u8>,
}

impl Offer {
    /// `None` when the peer takes segments smaller than any that a cookie can hold.
    pub(crate) fn of(syn: &TcpHeader, default_mss: u16, timestamps: bool) -> Option<Offer> {
        let o = &syn.options;
        let mss = o.mss.unwrap_or(default_mss);
        let mss = MSS.iter().rposition(|&held| held <= mss)? as u8;
        let options = o.timestamps.filter(|_| timestamps).map(|_| {
            let scale = o.window_scale.map_or(NO_SCALE, |shift| shift.min(14));
            // Who can do more than classic ECN is answered with that (RFC 3168, 6.1.1).
            let ecn = syn.flags.contains(TcpFlags::ECE | TcpFlags::CWR);
            scale | if o.sack_permitted { SACK } else { 0 } | if ecn { ECN } else { 0 }
        });
        Some(Offer { mss, options })
    }

    /// The SYN as far as it is kept.
    fn syn(self, irs: SeqNumber, window: u16, timestamp: Option<u32>) -> TcpHeader {
        let options = self.options.zip(timestamp);
        let bits = options.map_or(NO_SCALE, |(bits, _)| bits);
        let ecn = TcpFlags::ECE | TcpFlags::CWR;
        TcpHeader {
            seq: irs,
            window,
            flags: TcpFlags::SYN
                | if bits & ECN != 0 {
                    ecn
                } else {
                    TcpFlags::empty()
                },
            options: TcpOptions {
                mss: Some(MSS[usize::from(self.mss) % MSS.len()]),
                window_scale: Some(bits & SCALE).filter(|&shift| shift != NO_SCALE),
                sack_permitted: bits & SACK != 0,
                timestamps: options.map(|(_, value)| Timestamps { value, echo: 0 }),
                ..TcpOptions::default()
            },
            ..TcpHeader::default()
        }
    }

    /// The options in the low bits of a timestamp of ours, which is not later than it was.
    fn stamp(self, value: u32) -> u32 {
        let Some(bits) = self.options else {
            return value;
        };
        let stamped = value & !TIMESTAMP_MASK | u32::from(bits);
        let is_later = value & TIMESTAMP_MASK < u32::from(bits);
        stamped.wrapping_sub(u32::from(is_later) << TIMESTAMP_BITS)
    }
}

/// The secret of all cookies of a stack.
pub(crate) struct CookieSecret([SipHasher24; 2]);

impl CookieSecret {
    pub(crate) fn new(keys: [[u8; 16]; 2]) -> CookieSecret {
        CookieSecret(keys.map(|key| SipHasher24::new_with_key(&key)))
    }

    /// The sequence number with which we answer a SYN from `tuple.remote`: it stays the same for
    /// an epoch, grows with the peer's own and with time, and cannot be guessed.
    pub(crate) fn bake(
        &self,
        tuple: &Tuple,
        irs: SeqNumber,
        offer: Offer,
        now: Instant,
    ) -> SeqNumber {
        let epoch = epoch(now);
        let tail = self.tail(tuple, irs, epoch, offer.options);
        let low = tail.wrapping_add(u32::from(offer.mss)) & 0xff_ffff;
        self.base(tuple, irs) + (epoch << 24) + low
    }

    /// What was kept in a cookie of ours; `None` of any other number and of an old one. Two
    /// hashes at most, whatever comes.
    pub(crate) fn open(
        &self,
        tuple: &Tuple,
        irs: SeqNumber,
        iss: SeqNumber,
        options: Option<u8>,
        now: Instant,
    ) -> Option<Offer> {
        let held = iss.0.wrapping_sub(self.base(tuple, irs).0);
        let age = epoch(now).wrapping_sub(held >> 24) & 0xff;
        if age >= EPOCHS {
            return None;
        }
        let tail = self.tail(tuple, irs, epoch(now).wrapping_sub(age), options);
        let mss = held.wrapping_sub(tail) & 0xff_ffff;
        let mss = u8::try_from(mss).ok()?;
        (usize::from(mss) < MSS.len()).then_some(Offer { mss, options })
    }

    fn base(&self, tuple: &Tuple, irs: SeqNumber) -> SeqNumber {
        irs + self.0[0].hash(tuple.octets(&mut [0; Tuple::MAX_LEN])) as u32
    }

    fn tail(&self, tuple: &Tuple, irs: SeqNumber, epoch: u32, options: Option<u8>) -> u32 {
        let mut octets = [0; Tuple::MAX_LEN + 9];
        let mut room = [0; Tuple::MAX_LEN];
        let tuple = tuple.octets(&mut room);
        octets[..4].copy_from_slice(&irs.0.to_be_bytes());
        octets[4..8].copy_from_slice(&epoch.to_be_bytes());
        octets[8] = options.unwrap_or(u8::MAX);
        octets[9..9 + tuple.len()].copy_from_slice(tuple);
        self.0[1].hash(&octets[..9 + tuple.len()]) as u32
    }
}

impl core::fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CookieSecret(..)")
    }
}

fn epoch(now: Instant) -> u32 {
    (now.as_micros() / (EPOCH * 1_000_000)) as u32
}

impl Stack {
    /// Whether a SYN is to be answered without keeping anything of it. With the accept queue full
    /// it is not: nothing could come of it.
    pub(crate) fn wants_cookie(&self, listener: u32) -> bool {
        let is_full = self.table.half_open.len() >= self.config.max_half_open;
        self.listeners.slots.get(listener).is_some_and(|l| {
            let wanted = match l.options.syn_cookies {
                SynCookies::Never => false,
                SynCookies::WhenFull => is_full || !l.may_begin(),
                SynCookies::Always => true,
            };
            wanted && l.may_finish() && !l.options.pending
        })
    }

    /// Answers the SYN in `self.segment` without keeping anything of it.
    pub(crate) fn answer_with_cookie(
        &mut self,
        index: u32,
        tuple: &Tuple,
        now: Instant,
    ) -> Result<(), Discard> {
        let iface = self.network.egress(tuple.remote).ok_or(Discard::NoRoute)?;
        let path = self.network.path(iface, tuple.remote.ip(), now);
        let Some(listener) = self.listeners.slots.get_mut(index) else {
            return Err(Discard::TcpNoConnection);
        };
        let config = &listener.config;
        let syn = &self.segment.header;
        // RFC 9293, 3.7.1 (MUST-15): of a peer that names none.
        let default_mss = if tuple.remote.is_ipv4() { 536 } else { 1220 };
        let offer = Offer::of(syn, default_mss, config.timestamps);
        let offer = offer.ok_or(Discard::TcpBacklogFull)?;
        let iss = self.cookies.bake(tuple, syn.seq, offer, now);
        let kept = offer.syn(syn.seq, syn.window, syn.options.timestamps.map(|t| t.value));
        let (local, remote) = (tuple.local.ip(), tuple.remote.ip());
        let offset = self.isn.timestamp_offset(local, remote);
        SynReceived::new(&kept, iss, offset, config, path, now).write_syn_ack(
            now,
            config,
            path,
            &mut self.slot,
        );
        if let Some(timestamps) = &mut self.slot.header.options.timestamps {
            timestamps.value = offer.stamp(timestamps.value);
        }
        listener.cookies_until = now + LIFETIME;
        self.metrics.tcp.syn_cookies_sent += 1;
        self.answer_segment(tuple);
        Ok(())
    }

    /// A segment to a listener that may bring a cookie back. `None`: it does not, and what the
    /// listener makes of it is another matter.
    pub(crate) fn cookie_input(
        &mut self,
        index: u32,
        tuple: &Tuple,
        now: Instant,
    ) -> Option<Result<(), Discard>> {
        let listener = self.listeners.slots.get(index)?;
        let h = &self.segment.header;
        if now >= listener.cookies_until
            || !h.flags.contains(TcpFlags::ACK)
            || h.flags.intersects(TcpFlags::SYN | TcpFlags::RST)
        {
            return None;
        }
        let (irs, iss) = (h.seq + u32::MAX, h.ack + u32::MAX);
        let timestamps = h.options.timestamps.filter(|_| listener.config.timestamps);
        let options = timestamps.map(|t| (t.echo & TIMESTAMP_MASK) as u8);
        let Some(offer) = self.cookies.open(tuple, irs, iss, options, now) else {
            self.metrics.tcp.syn_cookies_failed += 1;
            // With text it may be the second segment of a peer whose first one was lost, and which
            // will send that again: no reset.
            return has_text(&self.segment).then_some(Err(Discard::TcpSynCookie));
        };
        let kept = offer.syn(irs, h.window, timestamps.map(|t| t.value));
        Some(self.redeem(index, tuple, &kept, iss, now))
    }

    /// The handshake of a cookie is complete.
    fn redeem(
        &mut self,
        listener: u32,
        tuple: &Tuple,
        syn: &TcpHeader,
        iss: SeqNumber,
        now: Instant,
    ) -> Result<(), Discard> {
        if !self
            .listeners
            .slots
            .get(listener)
            .is_some_and(|l| l.may_finish() || l.options.abort_on_overflow)
        {
            self.metrics.tcp.accept_overflows += 1;
            return Err(Discard::TcpBacklogFull);
        }
        if self.budget.is_tight(tcp_sockets::CONNECTION_COST) {
            return Err(Discard::NoMemory);
        }
        let index = self.insert_half_open(listener, tuple, syn, iss, now)?;
        let generation = self.table.half_open.generation(index);
        let result = self.syn_received_input(index, tuple, now);
        if self.table.half_open.is_live(index, generation) {
            // The segment is not what completes a handshake, after all.
            self.remove_half_open(index, None);
        }
        self.metrics.tcp.syn_cookies_accepted += u64::from(result.is_ok());
        result
    }
}

fn has_text(segment: &Segment) -> bool {
    !segment.payload.is_empty()
}

#[cfg(test)]
mod tests;
