//! Packets through a recorder into a log and a capture, and back.

mod support;

use handfast_base::{Duration, Instant};
use handfast_trace::pcapng::{CapturedPacket, Reader, Vantage, Writer, WriterOptions};
use handfast_trace::{Event, EventLog, Ladder, Recorder, SegmentEvent};
use handfast_wire::{
    Checksum, Direction, Discard, Fate, IpHeader, Loss, Observation, Observer, Packet, Protocol,
};
use proptest::prelude::*;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use support::*;

/// A file in memory that a recorder can own; full after so many octets.
#[derive(Clone)]
struct Disk {
    octets: Arc<Mutex<Vec<u8>>>,
    capacity: usize,
}

impl Disk {
    fn new() -> Disk {
        Disk::of(usize::MAX)
    }

    fn of(capacity: usize) -> Disk {
        Disk {
            octets: Arc::default(),
            capacity,
        }
    }

    fn octets(&self) -> Vec<u8> {
        self.octets.lock().unwrap().clone()
    }

    fn packets(&self) -> Vec<CapturedPacket> {
        let octets = self.octets();
        Reader::new(&octets[..])
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }
}

impl Write for Disk {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut octets = self.octets.lock().unwrap();
        if octets.len() + buf.len() > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        octets.extend(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The packet of a segment; its text is `text` as often as fits.
fn packet(s: &SegmentEvent, text: &[u8], checksum: Checksum) -> Packet {
    let mut packet = Packet::new();
    let text: Vec<u8> = text
        .iter()
        .copied()
        .cycle()
        .take(s.payload_len as usize)
        .collect();
    packet.payload.push(text.into());
    packet.reason = s.reason;
    let ip = IpHeader::new(s.source.ip(), s.destination.ip(), Protocol::TCP);
    assert!(packet.write_tcp(&ip, &s.header, 1460, checksum));
    packet.reason = s.reason;
    packet
}

fn observation<'a>(s: &SegmentEvent, packet: &'a Packet) -> Observation<'a> {
    Observation {
        at: s.at,
        arrival: s.arrival,
        direction: s.direction,
        fate: s.fate,
        packet,
    }
}

/// The download over IPv4, then over IPv6, without what cannot be told from octets.
fn both_families() -> Vec<SegmentEvent> {
    let v6 = |a: SocketAddr| {
        let host = if a == stack() { 2 } else { 1 };
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, host], a.port()))
    };
    let v4 = download().into_iter().map(|mut s| {
        s.first_line = None;
        s
    });
    let later = v4.clone().map(|mut s| {
        s.at += Duration::from_secs(1);
        s.arrival = s.arrival.map(|a| a + Duration::from_secs(1));
        (s.source, s.destination) = (v6(s.source), v6(s.destination));
        s
    });
    let later: Vec<_> = later.collect();
    v4.chain(later).collect()
}

fn record(recorder: &Recorder, segments: &[SegmentEvent], checksum: Checksum) {
    let mut observer = recorder.clone();
    for s in segments {
        observer.on_packet(observation(s, &packet(s, b"handfast ", checksum)));
    }
}

#[test]
fn what_was_recorded_is_what_happened() {
    let segments = both_families();
    for checksum in [Checksum::None, Checksum::Partial] {
        let recorder = Recorder::default();
        record(&recorder, &segments, checksum);
        let seen: Vec<Event> = recorder.with_log(|log| log.events().cloned().collect());
        let wanted: Vec<Event> = segments.iter().cloned().map(Event::Segment).collect();
        assert_eq!(seen, wanted);
        assert_eq!(recorder.take_log().connections().len(), 2);
        assert!(recorder.take_log().is_empty());
    }
}

#[test]
fn first_lines_are_kept_only_when_asked() {
    let recorder = Recorder::default();
    let s = segment(1.0, curl(), "PSH,ACK", 1, 1, 50, 502);
    let mut observer = recorder.clone();
    observer.on_packet(observation(
        &s,
        &packet(&s, b"GET / HTTP/1.1\r\n", Checksum::None),
    ));
    recorder.keep_first_lines(true);
    observer.on_packet(observation(
        &s,
        &packet(&s, b"GET / HTTP/1.1\r\n", Checksum::None),
    ));
    let whole = Packet::from_bytes(packet(&s, b"HEAD /\n", Checksum::None).to_bytes());
    observer.on_packet(observation(&s, &whole));
    observer.on_packet(observation(
        &s,
        &packet(&s, b"\x16\x03\x01", Checksum::None),
    ));
    let lines: Vec<_> = recorder.with_log(|log| {
        let segments = log.events().map(|e| match e {
            Event::Segment(s) => s.first_line.clone(),
            other => panic!("{other:?}"),
        });
        segments.collect()
    });
    let lines: Vec<_> = lines.iter().map(|l| l.as_deref()).collect();
    assert_eq!(lines, [None, Some("GET / HTTP/1.1"), Some("HEAD /"), None]);
}

