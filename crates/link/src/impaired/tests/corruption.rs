use super::*;
use crate::Link;
use crate::sample::{ADDRESSES, tcp, verify};
use bytes::Bytes;
use handfast_wire::Checksum;

fn always(corrupt: f64) -> Impairment {
    Impairment {
        corrupt,
        ..Impairment::default()
    }
}

#[test]
fn one_bit_is_flipped_anywhere_and_in_a_copy() {
    let data = Bytes::from(vec![0x5a; 100]);
    let mut path = Path::new(always(1.0), Medium::Ip, &mut Rng::new(1));
    let mut batch = Batch::new(1);
    let mut hit = [0u32; 140 * 8];
    for _ in 0..20_000 {
        let packet = tcp(ADDRESSES[0], &data, 0);
        let mut whole = None;
        handfast_wire::segment(&packet, 0, Checksum::None, |p| whole = Some(p.to_bytes())).unwrap();
        batch.push(packet).unwrap();
        path.send(Instant::ZERO, &mut batch, &mut Watchers::none());
        path.receive(Instant::ZERO, &mut batch);
        let got = &batch.packets()[0];
        assert_eq!(got.checksum, Checksum::None);
        let flipped: Vec<usize> = whole
            .unwrap()
            .iter()
            .zip(got.to_bytes())
            .enumerate()
            .flat_map(|(at, (a, b))| {
                (0..8)
                    .filter(move |i| (a ^ b) << i & 0x80 != 0)
                    .map(move |i| at * 8 + i)
            })
            .collect();
        assert_eq!(flipped.len(), 1);
        hit[flipped[0]] += 1;
        batch.clear();
    }
    assert!(hit.iter().all(|&n| n > 0), "every bit can be hit");
    assert!(data.iter().all(|&octet| octet == 0x5a));
}

/// A checksum that the sender left to the link would hide what the link did.
#[test]
fn a_receiver_can_see_what_was_corrupted() {
    for addresses in ADDRESSES {
        let (mut a, mut b) = pair(&PairConfig {
            up: always(0.3),
            seed: 9,
            ..PairConfig::default()
        });
        let data = Bytes::from(vec![7; 1000]);
        let mut batch = Batch::new(1);
        let mut bad = 0;
        for _ in 0..2_000 {
            batch.push(tcp(addresses, &data, 0)).unwrap();
            a.transmit(Instant::ZERO, &mut batch).unwrap();
            b.receive(Instant::ZERO, &mut batch).unwrap();
            bad += u64::from(verify(&batch.packets()[0]).is_err());
            batch.clear();
        }
        let corrupted = a.counters(Direction::Sent).corrupted;
        assert!((500..700).contains(&corrupted));
        // IPv6 has bits that no checksum covers: traffic class, flow label and hop limit.
        assert!(
            bad <= corrupted && bad > corrupted - 15,
            "{bad} of {corrupted}"
        );
    }
}

#[test]
fn a_loss_of_two_per_cent_loses_single_segments_of_a_super_segment() {
    let impairment = Impairment {
        loss: 0.02,
        ..Impairment::default()
    };
    let data: Bytes = (0..64_000u32).map(|n| n as u8).collect();
    for addresses in ADDRESSES {
        let mut path = Path::new(impairment, Medium::Ip, &mut Rng::new(1));
        let mut batch = Batch::new(100);
        for _ in 0..100 {
            batch.push(tcp(addresses, &data, 1000)).unwrap();
        }
        path.send(Instant::ZERO, &mut batch, &mut Watchers::none());
        assert_eq!(path.counters().sent, 6_400);
        assert!((80..180).contains(&path.counters().lost));
        while path.receive(Instant::ZERO, &mut batch) > 0 {
            for packet in batch.packets() {
                assert_eq!((packet.gso, packet.payload.len()), (None, 1000));
                assert_eq!(packet.checksum, Checksum::Partial);
                assert_eq!(verify(packet), Ok(()));
            }
            batch.clear();
        }
    }
}

#[test]
fn a_path_that_does_nothing_passes_a_super_segment_whole_and_shows_its_pieces() {
    #[derive(Clone, Default)]
    struct Verify(Arc<Mutex<Vec<u32>>>);
    impl Observer for Verify {
        fn on_packet(&mut self, seen: Observation<'_>) {
            assert_eq!(seen.packet.checksum, Checksum::None);
            assert_eq!(verify(seen.packet), Ok(()));
            self.0.lock().unwrap().push(seen.packet.len());
        }
    }
    let (mut a, mut b) = pair(&PairConfig::default());
    let seen = Verify::default();
    a.set_observer(Some(Box::new(seen.clone())));
    let mut batch = Batch::new(1);
    batch
        .push(tcp(ADDRESSES[1], &Bytes::from(vec![3; 2500]), 1000))
        .unwrap();
    a.transmit(Instant::ZERO, &mut batch).unwrap();
    b.receive(Instant::ZERO, &mut batch).unwrap();
    let packet = &batch.packets()[0];
    assert!(packet.gso.is_some() && packet.checksum == Checksum::Partial);
    assert_eq!(packet.payload.len(), 2500);
    assert_eq!(*seen.0.lock().unwrap(), [1060, 1060, 560]);
}
