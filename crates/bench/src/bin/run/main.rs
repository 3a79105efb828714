//! A program inside `handfast run`, pasta, slirp4netns, behind a veth and without any relay,
//! against the same server outside: how fast, at what cost, how soon.
//!
//! `cargo run --release -p handfast-bench --bin run -- [--rounds 5] [--mtu 1500,65520]
//! [--only handfast,pasta] [--congestion cubic] [--handfast PATH] [--pasta PATH]
//! [--slirp4netns PATH] [--steps down,ping]` as root, after `cargo build --release -p handfast-cli`

mod options;
mod table;

use handfast_bench::load::{DATAGRAM, client, own_seconds, server};
use handfast_bench::relays::{CLIENT, Outside, Relay, Running};
use handfast_bench::{namespace, processor};
use options::Options;
use std::collections::BTreeMap;
use std::io::{self, Error};
use std::process::ExitCode;
use std::time::Duration;

/// Seconds of one transfer, as far as the last round foresees it.
const AIM: f64 = 0.8;
const FIRST: f64 = (32 << 20) as f64;
const CHECKED: u64 = 16 << 20;
const PINGS: u32 = 4000;
const MILLISECONDS: u64 = 500;
const GIB: f64 = (1u64 << 30) as f64;
/// No command takes longer.
const LIMIT: Duration = Duration::from_secs(30);
/// A relay that failed as often is not asked again.
const FAILURES: usize = 12;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|w| w == CLIENT) {
        let congestion = words.get(1).map_or("cubic", String::as_str);
        return match client::run(congestion) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("client: {e}");
                ExitCode::FAILURE
            }
        };
    }
    namespace::run(|| measure(&Options::parse(words)?))
}

/// A part of a round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Check,
    /// The client's command.
    Tcp(&'static str),
    Ping,
    /// The client's command.
    Connect(&'static str),
    UdpDown,
    UdpUp,
}

const TRANSFERS: [Step; 4] = [
    Step::Tcp("down 1"),
    Step::Tcp("down 8"),
    Step::Tcp("up 1"),
    Step::Tcp("up 8"),
];
const OTHERS: [Step; 6] = [
    Step::Check,
    Step::Ping,
    Step::Connect("connect 1"),
    Step::Connect("connect 8"),
    Step::UdpDown,
    Step::UdpUp,
];

/// A relay at an MTU, and what was measured of it.
struct Row {
    relay: Relay,
    mtu: u32,
    /// Octets of each transfer.
    octets: BTreeMap<Step, f64>,
    /// A list of figures a round.
    figures: BTreeMap<Step, Vec<Vec<f64>>>,
    set_up: Vec<f64>,
    /// How many steps failed, and what the last said.
    failed: BTreeMap<Step, (usize, String)>,
    /// Why it cannot be measured at all.
    problem: Option<String>,
}

fn measure(options: &Options) -> io::Result<()> {
    let outside = Outside::new(&options.congestion, &options.programs)?;
    let arrivals = server::start()?;
    conditions(options, &outside)?;
    let mut rows: Vec<Row> = Vec::new();
    for &mtu in &options.mtus {
        for relay in Relay::ALL {
            let chosen = Options::lists(&options.only, relay.name());
            // Without a relay nothing depends on the MTU.
            let again = relay == Relay::Direct && rows.iter().any(|r| r.relay == relay);
            if chosen && !again {
                rows.push(Row {
                    relay,
                    mtu,
                    octets: BTreeMap::new(),
                    figures: BTreeMap::new(),
                    set_up: Vec::new(),
                    failed: BTreeMap::new(),
                    problem: relay.version(&outside).err(),
                });
            }
        }
    }
    let steps: Vec<Step> = [&OTHERS[..1], &TRANSFERS, &OTHERS[1..]]
        .concat()
        .into_iter()
        .filter(|step| Options::lists(&options.steps, step.name()))
        .collect();
    for round in 0..=options.rounds {
        for row in rows.iter_mut().filter(|row| row.problem.is_none()) {
            if let Err(e) = take(row, &steps, &outside, &arrivals) {
                row.problem = Some(e.to_string());
            }
            if round == 0 {
                // The warm-up said how much to transfer.
                row.figures.clear();
                row.set_up.clear();
            }
        }
        eprintln!("round {round} of {}, {}", options.rounds, load());
    }
    table::print(&rows);
    Ok(())
}

/// One round of one row.
fn take(
    row: &mut Row,
    steps: &[Step],
    outside: &Outside,
    arrivals: &server::Arrivals,
) -> io::Result<()> {
    let mut running = None;
    for step in steps {
        // A relay that has failed may be left in any state: the next step has a new one.
        let relay = match &mut running {
            Some(relay) => relay,
            none => {
                let relay = none.insert(row.relay.start(outside, row.mtu)?);
                row.set_up.push(relay.set_up.as_secs_f64() * 1e3);
                relay
            }
        };
        let octets = row.octets.entry(*step).or_insert(FIRST);
        match step.take(relay, octets, arrivals) {
            Ok(figures) => row.figures.entry(*step).or_default().push(figures),
            Err(e) => {
                running = None;
                let failed = row.failed.entry(*step).or_default();
                *failed = (failed.0 + 1, e.to_string());
                if row.failed.values().map(|f| f.0).sum::<usize>() > FAILURES {
                    return Err(Error::other(format!(
                        "failed too often; the last time: {e}"
                    )));
                }
            }
        }
    }
    Ok(())
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Tcp(command) | Self::Connect(command) => command,
            Self::Ping => "ping",
            Self::UdpDown => "udp-down",
            Self::UdpUp => "udp-up",
        }
    }

    /// The figures of this step; a transfer says in `octets` how much the next should move.
    fn take(
        self,
        relay: &mut Running,
        octets: &mut f64,
        arrivals: &server::Arrivals,
    ) -> io::Result<Vec<f64>> {
        let gbits = |octets: f64, seconds: f64| octets * 8.0 / seconds.max(1e-3) / 1e9;
        match self {
            Self::Check => relay.ask(&format!("check {CHECKED}"), LIMIT),
            Self::Tcp(command) => {
                let whole = *octets as u64 / 8 * 8;
                let figures = transfer(relay, &format!("{command} {whole}"), whole as f64)?;
                *octets = (figures[0] * 1e9 / 8.0 * AIM).clamp(FIRST / 4.0, 16.0 * GIB);
                Ok(figures)
            }
            Self::Ping => relay.ask(&format!("ping {PINGS}"), LIMIT),
            Self::Connect(command) => relay.ask(&format!("{command} {MILLISECONDS}"), LIMIT),
            Self::UdpDown => {
                let figures = relay.ask(&format!("udp-down {MILLISECONDS}"), LIMIT)?;
                Ok(vec![gbits(figures[0], figures[1])])
            }
            Self::UdpUp => {
                arrivals.take();
                relay.ask(&format!("udp-up {MILLISECONDS}"), LIMIT)?;
                // What is still in queues when the client has stopped.
                std::thread::sleep(Duration::from_millis(100));
                let (octets, seconds) = arrivals.take();
                Ok(vec![gbits(octets as f64, seconds)])
            }
        }
    }
}

