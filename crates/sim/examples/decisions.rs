//! Why each segment left: a short transfer over a path that loses, told by the sender.
//!
//! `cargo run --release -p handfast-sim --example decisions -- [KiB] [loss in percent] [seed]`

use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::link::impaired::{Impairment, Rate};
use handfast_sim::handfast::{Decision, TcpConnector, TcpListener};
use handfast_sim::{LinkConfig, Sim};

fn decisions(octets: usize, loss: f64, seed: u64) -> Vec<Decision> {
    let sim = Sim::new(seed);
    let here = sim.host("here", &["10.0.0.1/24"]);
    let there = sim.host("there", &["10.0.0.2/24"]);
    let path = Impairment {
        delay: Duration::from_millis(25),
        rate: Some(Rate::new(10_000_000)),
        ..Impairment::default()
    };
    let lossy = Impairment { loss, ..path };
    let config = LinkConfig {
        up: lossy,
        down: path,
        ..LinkConfig::default()
    };
    sim.connect(&here, &there, config);
    let net = there.net().clone();
    sim.spawn(async move {
        let listener = TcpListener::bind(&net, "10.0.0.2:7".parse().unwrap()).await?;
        let (stream, _) = listener.accept().await?;
        while !stream.read_bytes(1 << 20).await?.is_empty() {}
        std::io::Result::Ok(())
    });
    let net = here.net().clone();
    let told = sim.block_on(async move {
        let connector = TcpConnector::new().trace(100_000);
        let stream = connector
            .connect(&net, "10.0.0.2:7".parse().unwrap())
            .await?;
        stream.write_bytes(&mut vec![0x5a; octets].into()).await?;
        stream.shutdown_write()?;
        stream.read_bytes(1).await?;
        stream.decisions()
    });
    told.expect("nobody waits in vain").expect("a transfer")
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut next = |default: f64| {
        args.next()
            .map_or(default, |n| n.parse().expect("a number"))
    };
    let (kib, loss, seed) = (next(100.0), next(3.0), next(1.0));
    println!("{kib} KiB at 10 Mbit/s, 50 ms round trip, {loss} % lost, seed {seed}\n");
    for decision in decisions((kib * 1024.0) as usize, loss / 100.0, seed as u64) {
        println!("{decision}");
    }
}
