use super::*;
use handfast_wire::{Checksum, Gso, GsoKind, Packet};
use std::sync::atomic::AtomicU32;
use std::task::Wake;

const NOW: Instant = Instant::ZERO;

fn numbered(number: u32) -> Packet {
    Packet::from_bytes(number.to_be_bytes().to_vec().into())
}

fn number(packet: &Packet) -> u32 {
    u32::from_be_bytes(packet.headers().try_into().unwrap())
}

fn pair_of(queue: usize) -> (MemoryLink, MemoryLink) {
    pair(&Config {
        queue,
        ..Config::default()
    })
}

#[test]
fn a_full_queue_pushes_back_and_loses_nothing() {
    let (mut a, mut b) = pair_of(5);
    let mut out = Batch::new(8);
    (0..8).for_each(|n| out.push(numbered(n)).unwrap());
    assert_eq!(a.transmit(NOW, &mut out).unwrap(), 5);
    assert_eq!(
        out.packets().iter().map(number).collect::<Vec<_>>(),
        [5, 6, 7]
    );
    assert_eq!(a.transmit(NOW, &mut out).unwrap(), 0);
    let mut got = Batch::new(2);
    assert_eq!(b.receive(NOW, &mut got).unwrap(), 2);
    assert_eq!(a.transmit(NOW, &mut out).unwrap(), 2);
    assert_eq!(out.len(), 1);
}

/// A queue that is never empty reuses its slots in order, whatever the sizes of the batches.
#[test]
fn order_holds_through_any_mix_of_batch_sizes() {
    let (mut a, mut b) = pair_of(37);
    let mut rng = handfast_base::Rng::new(1);
    let (mut sent, mut received) = (0, 0);
    let (mut out, mut got) = (Batch::new(16), Batch::new(11));
    while received < 100_000 {
        for _ in 0..rng.below(17) {
            if out.push(numbered(sent)).is_ok() {
                sent += 1;
            }
        }
        a.transmit(NOW, &mut out).unwrap();
        if rng.chance(0.7) {
            b.receive(NOW, &mut got).unwrap();
            let take = rng.below(got.len() as u64 + 1) as usize;
            for packet in &got.packets()[..take] {
                assert_eq!(number(packet), received);
                received += 1;
            }
            got.consume(take);
        }
    }
}

#[test]
fn a_packet_arrives_as_it_was_sent_and_not_an_octet_is_copied() {
    let (mut a, mut b) = pair_of(4);
    let data = bytes::Bytes::from(vec![7; 1000]);
    let mut batch = Batch::new(4);
    let slot = batch.push_slot().unwrap();
    slot.reserve_head(40).fill(9);
    slot.payload.push(data.clone());
    slot.checksum = Checksum::Partial;
    let gso = Gso {
        kind: GsoKind::TcpV4,
        size: 100,
    };
    slot.gso = Some(gso);
    a.transmit(NOW, &mut batch).unwrap();
    assert!(batch.is_empty());
    b.receive(NOW, &mut batch).unwrap();
    let packet = &batch.packets()[0];
    assert_eq!(packet.head(), [9; 40]);
    assert_eq!(packet.payload.slices()[0].as_ptr(), data.as_ptr());
    assert_eq!(
        (packet.checksum, packet.gso),
        (Checksum::Partial, Some(gso))
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
fn wakes_on_the_first_packet_on_new_room_and_on_the_end() {
    let (mut a, mut b) = pair_of(1);
    let wakes = [(); 2].map(|()| Arc::new(Count::default()));
    a.set_waker(&wakes[0].clone().into());
    b.set_waker(&wakes[1].clone().into());
    let count = || [0, 1].map(|i| wakes[i].0.load(Ordering::Relaxed));
    let mut batch = Batch::new(2);
    (0..2).for_each(|n| batch.push(numbered(n)).unwrap());
    assert_eq!(b.poll_timeout(), None);
    a.transmit(NOW, &mut batch).unwrap();
    assert_eq!(count(), [0, 1]);
    assert_eq!(b.poll_timeout(), Some(Instant::ZERO));
    b.receive(NOW, &mut Batch::new(1)).unwrap();
    assert_eq!(count(), [1, 1], "room after a partial send");
    a.transmit(NOW, &mut batch).unwrap();
    b.receive(NOW, &mut Batch::new(1)).unwrap();
    assert_eq!(count(), [1, 2], "room that nobody missed");
    drop(a);
    assert!(count()[1] > 2);
}

#[test]
fn the_end_of_the_other_end_is_an_error_after_the_last_packet() {
    let (mut a, mut b) = pair_of(4);
    let mut batch = Batch::new(4);
    batch.push(numbered(1)).unwrap();
    a.transmit(NOW, &mut batch).unwrap();
    drop(a);
    assert_eq!(b.receive(NOW, &mut batch).unwrap(), 1);
    let kind = |r: io::Result<usize>| r.unwrap_err().kind();
    assert_eq!(kind(b.receive(NOW, &mut batch)), io::ErrorKind::BrokenPipe);
    assert_eq!(kind(b.transmit(NOW, &mut batch)), io::ErrorKind::BrokenPipe);
    assert_eq!(batch.len(), 1);
}

#[test]
fn two_threads_pass_everything_in_order() {
    const TOTAL: u32 = 200_000;
    let (mut a, mut b) = pair_of(64);
    let sender = std::thread::spawn(move || {
        let mut out = Batch::new(32);
        let mut next = 0;
        while next < TOTAL || !out.is_empty() {
            while next < TOTAL && !out.is_full() {
                out.push(numbered(next)).unwrap();
                next += 1;
            }
            if a.transmit(NOW, &mut out).unwrap() == 0 {
                std::thread::yield_now();
            }
        }
    });
    let mut got = Batch::new(50);
    let mut expected = 0;
    loop {
        match b.receive(NOW, &mut got) {
            Ok(0) => std::thread::yield_now(),
            Ok(_) => {
                for packet in got.packets() {
                    assert_eq!(number(packet), expected);
                    expected += 1;
                }
                got.clear();
            }
            Err(e) => {
                assert_eq!(e.kind(), io::ErrorKind::BrokenPipe);
                break;
            }
        }
    }
    sender.join().unwrap();
    assert_eq!(expected, TOTAL);
}
