use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;
use handfast_base::Rng;
use proptest::prelude::*;

fn us(n: u64) -> Instant {
    Instant::from_micros(n)
}

/// A wheel with the owners' ends of its timers, one a key.
struct Owners {
    wheel: TimerWheel,
    timers: BTreeMap<u64, Timer>,
}

impl Owners {
    fn new(now: Instant) -> Owners {
        Owners {
            wheel: TimerWheel::new(now),
            timers: BTreeMap::new(),
        }
    }

    fn schedule(&mut self, key: u64, at: Instant) {
        let timer = self.timers.entry(key).or_default();
        self.wheel.schedule(timer, key, at);
    }

    fn cancel(&mut self, key: u64) {
        let timer = self.timers.entry(key).or_default();
        self.wheel.cancel(timer, key);
    }

    fn poll(&mut self, now: Instant) -> Vec<u64> {
        let mut due = Vec::new();
        self.wheel.poll(now, &mut due);
        due
    }
}

#[test]
fn fires_at_the_microsecond_and_not_before() {
    for at in [1, 63, 64, 65, 4_095, 4_096, 1 << 30, (1 << 53) + 17] {
        let mut w = Owners::new(us(0));
        w.schedule(7, us(at));
        assert_eq!(w.wheel.next_deadline(), Some(us(at)));
        assert!(w.poll(us(at - 1)).is_empty(), "{at}");
        assert_eq!(w.wheel.next_deadline(), Some(us(at)));
        assert_eq!(w.poll(us(at)), [7], "{at}");
        assert_eq!(w.wheel.next_deadline(), None);
    }
}

#[test]
fn nanoseconds_round_up_so_that_polling_at_the_deadline_always_makes_progress() {
    let mut w = Owners::new(Instant::ZERO);
    w.schedule(1, Instant::from_nanos(1_001));
    let deadline = w.wheel.next_deadline().unwrap();
    assert_eq!(deadline, us(2));
    assert!(w.poll(Instant::from_nanos(1_999)).is_empty());
    assert_eq!(w.poll(deadline), [1]);
}

#[test]
fn what_is_due_already_fires_at_the_next_poll_without_time_passing() {
    let mut w = Owners::new(us(100));
    w.schedule(1, us(100));
    w.schedule(2, us(3));
    assert_eq!(w.wheel.next_deadline(), Some(us(100)));
    assert_eq!(w.poll(us(100)), [1, 2]);
}

#[test]
fn a_later_deadline_leaves_the_entry_and_an_earlier_one_moves_it() {
    let mut w = Owners::new(us(0));
    w.schedule(1, us(500));
    w.schedule(1, us(90_000));
    assert_eq!(w.wheel.len(), 1);
    assert_eq!(w.wheel.next_deadline(), Some(us(500)));
    w.schedule(1, us(20));
    assert_eq!(w.wheel.len(), 1);
    assert_eq!(w.poll(us(20)), [1]);
    assert!(w.wheel.is_empty());
    // The stale end of a fired entry is armed anew, also for the instant it had before.
    w.schedule(1, us(500));
    assert_eq!(w.poll(us(500)), [1]);
}

#[test]
fn never_is_not_armed_and_cancel_removes() {
    let mut w = Owners::new(us(0));
    w.schedule(1, Instant::FAR_FUTURE);
    assert!(w.wheel.is_empty());
    w.schedule(1, us(9));
    w.schedule(2, us(9));
    w.cancel(1);
    w.cancel(1);
    assert_eq!(w.wheel.len(), 1);
    assert_eq!(w.poll(us(10)), [2]);
}

#[test]
fn a_stale_timer_neither_moves_nor_cancels_the_entry_that_took_its_node() {
    let mut wheel = TimerWheel::new(us(0));
    let (mut old, mut new) = (Timer::new(), Timer::new());
    wheel.schedule(&mut old, 1, us(5));
    assert_eq!(wheel.pop(us(5)), Some(1));
    wheel.schedule(&mut new, 2, us(50));
    wheel.cancel(&mut old, 1);
    assert_eq!(wheel.len(), 1);
    assert_eq!(wheel.pop(us(50)), Some(2));
}

