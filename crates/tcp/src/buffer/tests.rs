//! The three buffers against models that hold every octet by itself.

use super::{assembler::Assembler, receive::ReceiveBuffer, send::SendBuffer};
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::Rng;
use handfast_wire::{Payload, SeqNumber};

/// A payload of `octets`, cut into random slices.
fn sliced(rng: &mut Rng, octets: &[u8]) -> Payload {
    let mut out = Payload::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let n = 1 + rng.below(rest.len() as u64) as usize;
        out.push(Bytes::copy_from_slice(&rest[..n]));
        rest = &rest[n..];
    }
    out
}

/// Islands are sorted, disjoint, never touching, and not behind RCV.NXT; the charge is right.
fn check(a: &Assembler, rcv_nxt: SeqNumber) {
    let mut last = None;
    let mut held = 0;
    for (start, end) in a.islands() {
        assert!(start.before(end) && start.after(rcv_nxt));
        assert!(
            last.is_none_or(|l: SeqNumber| l.before(start)),
            "they touch"
        );
        held += end.offset_from(start);
        last = Some(end);
    }
    assert!(a.charge() >= held);
    assert_eq!(a.is_empty(), held == 0);
    assert_eq!(a.charge() == 0, a.is_empty());
}

#[test]
fn the_assembler_gives_back_what_came_first() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        // The wrap lies somewhere inside.
        let base = SeqNumber(0u32.wrapping_sub(rng.below(1_000) as u32));
        let mut model: Vec<Option<u8>> = alloc::vec![None; 1_000];
        let mut a = Assembler::default();
        let mut nxt = 0usize;
        while nxt < 1_000 {
            let at = nxt + 1 + rng.below(60) as usize;
            let len = rng.below(40) as usize;
            let octets: Vec<u8> = (0..len).map(|_| rng.next_u32() as u8).collect();
            if at + len <= 1_000 {
                let payload = sliced(&mut rng, &octets);
                let whole = a.insert(base + nxt as u32, base + at as u32, &payload, u32::MAX);
                assert!(whole);
                for (slot, octet) in model[at..at + len].iter_mut().zip(&octets) {
                    slot.get_or_insert(*octet);
                }
            }
            check(&a, base + nxt as u32);
            if rng.chance(0.3) {
                // Text in order arrives; it may reach over what is held.
                nxt = 1_000.min(nxt + 1 + rng.below(50) as usize);
                while let Some(taken) = a.take_from(base + nxt as u32) {
                    let octets = taken.to_bytes();
                    let wanted: Vec<u8> = model[nxt..nxt + octets.len()]
                        .iter()
                        .map(|o| o.expect("held"))
                        .collect();
                    assert_eq!(octets, wanted, "seed {seed} at {nxt}");
                    nxt += octets.len();
                }
                assert!(
                    nxt >= 1_000 || model[nxt].is_none(),
                    "seed {seed}: {nxt} is held"
                );
                check(&a, base + nxt as u32);
            }
        }
        assert!(a.is_empty() && a.charge() == 0);
    }
}

#[test]
fn the_assembler_keeps_its_limits_and_tells_what_it_threw_away() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let limit = 500 + rng.below(20_000) as u32;
        let (mut a, nxt) = (Assembler::default(), SeqNumber(0));
        let mut refused = false;
        for _ in 0..2_000 {
            let start = nxt + 1 + rng.below(100_000) as u32;
            let len = 1 + rng.below(300) as usize;
            let before = a.charge();
            let whole = a.insert(
                nxt,
                start,
                &Payload::from(Bytes::from(alloc::vec![1; len])),
                limit,
            );
            assert!(a.charge() <= limit && a.charge() >= before);
            assert!(whole || a.charge() + 64 + 300 > limit || a.islands().count() == 512);
            refused |= !whole;
            check(&a, nxt);
        }
        assert!(refused);
        a.clear();
        assert!(a.is_empty() && a.charge() == 0);
    }
    // Islands are bounded whatever the limit says.
    let mut a = Assembler::default();
    for i in 0..2_000 {
        let one = Payload::from(Bytes::from_static(b"x"));
        let whole = a.insert(SeqNumber(0), SeqNumber(1 + 2 * i), &one, u32::MAX);
        assert_eq!(whole, i < 512);
    }
}

