use super::*;
use handfast_wire::Loss;

const MEGABIT: u64 = 1_000_000;

fn rate(bits_per_second: u64, queue: Queue) -> Impairment {
    Impairment {
        rate: Some(Rate {
            bits_per_second,
            queue,
        }),
        ..Impairment::default()
    }
}

#[test]
fn a_packet_arrives_at_its_nanosecond_and_not_one_before() {
    let impairment = Impairment {
        delay: Duration::from_nanos(1_234_567),
        ..rate(100 * MEGABIT, Queue::Packets(10))
    };
    let mut path = Path::new(impairment, Medium::Ip, &mut Rng::new(0));
    let mut batch = Batch::new(4);
    batch.push(numbered(0, 1500)).unwrap();
    path.send(Instant::from_nanos(1), &mut batch, &mut Watchers::none());
    let due = Instant::from_nanos(1 + 120_000 + 1_234_567);
    assert_eq!(path.poll_timeout(), Some(due));
    assert_eq!(path.receive(due - Duration::from_nanos(1), &mut batch), 0);
    assert_eq!(path.receive(due, &mut batch), 1);
    assert_eq!(path.poll_timeout(), None);
}

/// No rounding adds up: after n packets exactly n times their bits have passed.
#[test]
fn a_rate_is_exact_however_long_it_runs() {
    for bits_per_second in [7 * MEGABIT, 3_333_333, 999_999_937, 56_000] {
        let run = run(
            rate(bits_per_second, Queue::Packets(u32::MAX)),
            0,
            50_000,
            1471,
            Duration::ZERO,
        );
        assert_eq!(run.arrived.len(), 50_000);
        for (n, (at, number)) in (1u128..).zip(&run.arrived) {
            assert_eq!(u128::from(*number), n - 1);
            let bits = n * 1471 * 8;
            let exact = bits * 1_000_000_000 / u128::from(bits_per_second);
            assert_eq!(u128::from(at.as_nanos()), exact);
        }
    }
}

#[test]
fn an_idle_bottleneck_starts_afresh() {
    let run = run(
        rate(MEGABIT, Queue::Packets(1)),
        0,
        100,
        125,
        Duration::from_micros(1_500),
    );
    // A millisecond each, and every one comes when the one before is out.
    for (n, (at, _)) in (0u64..).zip(&run.arrived) {
        assert_eq!(*at, Instant::from_micros(n * 1_500 + 1_000));
    }
}

#[test]
fn a_full_queue_drops_its_tail_and_no_more() {
    let counts = |queue, len| {
        let run = run(rate(MEGABIT, queue), 0, 100, len, Duration::ZERO);
        assert!(
            run.arrived
                .iter()
                .map(|a| a.1)
                .eq(0..run.arrived.len() as u32)
        );
        let full = |s: &&Seen| s.fate == Fate::Lost(Loss::QueueFull) && s.arrival.is_none();
        let dropped = run.seen.iter().filter(full).count();
        assert_eq!(run.counters.queue_full, dropped as u64);
        assert_eq!(run.arrived.len() + dropped, 100);
        run.arrived.len()
    };
    // One leaves while the others wait.
    assert_eq!(counts(Queue::Packets(10), 1500), 11);
    assert_eq!(counts(Queue::Packets(0), 1500), 1);
    assert_eq!(counts(Queue::Octets(15_000), 1500), 11);
    assert_eq!(counts(Queue::Octets(14_999), 1500), 10);
    assert_eq!(
        Queue::bandwidth_delay_product(100 * MEGABIT, millis(50)),
        Queue::Octets(625_000)
    );
}

#[test]
fn a_queue_drains_while_packets_come() {
    // Twice as fast as the bottleneck takes them: half are lost once the queue has filled.
    let run = run(
        rate(MEGABIT, Queue::Packets(20)),
        0,
        1_000,
        125,
        Duration::from_micros(500),
    );
    // One has begun to leave in each of the 500 ms, and 20 wait.
    assert_eq!(run.arrived.len(), 520);
    let last = run.arrived.last().unwrap().0;
    assert_eq!(last, Instant::from_millis(520));
}

