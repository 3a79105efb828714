use super::*;
use crate::memory;
use crate::sample::{ADDRESSES, pattern, tcp, verify};
use std::sync::{Arc, Mutex};

/// Direction and length of what was seen; all of it must verify.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Direction, u32)>>>);

impl Observer for Log {
    fn on_packet(&mut self, seen: Observation<'_>) {
        assert_eq!(seen.packet.checksum, Checksum::None);
        assert_eq!(verify(seen.packet), Ok(()));
        assert_eq!((seen.arrival, seen.fate), (Some(seen.at), Fate::Passed));
        self.0
            .lock()
            .unwrap()
            .push((seen.direction, seen.packet.len()));
    }
}

#[test]
fn both_ways_are_shown_as_on_a_wire_and_pass_as_they_were() {
    use Direction::{Received, Sent};
    let (near, mut far) = memory::pair(&memory::Config::default());
    let log = Log::default();
    let mut near = Observed::new(near, Some(Box::new(log.clone())));
    let data = pattern(2500);
    let mut batch = Batch::new(4);
    batch.push(tcp(ADDRESSES[0], &data, 1000)).unwrap();
    batch.push(tcp(ADDRESSES[0], &pattern(3), 1000)).unwrap();
    near.transmit(Instant::ZERO, &mut batch).unwrap();
    far.receive(Instant::ZERO, &mut batch).unwrap();
    let packet = &batch.packets()[0];
    assert_eq!(packet.payload.slices()[0].as_ptr(), data.as_ptr());
    assert!(packet.gso.is_some() && packet.checksum == Checksum::Partial);
    far.transmit(Instant::ZERO, &mut batch).unwrap();
    // Behind one that was in the batch before and is not shown again.
    batch.push(Packet::from_bytes(pattern(1))).unwrap();
    assert_eq!(near.receive(Instant::ZERO, &mut batch).unwrap(), 2);
    let way = |direction| [1040, 1040, 540, 43].map(|len| (direction, len));
    assert_eq!(*log.0.lock().unwrap(), [way(Sent), way(Received)].concat());
}

#[test]
fn what_was_not_taken_is_not_shown() {
    let (near, mut far) = memory::pair(&memory::Config {
        queue: 2,
        ..memory::Config::default()
    });
    let log = Log::default();
    let mut near = Observed::new(near, Some(Box::new(log.clone())));
    let mut batch = Batch::new(4);
    for len in 1..=3 {
        batch.push(tcp(ADDRESSES[1], &pattern(len), 1000)).unwrap();
    }
    assert_eq!(near.transmit(Instant::ZERO, &mut batch).unwrap(), 2);
    assert_eq!(near.transmit(Instant::ZERO, &mut batch).unwrap(), 0);
    far.receive(Instant::ZERO, &mut Batch::new(4)).unwrap();
    assert_eq!(near.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
    let lengths: Vec<u32> = log.0.lock().unwrap().iter().map(|seen| seen.1).collect();
    assert_eq!(lengths, [61, 62, 63]);
    drop(far);
    batch.push(tcp(ADDRESSES[1], &pattern(9), 1000)).unwrap();
    assert!(near.transmit(Instant::ZERO, &mut batch).is_err());
    assert_eq!(log.0.lock().unwrap().len(), 3);
    assert!(near.set_observer(None).is_some());
}
