//! One connection from SYN to FIN between two stacks in memory, and the ladder of it.
//!
//! `cargo run -p handfast-sim --example syn_to_fin -- [seed] [loss, such as 0.1]`

use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::link::impaired::Impairment;
use handfast_sim::handfast::trace::Ladder;
use handfast_sim::handfast::trace::ladder::TerminalOptions;
use handfast_sim::handfast::{TcpListener, TcpStream};
use handfast_sim::{LinkConfig, Sim};

fn main() {
    let mut args = std::env::args().skip(1);
    let seed = args.next().map_or(1, |seed| seed.parse().expect("a seed"));
    let loss = args
        .next()
        .map_or(0.0, |p| p.parse().expect("a probability"));

    let sim = Sim::new(seed);
    let client = sim.host("client", &["10.0.0.1/24"]);
    let server = sim.host("server", &["10.0.0.2/24"]);
    let path = Impairment {
        delay: Duration::from_millis(20),
        loss,
        ..Impairment::default()
    };
    sim.connect(&client, &server, LinkConfig::symmetric(path));
    let recorder = sim.record();

    let net = server.net().clone();
    sim.spawn(async move {
        let listener = TcpListener::bind(&net, "10.0.0.2:7".parse().unwrap()).await?;
        let (stream, _) = listener.accept().await?;
        // An echo: what comes goes back, until there is no more.
        loop {
            let mut octets = stream.read_bytes(65_536).await?;
            if octets.is_empty() {
                return stream.shutdown_write();
            }
            stream.write_bytes(&mut octets).await?;
        }
    });
    let net = client.net().clone();
    let echoed = sim.block_on(async move {
        let stream = TcpStream::connect(&net, "10.0.0.2:7".parse().unwrap()).await?;
        let mut hello = "hello, handfast".into();
        stream.write_bytes(&mut hello).await?;
        stream.shutdown_write()?;
        let mut echoed = Vec::new();
        loop {
            let octets = stream.read_bytes(65_536).await?;
            if octets.is_empty() {
                return std::io::Result::Ok(echoed);
            }
            echoed.extend_from_slice(&octets);
        }
    });
    let echoed = echoed
        .expect("somebody waits in vain")
        .expect("a connection");
    assert_eq!(echoed, b"hello, handfast");
    sim.run_to_rest();

    let options = TerminalOptions {
        width: 116,
        ..TerminalOptions::default()
    };
    recorder.with_log(|log| {
        for connection in log.connections() {
            print!("{}", Ladder::of(log, &connection).terminal(&options));
        }
    });
    println!("seed {seed}, trace {:016x}", sim.trace_hash());
}
