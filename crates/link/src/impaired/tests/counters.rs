use super::*;
use crate::{Link, memory};

/// Two wait behind one that leaves, a fourth finds the queue full: sizes, times and causes are
/// told as they were.
#[test]
fn octets_queue_and_delay_are_counted_as_they_were() {
    let impairment = Impairment {
        rate: Some(Rate {
            bits_per_second: 8_000_000,
            queue: Queue::Packets(2),
        }),
        delay: millis(3),
        ..Impairment::default()
    };
    let mut path = Path::new(impairment, Medium::Ip, &mut Rng::new(0));
    let mut batch = Batch::new(8);
    (0..4).for_each(|n| batch.push(numbered(n, 1000)).unwrap());
    path.send(Instant::from_millis(1), &mut batch, &mut Watchers::none());
    assert_eq!(path.counters().under_way(), 3);
    // One is taken when it is due, one 4 ms late, one 3 ms late.
    assert_eq!(path.receive(Instant::from_millis(5), &mut batch), 1);
    assert_eq!(path.receive(Instant::from_millis(10), &mut batch), 2);
    let counters = path.counters();
    assert_eq!(
        counters,
        Counters {
            sent: 4,
            sent_octets: 4000,
            delivered: 3,
            delivered_octets: 3000,
            queue_full: 1,
            queue_most: 2,
            queue_most_octets: 2000,
            delay: Delay {
                total: millis(22),
                least: millis(4),
                most: millis(9),
            },
            ..Counters::default()
        }
    );
    assert_eq!(counters.mean_delay(), Some(millis(22) / 3));
    assert_eq!(Counters::default().mean_delay(), None);
}

#[test]
fn losses_are_told_apart_by_their_cause() {
    let bursts = Impairment {
        loss: 0.1,
        burst: 4.0,
        ..Impairment::default()
    };
    let counters = run(bursts, 5, 10_000, 100, millis(1)).counters;
    assert!(counters.lost > 500);
    assert_eq!(counters.lost_in_bursts, counters.lost);
    let alone = Impairment {
        burst: 0.0,
        ..bursts
    };
    let counters = run(alone, 5, 10_000, 100, millis(1)).counters;
    assert!(counters.lost > 500);
    assert_eq!((counters.lost_in_bursts, counters.lost_by_choice), (0, 0));
    let mut path = Path::new(bursts, Medium::Ip, &mut Rng::new(0));
    path.choose(Some(Box::new(|_, _| Verdict::Drop)));
    let mut batch = Batch::new(8);
    (0..8).for_each(|n| batch.push(numbered(n, 100)).unwrap());
    path.send(Instant::ZERO, &mut batch, &mut Watchers::none());
    assert_eq!(
        (path.counters().lost, path.counters().lost_by_choice),
        (8, 8)
    );
}

#[test]
fn a_handle_tells_while_somebody_else_owns_the_link_and_after_it_is_gone() {
    use Direction::{Received, Sent};
    let (near, mut far) = memory::pair(&memory::Config::default());
    let up = Impairment {
        delay: millis(10),
        ..Impairment::default()
    };
    let near = Impaired::new(near, up, Impairment::default(), 0);
    let handle = near.counters_handle();
    assert_eq!(handle.read(Sent), Counters::default());
    let mut owned: Box<dyn Link> = Box::new(near);
    let mut batch = Batch::new(8);
    (0..3).for_each(|n| batch.push(numbered(n, 100)).unwrap());
    owned.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(
        (handle.read(Sent).sent, handle.read(Sent).delivered),
        (3, 0)
    );
    batch.push(numbered(9, 50)).unwrap();
    far.transmit(Instant::ZERO, &mut batch).unwrap();
    assert_eq!(
        owned.receive(Instant::from_millis(12), &mut batch).unwrap(),
        1
    );
    let (sent, received) = (handle.read(Sent), handle.clone().read(Received));
    assert_eq!((sent.delivered, sent.delay.most), (3, millis(12)));
    assert_eq!(
        (received.delivered_octets, received.delay.most),
        (50, millis(0))
    );
    drop(owned);
    assert_eq!(handle.read(Sent), sent);
}
