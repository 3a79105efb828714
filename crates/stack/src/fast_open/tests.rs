use super::*;
use core::net::SocketAddr;

fn tuple(host: u8) -> Tuple {
    Tuple {
        local: SocketAddr::from(([192, 0, 2, 1], 80)),
        remote: SocketAddr::from(([198, 51, 100, host], 4000)),
    }
}

#[test]
fn a_cookie_is_good_for_one_address_and_until_the_key_has_changed_twice() {
    let mut keys = FastOpenKeys::new([1; 16]);
    let cookie = keys.cookie(&tuple(1)).unwrap();
    assert_eq!(cookie.as_slice().len(), 8);
    assert!(keys.is_good(&tuple(1), &cookie));
    assert!(!keys.is_good(&tuple(2), &cookie));
    assert!(!keys.is_good(&tuple(1), &FastOpenCookie::default()));
    let mut rotate = |key| {
        let old = core::mem::replace(&mut keys, FastOpenKeys::new(key));
        keys.previous = Some(old.current);
        keys.is_good(&tuple(1), &cookie)
    };
    assert!(rotate([2; 16]));
    assert!(!rotate([3; 16]));
}

fn outcome(syn_lost: bool, cookie: Option<FastOpenCookie>) -> Option<FastOpenOutcome> {
    Some(FastOpenOutcome {
        cookie,
        mss: 1460,
        text: 0,
        taken: false,
        syn_lost,
    })
}

#[test]
fn peers_are_remembered_within_a_bound() {
    let mut peers = FastOpenPeers::default();
    let cookie = FastOpenCookie::new(&[7; 8]);
    let now = Instant::from_secs(1);
    for n in 0..1000u32 {
        peers.learn(IpAddr::from(n.to_be_bytes()), outcome(false, cookie), now);
    }
    assert_eq!(peers.0.len(), PEERS);
    let approach = |n: u32| peers.approach(IpAddr::from(n.to_be_bytes()), now);
    assert_eq!(approach(999), Approach::Fast(cookie.unwrap(), 1460));
    assert_eq!(approach(0), Approach::Ask);
}

#[test]
fn where_the_option_is_lost_it_is_left_out_for_longer_and_longer() {
    let mut peers = FastOpenPeers::default();
    let peer = IpAddr::from([192, 0, 2, 9]);
    let mut now = Instant::from_secs(1);
    let cookie = FastOpenCookie::new(&[7; 8]);
    peers.learn(peer, outcome(false, cookie), now);
    for failures in 1..=20 {
        let failed = if failures % 2 == 0 {
            None
        } else {
            outcome(true, None)
        };
        peers.learn(peer, failed, now);
        let pause = BLACKHOLE * (1 << failures.min(10));
        assert_eq!(peers.approach(peer, now), Approach::Plain);
        now += pause;
        assert_eq!(
            peers.approach(peer, now),
            Approach::Fast(cookie.unwrap(), 1460)
        );
    }
    peers.learn(peer, outcome(false, None), now);
    peers.learn(peer, outcome(true, None), now);
    assert_ne!(peers.approach(peer, now + BLACKHOLE * 2), Approach::Plain);
}