#[test]
fn a_capture_read_back_gives_the_same_ladder() {
    let segments = both_families();
    let disk = Disk::new();
    let recorder = Recorder::default();
    recorder
        .capture(disk.clone(), WriterOptions::default())
        .unwrap();
    record(&recorder, &segments, Checksum::Partial);
    recorder.finish().unwrap();
    recorder.finish().unwrap();

    let mut again = EventLog::new();
    again.read_capture(&disk.octets()[..], false).unwrap();
    let original = recorder.take_log();
    assert_eq!(again.len(), original.len());
    let (ours, theirs) = (original.connections(), again.connections());
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!((a.octets, a.lost, a.close), (b.octets, b.lost, b.close));
        // Arrivals are not in the file, so the states of the far end come earlier.
        let [a, b] = [(&original, a), (&again, b)].map(|(log, c)| Ladder::of(log, c).json());
        let labels = |json: serde_json::Value| -> Vec<String> {
            let rows = json["rows"].as_array().unwrap().clone();
            let label = |r: &serde_json::Value| {
                format!(
                    "{} {} {}",
                    r["at"], r["segment"]["label"], r["segment"]["fate"]
                )
            };
            rows.iter().map(label).collect()
        };
        assert_eq!(labels(a), labels(b));
    }
}

#[test]
fn every_packet_is_written_with_time_direction_and_comments() {
    let segments = both_families();
    let disk = Disk::new();
    let recorder = Recorder::default();
    let epoch = Duration::from_secs(1_800_000_000);
    recorder
        .capture(
            disk.clone(),
            WriterOptions {
                interface: "tun7".into(),
                epoch,
                ..WriterOptions::default()
            },
        )
        .unwrap();
    record(&recorder, &segments, Checksum::Partial);
    recorder.finish().unwrap();
    let packets = disk.packets();
    assert_eq!(packets.len(), segments.len());
    for (got, s) in packets.iter().zip(&segments) {
        assert_eq!(got.time, epoch + s.at.since(Instant::ZERO));
        assert_eq!(
            got.octets,
            packet(s, b"handfast ", Checksum::None).to_bytes()
        );
        assert_eq!(got.direction, Some(s.direction));
        assert_eq!(
            (got.link_type, got.interface.as_deref()),
            (101, Some("tun7"))
        );
    }
    let comments: Vec<_> = packets.iter().flat_map(|p| p.comments.clone()).collect();
    let wanted = ["lost: chosen", "fast retransmit", "lost: random", "RTO 1"];
    assert_eq!(comments, [wanted, wanted].concat());

    // Another reader agrees.
    let octets = disk.octets();
    let mut other = pcap_file::pcapng::PcapNgReader::new(&octets[..]).unwrap();
    let mut count = 0;
    while let Some(block) = other.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(p) = block.unwrap() {
            assert_eq!(
                (p.data.to_vec(), p.timestamp),
                (packets[count].octets.clone(), packets[count].time)
            );
            count += 1;
        }
    }
    assert_eq!(count, packets.len());
}

#[test]
fn a_local_capture_has_what_the_stack_saw_in_its_order() {
    let disk = Disk::new();
    let recorder = Recorder::default();
    recorder
        .capture(
            disk.clone(),
            WriterOptions {
                vantage: Vantage::Local,
                ..WriterOptions::default()
            },
        )
        .unwrap();
    record(&recorder, &download(), Checksum::None);
    recorder.finish().unwrap();
    let packets = disk.packets();
    assert!(packets.is_sorted_by_key(|p| p.time));
    // curl's lost last ACK never came; the stack's own lost segment did leave.
    assert_eq!(packets.len(), download().len() - 1);
    assert_eq!(packets[0].time, ONE_WAY);
    assert!(packets.iter().any(|p| p.comments == ["lost: chosen"]));

    let disk = Disk::new();
    recorder
        .capture(
            disk.clone(),
            WriterOptions {
                lost: false,
                ..WriterOptions::default()
            },
        )
        .unwrap();
    record(&recorder, &download(), Checksum::None);
    recorder.finish().unwrap();
    assert_eq!(disk.packets().len(), download().len() - 2);
}

