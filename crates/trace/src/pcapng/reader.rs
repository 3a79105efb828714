use super::{BYTE_ORDER_MAGIC, LONGEST_PACKET, block, option};
use handfast_base::Duration;
use handfast_wire::Direction;
use std::io::{self, Read};

/// One packet of a capture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CapturedPacket {
    /// Time since 1970-01-01 00:00 UTC.
    pub time: Duration,
    /// Its octets, from the link header on, as far as they were captured.
    pub octets: Vec<u8>,
    /// Its length before it was cut.
    pub original_len: u32,
    /// What its first header is: a LINKTYPE_ number, such as 101 for bare IP, 1 for Ethernet.
    pub link_type: u16,
    /// Name of the interface, where the file says so.
    pub interface: Option<String>,
    /// Which way it went, where the file says so.
    pub direction: Option<Direction>,
    /// Comments on it.
    pub comments: Vec<String>,
}

/// Reads a capture, pcapng or pcap, in either byte order, packet by packet. Memory is bounded by
/// the largest block, 16 MiB.
pub struct Reader<R: Read> {
    input: R,
    big_endian: bool,
    format: Format,
    is_over: bool,
}

enum Format {
    Pcapng { interfaces: Vec<Interface> },
    Pcap { link_type: u16, nanos_per_unit: u64 },
}

#[derive(Clone)]
struct Interface {
    link_type: u16,
    name: Option<String>,
    /// If_tsresol: units per second.
    units_per_second: u64,
    /// If_tsoffset in seconds.
    offset: i64,
}

/// The longest block that is read.
const LONGEST_BLOCK: usize = 16 << 20;
/// More interfaces than this in one section are an attack.
const MOST_INTERFACES: usize = 4096;

