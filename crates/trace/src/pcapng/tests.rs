use super::*;
use handfast_base::Duration;
use handfast_wire::{Discard, Fate, Loss, SendReason};
use std::io::ErrorKind;

#[test]
fn comments_tell_all_that_was_known() {
    let fates = [
        Fate::Passed,
        Fate::Reordered,
        Fate::Duplicate,
        Fate::Corrupted,
        Fate::Lost(Loss::Random),
        Fate::Lost(Loss::Burst),
        Fate::Lost(Loss::QueueFull),
        Fate::Lost(Loss::Chosen),
    ];
    let discards = Discard::ALL.iter().map(|&d| Fate::Discarded(d));
    let reasons = [
        SendReason::Unknown,
        SendReason::SynAckAgain,
        SendReason::RetransmissionTimeout(1),
        SendReason::RetransmissionTimeout(12),
        SendReason::FastRetransmit,
        SendReason::PartialAck,
        SendReason::TooBig,
        SendReason::Moved,
        SendReason::WindowProbe,
        SendReason::KeepAlive,
    ];
    for fate in fates.into_iter().chain(discards) {
        for reason in reasons {
            let comments = comment::of(fate, reason);
            assert_eq!(
                (comment::fate(&comments), comment::reason(&comments)),
                (fate, reason)
            );
        }
    }
    let foreign = ["RTO".to_string(), "what is this?".to_string()];
    assert_eq!(comment::fate(&foreign), Fate::Passed);
    assert_eq!(comment::reason(&foreign), SendReason::Unknown);
}

/// Writes fields in either byte order.
struct Ink {
    octets: Vec<u8>,
    big_endian: bool,
}

impl Ink {
    fn new(big_endian: bool) -> Ink {
        Ink {
            octets: Vec::new(),
            big_endian,
        }
    }

