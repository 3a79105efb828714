//! One connection, and the test as its peer. Segments are written as text, with numbers relative
//! to a base of each direction, so that they read like the examples of RFC 9293.

use crate::congestion::Congestion;
use crate::{Config, Connection, Disposition, MtuProbing, Path, Segment, SegmentSlot, State};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::{Duration, Instant};
use handfast_wire::tcp::{AccurateEcn, SackBlock, TcpFlags, TcpHeader, Timestamps};
use handfast_wire::{Ecn, Payload, SendReason, SeqNumber};

pub(crate) const PATH: Path = Path::new(1500, 20);
pub(crate) const ISS: SeqNumber = SeqNumber(1_000);
pub(crate) const IRS: SeqNumber = SeqNumber(5_000);
/// What `ts=0` stands for.
pub(crate) const TS_BASE: u32 = 70_000;
/// Offset of our own timestamp clock.
pub(crate) const TS_OFFSET: u32 = 9;

/// A segment the connection has sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) header: TcpHeader,
    pub(crate) text: Bytes,
    pub(crate) gso_size: u16,
    pub(crate) ecn: Ecn,
    pub(crate) reason: SendReason,
}

#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) c: Connection,
    pub(crate) now: Instant,
    /// What numbers of our direction count from.
    pub(crate) ours: SeqNumber,
    /// What numbers of the peer's direction count from.
    pub(crate) theirs: SeqNumber,
    /// Everything sent so far.
    pub(crate) log: Vec<Sent>,
    told: usize,
}

/// Short delays off, so that every answer shows at once; Reno, whose windows are round numbers; and
/// segments that keep their size.
pub(crate) fn prompt() -> Config {
    Config {
        delayed_ack: Duration::ZERO,
        timestamps: false,
        window_scaling: false,
        nodelay: true,
        congestion: Congestion::RENO,
        mtu_probing: MtuProbing::Off,
        send_buffer: (4 << 20).into(),
        receive_buffer: (4 << 20).into(),
        ..Config::default()
    }
}

/// As [`prompt`], with timestamps.
pub(crate) fn stamped() -> Config {
    Config {
        timestamps: true,
        ..prompt()
    }
}

/// The octet at offset `n` of the peer's stream.
pub(crate) fn octet(n: u32) -> u8 {
    (n ^ n >> 8).wrapping_mul(37) as u8
}

/// Reads a segment: control bits by name, then `seq=`, `ack=`, `len=` (text), `win=`, `up=`,
/// `ts=` (TSval), `echo=`, `mss=`, `ws=`, `uto=`, `sackok`, `sack=left..right`; `ect0`, `ect1` and
/// `ce` are the IP header's, `e0b=` and `ceb=` counters of the accurate ECN option. Numbers not
/// given are 0, the window 60000.
pub(crate) fn segment(text: &str, ours: SeqNumber, theirs: SeqNumber) -> Segment {
    let mut seg = Segment::default();
    let h = &mut seg.header;
    (h.seq, h.ack, h.window) = (theirs, ours, 60_000);
    let (mut len, mut echo, mut ecn_field) = (0, 0, Ecn::NotEct);
    for word in text.split([' ', ',']).filter(|w| !w.is_empty()) {
        let Some((key, value)) = word.split_once('=') else {
            if word == "sackok" {
                h.options.sack_permitted = true;
                continue;
            }
            if let Some(ecn) = codepoint(word) {
                ecn_field = ecn;
                continue;
            }
            h.flags |= TcpFlags::from_name(word).unwrap_or_else(|| panic!("{word} in {text}"));
            continue;
        };
        if key == "sack" {
            let (left, right) = value.split_once("..").expect("sack=left..right");
            let at = |n: &str| ours + n.parse::<i64>().expect("a number") as u32;
            let (left, right) = (at(left), at(right));
            assert!(h.options.sack.push(SackBlock { left, right }));
            continue;
        }
        let value: i64 = value.parse().unwrap_or_else(|_| panic!("{word} in {text}"));
        match key {
            "seq" => h.seq = theirs + value as u32,
            "ack" => h.ack = ours + value as u32,
            "len" => len = value as u32,
            "win" => h.window = value as u16,
            "up" => h.urgent_pointer = value as u16,
            "mss" => h.options.mss = Some(value as u16),
            "ws" => h.options.window_scale = Some(value as u8),
            "uto" => h.options.user_timeout = Some(value as u16),
            "e0b" => option(h).counters[0] = Some(value as u32),
            "ceb" => option(h).counters[1] = Some(value as u32),
            "echo" => echo = value as u32,
            "ts" => {
                h.options.timestamps = Some(Timestamps {
                    value: TS_BASE.wrapping_add(value as u32),
                    echo: 0,
                });
            }
            _ => panic!("{word} in {text}"),
        }
    }
    if let Some(ts) = &mut h.options.timestamps {
        ts.echo = echo;
    }
    seg.ecn = ecn_field;
    if !h.flags.contains(TcpFlags::ACK) {
        h.ack = SeqNumber(0);
    }
    let first = seg.text_start().offset_from(theirs);
    let octets: Vec<u8> = (0..len).map(|i| octet(first.wrapping_add(i))).collect();
    seg.payload = Payload::from(Bytes::from(octets));
    seg
}

fn option(h: &mut TcpHeader) -> &mut AccurateEcn {
    h.options.accurate_ecn.get_or_insert_with(Default::default)
}

fn codepoint(word: &str) -> Option<Ecn> {
    Some(match word {
        "ect0" => Ecn::Ect0,
        "ect1" => Ecn::Ect1,
        "ce" => Ecn::Ce,
        _ => return None,
    })
}