impl<R: Read> Reader<R> {
    /// Reads the file's header. `input` need not be buffered for correctness, but is to be for
    /// speed.
    ///
    /// # Errors
    /// Those of reading, and [`io::ErrorKind::InvalidData`] if it is no capture.
    pub fn new(mut input: R) -> io::Result<Reader<R>> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic)?;
        let (big_endian, nanos_per_unit) = match u32::from_le_bytes(magic) {
            block::SECTION_HEADER => {
                let mut reader = Reader {
                    input,
                    big_endian: false,
                    format: Format::Pcapng {
                        interfaces: Vec::new(),
                    },
                    is_over: false,
                };
                reader.section()?;
                return Ok(reader);
            }
            0xa1b2_c3d4 => (false, 1000),
            0xa1b2_3c4d => (false, 1),
            0xd4c3_b2a1 => (true, 1000),
            0x4d3c_b2a1 => (true, 1),
            _ => return Err(invalid("neither pcapng nor pcap")),
        };
        let mut rest = [0; 20];
        input.read_exact(&mut rest)?;
        let link = [rest[16], rest[17], rest[18], rest[19]];
        let link = match big_endian {
            true => u32::from_be_bytes(link),
            false => u32::from_le_bytes(link),
        };
        Ok(Reader {
            input,
            big_endian,
            format: Format::Pcap {
                // The upper bits tell of frame check sequences.
                link_type: link as u16,
                nanos_per_unit,
            },
            is_over: false,
        })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Those of reading; [`io::ErrorKind::InvalidData`] for a malformed block and
    /// [`io::ErrorKind::UnexpectedEof`] for a cut one. After an error there is nothing more.
    pub fn read(&mut self) -> io::Result<Option<CapturedPacket>> {
        if self.is_over {
            return Ok(None);
        }
        let packet = match self.format {
            Format::Pcapng { .. } => self.pcapng_packet(),
            Format::Pcap {
                link_type,
                nanos_per_unit,
            } => self.pcap_packet(link_type, nanos_per_unit),
        };
        self.is_over = !matches!(packet, Ok(Some(_)));
        packet
    }

    fn pcap_packet(
        &mut self,
        link_type: u16,
        nanos_per_unit: u64,
    ) -> io::Result<Option<CapturedPacket>> {
        let Some(first) = self.word_or_end()? else {
            return Ok(None);
        };
        let seconds = u64::from(self.number(first));
        let [fraction, len, original_len] = [self.word()?, self.word()?, self.word()?];
        let nanos = u64::from(fraction).saturating_mul(nanos_per_unit);
        if len as usize > LONGEST_PACKET {
            return Err(invalid("packet too long"));
        }
        Ok(Some(CapturedPacket {
            time: Duration::from_secs(seconds) + Duration::from_nanos(nanos),
            octets: self.octets(len as usize)?,
            original_len,
            link_type,
            ..CapturedPacket::default()
        }))
    }

    fn pcapng_packet(&mut self) -> io::Result<Option<CapturedPacket>> {
        loop {
            let Some(kind) = self.word_or_end()? else {
                return Ok(None);
            };
            // The section header's type reads the same both ways, so it can change the order.
            match self.number(kind) {
                block::SECTION_HEADER => self.section()?,
                kind => {
                    let body = self.body()?;
                    if let Some(packet) = self.block(kind, &body)? {
                        return Ok(Some(packet));
                    }
                }
            }
        }
    }

    /// The rest of a section header after its type.
    fn section(&mut self) -> io::Result<()> {
        let mut start = [0; 8];
        self.input.read_exact(&mut start)?;
        let (len, magic) = ([start[0], start[1], start[2], start[3]], &start[4..]);
        self.big_endian = match magic {
            m if m == BYTE_ORDER_MAGIC.to_le_bytes() => false,
            m if m == BYTE_ORDER_MAGIC.to_be_bytes() => true,
            _ => return Err(invalid("byte-order magic")),
        };
        let len = self.number(len) as usize;
        if !(28..=LONGEST_BLOCK).contains(&len) {
            return Err(invalid("length of a section header"));
        }
        self.octets(len - 12)?;
        if let Format::Pcapng { interfaces } = &mut self.format {
            interfaces.clear();
        }
        Ok(())
    }

    /// The body of a block whose type was read.
    fn body(&mut self) -> io::Result<Vec<u8>> {
        let len = self.word()? as usize;
        if !(12..=LONGEST_BLOCK).contains(&len) || !len.is_multiple_of(4) {
            return Err(invalid("length of a block"));
        }
        let body = self.octets(len - 12)?;
        if self.word()? as usize != len {
            return Err(invalid("the two lengths of a block differ"));
        }
        Ok(body)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<Option<CapturedPacket>> {
        let big_endian = self.big_endian;
        let Format::Pcapng { interfaces } = &mut self.format else {
            return Ok(None);
        };
        let mut fields = Fields { body, big_endian };
        match kind {
            block::INTERFACE => {
                if interfaces.len() >= MOST_INTERFACES {
                    return Err(invalid("too many interfaces"));
                }
                interfaces.push(interface(fields)?);
                Ok(None)
            }
            block::SIMPLE_PACKET => {
                let original_len = fields.number()?;
                let first = interfaces.first().ok_or_else(|| invalid("no interface"))?;
                let len = (original_len as usize).min(fields.body.len());
                Ok(Some(CapturedPacket {
                    octets: fields.take(len)?.to_vec(),
                    original_len,
                    link_type: first.link_type,
                    interface: first.name.clone(),
                    ..CapturedPacket::default()
                }))
            }
            block::ENHANCED_PACKET => {
                let id = fields.number()? as usize;
                let interface = interfaces
                    .get(id)
                    .ok_or_else(|| invalid("no such interface"))?;
                let units = u64::from(fields.number()?) << 32 | u64::from(fields.number()?);
                let (len, original_len) = (fields.number()?, fields.number()?);
                let octets = fields.take(len as usize)?.to_vec();
                let mut packet = CapturedPacket {
                    time: interface.time(units),
                    octets,
                    original_len,
                    link_type: interface.link_type,
                    interface: interface.name.clone(),
                    ..CapturedPacket::default()
                };
                while let Some((code, value)) = fields.option()? {
                    match (code, value) {
                        (option::COMMENT, text) => {
                            packet
                                .comments
                                .push(String::from_utf8_lossy(text).into_owned());
                        }
                        (option::PACKET_FLAGS, &[a, b, c, d]) => {
                            let flags = fields.number_of([a, b, c, d]);
                            packet.direction = match flags & 3 {
                                1 => Some(Direction::Received),
                                2 => Some(Direction::Sent),
                                _ => None,
                            };
                        }
                        _ => {}
                    }
                }
                Ok(Some(packet))
            }
            _ => Ok(None),
        }
    }

    /// Four octets, or `None` where the file ends before the first.
    fn word_or_end(&mut self) -> io::Result<Option<[u8; 4]>> {
        let mut word = [0; 4];
        let mut have = 0;
        while have < 4 {
            match self.input.read(&mut word[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Some(word))
    }

    fn word(&mut self) -> io::Result<u32> {
        let mut word = [0; 4];
        self.input.read_exact(&mut word)?;
        Ok(self.number(word))
    }

    fn number(&self, word: [u8; 4]) -> u32 {
        match self.big_endian {
            true => u32::from_be_bytes(word),
            false => u32::from_le_bytes(word),
        }
    }

    fn octets(&mut self, len: usize) -> io::Result<Vec<u8>> {
        // Grows as octets come, so that a lying length does not take memory.
        let mut octets = Vec::new();
        (&mut self.input)
            .take(len as u64)
            .read_to_end(&mut octets)?;
        if octets.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(octets)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<CapturedPacket>;

    fn next(&mut self) -> Option<io::Result<CapturedPacket>> {
        self.read().transpose()
    }
}

impl Interface {
    fn time(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.units_per_second);
        let nanos = nanos as i128 + i128::from(self.offset) * 1_000_000_000;
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn interface(mut fields: Fields<'_>) -> io::Result<Interface> {
    let link = fields.take(4)?;
    let link_type = fields.short_of([link[0], link[1]]);
    fields.number()?;
    let mut interface = Interface {
        link_type,
        name: None,
        units_per_second: 1_000_000,
        offset: 0,
    };
    while let Some((code, value)) = fields.option()? {
        match (code, value) {
            (option::INTERFACE_NAME, name) => {
                interface.name = Some(String::from_utf8_lossy(name).into_owned());
            }
            (option::INTERFACE_RESOLUTION, &[resolution]) => {
                let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
                let units = base.checked_pow(u32::from(resolution & 0x7f));
                interface.units_per_second = units.ok_or_else(|| invalid("time resolution"))?;
            }
            (option::INTERFACE_OFFSET, &[a, b, c, d, e, f, g, h]) => {
                let (first, second) = (
                    fields.number_of([a, b, c, d]),
                    fields.number_of([e, f, g, h]),
                );
                let (high, low) = match fields.big_endian {
                    true => (first, second),
                    false => (second, first),
                };
                interface.offset = (u64::from(high) << 32 | u64::from(low)) as i64;
            }
            _ => {}
        }
    }
    Ok(interface)
}

/// The fields of a block, taken one after the other.
struct Fields<'a> {
    body: &'a [u8],
    big_endian: bool,
}

impl<'a> Fields<'a> {
    fn number_of(&self, word: [u8; 4]) -> u32 {
        match self.big_endian {
            true => u32::from_be_bytes(word),
            false => u32::from_le_bytes(word),
        }
    }

    fn short_of(&self, word: [u8; 2]) -> u16 {
        match self.big_endian {
            true => u16::from_be_bytes(word),
            false => u16::from_le_bytes(word),
        }
    }

    fn number(&mut self) -> io::Result<u32> {
        let f = self.take(4)?;
        Ok(self.number_of([f[0], f[1], f[2], f[3]]))
    }

    /// `len` octets; the padding after them goes too.
    fn take(&mut self, len: usize) -> io::Result<&'a [u8]> {
        let taken = self
            .body
            .get(..len)
            .ok_or_else(|| invalid("a field beyond its block"))?;
        let padded = len.next_multiple_of(4).min(self.body.len());
        self.body = &self.body[padded..];
        Ok(taken)
    }

    /// The next option: code and value.
    fn option(&mut self) -> io::Result<Option<(u16, &'a [u8])>> {
        if self.body.is_empty() {
            return Ok(None);
        }
        let f = self.take(4)?;
        let (code, len) = (self.short_of([f[0], f[1]]), self.short_of([f[2], f[3]]));
        if code == option::END {
            self.body = &[];
            return Ok(None);
        }
        Ok(Some((code, self.take(usize::from(len))?)))
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
