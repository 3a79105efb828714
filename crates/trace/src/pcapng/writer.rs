use super::{BYTE_ORDER_MAGIC, LINK_RAW, LONGEST_PACKET, block, comment, option};
use bytes::Bytes;
use handfast_base::{Duration, Instant};
use handfast_wire::{Checksum, Direction, Fate, Observation, Packet, SendReason, segment};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

/// Where a capture pretends to stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Vantage {
    /// Every packet at the time it left its sender.
    #[default]
    Senders,
    /// What the stack that owns the link saw: its own packets as they left, the others' as they
    /// arrived, without those lost on the way to it.
    Local,
}

/// How a capture is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Name of the interface.
    pub interface: String,
    /// What [`Instant::ZERO`] is, as time since 1970-01-01 00:00 UTC.
    pub epoch: Duration,
    /// Whether packets that the link lost are written, with a comment. Without them an analyser
    /// sees what the receivers saw.
    pub lost: bool,
    /// Where the capture stands.
    pub vantage: Vantage,
}

impl Default for WriterOptions {
    /// Interface `handfast`, epoch 1970, lost packets written, [`Vantage::Senders`].
    fn default() -> WriterOptions {
        WriterOptions {
            interface: "handfast".into(),
            epoch: Duration::ZERO,
            lost: true,
            vantage: Vantage::Senders,
        }
    }
}

/// Writes a pcapng file, packet by packet, in the order of time.
///
/// The newest packets are held back a little, so that they can be put into order and a discard
/// can still be noted; [`finish`](Writer::finish) writes them, and so does dropping, which cannot
/// report errors.
pub struct Writer<W: Write> {
    /// Gone once finished.
    out: Option<BufWriter<W>>,
    options: WriterOptions,
    /// By time and number.
    held: BTreeMap<(Instant, u64), Held>,
    number: u64,
    now: Instant,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

struct Held {
    octets: Bytes,
    direction: Direction,
    fate: Fate,
    reason: SendReason,
}

/// How many packets are held back.
const HELD: usize = 64;
/// How many may be, while they are still on their way in virtual time.
const HELD_AT_MOST: usize = 65_536;

impl<W: Write> Writer<W> {
    /// A capture into `out`, which need not be buffered. Writes the headers of the file.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(out: W, options: WriterOptions) -> io::Result<Writer<W>> {
        let mut out = BufWriter::new(out);
        out.write_all(&section_header())?;
        out.write_all(&interface_description(&options.interface))?;
        out.flush()?;
        Ok(Writer {
            out: Some(out),
            options,
            held: BTreeMap::new(),
            number: 0,
            now: Instant::ZERO,
            error: None,
        })
    }

    /// Adds a packet. An error is kept for [`error`](Writer::error) and
    /// [`finish`](Writer::finish).
    pub fn packet(&mut self, seen: &Observation<'_>) {
        if self.error.is_some() {
            return;
        }
        let is_lost = matches!(seen.fate, Fate::Lost(_));
        let is_local = self.options.vantage == Vantage::Local;
        let comes_in = is_local && seen.direction == Direction::Received;
        if is_lost && (comes_in || !self.options.lost) {
            return;
        }
        let time = match comes_in {
            true => seen.arrival.unwrap_or(seen.at),
            false => seen.at,
        };
        for octets in on_the_wire(seen.packet) {
            let held = Held {
                octets,
                direction: seen.direction,
                fate: seen.fate,
                reason: seen.packet.reason,
            };
            self.held.insert((time, self.number), held);
            self.number += 1;
        }
        self.now = self.now.max(seen.at);
        let now = self.now;
        let is_due = |at: Instant, len: usize| len > HELD && at <= now || len > HELD_AT_MOST;
        while let Some((&(at, number), _)) = self.held.first_key_value()
            && is_due(at, self.held.len())
            && let Some(held) = self.held.remove(&(at, number))
        {
            self.write(at, &held);
        }
    }

