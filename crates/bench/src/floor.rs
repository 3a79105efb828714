//! The floor: a program that reads and writes the same packets over a TUN with next to no TCP in
//! between. No stack can be faster, for it does what every stack must and nothing else.

use bytes::{Buf, Bytes, BytesMut};
use handfast::link::tun::{Tun, read_write};
use handfast::wire::tcp::{TcpFlags, TcpHeader};
use handfast::wire::{Checksum, IpHeader, Packet, Protocol, SeqNumber, VirtioNetHeader};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::net::IpAddr;

/// One TCP connection without a TCP: no timers, no checks, no loss.
pub struct Floor<'a> {
    tun: &'a Tun,
    slab: BytesMut,
    ip: IpHeader,
    ports: (u16, u16),
    seq: SeqNumber,
    ack: SeqNumber,
    una: SeqNumber,
    window: u32,
    scale: u8,
    packet: Packet,
}

/// A packet that was read.
pub struct Seen {
    header: TcpHeader,
    text: Bytes,
}

const SCALE: u8 = 10;

impl<'a> Floor<'a> {
    /// A floor between two addresses.
    pub fn new(tun: &'a Tun, local: IpAddr, remote: IpAddr) -> Floor<'a> {
        Floor {
            tun,
            slab: BytesMut::new(),
            ip: IpHeader::new(local, remote, Protocol::TCP),
            ports: (0, 0),
            seq: SeqNumber(1),
            ack: SeqNumber(0),
            una: SeqNumber(1),
            window: 0,
            scale: 0,
            packet: Packet::new(),
        }
    }

    /// Waits for a packet of TCP.
    ///
    /// # Errors
    /// The device's.
    pub fn read(&mut self) -> io::Result<Seen> {
        loop {
            if let Some(seen) = self.try_read()? {
                return Ok(seen);
            }
            poll(&mut [PollFd::new(self.tun, PollFlags::IN)], None)?;
        }
    }

    fn try_read(&mut self) -> io::Result<Option<Seen>> {
        if self.slab.capacity() - self.slab.len() < read_write::READ_ROOM {
            self.slab = BytesMut::with_capacity(1 << 20);
        }
        match read_write::read_packet(self.tun, &mut self.slab) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        let mut octets = self.slab.split().freeze();
        octets.advance(VirtioNetHeader::LEN);
        let Ok((ip, at, _)) = IpHeader::parse(&octets, octets.len() as u32) else {
            return Ok(None);
        };
        if ip.protocol != Protocol::TCP {
            return Ok(None);
        }
        let Ok((header, len)) = TcpHeader::parse(&octets[at..]) else {
            return Ok(None);
        };
        octets.advance(at + len);
        Ok(Some(Seen {
            header,
            text: octets,
        }))
    }

    fn write(&mut self, flags: TcpFlags, text: Bytes, segment: u16) -> io::Result<()> {
        let mut tcp = TcpHeader {
            source_port: self.ports.0,
            destination_port: self.ports.1,
            seq: self.seq,
            ack: self.ack,
            flags,
            window: u16::MAX,
            ..TcpHeader::default()
        };
        if flags.contains(TcpFlags::SYN) {
            tcp.options.mss = Some(1460);
            tcp.options.window_scale = Some(SCALE);
        }
        self.seq += text.len() as u32 + u32::from(flags.contains(TcpFlags::SYN));
        self.packet.clear();
        self.packet.payload.push(text);
        self.packet
            .write_tcp(&self.ip, &tcp, segment, Checksum::Partial);
        let vnet = VirtioNetHeader::for_packet(&self.packet, 0).to_octets();
        loop {
            match read_write::write_packet(self.tun, &vnet, &self.packet) {
                Ok(()) => return Ok(()),
                Err(Errno::AGAIN | Errno::NOBUFS) => {
                    poll(&mut [PollFd::new(self.tun, PollFlags::OUT)], None)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Answers the kernel's SYN.
    ///
    /// # Errors
    /// The device's.
    pub fn accept(&mut self) -> io::Result<()> {
        let syn = loop {
            let seen = self.read()?;
            if seen.header.flags.contains(TcpFlags::SYN) {
                break seen.header;
            }
        };
        self.ports = (syn.destination_port, syn.source_port);
        self.ack = syn.seq + 1;
        self.write(TcpFlags::SYN | TcpFlags::ACK, Bytes::new(), 0)
    }

    /// Connects to the kernel.
    ///
    /// # Errors
    /// The device's.
    pub fn connect(&mut self, local: u16, remote: u16) -> io::Result<()> {
        self.ports = (local, remote);
        self.write(TcpFlags::SYN, Bytes::new(), 0)?;
        let answer = loop {
            let seen = self.read()?;
            if seen.header.flags.contains(TcpFlags::SYN) {
                break seen.header;
            }
        };
        self.ack = answer.seq + 1;
        self.una = answer.ack;
        self.window = u32::from(answer.window);
        self.scale = answer.options.window_scale.unwrap_or(0);
        self.write(TcpFlags::ACK, Bytes::new(), 0)
    }

    /// Reads `octets` of text, acknowledging each packet.
    ///
    /// # Errors
    /// The device's.
    pub fn sink(&mut self, octets: u64) -> io::Result<()> {
        let mut got = 0;
        while got < octets {
            let seen = self.read()?;
            if seen.text.is_empty() {
                continue;
            }
            got += seen.text.len() as u64;
            self.ack = seen.header.seq + seen.text.len() as u32;
            self.write(TcpFlags::ACK, Bytes::new(), 0)?;
        }
        Ok(())
    }

    /// Writes `octets` of text as super-segments, as fast as the kernel's window lets it.
    ///
    /// # Errors
    /// The device's.
    pub fn source(&mut self, octets: u64) -> io::Result<()> {
        let chunk = Bytes::from(vec![7u8; 1460 * 44]);
        let end = self.seq + octets as u32;
        let mut left = octets;
        loop {
            while let Some(seen) = self.try_read()? {
                self.learn(&seen.header);
            }
            let room = (self.una + self.window).distance(self.seq).max(0) as u64;
            if left > 0 && room >= left.min(chunk.len() as u64) {
                let text = chunk.slice(..chunk.len().min(left as usize));
                left -= text.len() as u64;
                self.write(TcpFlags::ACK | TcpFlags::PSH, text, 1460)?;
            } else if left == 0 && self.una.at_or_after(end) {
                return Ok(());
            } else {
                let seen = self.read()?;
                self.learn(&seen.header);
            }
        }
    }

    fn learn(&mut self, header: &TcpHeader) {
        self.una = self.una.later(header.ack);
        self.window = u32::from(header.window) << self.scale;
    }

    /// Sends every text back, `times` times.
    ///
    /// # Errors
    /// The device's.
    pub fn echo(&mut self, times: usize) -> io::Result<()> {
        let mut done = 0;
        while done < times {
            let seen = self.read()?;
            if seen.text.is_empty() {
                continue;
            }
            self.ack = seen.header.seq + seen.text.len() as u32;
            self.write(TcpFlags::ACK | TcpFlags::PSH, seen.text, 0)?;
            done += 1;
        }
        Ok(())
    }
}
