//! A snapshot as octets, to be carried from one process to another.
//!
//! A mark and a version, then every field of [`Snapshot`] in its order, integers in network byte
//! order, times in nanoseconds, what may be missing after an octet that says whether it is there,
//! and the two queues as their length and text.

use super::{Snapshot, TimestampClock};
use crate::{EcnMode, EcnSnapshot};
use alloc::vec::Vec;
use bytes::{Buf, BufMut, Bytes};
use core::fmt;
use handfast_base::Duration;
use handfast_wire::SeqNumber;

const MARK: [u8; 4] = *b"hfTC";
/// Changes when what is written cannot be read by what was there before.
const VERSION: u8 = 1;

/// Why octets are no snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// They do not begin as one.
    Mark,
    /// They are of a version that is not known here.
    Version(u8),
    /// They end too early.
    Short,
    /// They go on behind its end.
    Long,
    /// Where only some values have a meaning there is another.
    Value,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Mark => f.write_str("these octets are no snapshot of a connection"),
            DecodeError::Version(of) => {
                write!(f, "a snapshot of version {of}, and {VERSION} is known here")
            }
            DecodeError::Short => f.write_str("the snapshot ends too early"),
            DecodeError::Long => f.write_str("octets behind the end of the snapshot"),
            DecodeError::Value => f.write_str("a value in the snapshot that means nothing"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl Snapshot {
    /// As octets, for [`from_bytes`](Snapshot::from_bytes) of this version or a later one.
    ///
    /// They hold what was sent and received and not yet acknowledged or read, so they are as secret
    /// as the connection is.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MARK);
        out.put_u8(VERSION);
        for seq in [self.iss, self.irs, self.snd_una, self.snd_nxt] {
            out.put_u32(seq.0);
        }
        out.put_u32(self.snd_wnd);
        out.put_u32(self.max_snd_wnd);
        out.put_u32(self.snd_wl1.0);
        out.put_u32(self.snd_wl2.0);
        put_text(&mut out, &self.send);
        put_option(&mut out, self.snd_up, |out, up| out.put_u32(up.0));
        out.put_u32(self.rcv_nxt.0);
        out.put_u32(self.rcv_wnd);
        put_text(&mut out, &self.receive);
        put_option(&mut out, self.rcv_up, |out, up| out.put_u32(up.0));
        out.put_u16(self.peer_mss);
        put_option(&mut out, self.window_scale, |out, (theirs, ours)| {
            out.put_slice(&[theirs, ours]);
        });
        out.put_u8(self.sack.into());
        put_option(&mut out, self.timestamps, |out, clock| {
            out.put_u32(clock.value);
            put_option(out, clock.recent, |out, (recent, age)| {
                out.put_u32(recent);
                put_time(out, age);
            });
        });
        let ecn = &self.ecn;
        out.put_u8(match ecn.mode {
            EcnMode::Off => 0,
            EcnMode::Classic => 1,
            EcnMode::Accurate => 2,
        });
        out.put_slice(&[ecn.sends.into(), ecn.echo.into()]);
        out.put_u32(ecn.ce_packets);
        ecn.octets.iter().for_each(|count| out.put_u32(*count));
        out.put_u8(ecn.heard_packets);
        out.put_u32(ecn.heard_octets);
        put_option(&mut out, self.rtt, |out, (smoothed, variance)| {
            put_time(out, smoothed);
            put_time(out, variance);
        });
        out.put_u16(self.peer_user_timeout);
        out
    }

    /// What [`to_bytes`](Snapshot::to_bytes) has made octets of; its queues, of one piece each then,
    /// are parts of `octets`. Whether it can be a connection is for
    /// [`check`](Snapshot::check) to say.
    ///
    /// # Errors
    /// A [`DecodeError`]. Octets of anybody's do no harm.
    pub fn from_bytes(octets: Bytes) -> Result<Snapshot, DecodeError> {
        let mut r = Reader(octets);
        if r.array()? != MARK {
            return Err(DecodeError::Mark);
        }
        match r.u8()? {
            VERSION => {}
            other => return Err(DecodeError::Version(other)),
        }
        let snapshot = Snapshot {
            iss: r.seq()?,
            irs: r.seq()?,
            snd_una: r.seq()?,
            snd_nxt: r.seq()?,
            snd_wnd: r.u32()?,
            max_snd_wnd: r.u32()?,
            snd_wl1: r.seq()?,
            snd_wl2: r.seq()?,
            send: r.text()?,
            snd_up: r.option(Reader::seq)?,
            rcv_nxt: r.seq()?,
            rcv_wnd: r.u32()?,
            receive: r.text()?,
            rcv_up: r.option(Reader::seq)?,
            peer_mss: r.u16()?,
            window_scale: r.option(|r| Ok((r.u8()?, r.u8()?)))?,
            sack: r.bool()?,
            timestamps: r.option(|r| {
                Ok(TimestampClock {
                    value: r.u32()?,
                    recent: r.option(|r| Ok((r.u32()?, r.time()?)))?,
                })
            })?,
            ecn: EcnSnapshot {
                mode: match r.u8()? {
                    0 => EcnMode::Off,
                    1 => EcnMode::Classic,
                    2 => EcnMode::Accurate,
                    _ => return Err(DecodeError::Value),
                },
                sends: r.bool()?,
                echo: r.bool()?,
                ce_packets: r.u32()?,
                octets: [r.u32()?, r.u32()?, r.u32()?],
                heard_packets: r.u8()?,
                heard_octets: r.u32()?,
            },
            rtt: r.option(|r| Ok((r.time()?, r.time()?)))?,
            peer_user_timeout: r.u16()?,
        };
        match r.0.is_empty() {
            true => Ok(snapshot),
            false => Err(DecodeError::Long),
        }
    }
}

fn put_option<T>(out: &mut Vec<u8>, of: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.put_u8(of.is_some().into());
    if let Some(value) = of {
        put(out, value);
    }
}

fn put_time(out: &mut Vec<u8>, time: Duration) {
    out.put_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

fn put_text(out: &mut Vec<u8>, queue: &[Bytes]) {
    // A queue of 2^32 octets is none that anybody takes.
    let octets: usize = queue.iter().map(Bytes::len).sum();
    out.put_u64(octets as u64);
    queue.iter().for_each(|piece| out.put_slice(piece));
}

/// What is left to be read.
struct Reader(Bytes);

impl Reader {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        match self.0.try_copy_to_slice(&mut out) {
            Ok(()) => Ok(out),
            Err(_) => Err(DecodeError::Short),
        }
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[octet]| octet)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    fn seq(&mut self) -> Result<SeqNumber, DecodeError> {
        self.u32().map(SeqNumber)
    }

    fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value),
        }
    }

    fn time(&mut self) -> Result<Duration, DecodeError> {
        let nanos = self.array().map(u64::from_be_bytes)?;
        Ok(Duration::from_nanos(nanos))
    }

    fn option<T>(
        &mut self,
        value: impl FnOnce(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.bool()? {
            true => value(self).map(Some),
            false => Ok(None),
        }
    }

    fn text(&mut self) -> Result<Vec<Bytes>, DecodeError> {
        let octets = self.array().map(u64::from_be_bytes)?;
        match usize::try_from(octets) {
            Ok(0) => Ok(Vec::new()),
            Ok(octets) if octets <= self.0.len() => Ok(alloc::vec![self.0.split_to(octets)]),
            _ => Err(DecodeError::Short),
        }
    }
}