    fn word(mut self, n: u32) -> Ink {
        self.octets.extend(if self.big_endian {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
        self
    }

    fn short(mut self, n: u16) -> Ink {
        self.octets.extend(if self.big_endian {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
        self
    }

    fn raw(mut self, octets: &[u8]) -> Ink {
        self.octets.extend(octets);
        let padded = self.octets.len().next_multiple_of(4);
        self.octets.resize(padded, 0);
        self
    }

    fn block(self, kind: u32, body: impl Fn(Ink) -> Ink) -> Ink {
        let body = body(Ink::new(self.big_endian)).octets;
        let len = body.len() as u32 + 12;
        self.word(kind).word(len).raw(&body).word(len)
    }

    fn section(self) -> Ink {
        self.block(block::SECTION_HEADER, |b| {
            b.word(BYTE_ORDER_MAGIC).short(1).short(0).word(!0).word(!0)
        })
    }
}

fn read(octets: &[u8]) -> Vec<CapturedPacket> {
    Reader::new(octets).unwrap().map(Result::unwrap).collect()
}

#[test]
fn both_byte_orders_resolutions_and_offsets_are_read() {
    for big_endian in [false, true] {
        let interface = |b: Ink, link: u16, resolution: &[u8], offset: u32| {
            let b = b.short(link).short(0).word(0);
            let b = match resolution {
                [] => b,
                r => b.short(option::INTERFACE_RESOLUTION).short(1).raw(r),
            };
            let (first, second) = if big_endian { (0, offset) } else { (offset, 0) };
            b.short(option::INTERFACE_OFFSET)
                .short(8)
                .word(first)
                .word(second)
                .word(0)
        };
        let packet = |b: Ink, id: u32, units: u64| {
            let b = b
                .word(id)
                .word((units >> 32) as u32)
                .word(units as u32)
                .word(5)
                .word(9)
                .raw(b"hello");
            b.short(option::PACKET_FLAGS)
                .short(4)
                .word(1)
                .short(option::COMMENT)
                .short(2)
                .raw(b"hi")
        };
        let file = Ink::new(big_endian)
            .section()
            .block(block::INTERFACE, |b| interface(b, 1, &[], 0))
            .block(block::INTERFACE, |b| interface(b, 101, &[0x80 | 10], 60))
            .block(0x7777, |b| b.word(1))
            .block(block::ENHANCED_PACKET, |b| {
                packet(b, 0, 5_000_000_000_000_001)
            })
            .block(block::ENHANCED_PACKET, |b| packet(b, 1, 1536))
            .block(block::SIMPLE_PACKET, |b| b.word(3).raw(b"abc"));
        let packets = read(&file.octets);
        assert_eq!(packets.len(), 3);
        assert_eq!(packets[0].time, Duration::new(5_000_000_000, 1000));
        assert_eq!(packets[1].time, Duration::from_millis(61_500));
        let all = packets[0].clone();
        assert_eq!(
            (&all.octets[..], all.original_len, all.link_type),
            (&b"hello"[..], 9, 1)
        );
        assert_eq!(all.direction, Some(handfast_wire::Direction::Received));
        assert_eq!(all.comments, ["hi"]);
        assert_eq!(packets[2].octets, b"abc");
    }
}

#[test]
fn a_second_section_may_change_the_byte_order() {
    let part = |big_endian, id| {
        Ink::new(big_endian)
            .section()
            .block(block::INTERFACE, |b| b.short(101).short(0).word(0))
            .block(block::ENHANCED_PACKET, |b| {
                b.word(id).word(0).word(7).word(1).word(1).raw(b"x")
            })
            .octets
    };
    assert_eq!(read(&[part(false, 0), part(true, 0)].concat()).len(), 2);
    // Interfaces do not outlive their section.
    let both = [part(false, 0), part(true, 1)].concat();
    let mut reader = Reader::new(&both[..]).unwrap();
    assert!(reader.read().unwrap().is_some());
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(reader.read().unwrap().is_none());
}

#[test]
fn old_captures_are_read() {
    for big_endian in [false, true] {
        for (magic, nanos) in [(0xa1b2_c3d4, 250_000), (0xa1b2_3c4d, 250)] {
            let file = Ink::new(big_endian)
                .word(magic)
                .short(2)
                .short(4)
                .word(0)
                .word(0)
                .word(65_535);
            let file = file
                .word(113)
                .word(12)
                .word(250)
                .word(4)
                .word(4)
                .raw(b"data");
            let packets = read(&file.octets);
            assert_eq!(packets.len(), 1);
            assert_eq!(packets[0].time, Duration::new(12, nanos));
            assert_eq!(
                (&packets[0].octets[..], packets[0].link_type),
                (&b"data"[..], 113)
            );
        }
    }
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    let error = |octets: &[u8]| {
        Reader::new(octets).and_then(|mut r| {
            loop {
                if r.read()?.is_none() {
                    return Ok(());
                }
            }
        })
    };
    let kind = |octets: &[u8]| error(octets).unwrap_err().kind();
    assert_eq!(kind(b""), ErrorKind::UnexpectedEof);
    assert_eq!(kind(b"GET / HTTP/1.1\r\n\r\n"), ErrorKind::InvalidData);
    let section = Ink::new(false).section().octets;
    assert!(error(&section).is_ok());
    assert_eq!(kind(&section[..20]), ErrorKind::UnexpectedEof);
    let lying = [
        section.clone(),
        Ink::new(false).word(6).word(16 << 20).octets,
    ]
    .concat();
    assert_eq!(kind(&lying), ErrorKind::UnexpectedEof);
    let lying = [section.clone(), Ink::new(false).word(6).word(!0).octets].concat();
    assert_eq!(kind(&lying), ErrorKind::InvalidData);
    let odd = [
        section.clone(),
        Ink::new(false).word(6).word(12).word(16).octets,
    ]
    .concat();
    assert_eq!(kind(&odd), ErrorKind::InvalidData);
    let nowhere = Ink::new(false).block(block::ENHANCED_PACKET, |b| {
        b.word(3).word(0).word(0).word(0).word(0)
    });
    assert_eq!(
        kind(&[section, nowhere.octets].concat()),
        ErrorKind::InvalidData
    );
}