#[test]
fn a_discard_changes_the_packet_that_was_seen() {
    let disk = Disk::new();
    let recorder = Recorder::default();
    recorder
        .capture(disk.clone(), WriterOptions::default())
        .unwrap();
    let mut observer = recorder.clone();
    let s = segment(1.0, curl(), "PSH,ACK", 1, 1, 50, 502);
    let p = packet(&s, b"x", Checksum::Partial);
    observer.on_packet(observation(&s, &p));
    let told = Observation {
        at: s.arrival.unwrap(),
        fate: Fate::Discarded(Discard::TcpOutsideWindow),
        ..observation(&s, &p)
    };
    observer.on_packet(told);
    // Once more: nothing of the kind was seen, so that it is an event of its own.
    observer.on_packet(told);
    recorder.finish().unwrap();
    let fates: Vec<_> = recorder.with_log(|log| {
        let fate = |e: &Event| match e {
            Event::Segment(s) => s.fate,
            other => panic!("{other:?}"),
        };
        log.events().map(fate).collect()
    });
    assert_eq!(fates, [Fate::Discarded(Discard::TcpOutsideWindow); 2]);
    let packets = disk.packets();
    assert_eq!(packets.len(), 2);
    assert!(
        packets
            .iter()
            .all(|p| p.comments[0].starts_with("discarded: ")),
        "{packets:?}"
    );
}

#[test]
fn a_full_disk_is_told_and_stays_told() {
    let disk = Disk::of(4000);
    let recorder = Recorder::default();
    recorder
        .capture(disk.clone(), WriterOptions::default())
        .unwrap();
    let many: Vec<_> = (0..30).flat_map(|_| download()).collect();
    assert!(recorder.capture_error().is_none());
    record(&recorder, &many, Checksum::None);
    let full = |e: io::Error| assert_eq!(e.kind(), io::ErrorKind::StorageFull);
    full(recorder.capture_error().unwrap());
    full(recorder.finish().unwrap_err());
    full(recorder.finish().unwrap_err());
    full(recorder.capture_error().unwrap());
    assert_eq!(recorder.with_log(EventLog::len), many.len());

    // Small enough to sit in a buffer until the end.
    let recorder = Recorder::default();
    recorder
        .capture(disk_with_room_for_headers(), WriterOptions::default())
        .unwrap();
    record(&recorder, &download()[..3], Checksum::None);
    assert!(recorder.capture_error().is_none());
    full(recorder.finish().unwrap_err());
}

fn disk_with_room_for_headers() -> Disk {
    let disk = Disk::new();
    drop(Writer::new(disk.clone(), WriterOptions::default()).unwrap());
    Disk::of(disk.octets().len())
}

#[test]
fn icmp_errors_join_the_connection_they_are_about() {
    use handfast_wire::icmp::{Icmpv4, UnreachableV4};
    let recorder = Recorder::default();
    let syn = download().remove(0);
    record(&recorder, std::slice::from_ref(&syn), Checksum::None);
    let mut error = Packet::new();
    let quoted = packet(&syn, b"", Checksum::None).to_bytes();
    error.payload.push(quoted.slice(..28));
    let ip = IpHeader::new(stack().ip(), curl().ip(), Protocol::ICMP);
    let message = Icmpv4::DestinationUnreachable(UnreachableV4::from_code(3).unwrap());
    assert!(error.write_icmpv4(&ip, &message));
    let mut observer = recorder.clone();
    for error in [Packet::from_bytes(error.to_bytes()), error] {
        observer.on_packet(Observation {
            at: ms(26.0),
            arrival: Some(ms(51.0)),
            direction: Direction::Sent,
            fate: Fate::Passed,
            packet: &error,
        });
    }
    let log = recorder.take_log();
    let text = Ladder::of(&log, &log.connections()[0]).sentences();
    let wanted = "ICMP destination unreachable: port, 10.0.0.2 > 10.0.0.1";
    assert_eq!(text.matches(wanted).count(), 2, "{text}");
}