/// Gb/s; processor seconds a GiB of the relay's processes, and of client, relay and server
/// together; and how many processors were busy with anything else.
fn transfer(relay: &mut Running, command: &str, octets: f64) -> io::Result<Vec<f64>> {
    let processes = relay.processes();
    let now = || {
        let relay = processor::seconds(&processes);
        (relay, own_seconds(), processor::busy())
    };
    let before = now();
    let figures = relay.ask(command, LIMIT)?;
    let after = now();
    let (seconds, client) = (figures[0], figures[1]);
    let relay = after.0 - before.0;
    let all = relay + (after.1 - before.1) + client;
    let gib = octets / GIB;
    let others = (after.2 - before.2 - all).max(0.0) / seconds;
    Ok(vec![
        octets * 8.0 / seconds / 1e9,
        relay / gib,
        all / gib,
        others,
    ])
}

fn conditions(options: &Options, outside: &Outside) -> io::Result<()> {
    let first = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    println!(
        "Linux {}, {} processors; {}",
        first("/proc/sys/kernel/osrelease"),
        std::thread::available_parallelism()?,
        load()
    );
    println!(
        "Kernel's congestion control {} at every end; rmem {}, wmem {}, rmem_max {}; datagrams \
         of {DATAGRAM} octets, sent with UDP_SEGMENT",
        options.congestion,
        first("/proc/sys/net/ipv4/tcp_rmem"),
        first("/proc/sys/net/ipv4/tcp_wmem"),
        first("/proc/sys/net/core/rmem_max"),
    );
    println!(
        "Median of {} rounds after a warm-up, in each of which every row has its turn; {AIM} s a \
         transfer; before, untimed, {} MiB each way and 100 echoed datagrams are compared",
        options.rounds,
        CHECKED >> 20
    );
    for relay in Relay::ALL {
        let version = relay.version(outside);
        println!("{}: {}", relay.name(), version.unwrap_or_else(|why| why));
    }
    Ok(())
}

fn load() -> String {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "load average {}",
        average.split(' ').next().unwrap_or("unknown")
    )
}