/// A small piece does not pin the slab it came in.
#[test]
fn the_assembler_copies_small_pieces_out_of_their_slab() {
    let slab = Bytes::from(alloc::vec![1; 64 * 1024]);
    let mut a = Assembler::default();
    a.insert(
        SeqNumber(0),
        SeqNumber(10),
        &Payload::from(slab.slice(..1_000)),
        u32::MAX,
    );
    assert!(slab.is_unique());
    a.insert(
        SeqNumber(0),
        SeqNumber(5_000),
        &Payload::from(slab.slice(..40_000)),
        u32::MAX,
    );
    assert!(!slab.is_unique());
}

#[test]
fn the_send_buffer_hands_out_what_was_queued() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let start = SeqNumber(0u32.wrapping_sub(rng.below(20_000) as u32));
        let mut buffer = SendBuffer::new(start);
        let mut model: Vec<u8> = Vec::new();
        let mut una = 0usize;
        for _ in 0..300 {
            match rng.below(4) {
                0 | 1 => {
                    let sizes = [0, 1, 10, 511, 512, 513, 3_000];
                    let len = sizes[rng.below(7) as usize];
                    let mut octets = alloc::vec![0; len];
                    rng.fill(&mut octets);
                    let room = rng.below(4_000) as u32;
                    let mut data = Bytes::from(octets.clone());
                    let taken = buffer.push(&mut data, room);
                    assert_eq!(taken, len.min(room as usize));
                    assert_eq!(data, octets[taken..]);
                    model.extend_from_slice(&octets[..taken]);
                }
                2 => {
                    let from = una + rng.below((model.len() - una) as u64 + 1) as usize;
                    let len = rng.below(3_000) as usize;
                    let mut out = Payload::new();
                    buffer.slice(start + from as u32, len as u32, &mut out);
                    let end = model.len().min(from + len);
                    assert_eq!(out.to_bytes(), model[from..end], "seed {seed}");
                }
                _ => {
                    una += rng.below((model.len() - una) as u64 + 1) as usize;
                    // A FIN may lie behind the end, and old acknowledgments come again.
                    let fin = u32::from(una == model.len());
                    buffer.acknowledge(start + una as u32 + fin);
                    buffer.acknowledge(start + (una / 2) as u32);
                }
            }
            assert_eq!(buffer.len() as usize, model.len() - una);
            assert_eq!(buffer.end(), start + model.len() as u32);
        }
        let mut gone = Payload::new();
        buffer.slice(start + una as u32 - 1, 10, &mut gone);
        assert!(gone.is_empty(), "what is acknowledged is forgotten");
    }
}

#[test]
fn the_receive_buffer_is_a_queue() {
    let mut rng = Rng::new(1);
    let (mut buffer, mut model) = (ReceiveBuffer::default(), Vec::new());
    for _ in 0..2_000 {
        if rng.chance(0.5) {
            let mut octets = alloc::vec![0; rng.below(50) as usize];
            rng.fill(&mut octets);
            let mut payload = sliced(&mut rng, &octets);
            buffer.push(&mut payload);
            assert!(payload.is_empty());
            model.extend_from_slice(&octets);
        } else {
            let most = rng.below(60) as usize;
            let peeked: Vec<u8> = buffer.iter().flat_map(|b| b.iter().copied()).collect();
            assert_eq!(peeked, model);
            match buffer.pop(most) {
                Some(taken) => {
                    assert!(!taken.is_empty() && taken.len() <= most);
                    assert_eq!(taken, model[..taken.len()]);
                    model.drain(..taken.len());
                }
                None => assert!(most == 0 || model.is_empty()),
            }
        }
        assert_eq!(buffer.len() as usize, model.len());
    }
    buffer.clear();
    assert_eq!(buffer.len(), 0);
    assert!(buffer.pop(10).is_none());
}
