//! A capture read into an event log.

use super::{CapturedPacket, Reader, comment};
use crate::dissect::{Dissected, dissect, first_line_of};
use crate::log::{Event, EventLog, OtherEvent, SegmentEvent};
use handfast_base::Instant;
use handfast_wire::{Direction, Fate};
use std::io::{self, Read};

impl EventLog {
    /// Reads a capture (pcapng or pcap; Ethernet with VLAN tags, Linux cooked, loopback or bare
    /// IP) into this log. Times are nanoseconds since 1970. Fates and reasons that a
    /// [`Writer`](super::Writer) noted come back. What is not IP is passed over.
    ///
    /// # Errors
    /// As [`Reader::read`]; what was read before the error is kept.
    pub fn read_capture(&mut self, input: impl Read, keep_first_lines: bool) -> io::Result<()> {
        for packet in Reader::new(input)? {
            let packet = packet?;
            if let Some(event) = event_of(&packet, keep_first_lines) {
                self.push(event);
            }
        }
        Ok(())
    }
}

fn event_of(packet: &CapturedPacket, keep_first_lines: bool) -> Option<Event> {
    let offset = ip_offset(packet)?;
    let headers = packet.octets.get(offset..)?;
    let len = packet.original_len.max(packet.octets.len() as u32) - offset as u32;
    let at = Instant::from_nanos(u64::try_from(packet.time.as_nanos()).unwrap_or(u64::MAX));
    let fate = comment::fate(&packet.comments);
    let arrival = (!matches!(fate, Fate::Lost(_))).then_some(at);
    let direction = packet.direction.unwrap_or(Direction::Received);
    Some(match dissect(headers, &[], len) {
        Dissected::Segment {
            source,
            destination,
            header,
            payload_len,
            text_at,
        } => Event::Segment(SegmentEvent {
            at,
            arrival,
            direction,
            source,
            destination,
            header,
            payload_len,
            fate,
            reason: comment::reason(&packet.comments),
            first_line: (keep_first_lines && payload_len > 0)
                .then(|| first_line_of(headers.iter().copied().skip(text_at)))
                .flatten(),
        }),
        Dissected::Other { text, about } => Event::Other(OtherEvent {
            at,
            arrival,
            direction,
            len,
            fate,
            text: text.into_boxed_str(),
            about,
        }),
    })
}

/// Where the IP header begins; `None` for what is not IP. Numbers are LINKTYPE_ values.
fn ip_offset(packet: &CapturedPacket) -> Option<usize> {
    let short = |at: usize| {
        let f = packet.octets.get(at..at + 2)?;
        Some(u16::from_be_bytes([f[0], f[1]]))
    };
    let is_ip = |ether_type: u16| matches!(ether_type, 0x0800 | 0x86dd);
    match packet.link_type {
        12 | 14 | 101 | 228 | 229 => Some(0),
        // NULL and LOOP: an address family, in whatever byte order.
        0 | 108 => Some(4),
        1 => {
            let mut at = 12;
            while matches!(short(at)?, 0x8100 | 0x88a8) {
                at += 4;
            }
            is_ip(short(at)?).then_some(at + 2)
        }
        113 => is_ip(short(14)?).then_some(16),
        276 => is_ip(short(0)?).then_some(20),
        _ => None,
    }
}