    /// Notes that a packet which was added before met this fate after all. It is found if it is
    /// still held back; else the file keeps what it says.
    pub fn amend(&mut self, seen: &Observation<'_>) {
        for octets in on_the_wire(seen.packet) {
            let mut newest_first = self.held.values_mut().rev();
            let same = |h: &&mut Held| !matches!(h.fate, Fate::Lost(_)) && h.octets == octets;
            if let Some(held) = newest_first.find(same) {
                held.fate = seen.fate;
            }
        }
    }

    /// The error that stopped this capture, if one did.
    pub fn error(&self) -> Option<io::Error> {
        let e = self.error.as_ref()?;
        Some(io::Error::new(e.kind(), e.to_string()))
    }

    /// Writes all that is held back and hands the output back.
    ///
    /// # Errors
    /// The first error of writing, now or earlier.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush();
        match (self.error.take(), self.out.take()) {
            (Some(e), _) => Err(e),
            (None, Some(out)) => out.into_inner().map_err(|e| e.into_error()),
            (None, None) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes all that is held back.
    fn flush(&mut self) {
        for ((at, _), held) in std::mem::take(&mut self.held) {
            self.write(at, &held);
        }
        if let (None, Some(out)) = (&self.error, &mut self.out) {
            self.error = out.flush().err();
        }
    }

    fn write(&mut self, at: Instant, held: &Held) {
        let block = enhanced_packet(at + self.options.epoch, held);
        if let (None, Some(out)) = (&self.error, &mut self.out) {
            self.error = out.write_all(&block).err();
        }
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        if self.out.is_some() {
            self.flush();
        }
    }
}

/// The packets that a wire would have seen: a super-segment cut, checksums complete.
fn on_the_wire(packet: &Packet) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    match segment(packet, 0, Checksum::None, |p| pieces.push(p.to_bytes())) {
        Ok(_) => pieces,
        // Not to be cut, for its headers make no sense: kept as it is.
        Err(_) => vec![packet.to_bytes()],
    }
}

fn section_header() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend(1u16.to_le_bytes());
    body.extend(0u16.to_le_bytes());
    // The length of the section is not known.
    body.extend(u64::MAX.to_le_bytes());
    push_option(&mut body, option::SECTION_APPLICATION, b"handfast");
    push_option(&mut body, option::END, &[]);
    framed(block::SECTION_HEADER, body)
}

fn interface_description(name: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(LINK_RAW.to_le_bytes());
    body.extend(0u16.to_le_bytes());
    body.extend((LONGEST_PACKET as u32).to_le_bytes());
    push_option(&mut body, option::INTERFACE_NAME, name.as_bytes());
    push_option(&mut body, option::INTERFACE_RESOLUTION, &[9]);
    push_option(&mut body, option::END, &[]);
    framed(block::INTERFACE, body)
}

fn enhanced_packet(at: Instant, held: &Held) -> Vec<u8> {
    let nanos = at.as_nanos();
    let captured = held.octets.len().min(LONGEST_PACKET);
    let mut body = Vec::with_capacity(captured + 64);
    body.extend(0u32.to_le_bytes());
    body.extend(((nanos >> 32) as u32).to_le_bytes());
    body.extend((nanos as u32).to_le_bytes());
    body.extend((captured as u32).to_le_bytes());
    body.extend((held.octets.len() as u32).to_le_bytes());
    body.extend(&held.octets[..captured]);
    pad(&mut body);
    let direction: u32 = match held.direction {
        Direction::Received => 1,
        Direction::Sent => 2,
    };
    push_option(&mut body, option::PACKET_FLAGS, &direction.to_le_bytes());
    for text in comment::of(held.fate, held.reason) {
        push_option(&mut body, option::COMMENT, text.as_bytes());
    }
    push_option(&mut body, option::END, &[]);
    framed(block::ENHANCED_PACKET, body)
}

/// Appends an option, its value cut to what its length field can say.
fn push_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX - 3))];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn framed(kind: u32, body: Vec<u8>) -> Vec<u8> {
    let len = ((body.len() + 12) as u32).to_le_bytes();
    let mut block = Vec::with_capacity(body.len() + 12);
    block.extend(kind.to_le_bytes());
    block.extend(len);
    block.extend(body);
    block.extend(len);
    block
}