fn tshark(disk: &Disk, arguments: &[&str]) -> Option<String> {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("SKIPPED: tshark is not installed, so no independent analyser looks at captures");
        return None;
    }
    let file =
        std::env::temp_dir().join(format!("handfast-{}-{:p}.pcapng", std::process::id(), disk));
    std::fs::write(&file, disk.octets()).unwrap();
    let check = ["tcp", "udp", "ip"].map(|p| format!("{p}.check_checksum:TRUE"));
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&file)
        .args(check.iter().flat_map(|c| ["-o", c]))
        .args(arguments)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What no packet of ours may be.
const BAD: &str = "_ws.malformed || tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\" \
                   || udp.checksum.status == \"Bad\" || _ws.expert.severity == \"Error\"";

#[test]
fn tshark_finds_nothing_wrong_and_understands_the_rest() {
    let disk = Disk::new();
    let recorder = Recorder::default();
    recorder
        .capture(
            disk.clone(),
            WriterOptions {
                interface: "tun7".into(),
                epoch: Duration::new(1_800_000_000, 7),
                ..WriterOptions::default()
            },
        )
        .unwrap();
    record(&recorder, &both_families(), Checksum::Partial);
    recorder.finish().unwrap();
    let Some(bad) = tshark(&disk, &["-Y", BAD]) else {
        return;
    };
    assert_eq!(bad, "");
    let fields = |filter: &str, fields: &[&str]| {
        let fields = fields.iter().flat_map(|f| ["-e", f]);
        let arguments: Vec<&str> = ["-Y", filter, "-T", "fields"]
            .into_iter()
            .chain(fields)
            .collect();
        tshark(&disk, &arguments).unwrap()
    };
    let good = fields("tcp.checksum.status == \"Good\"", &["frame.number"]);
    assert_eq!(good.lines().count(), both_families().len());
    let first = fields(
        "frame.number == 1",
        &[
            "frame.time_epoch",
            "frame.interface_name",
            "frame.protocols",
        ],
    );
    assert_eq!(first, "1800000000.000000007\ttun7\traw:ip:tcp\n");
    assert_eq!(
        fields("frame.comment && ip", &["frame.number", "frame.comment"]),
        "14\tlost: chosen\n22\tfast retransmit\n27\tlost: random\n28\tRTO 1\n"
    );
    // Wireshark comes to the same conclusions by its own means.
    let again = fields(
        "tcp.analysis.retransmission || tcp.analysis.fast_retransmission",
        &["frame.number"],
    );
    assert_eq!(again, "22\n28\n51\n57\n");
    assert_eq!(
        fields("tcp.analysis.duplicate_ack && ip", &["frame.number"]),
        "19\n20\n21\n29\n"
    );
}

#[test]
fn tshark_accepts_super_segments_of_any_size() {
    let disk = Disk::new();
    let recorder = Recorder::default();
    recorder
        .capture(disk.clone(), WriterOptions::default())
        .unwrap();
    let mut s = segment(1.0, stack(), "PSH,ACK", 1, 1, 0, 512);
    let mut wanted = 0;
    for len in [1460, 1461, 65_000, 200_000] {
        s.payload_len = len;
        record(&recorder, std::slice::from_ref(&s), Checksum::Partial);
        s.header.seq += len;
        s.at += Duration::from_millis(1);
        wanted += len.div_ceil(1460) as usize;
    }
    recorder.finish().unwrap();
    let packets = disk.packets();
    assert_eq!(packets.len(), wanted);
    assert!(packets.iter().all(|p| p.octets.len() <= 1500));
    let octets = recorder.take_log().connections()[0].octets;
    assert_eq!(octets.iter().sum::<u64>(), 1460 + 1461 + 65_000 + 200_000);
    if let Some(bad) = tshark(&disk, &["-Y", BAD]) {
        assert_eq!(bad, "");
    }
}

