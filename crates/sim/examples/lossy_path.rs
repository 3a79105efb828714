//! One large transfer over a path that loses or reorders, in virtual time: how long it takes.
//!
//! `cargo run --release -p handfast-sim --example lossy_path -- [MiB] [seeds]`

use bytes::Bytes;
use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::link::impaired::{Impairment, Rate, Reordering};
use handfast_sim::handfast::{Config, TcpConnector, TcpListener};
use handfast_sim::{LinkConfig, Sim};

/// What a run came to.
struct Run {
    seconds: f64,
    retransmissions: u32,
    timeouts: u32,
}

/// `len` octets from one host to the other over a path that treats data as `data` says.
fn transfer(seed: u64, len: usize, data: Impairment, sack: bool) -> Run {
    let sim = Sim::new(seed);
    let client = sim.host("client", &["10.0.0.1/24"]);
    let server = sim.host("server", &["10.0.0.2/24"]);
    let path = LinkConfig {
        up: data,
        down: Impairment {
            delay: data.delay,
            rate: data.rate,
            ..Impairment::default()
        },
        ..LinkConfig::default()
    };
    sim.connect(&client, &server, path);
    let net = server.net().clone();
    let reader = sim.spawn(async move {
        let listener = TcpListener::bind(&net, "10.0.0.2:7".parse().unwrap()).await?;
        let (stream, _) = listener.accept().await?;
        let mut received = 0;
        loop {
            let octets = stream.read_bytes(1 << 20).await?;
            if octets.is_empty() {
                return std::io::Result::Ok(received);
            }
            received += octets.len();
        }
    });
    let net = client.net().clone();
    let handle = sim.handle();
    let run = sim.block_on(async move {
        let config = Config {
            sack,
            ..Config::default()
        };
        let connector = TcpConnector::new().config(config);
        let stream = connector
            .connect(&net, "10.0.0.2:7".parse().unwrap())
            .await?;
        let began = handle.now();
        let mut sent = 0;
        while sent < len {
            let mut chunk = Bytes::from(vec![0x5a; (len - sent).min(256 << 10)]);
            sent += chunk.len();
            stream.write_bytes(&mut chunk).await?;
        }
        stream.shutdown_write()?;
        stream.read_bytes(1).await?;
        let info = stream.info()?;
        std::io::Result::Ok(Run {
            seconds: handle.now().since(began).as_secs_f64(),
            retransmissions: info.retransmissions,
            timeouts: info.timeouts,
        })
    });
    let run = run.expect("nobody waits in vain").expect("a transfer");
    sim.run_to_rest();
    assert_eq!(reader.take().expect("it has ended").expect("all"), len);
    run
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mib: usize = args.next().map_or(20, |n| n.parse().expect("MiB"));
    let seeds: u64 = args.next().map_or(10, |n| n.parse().expect("seeds"));
    let path = Impairment {
        delay: Duration::from_millis(25),
        rate: Some(Rate::new(100_000_000)),
        ..Impairment::default()
    };
    let cases = [
        ("clean", path),
        (
            "loss 0.1 %",
            Impairment {
                loss: 0.001,
                ..path
            },
        ),
        ("loss 1 %", Impairment { loss: 0.01, ..path }),
        (
            "loss 1 %, bursts of 5",
            Impairment {
                loss: 0.01,
                burst: 5.0,
                ..path
            },
        ),
        (
            "reorder 1 %",
            Impairment {
                reorder: 0.01,
                ..path
            },
        ),
        (
            "reorder 1 % by 5 ms",
            Impairment {
                reorder: 0.01,
                reordering: Reordering::HoldBack {
                    packets: 0,
                    time: Duration::from_millis(5),
                },
                ..path
            },
        ),
        (
            "both 1 %",
            Impairment {
                loss: 0.01,
                reorder: 0.01,
                ..path
            },
        ),
    ];
    println!("{mib} MiB at 100 Mbit/s, 50 ms round trip; median of {seeds} seeds");
    for (name, path) in cases {
        for (how, sack) in [("SACK, RACK-TLP, PRR", true), ("NewReno", false)] {
            let run = |seed| transfer(seed, mib << 20, path, sack);
            let mut runs: Vec<Run> = (0..seeds).map(run).collect();
            runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
            let (least, most) = (runs[0].seconds, runs[runs.len() - 1].seconds);
            let run = &runs[runs.len() / 2];
            println!(
                "{name:22} {how:20} {:6.2} s ({least:.2}..{most:.2}), {} sent again, {} timeouts",
                run.seconds, run.retransmissions, run.timeouts
            );
        }
    }
}
