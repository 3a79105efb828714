use super::*;
use core::net::SocketAddr;
use handfast_base::Rng;

const SECRET: [[u8; 16]; 2] = [[7; 16], [9; 16]];

fn tuple(port: u16) -> Tuple {
    Tuple {
        local: SocketAddr::from(([192, 0, 2, 1], 80)),
        remote: SocketAddr::from(([198, 51, 100, 7], port)),
    }
}

fn syn(options: TcpOptions) -> TcpHeader {
    TcpHeader {
        flags: TcpFlags::SYN,
        options,
        ..TcpHeader::default()
    }
}

#[test]
fn a_cookie_holds_a_segment_size_that_is_never_larger_than_the_peers() {
    let held = |mss| {
        let options = TcpOptions {
            mss,
            ..TcpOptions::default()
        };
        let offer = Offer::of(&syn(options), 536, true)?;
        offer.syn(SeqNumber(0), 0, None).options.mss
    };
    for mss in 0..=u16::MAX {
        match held(Some(mss)) {
            Some(held) => assert!(
                held <= mss && (mss < 536 || held >= mss / 8),
                "{mss}: {held}"
            ),
            None => assert!(mss < 64),
        }
    }
    assert_eq!(held(None), Some(536));
    for usual in [536, 1220, 1360, 1440, 1460] {
        assert_eq!(held(Some(usual)), Some(usual));
    }
}

#[test]
fn the_timestamp_holds_the_options_and_never_runs_ahead() {
    let mut rng = Rng::new(1);
    for bits in 0..64u8 {
        let offer = Offer {
            mss: 0,
            options: Some(bits),
        };
        for value in (0..1000)
            .map(|_| rng.next_u32())
            .chain([0, 1, 62, 63, u32::MAX])
        {
            let stamped = offer.stamp(value);
            assert_eq!(stamped & TIMESTAMP_MASK, u32::from(bits));
            assert!(value.wrapping_sub(stamped) <= 64, "{value} {stamped}");
        }
    }
}

#[test]
fn options_come_back_as_they_were_offered_and_none_without_timestamps() {
    let timestamps = Some(Timestamps { value: 5, echo: 0 });
    let ecn = TcpFlags::ECE | TcpFlags::CWR;
    for scale in [None, Some(0), Some(7), Some(14), Some(200)] {
        for sack_permitted in [false, true] {
            for flags in [
                TcpFlags::SYN,
                TcpFlags::SYN | ecn,
                TcpFlags::SYN | ecn | TcpFlags::AE,
            ] {
                for timestamps in [None, timestamps] {
                    let offered = TcpHeader {
                        flags,
                        options: TcpOptions {
                            mss: Some(1460),
                            window_scale: scale,
                            sack_permitted,
                            timestamps,
                            ..TcpOptions::default()
                        },
                        ..TcpHeader::default()
                    };
                    let offer = Offer::of(&offered, 536, true).unwrap();
                    let kept = offer.syn(SeqNumber(3), 99, timestamps.map(|t| t.value));
                    let is_kept = timestamps.is_some();
                    assert_eq!((kept.seq, kept.window), (SeqNumber(3), 99));
                    assert_eq!(kept.options.timestamps, timestamps);
                    let scale = scale.map(|s| s.min(14)).filter(|_| is_kept);
                    assert_eq!(kept.options.window_scale, scale);
                    assert_eq!(kept.options.sack_permitted, sack_permitted && is_kept);
                    let can_ecn = flags.contains(ecn) && is_kept;
                    assert_eq!(kept.flags.contains(ecn), can_ecn);
                    assert!(!kept.flags.contains(TcpFlags::AE));
                }
            }
        }
    }
}

#[test]
fn a_cookie_is_the_same_for_an_epoch_and_lives_for_two_at_most() {
    let secret = CookieSecret::new(SECRET);
    let offer = Offer {
        mss: 5,
        options: Some(0x37),
    };
    let (t, irs) = (tuple(4000), SeqNumber(0xffff_fff0));
    // The count of epochs turns round at 256: begin just before.
    let begin = Instant::from_secs(EPOCH * 255);
    let cookie = secret.bake(&t, irs, offer, begin);
    let at = |secs| begin + Duration::from_secs(secs);
    assert_eq!(secret.bake(&t, irs, offer, at(EPOCH - 1)), cookie);
    assert_ne!(secret.bake(&t, irs, offer, at(EPOCH)), cookie);
    for secs in 0..300 {
        let opened = secret.open(&t, irs, cookie, offer.options, at(secs));
        assert_eq!(opened, (secs < 2 * EPOCH).then_some(offer), "{secs} s");
    }
}

#[test]
fn nothing_of_a_cookie_can_be_changed() {
    let secret = CookieSecret::new(SECRET);
    let offer = Offer {
        mss: 2,
        options: Some(0x17),
    };
    let (t, irs, now) = (tuple(4000), SeqNumber(1), Instant::from_secs(1000));
    let iss = secret.bake(&t, irs, offer, now);
    let open = |t: &Tuple, irs, iss, options| secret.open(t, irs, iss, options, now);
    assert_eq!(open(&t, irs, iss, Some(0x17)), Some(offer));
    assert_eq!(open(&tuple(4001), irs, iss, Some(0x17)), None);
    assert_eq!(open(&t, irs + 1, iss, Some(0x17)), None);
    assert_eq!(open(&t, irs, iss, Some(0x18)), None);
    assert_eq!(open(&t, irs, iss, None), None);
    assert_eq!(
        CookieSecret::new([[1; 16]; 2]).open(&t, irs, iss, Some(0x17), now),
        None
    );
    // A guess hits once in 2^28 times: not once in a million.
    let mut rng = Rng::new(2);
    let hits =
        (0..1_000_000).filter(|_| open(&t, irs, SeqNumber(rng.next_u32()), Some(0x17)).is_some());
    assert_eq!(hits.count(), 0);
}
