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

/// Wants packets longer than 1,000 octets, super-segments as a whole, and tells how often it was
/// asked.
#[derive(Clone, Default)]
struct Picky {
    log: Log,
    asked: Arc<Mutex<Vec<u32>>>,
}

impl Observer for Picky {
    fn wants(&self, packet: &Packet) -> bool {
        self.asked.lock().unwrap().push(packet.len());
        packet.len() > 1000
    }

    fn on_packet(&mut self, seen: Observation<'_>) {
        self.log.on_packet(seen);
    }
}

#[test]
fn only_what_is_wanted_is_shown_and_a_super_segment_is_asked_about_once() {
    use Direction::{Received, Sent};
    let (near, mut far) = memory::pair(&memory::Config::default());
    let picky = Picky::default();
    let mut near = Observed::new(near, Some(Box::new(picky.clone())));
    let mut batch = Batch::new(4);
    for len in [3, 2500, 999, 1200] {
        batch.push(tcp(ADDRESSES[0], &pattern(len), 1000)).unwrap();
    }
    assert_eq!(near.transmit(Instant::ZERO, &mut batch).unwrap(), 4);
    assert_eq!(*picky.asked.lock().unwrap(), [43, 2540, 1039, 1240]);
    far.receive(Instant::ZERO, &mut batch).unwrap();
    far.transmit(Instant::ZERO, &mut batch).unwrap();
    near.receive(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(picky.asked.lock().unwrap().len(), 8);
    let way = |direction| [1040, 1040, 540, 1039, 1040, 240].map(|len| (direction, len));
    assert_eq!(
        *picky.log.0.lock().unwrap(),
        [way(Sent), way(Received)].concat()
    );
}

#[test]
fn what_nobody_wants_is_not_copied() {
    struct Nothing;
    impl Observer for Nothing {
        fn wants(&self, _: &Packet) -> bool {
            false
        }

        fn on_packet(&mut self, _: Observation<'_>) {
            panic!("it was not wanted");
        }
    }
    let (near, mut far) = memory::pair(&memory::Config::default());
    let mut near = Observed::new(near, Some(Box::new(Nothing)));
    let data = pattern(2500);
    let mut batch = Batch::new(4);
    batch.push(tcp(ADDRESSES[0], &data, 1000)).unwrap();
    near.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(near.offered.capacity(), 0);
    far.receive(Instant::ZERO, &mut batch).unwrap();
    far.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(near.receive(Instant::ZERO, &mut batch).unwrap(), 1);
    let mut path = crate::impaired::Path::new(
        crate::impaired::Impairment {
            loss: 0.5,
            ..Default::default()
        },
        Medium::Ip,
        &mut handfast_base::Rng::new(1),
    );
    let mut observer: Option<Box<dyn Observer>> = Some(Box::new(Nothing));
    let mut watchers = Watchers::one(Medium::Ip, &mut observer, Direction::Sent);
    assert_eq!(path.send(Instant::ZERO, &mut batch, &mut watchers), 1);
    assert_eq!(path.counters().sent, 3);
}
