//! [`Batch`] against a queue of numbers.

use bytes::Bytes;
use handfast_wire::{Batch, Packet};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Step {
    Slot,
    Push,
    Unpush,
    Consume(usize),
    Clear,
    /// So many from another batch that holds so many.
    Append(u32, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Slot),
        2 => Just(Step::Push),
        1 => Just(Step::Unpush),
        3 => (0usize..6).prop_map(Step::Consume),
        1 => Just(Step::Clear),
        2 => (0u32..10, 0usize..10).prop_map(|(there, most)| Step::Append(there, most)),
    ]
}

fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(packet.to_bytes()[..].try_into().expect("four octets"))
}

proptest! {
    #[test]
    fn behaves_as_a_bounded_queue(limit in 0usize..8, steps in vec(step(), 0..80)) {
        let mut batch = Batch::new(limit);
        let limit = limit.max(1);
        let mut model = VecDeque::new();
        for (n, step) in (0u32..).zip(steps) {
            let octets = Bytes::copy_from_slice(&n.to_be_bytes());
            match step {
                Step::Slot => match batch.push_slot() {
                    Some(slot) => {
                        prop_assert!(slot.is_empty(), "a slot is given out empty");
                        slot.payload.push(octets);
                        model.push_back(n);
                    }
                    None => prop_assert_eq!(model.len(), limit),
                },
                Step::Push => match batch.push(Packet::from_bytes(octets)) {
                    Ok(()) => model.push_back(n),
                    Err(packet) => {
                        prop_assert_eq!(model.len(), limit);
                        prop_assert_eq!(number(&packet), n);
                    }
                },
                Step::Unpush => {
                    batch.unpush();
                    model.pop_back();
                }
                Step::Consume(count) => {
                    batch.consume(count);
                    model.drain(..model.len().min(count));
                }
                Step::Clear => {
                    batch.clear();
                    model.clear();
                }
                Step::Append(there, most) => {
                    let mut other = Batch::new(10);
                    let numbers = (0..there).map(|i| n + 1000 * (i + 1));
                    for n in numbers.clone() {
                        let octets = Bytes::copy_from_slice(&n.to_be_bytes());
                        prop_assert!(other.push(Packet::from_bytes(octets)).is_ok());
                    }
                    let count = (there as usize).min(most).min(limit - model.len());
                    prop_assert_eq!(batch.append(&mut other, most), count);
                    model.extend(numbers.clone().take(count));
                    let left: Vec<u32> = other.packets().iter().map(number).collect();
                    prop_assert_eq!(left, numbers.skip(count).collect::<Vec<_>>());
                }
            }
            prop_assert_eq!(batch.len(), model.len());
            prop_assert_eq!(batch.is_empty(), model.is_empty());
            prop_assert_eq!(batch.is_full(), model.len() == limit);
            let numbers: VecDeque<u32> = batch.packets().iter().map(number).collect();
            prop_assert_eq!(&numbers, &model);
            prop_assert_eq!(batch.packets_mut().len(), model.len());
        }
    }
}
