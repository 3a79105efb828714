//! [`Payload`] and [`Packet`] against a plain vector of octets.

use crate::generated::payload;
use bytes::Bytes;
use handfast_wire::{Checksum, Gso, GsoKind, Packet, Payload, SendReason};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Truncate(u32),
    Advance(u32),
    Slice(u32, u32),
    Clear,
    Drain(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..20).prop_map(Step::Push),
        1 => (0u32..60).prop_map(Step::Truncate),
        1 => (0u32..30).prop_map(Step::Advance),
        1 => (0u32..30, 0u32..60).prop_map(|(s, l)| Step::Slice(s, l)),
        1 => Just(Step::Clear).boxed(),
        1 => (0usize..4).prop_map(Step::Drain),
    ]
}

fn octets(payload: &Payload) -> Vec<u8> {
    let mut out = vec![0xa5; payload.len() as usize + 1];
    assert_eq!(payload.copy_to(&mut out), payload.len() as usize);
    assert_eq!(out.pop(), Some(0xa5));
    out
}

fn check(payload: &Payload, model: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(payload.len() as usize, model.len());
    prop_assert_eq!(payload.is_empty(), model.is_empty());
    prop_assert!(payload.slices().iter().all(|s| !s.is_empty()));
    prop_assert_eq!(&octets(payload)[..], model);
    prop_assert_eq!(&payload.to_bytes()[..], model);
    prop_assert_eq!(payload, &Payload::from(Bytes::copy_from_slice(model)));
    Ok(())
}

proptest! {
    #[test]
    fn payload_behaves_as_a_vector(steps in vec(step(), 0..30)) {
        let (mut payload, mut model) = (Payload::new(), Vec::new());
        for step in steps {
            match step {
                Step::Push(octets) => {
                    model.extend(&octets);
                    payload.push(Bytes::from(octets));
                }
                Step::Truncate(len) => {
                    model.truncate(len as usize);
                    payload.truncate(len);
                }
                Step::Advance(count) => {
                    model.drain(..model.len().min(count as usize));
                    payload.advance(count);
                }
                Step::Slice(start, len) => {
                    let from = model.len().min(start as usize);
                    let to = model.len().min(from + len as usize);
                    model = model[from..to].to_vec();
                    payload = payload.slice(start, len);
                }
                Step::Clear => {
                    model.clear();
                    payload.clear();
                }
                Step::Drain(count) => {
                    let taken: Vec<Bytes> = payload.drain().take(count).collect();
                    prop_assert!(model.starts_with(&taken.concat()));
                    model.clear();
                }
            }
            check(&payload, &model)?;
        }
    }

    #[test]
    fn payloads_differ_when_octets_do(payload in payload(20), at: usize, bit in 0u32..8) {
        let mut other = octets(&payload);
        if !other.is_empty() {
            let at = at % other.len();
            other[at] ^= 1 << bit;
            prop_assert_ne!(&payload, &Payload::from(Bytes::from(other.clone())));
        }
        other.push(0);
        prop_assert_ne!(&payload, &Payload::from(Bytes::from(other)));
    }

    #[test]
    fn taking_the_payload_of_a_packet(
        head in vec(any::<u8>(), 0..=Packet::HEAD_CAPACITY),
        payload in payload(40),
        start in 0u32..200,
        end in 0u32..400,
    ) {
        let mut packet = Packet::new();
        packet.reserve_head(head.len()).copy_from_slice(&head);
        packet.payload = payload.clone();
        packet.checksum = Checksum::Partial;
        packet.reason = SendReason::Data;
        packet.gso = Some(Gso { kind: GsoKind::Udp, size: 1 });
        let model = [&head[..], &octets(&payload)].concat();
        prop_assert_eq!(packet.len() as usize, model.len());
        prop_assert_eq!(&packet.to_bytes()[..], &model[..]);
        let headers = if head.is_empty() {
            payload.slices().first().map_or(&[][..], |s| s)
        } else {
            &head[..]
        };
        prop_assert_eq!(packet.headers(), headers);
        let to = model.len().min(end as usize);
        let from = to.min(start as usize);
        let taken = packet.take_payload(start, end);
        prop_assert_eq!(&taken.to_bytes()[..], &model[from..to]);
        prop_assert!(packet.is_empty());
        prop_assert_eq!((packet.checksum, packet.gso), (Checksum::None, None));
        prop_assert_eq!(packet.reason, SendReason::Unknown);
    }

    #[test]
    fn wire_packets_of_a_super_segment(len in 0u32..10_000, size in 1u16..2000, header in 0u32..60) {
        let mut packet = Packet::from_bytes(vec![0; (len + header) as usize].into());
        prop_assert_eq!(packet.wire_packets(header), 1);
        packet.gso = Some(Gso { kind: GsoKind::Udp, size: 0 });
        prop_assert_eq!(packet.wire_packets(header), 1);
        packet.gso = Some(Gso { kind: GsoKind::Udp, size });
        let pieces = vec![0; len as usize].chunks(size.into()).count();
        prop_assert_eq!(packet.wire_packets(header), pieces.max(1) as u32);
    }
}

#[test]
fn a_head_is_cut_to_what_there_is_room_for() {
    let mut packet = Packet::new();
    assert_eq!(packet.reserve_head(usize::MAX).len(), Packet::HEAD_CAPACITY);
    packet.reserve_head(20)[0] = 1;
    packet.prepend(14).unwrap().fill(2);
    assert_eq!(packet.head()[13..15], [2, 1]);
    assert_eq!(packet.len(), 34);
    packet.clear();
    assert!(packet.is_empty());
    assert!(packet.headers().is_empty());
}
