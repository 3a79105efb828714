use super::*;
use crate::{Link, memory};
use handfast_wire::Loss;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

fn fill(batch: &mut Batch, numbers: std::ops::Range<u32>) {
    numbers.for_each(|n| batch.push(numbered(n, 100)).unwrap());
}

fn numbers(batch: &mut Batch) -> Vec<u32> {
    let numbers = batch.packets().iter().map(number).collect();
    batch.clear();
    numbers
}

fn delay(ms: u64) -> Impairment {
    Impairment {
        delay: millis(ms),
        ..Impairment::default()
    }
}

#[test]
fn a_pair_has_one_impairment_each_way_and_tells_both_ends() {
    let (mut a, mut b) = pair(&PairConfig {
        up: delay(10),
        down: delay(30),
        ..PairConfig::default()
    });
    let logs = [(); 2].map(|()| Log::default());
    a.set_observer(logs[0].observer());
    b.set_observer(logs[1].observer());
    let mut batch = Batch::new(8);
    fill(&mut batch, 0..2);
    assert_eq!(a.transmit(Instant::ZERO, &mut batch).unwrap(), 2);
    fill(&mut batch, 2..3);
    assert_eq!(b.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
    assert_eq!(b.poll_timeout(), Some(Instant::from_millis(10)));
    assert_eq!(a.poll_timeout(), Some(Instant::from_millis(30)));
    let seen = logs.each_ref().map(Log::take);
    let told = |log: usize| {
        seen[log]
            .iter()
            .map(|s| (s.number, s.direction, s.arrival.unwrap().as_millis()))
            .collect::<Vec<_>>()
    };
    use Direction::{Received, Sent};
    assert_eq!(told(0), [(0, Sent, 10), (1, Sent, 10), (2, Received, 30)]);
    assert_eq!(
        told(1),
        [(0, Received, 10), (1, Received, 10), (2, Sent, 30)]
    );
    assert_eq!(b.receive(Instant::from_millis(10), &mut batch).unwrap(), 2);
    assert_eq!(numbers(&mut batch), [0, 1]);
    assert_eq!(a.receive(Instant::from_millis(30), &mut batch).unwrap(), 1);
    assert_eq!(a.counters(Sent).delivered, 2);
    assert_eq!(a.counters(Received), b.counters(Sent));
}

#[test]
fn a_test_can_choose_what_becomes_of_a_packet() {
    let (mut a, mut b) = pair(&PairConfig::default());
    let log = Log::default();
    a.set_observer(log.observer());
    a.choose(
        Direction::Sent,
        Some(Box::new(|packet, index| {
            assert_eq!(u64::from(number(packet)), index);
            match index {
                0 => Verdict::Drop,
                1 => Verdict::Hold(millis(5)),
                3 => Verdict::Duplicate,
                _ => Verdict::Pass,
            }
        })),
    );
    let mut batch = Batch::new(8);
    fill(&mut batch, 0..5);
    a.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(b.receive(Instant::ZERO, &mut batch).unwrap(), 4);
    assert_eq!(numbers(&mut batch), [2, 3, 3, 4]);
    assert_eq!(b.poll_timeout(), Some(Instant::from_millis(5)));
    b.receive(Instant::from_millis(5), &mut batch).unwrap();
    assert_eq!(numbers(&mut batch), [1]);
    let fates: Vec<Fate> = log.take().iter().map(|s| s.fate).collect();
    use Fate::{Duplicate, Lost, Passed, Reordered};
    assert_eq!(
        fates,
        [
            Lost(Loss::Chosen),
            Reordered,
            Passed,
            Passed,
            Duplicate,
            Passed
        ]
    );
}

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_end_is_woken_when_its_deadline_becomes_earlier_and_at_the_end() {
    let (mut a, mut b) = pair(&PairConfig {
        up: delay(10),
        ..PairConfig::default()
    });
    let wakes = Arc::new(Count::default());
    b.set_waker(&wakes.clone().into());
    let count = || wakes.0.load(Ordering::Relaxed);
    let mut batch = Batch::new(8);
    fill(&mut batch, 0..2);
    a.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(count(), 1);
    fill(&mut batch, 2..3);
    a.transmit(Instant::from_millis(1), &mut batch).unwrap();
    assert_eq!(count(), 1, "the first packet's deadline stands");
    a.set_impairment(
        Direction::Sent,
        Impairment {
            reorder: 1.0,
            reordering: Reordering::Overtake,
            ..delay(10)
        },
    );
    fill(&mut batch, 3..4);
    a.transmit(Instant::from_millis(2), &mut batch).unwrap();
    assert_eq!(count(), 2);
    drop(a);
    assert_eq!(count(), 3);
    assert_eq!(b.receive(Instant::from_millis(2), &mut batch).unwrap(), 1);
    assert_eq!(numbers(&mut batch), [3]);
    assert_eq!(b.receive(Instant::from_millis(9), &mut batch).unwrap(), 0);
    assert_eq!(b.receive(Instant::from_millis(11), &mut batch).unwrap(), 3);
    assert!(b.receive(Instant::from_millis(11), &mut batch).is_err());
    assert!(b.transmit(Instant::from_millis(11), &mut batch).is_err());
}

#[test]
fn a_wrapped_link_delays_both_ways() {
    let (inner, mut far) = memory::pair(&memory::Config::default());
    let mut near = Impaired::new(inner, delay(10), delay(30), 1);
    let log = Log::default();
    near.set_observer(log.observer());
    let mut batch = Batch::new(8);
    fill(&mut batch, 0..2);
    near.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(far.poll_timeout(), None);
    assert_eq!(near.poll_timeout(), Some(Instant::from_millis(10)));
    assert_eq!(
        near.receive(Instant::from_millis(10), &mut batch).unwrap(),
        0
    );
    assert_eq!(
        far.receive(Instant::from_millis(10), &mut batch).unwrap(),
        2
    );
    far.transmit(Instant::from_millis(10), &mut batch).unwrap();
    assert_eq!(near.poll_timeout(), Some(Instant::ZERO), "unread");
    assert_eq!(
        near.receive(Instant::from_millis(11), &mut batch).unwrap(),
        0
    );
    assert_eq!(near.poll_timeout(), Some(Instant::from_millis(41)));
    assert_eq!(
        near.receive(Instant::from_millis(41), &mut batch).unwrap(),
        2
    );
    assert_eq!(numbers(&mut batch), [0, 1]);
    let directions: Vec<_> = log.take().iter().map(|s| s.direction).collect();
    use Direction::{Received, Sent};
    assert_eq!(directions, [Sent, Sent, Received, Received]);
}

#[test]
fn a_wrapped_link_that_pushes_back_loses_nothing() {
    for up in [Impairment::default(), delay(1)] {
        let (inner, mut far) = memory::pair(&memory::Config {
            queue: 3,
            ..memory::Config::default()
        });
        let mut near = Impaired::new(inner, up, Impairment::default(), 1);
        let mut batch = Batch::new(8);
        let mut got = Batch::new(2);
        let (mut sent, mut now) = (0, Instant::ZERO);
        let mut arrived = Vec::new();
        while arrived.len() < 1000 {
            while sent < 1000 && !batch.is_full() {
                batch.push(numbered(sent, 100)).unwrap();
                sent += 1;
            }
            near.transmit(now, &mut batch).unwrap();
            far.receive(now, &mut got).unwrap();
            arrived.extend(numbers(&mut got));
            now = near.poll_timeout().map_or(now, |at| at.max(now));
        }
        assert!(arrived.into_iter().eq(0..1000));
    }
}

/// A flood that is all delayed neither keeps one call busy for ever nor is forgotten.
#[test]
fn a_flood_is_read_in_bounded_calls() {
    let (inner, mut far) = memory::pair(&memory::Config {
        queue: 10_000,
        ..memory::Config::default()
    });
    let mut near = Impaired::new(inner, Impairment::default(), delay(1), 1);
    let mut batch = Batch::new(10_000);
    fill(&mut batch, 0..10_000);
    far.transmit(Instant::ZERO, &mut batch).unwrap();
    let mut calls = 0;
    while near.poll_timeout() == Some(Instant::ZERO) {
        assert_eq!(near.receive(Instant::ZERO, &mut batch).unwrap(), 0);
        calls += 1;
    }
    assert_eq!(calls, 20);
    near.receive(Instant::from_millis(1), &mut batch).unwrap();
    assert!(numbers(&mut batch).into_iter().eq(0..10_000));
}
