//! What crosses the link, counted for each way.

use handfast::wire::tcp::{TcpFlags, TcpHeader};
use handfast::wire::{Direction, Ecn, IpHeader, Observation, Observer, Protocol};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Segments from the beginning, and from the end, that a failure shows.
const FEW: usize = 12;

/// What went one way, as far as our side of an impaired path sees it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Seen {
    /// The longest packet.
    pub(crate) largest: u32,
    /// Before both ends have said all.
    pub(crate) resets: u32,
    /// After that: to what is late, where the connection is no more.
    pub(crate) late_resets: u32,
    pub(crate) repeated_fins: u32,
    /// Segments after the handshake: with timestamps, and without.
    pub(crate) with_timestamps: u32,
    pub(crate) without_timestamps: u32,
    /// Acknowledgments with SACK blocks.
    pub(crate) sacks: u32,
    /// Text that may be marked.
    pub(crate) ect: u32,
    /// Segments with the counters of accurate ECN.
    pub(crate) accurate: u32,
    /// SYNs with text.
    pub(crate) text_on_syn: u32,
}

/// Sent and received.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    ways: [Seen; 2],
    /// FINs each way, by the two ports.
    fins: HashMap<u16, [u32; 2]>,
    /// The first segments, and the last.
    segments: VecDeque<String>,
}

impl Wire {
    pub(crate) fn seen(&self) -> [Seen; 2] {
        self.0.lock().expect("no panic").ways
    }

    /// The first segments and the last.
    pub(crate) fn some(&self) -> String {
        let log = self.0.lock().expect("no panic");
        log.segments
            .iter()
            .map(|line| format!(" [{line}]"))
            .collect()
    }
}

impl Observer for Wire {
    fn on_packet(&mut self, seen: Observation<'_>) {
        let mut log = self.0.lock().expect("no panic");
        let Log {
            ways,
            fins,
            segments,
        } = &mut *log;
        let direction = usize::from(seen.direction == Direction::Received);
        let way = &mut ways[direction];
        let octets = seen.packet.to_bytes();
        way.largest = way.largest.max(seen.packet.len());
        let Ok((ip, start, end)) = IpHeader::parse(&octets, octets.len() as u32) else {
            return;
        };
        let Some(segment) = octets.get(start..end as usize) else {
            return;
        };
        if ip.protocol != Protocol::TCP {
            return;
        }
        let Ok((tcp, header)) = TcpHeader::parse(segment) else {
            return;
        };
        let text = segment.len() - header;
        if segments.len() == 2 * FEW {
            segments.remove(FEW);
        }
        segments.push_back(format!(
            "{:?} {:?} {} seq {:?} + {text} ack {:?} window {}",
            seen.at, seen.direction, tcp.flags, tcp.seq, tcp.ack, tcp.window
        ));
        let fins = fins.entry(tcp.source_port ^ tcp.destination_port);
        let fins = fins.or_default();
        if tcp.flags.contains(TcpFlags::RST) {
            match fins.iter().all(|fins| *fins > 0) {
                false => way.resets += 1,
                true => way.late_resets += 1,
            }
        }
        way.sacks += u32::from(!tcp.options.sack.is_empty());
        way.accurate += u32::from(tcp.options.accurate_ecn.is_some());
        way.ect += u32::from(text > 0 && ip.ecn() != Ecn::NotEct);
        fins[direction] += u32::from(tcp.flags.contains(TcpFlags::FIN));
        way.repeated_fins += u32::from(fins[direction] > 1);
        if tcp.flags.contains(TcpFlags::SYN) {
            way.text_on_syn += u32::from(text > 0);
        } else if tcp.flags.contains(TcpFlags::RST) {
            // They need no timestamps (RFC 7323, 3.2).
        } else if tcp.options.timestamps.is_some() {
            way.with_timestamps += 1;
        } else {
            way.without_timestamps += 1;
        }
    }
}
