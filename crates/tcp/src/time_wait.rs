use crate::tcb::Flags;
use crate::{Connection, Segment, SegmentSlot, window};
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::{TcpFlags, Timestamps};
use handfast_wire::{Discard, SendReason, SeqNumber};

/// A connection in TIME-WAIT (RFC 9293, 3.6.1 and 3.10.7.4): what is left of it for 2 MSL.
///
/// It acknowledges the peer's FIN should that come again, and keeps old segments from being
/// taken for those of a new connection between the same ports.
#[derive(Clone, Debug)]
pub struct TimeWait {
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    expires: Instant,
    /// 2 MSL in ms.
    length: u32,
    ts_recent: u32,
    ts_offset: u32,
    window: u16,
    timestamps: bool,
}

/// What a segment does to a connection in TIME-WAIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeWaitVerdict {
    /// Nothing.
    Discard(Discard),
    /// An acknowledgment is due: [`TimeWait::write_ack`].
    Acknowledge(Discard),
    /// A new connection may begin (RFC 6191; RFC 9293, 3.10.7.4): its SYN is newer than anything
    /// of the old one. Our ISS must be after `iss_floor`.
    Reuse {
        /// SND.NXT of the old connection.
        iss_floor: SeqNumber,
    },
}

impl TimeWait {
    pub(crate) fn of(c: &Connection, now: Instant) -> TimeWait {
        let t = &c.tcb;
        TimeWait {
            snd_nxt: t.snd_nxt,
            rcv_nxt: t.rcv_nxt,
            // 2 MSL (MUST-13).
            expires: now + c.config.time_wait,
            length: u32::try_from(c.config.time_wait.as_millis()).unwrap_or(u32::MAX),
            ts_recent: t.ts_recent,
            ts_offset: t.ts_offset,
            window: (window::receive::rcv_wnd(t) >> t.rcv_scale).min(0xffff) as u16,
            timestamps: t.flags.contains(Flags::TIMESTAMPS),
        }
    }

    /// When 2 MSL are over and the record is to be forgotten.
    #[inline]
    pub fn expires(&self) -> Instant {
        self.expires
    }

    /// A segment for the old connection.
    pub fn segment_arrives(&mut self, seg: &Segment, now: Instant) -> TimeWaitVerdict {
        let h = &seg.header;
        // A reset does nothing: it would assassinate the wait (RFC 1337).
        if seg.has(TcpFlags::RST) {
            return TimeWaitVerdict::Discard(Discard::TcpTimeWait);
        }
        if seg.has(TcpFlags::SYN) && !seg.has(TcpFlags::ACK) && self.is_newer(seg) {
            return TimeWaitVerdict::Reuse {
                iss_floor: self.snd_nxt,
            };
        }
        // The only thing that can arrive is a retransmission of the remote FIN: acknowledge it,
        // and restart the 2 MSL timeout.
        if seg.has(TcpFlags::FIN) && h.seq + seg.len() == self.rcv_nxt {
            self.expires = now + Duration::from_millis(u64::from(self.length));
            if let Some(ts) = h.options.timestamps
                && (ts.value.wrapping_sub(self.ts_recent) as i32) > 0
            {
                self.ts_recent = ts.value;
            }
        }
        // An empty segment, other than a keep-alive, says nothing new; answering it could make
        // two ends answer each other for ever.
        if seg.is_empty() && h.seq + 1 != self.rcv_nxt {
            return TimeWaitVerdict::Discard(Discard::TcpTimeWait);
        }
        TimeWaitVerdict::Acknowledge(Discard::TcpTimeWait)
    }

    /// Whether a connection may be opened from here between the same ports: with timestamps (RFC
    /// 6191; RFC 9293, 3.6.1), of which the peer's and ours have ticked since, so that whatever
    /// is left of the old connection is known by them. Our ISS must be after the number returned.
    pub fn may_open(&self, now: Instant) -> Option<SeqNumber> {
        let length = Duration::from_millis(u64::from(self.length));
        // RFC 7323, 5.4: the slowest clock ticks once a second.
        let ticked = now + length >= self.expires + Duration::from_secs(1);
        (self.timestamps && ticked).then_some(self.snd_nxt)
    }

    /// RFC 6191, 2: by the timestamp where there is one (SHLD-4), else by the sequence number (MAY-2).
    fn is_newer(&self, seg: &Segment) -> bool {
        // Greater than the last number used, which was the FIN's.
        let beyond = seg.header.seq.at_or_after(self.rcv_nxt);
        match seg.header.options.timestamps {
            Some(ts) if self.timestamps => {
                let age = ts.value.wrapping_sub(self.ts_recent) as i32;
                age > 0 || age == 0 && beyond
            }
            _ => beyond,
        }
    }

    /// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
    pub fn write_ack(&self, now: Instant, out: &mut SegmentSlot) {
        out.begin(self.snd_nxt, TcpFlags::ACK, SendReason::Ack);
        out.header.ack = self.rcv_nxt;
        out.header.window = self.window;
        if self.timestamps {
            let value = (now.as_millis() as u32).wrapping_add(self.ts_offset);
            out.header.options.timestamps = Some(Timestamps {
                value,
                echo: self.ts_recent,
            });
        }
    }
}
