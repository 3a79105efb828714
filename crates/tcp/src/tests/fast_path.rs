//! The fast path leads where the long way leads: whole lives, with it and without it, send the same
//! segments at the same instants.

use super::harness::*;
use super::swarm;
use crate::Config;
use handfast_base::{Duration, Rng};
use std::{eprintln, format};

const MINUTE: Duration = Duration::from_secs(60);

fn transfer(seed: u64, loss: f64, fast_path: bool) -> Wire {
    let config = Config {
        fast_path,
        ..Config::default()
    };
    let mut w = Wire::new(config.clone(), config);
    let mut rng = Rng::new(seed);
    w.fault = alloc::boxed::Box::new(move |_, _, _| match (rng.chance(loss), rng.chance(loss)) {
        (true, _) => Verdict::Drop,
        (_, true) => Verdict::Late(rng.below(30_000)),
        _ => Verdict::Pass,
    });
    w.establish();
    let data = pattern(200_000, seed);
    assert!(w.transfer(0, &data, 10 * MINUTE), "seed {seed}");
    assert!(w.transfer(1, &data, 10 * MINUTE), "seed {seed}");
    w
}

#[test]
fn a_transfer_without_the_fast_path_has_the_same_log() {
    for (seed, loss) in (0..20).zip([0.0, 0.01, 0.1].into_iter().cycle()) {
        let (with, without) = (transfer(seed, loss, true), transfer(seed, loss, false));
        assert_eq!(with.log, without.log, "seed {seed}");
        assert_eq!(with.now, without.now);
        for (a, b) in with.hosts.iter().zip(&without.hosts) {
            let info = |host: &Host| format!("{:?}", host.connection().info(with.now));
            assert_eq!(info(a), info(b), "seed {seed}");
        }
    }
}

#[test]
fn a_swarm_without_the_fast_path_has_the_same_log() {
    let mut segments = 0;
    for seed in 0..400 {
        let (with, without) = (swarm::life(seed, true), swarm::life(seed, false));
        assert_eq!(with.log, without.log, "seed {seed}");
        segments += with.log.len();
    }
    assert!(segments > 10_000, "{segments}");
    eprintln!("{segments} segments compared");
}
