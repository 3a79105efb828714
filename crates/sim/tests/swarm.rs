//! A few hundred seeds of the swarm, and any one again:
//! `HANDFAST_SEED=123 cargo test -p handfast-sim replay -- --nocapture`.

use handfast_sim::swarm;

const SEEDS: u64 = 200;

#[test]
fn every_octet_comes_or_the_connection_is_reported_dead() {
    let summary = swarm::run(0..SEEDS, 2, |seed, failure| {
        eprintln!("seed {seed}: {failure}");
        eprintln!("  HANDFAST_SEED={seed} cargo test -p handfast-sim replay -- --nocapture");
    });
    println!("{summary}");
    if let Some(seed) = summary.failures.keys().next() {
        panic!("{}", swarm::replay(*seed).text);
    }
    assert_eq!(summary.seeds, SEEDS);
    assert!(
        summary.median_data_segments() >= 300,
        "runs are long enough"
    );
    assert!(summary.lost > 0 && summary.reordered > 0);
    assert!(summary.duplicated > 0 && summary.damaged > 0);
}

#[test]
fn replay() {
    let Ok(seed) = std::env::var("HANDFAST_SEED") else {
        eprintln!("SKIPPED: no HANDFAST_SEED to replay");
        return;
    };
    let replay = swarm::replay(seed.parse().expect("HANDFAST_SEED is a number"));
    println!("{}", replay.text);
    assert!(replay.is_good, "seed {seed} shows a fault, above");
}