#[test]
fn captures_of_other_programs_are_read() {
    let disk = Disk::new();
    let recorder = Recorder::default();
    recorder
        .capture(disk.clone(), WriterOptions::default())
        .unwrap();
    record(&recorder, &both_families(), Checksum::None);
    recorder.finish().unwrap();
    if Command::new("editcap").arg("--version").output().is_err() {
        eprintln!("SKIPPED: editcap is not installed, so no foreign capture is read");
        return;
    }
    let dir = std::env::temp_dir();
    let (from, to) = ["from", "to"]
        .map(|n| dir.join(format!("handfast-{}-{n}", std::process::id())))
        .into();
    std::fs::write(&from, disk.octets()).unwrap();
    for format in ["pcap", "nsecpcap", "pcapng"] {
        let status = Command::new("editcap")
            .args(["-F", format])
            .args([&from, &to])
            .status();
        assert!(status.unwrap().success());
        let mut log = EventLog::new();
        log.read_capture(std::fs::File::open(&to).unwrap(), true)
            .unwrap();
        let connections = log.connections();
        assert_eq!(connections.len(), 2, "{format}");
        assert!(
            connections
                .iter()
                .all(|c| c.octets == [76, 17_520] && c.retransmissions == [0, 2])
        );
        assert_eq!(connections[1].start, Instant::from_secs(1));
    }
    std::fs::remove_file(from).unwrap();
    std::fs::remove_file(to).unwrap();
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let fates = [
        Fate::Passed,
        Fate::Reordered,
        Fate::Duplicate,
        Fate::Corrupted,
        Fate::Lost(Loss::QueueFull),
        Fate::Discarded(Discard::TcpTruncated),
    ];
    proptest::sample::select(fates.to_vec())
}

proptest! {
    #[test]
    fn any_octets_can_be_recorded(
        packets in proptest::collection::vec(
            (any_fate(), proptest::collection::vec(any::<u8>(), 0..120), 0u64..50, any::<bool>()),
            0..60,
        ),
    ) {
        record_octets(packets)?;
    }

    #[test]
    fn any_damaged_connection_can_be_recorded(
        damage in proptest::collection::vec((0usize..25, 0usize..60, any::<u8>(), any_fate()), 0..30),
    ) {
        let mut packets: Vec<_> = download().iter().map(|s| {
            let octets = packet(s, b"handfast ", Checksum::None).to_bytes().to_vec();
            (s.fate, octets, 1, s.direction == Direction::Sent)
        }).collect();
        for (which, at, value, fate) in damage {
            let count = packets.len();
            let (f, octets, ..) = &mut packets[which % count];
            let len = octets.len();
            octets[at % len] = value;
            *f = fate;
        }
        record_octets(packets)?;
    }

    #[test]
    fn any_damaged_capture_can_be_read(
        damage in proptest::collection::vec((0usize..6000, any::<u8>()), 1..20),
        cut in 0usize..30_000,
    ) {
        let disk = Disk::new();
        let recorder = Recorder::default();
        recorder.capture(disk.clone(), WriterOptions::default()).unwrap();
        record(&recorder, &both_families(), Checksum::None);
        recorder.finish().unwrap();
        let mut octets = disk.octets();
        for (at, value) in damage {
            let len = octets.len();
            octets[at % len] = value;
        }
        octets.truncate(cut.max(1));
        let mut log = EventLog::new();
        let _ = log.read_capture(&octets[..], true);
        draw(&log);
    }
}

fn record_octets(packets: Vec<(Fate, Vec<u8>, u64, bool)>) -> Result<(), TestCaseError> {
    let disk = Disk::new();
    let recorder = Recorder::new(EventLog::with_capacity(40));
    recorder.keep_first_lines(true);
    recorder
        .capture(disk.clone(), WriterOptions::default())
        .unwrap();
    let mut observer = recorder.clone();
    let mut at = Instant::ZERO;
    let (count, mut lost) = (packets.len(), 0);
    for (fate, octets, step, is_sent) in packets {
        at += Duration::from_millis(step);
        lost += u64::from(matches!(fate, Fate::Lost(_)));
        observer.on_packet(Observation {
            at,
            arrival: Some(at + Duration::from_millis(10)),
            direction: if is_sent {
                Direction::Sent
            } else {
                Direction::Received
            },
            fate,
            packet: &Packet::from_bytes(octets.into()),
        });
    }
    recorder.finish().unwrap();
    let log = recorder.take_log();
    prop_assert!(log.len() <= 40);
    let seen = log.len() as u64 + log.left_out();
    prop_assert!(seen <= count as u64 && seen >= lost);
    prop_assert!(disk.packets().len() as u64 >= seen.saturating_sub(log.left_out()));
    draw(&log);
    Ok(())
}

/// Draws everything in every way.
fn draw(log: &EventLog) {
    for c in log.connections() {
        let ladder = Ladder::of(log, &c);
        for ascii in [false, true] {
            let text = ladder.terminal(&handfast_trace::ladder::TerminalOptions {
                width: 130,
                ascii,
                ..Default::default()
            });
            assert!(!ascii || text.is_ascii());
        }
        let _ = (ladder.sentences(), ladder.json());
        assert!(ladder.rows.iter().all(|r| r.until >= r.at));
    }
}