#[test]
fn following_deadlines_alone_fires_everything_within_a_bounded_number_of_polls() {
    let mut rng = Rng::new(11);
    let mut w = Owners::new(us(0));
    let mut true_deadlines = BTreeMap::new();
    for key in 0..2_000 {
        let bits = 1 + rng.below(40);
        let at = us(1 + rng.below(1 << bits));
        w.schedule(key, at);
        true_deadlines.insert(key, at);
    }
    let mut polls = 0;
    while let Some(deadline) = w.wheel.next_deadline() {
        for key in w.poll(deadline) {
            assert_eq!(true_deadlines.remove(&key), Some(deadline));
        }
        polls += 1;
    }
    assert!(true_deadlines.is_empty());
    assert!(polls <= 2_000 + 8 * 64, "{polls} polls");
}

#[test]
fn a_million_entries_in_little_memory_that_a_burst_gives_back() {
    let mut wheel = TimerWheel::new(us(0));
    let mut timers: Vec<Timer> = (0..1_000_000).map(|_| Timer::new()).collect();
    let mut rng = Rng::new(3);
    for (key, timer) in timers.iter_mut().enumerate() {
        wheel.schedule(timer, key as u64, us(1 + rng.below(60_000_000)));
    }
    assert_eq!(wheel.len(), 1_000_000);
    assert!(core::mem::size_of::<Node>() <= 32);
    assert!(core::mem::size_of::<Timer>() == 12);
    let mut fired = 0;
    let mut now = us(0);
    while !wheel.is_empty() {
        now += Duration::from_millis(10);
        while wheel.pop(now).is_some() {
            fired += 1;
        }
    }
    assert_eq!(fired, 1_000_000);
    assert_eq!(wheel.nodes.capacity(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Schedule(u64, u64),
    Cancel(u64),
    Advance(u64),
    ToDeadline,
}

fn step() -> impl Strategy<Value = Step> {
    let distance = (0u32..45).prop_flat_map(|bits| 0..=1u64 << bits);
    prop_oneof![
        6 => (0..40u64, distance.clone()).prop_map(|(k, d)| Step::Schedule(k, d)),
        1 => (0..40u64).prop_map(Step::Cancel),
        2 => distance.prop_map(Step::Advance),
        2 => Just(Step::ToDeadline),
    ]
}

proptest! {
    /// Against a sorted map of the earliest instant asked for since the key last fired.
    #[test]
    fn agrees_with_a_sorted_map(
        start in any::<u32>(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut now = Instant::from_nanos(u64::from(start));
        let mut w = Owners::new(now);
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Schedule(key, nanos) => {
                    // Some of it in the past.
                    let at = Instant::from_nanos((now.as_nanos() + nanos).saturating_sub(500));
                    w.schedule(key, at);
                    let tick = at.as_nanos().div_ceil(1_000);
                    let entry = model.entry(key).or_insert(tick);
                    *entry = tick.min(*entry);
                }
                Step::Cancel(key) => {
                    w.cancel(key);
                    model.remove(&key);
                }
                Step::Advance(_) | Step::ToDeadline => {
                    match step {
                        Step::Advance(nanos) => now += Duration::from_nanos(nanos),
                        _ => now = w.wheel.next_deadline().unwrap_or(now).max(now),
                    }
                    let fired: BTreeSet<u64> = w.poll(now).into_iter().collect();
                    let due: BTreeSet<u64> = model
                        .iter()
                        .filter(|(_, tick)| **tick <= now.as_micros())
                        .map(|(key, _)| *key)
                        .collect();
                    model.retain(|key, _| !due.contains(key));
                    prop_assert_eq!(fired, due);
                }
            }
            prop_assert_eq!(w.wheel.len(), model.len());
            let first = model.values().min().copied();
            match (w.wheel.next_deadline(), first) {
                (None, None) => {}
                (Some(d), Some(tick)) => prop_assert!(d.as_micros() <= tick.max(now.as_micros())),
                (got, want) => prop_assert!(false, "{:?} for {:?}", got, want),
            }
        }
    }
}