#[test]
fn a_rate_of_nothing_passes_nothing() {
    let run = run(rate(0, Queue::Packets(3)), 0, 10, 100, millis(1));
    assert_eq!(run.counters.queue_full, 6);
    assert!(run.arrived.iter().all(|(at, _)| *at == Instant::FAR_FUTURE));
}

/// How far each packet that was told to pass out of order is behind (or before) its place.
fn displacements(run: &Outcome) -> Vec<i64> {
    let place = |number| run.arrived.iter().position(|a| a.1 == number).unwrap() as i64;
    let late = run.seen.iter().filter(|s| s.fate == Fate::Reordered);
    late.map(|s| place(s.number) - i64::from(s.number))
        .collect()
}

#[test]
fn a_packet_held_back_is_passed_by_as_many_as_asked() {
    for packets in [1, 3, 5, 20] {
        let impairment = Impairment {
            delay: millis(25),
            reorder: 0.002,
            reordering: Reordering::HoldBack {
                packets,
                time: Duration::ZERO,
            },
            ..rate(10 * MEGABIT, Queue::Packets(u32::MAX))
        };
        let run = run(impairment, 4, 10_000, 1500, Duration::ZERO);
        let behind = displacements(&run);
        assert!((8..40).contains(&behind.len()), "{}", behind.len());
        // One of the others may itself be held back meanwhile.
        let exact = behind.iter().filter(|&&d| d == i64::from(packets)).count();
        assert!(exact * 10 >= behind.len() * 7, "{packets}: {behind:?}");
        assert_eq!(run.arrived.len(), 10_000);
    }
}

#[test]
fn a_packet_held_back_by_time_needs_no_rate() {
    let impairment = Impairment {
        reorder: 0.01,
        ..Impairment::default()
    };
    let run = run(impairment, 4, 10_000, 100, Duration::from_micros(100));
    let behind = displacements(&run);
    assert!((60..140).contains(&behind.len()));
    // A millisecond: the nine packets sent before it is over, and the one sent as it ends.
    assert!(behind.iter().all(|d| (8..=10).contains(d)), "{behind:?}");
}

#[test]
fn a_packet_that_overtakes_skips_the_delay() {
    let impairment = Impairment {
        delay: millis(1),
        reorder: 0.001,
        reordering: Reordering::Overtake,
        ..Impairment::default()
    };
    let run = run(impairment, 4, 10_000, 100, Duration::from_micros(10));
    let ahead = displacements(&run);
    assert!(ahead.len() > 3);
    assert!(ahead.iter().all(|d| (-100..=-95).contains(d)), "{ahead:?}");
    let fast = run.seen.iter().filter(|s| s.fate == Fate::Reordered);
    fast.for_each(|s| assert_eq!(s.arrival, Some(s.at)));
}

#[test]
fn a_changed_impairment_does_not_let_packets_overtake() {
    let slow = Impairment {
        delay: millis(100),
        ..Impairment::default()
    };
    let mut path = Path::new(slow, Medium::Ip, &mut Rng::new(0));
    let mut batch = Batch::new(4);
    for n in 0..3 {
        batch.push(numbered(n, 100)).unwrap();
        path.send(
            Instant::from_millis(n.into()),
            &mut batch,
            &mut Watchers::none(),
        );
        path.set_impairment(Impairment::default());
    }
    assert_eq!(path.receive(Instant::from_millis(99), &mut batch), 0);
    assert_eq!(path.receive(Instant::from_millis(100), &mut batch), 3);
    assert!(batch.packets().iter().map(number).eq(0..3));
}

#[test]
fn a_path_pushes_back_when_it_is_full() {
    let mut path = Path::new(
        Impairment {
            delay: millis(1),
            ..Impairment::default()
        },
        Medium::Ip,
        &mut Rng::new(0),
    );
    let mut batch = Batch::new(64);
    let mut taken = 0;
    loop {
        while batch.push(numbered(0, 4)).is_ok() {}
        match path.send(Instant::ZERO, &mut batch, &mut Watchers::none()) {
            0 => break,
            count => taken += count,
        }
    }
    assert_eq!(taken, CAPACITY);
    assert_eq!(batch.len(), 64);
    batch.clear();
    assert_eq!(path.receive(Instant::from_millis(1), &mut batch), 64);
    assert!(!path.is_full());
}