/// `SYN,ACK seq=-1 ack=0 len=..`: the form in which tests name what is sent.
pub(crate) fn show(header: &TcpHeader, len: usize, ours: SeqNumber, theirs: SeqNumber) -> String {
    let mut out = format!("{} seq={}", header.flags, header.seq.distance(ours));
    if header.flags.contains(TcpFlags::ACK) {
        out += &format!(" ack={}", header.ack.distance(theirs));
    }
    if len > 0 {
        out += &format!(" len={len}");
    }
    for block in header.options.sack.as_slice() {
        let (left, right) = (block.left.distance(theirs), block.right.distance(theirs));
        out += &format!(" sack={left}..{right}");
    }
    if header.flags.contains(TcpFlags::URG) {
        out += &format!(" up={}", header.urgent_pointer);
    }
    out
}

impl Bench {
    /// SYN-SENT, the SYN not yet sent.
    pub(crate) fn new(config: Config) -> Bench {
        Bench::on(config, PATH, ISS)
    }

    pub(crate) fn on(config: Config, path: Path, iss: SeqNumber) -> Bench {
        let now = Instant::from_secs(100);
        Bench {
            c: Connection::open(Arc::new(config), path, iss, TS_OFFSET, now),
            now,
            ours: iss + 1,
            theirs: IRS + 1,
            log: Vec::new(),
            told: 0,
        }
    }

    /// ESTABLISHED after `SYN,ACK` with more words, for instance `win=2000 mss=1000`.
    pub(crate) fn established(config: Config, more: &str) -> Bench {
        let stamped = config.timestamps;
        let mut b = Bench::new(config);
        b.drain();
        b.arrive(&format!(
            "SYN ACK seq=-1 {} {more}",
            if stamped { "ts=0" } else { "" }
        ));
        assert_eq!(b.c.state(), State::Established);
        b.told = b.log.len();
        b
    }

    /// A connection that a passive open became.
    pub(crate) fn adopt(c: Connection, now: Instant) -> Bench {
        Bench {
            ours: c.tcb.iss + 1,
            theirs: c.tcb.irs + 1,
            c,
            now,
            log: Vec::new(),
            told: 0,
        }
    }

    /// A segment arrives, and is answered.
    pub(crate) fn arrive(&mut self, text: &str) -> Disposition {
        let disposition = self.arrive_quietly(text);
        self.drain();
        disposition
    }

    /// A segment arrives; nothing is sent yet.
    pub(crate) fn arrive_quietly(&mut self, text: &str) -> Disposition {
        let mut seg = segment(text, self.ours, self.theirs);
        if let Some(ts) = &mut seg.header.options.timestamps
            && ts.echo == 0
        {
            // The newest of ours.
            let echoed = self
                .log
                .iter()
                .rev()
                .find_map(|s| s.header.options.timestamps);
            ts.echo = echoed.map_or(0, |t| t.value);
        }
        self.c.segment_arrives(&mut seg, self.now)
    }

    /// A segment that is there already arrives, and is answered.
    pub(crate) fn take(&mut self, mut seg: Segment) -> Disposition {
        let disposition = self.c.segment_arrives(&mut seg, self.now);
        self.drain();
        disposition
    }

    /// Takes all that may be sent now. Then nothing may be due: doing only what the deadline
    /// says never spins.
    pub(crate) fn drain(&mut self) {
        let mut slot = SegmentSlot::default();
        let mut count = 0;
        while self.c.poll_transmit(self.now, &mut slot) {
            self.log.push(Sent {
                at: self.now,
                header: slot.header,
                text: slot.payload.to_bytes(),
                gso_size: slot.gso_size,
                ecn: slot.ecn,
                reason: slot.reason,
            });
            count += 1;
            assert!(count < 100_000, "output never ends: {:?}", self.c);
        }
        if let Some(at) = self.c.poll_timeout() {
            assert!(
                at > self.now,
                "due at {at:?}, but it is {:?}: {:?}",
                self.now,
                self.c
            );
        }
    }

    /// Lets time pass, stopping exactly at every deadline.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.c.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.c.timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Goes to the next deadline; false when there is none.
    pub(crate) fn next_deadline(&mut self) -> bool {
        let Some(at) = self.c.poll_timeout() else {
            return false;
        };
        self.now = self.now.max(at);
        self.c.timeout(self.now);
        self.drain();
        true
    }

    /// Queues `len` octets and sends what may be sent.
    pub(crate) fn send(&mut self, len: usize) {
        let mut data = Bytes::from(alloc::vec![b'x'; len]);
        assert_eq!(self.c.send(&mut data), Ok(len));
        self.drain();
    }

    pub(crate) fn close(&mut self) {
        self.c.close(self.now).unwrap();
        self.drain();
    }

    /// The application reads everything, and releases it.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(bytes) = self.c.receive(usize::MAX) {
            self.c.release(bytes.len() as u32);
            out.extend_from_slice(&bytes);
        }
        self.drain();
        out
    }

    /// What was sent since this was last asked.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        let new = &self.log[self.told..];
        self.told = self.log.len();
        new.iter()
            .map(|s| {
                let shown = show(&s.header, s.text.len(), self.ours, self.theirs);
                match s.ecn {
                    Ecn::NotEct => shown,
                    ecn => format!("{shown} {ecn:?}"),
                }
            })
            .collect()
    }

    pub(crate) fn last(&self) -> &Sent {
        self.log.last().expect("something was sent")
    }

    /// Asserts that what was sent since last asked is exactly this; `""` is nothing.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &str) {
        assert_eq!(self.sent().join("; "), wanted.to_string());
    }
}
