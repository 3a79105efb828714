//! W5: congestion control over an impaired path, in virtual time. Markdown comes out.
//!
//! `cargo run --release -p handfast-bench --bin w5 [seeds] [rows] [algorithms]`: only rows with this
//! in their name, and only these algorithms, separated by commas.
//!
//! The path: 100 Mbit/s of IP packets, 50 ms round trip, a drop-tail queue of one
//! bandwidth-delay product (unless the row says otherwise), 1,500 octets; impairments are those
//! of the sender's direction. Four tables: the share of the link that one bulk transfer gets in
//! 60 s, the first 5 discarded, and what that is of the most that there can be, which is the rate
//! without what is lost and without headers; 20 MiB from SYN to last octet; two flows of one
//! algorithm that begin within a second of each other; and CUBIC beside another. Every octet is
//! compared. Figures are a median and, in
//! brackets, the least and the most of all seeds; where nothing is left to chance, one run is all
//! runs.

use bytes::Bytes;
use handfast::congestion::Congestion;
use handfast_bench::paths::{RATE, Row, rows, way_back};
use handfast_bench::spread;
use handfast_sim::handfast::base::{Duration, Instant};
use handfast_sim::handfast::link::impaired::Impairment;
use handfast_sim::handfast::{Config, TcpConnector, TcpInfo, TcpListener, TcpStream};
use handfast_sim::rivals::jain;
use handfast_sim::{Handle, Host, LinkConfig, Sim};
use std::cell::Cell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const DISCARDED: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(60);
const FILE: u64 = 20 << 20;
/// What a transfer repeats; its length is no multiple of any segment.
const PATTERN: usize = 65_521;
/// Only for readers that wait in vain: nothing here takes so long.
const HORIZON: Duration = Duration::from_secs(3_600);

fn main() {
    let mut args = std::env::args().skip(1);
    let seeds = args.next().map_or(20, |a| a.parse().expect("seeds"));
    let only = args.next().unwrap_or_default();
    let rows: Vec<Row> = rows().into_iter().filter(|r| r.0.contains(&only)).collect();
    println!(
        "100 Mbit/s, 50 ms, queue 1 BDP, 1,500 octets, timestamps, delayed ACKs, receive buffer \
         {} KiB; {seeds} seeds; median (least..most)",
        Config::default().receive_buffer.most() >> 10
    );
    let algorithms = algorithms(args.next());
    bulk(&rows, seeds, &algorithms);
    file(&rows, seeds, &algorithms);
    fairness(&rows, seeds, &algorithms);
    rivals(&rows, seeds, &algorithms);
}

/// Those with these names, separated by commas; all that have one.
fn algorithms(names: Option<String>) -> Vec<Congestion> {
    match names {
        Some(names) => names
            .split(',')
            .map(|name| name.parse().expect("an algorithm's name"))
            .collect(),
        None => Congestion::NAMED.to_vec(),
    }
}

/// One bulk transfer for a minute.
fn bulk(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### Bulk: share of the link, 5 s to 60 s\n");
    println!("| path | algorithm | share | of the limit | sent again | timeouts |");
    println!("|---|---|---|---|---|---|");
    for (name, path, chance) in rows {
        for &algorithm in algorithms {
            let runs = all_seeds(seeds, *chance, |seed| {
                let world = World::new(seed, *path, algorithm);
                let flow = world.flow(Duration::ZERO, u64::MAX);
                let [share] = world.shares([&flow]);
                // See `Flow::gave_up`: not one SYN has arrived.
                let Some(info) = flow.info.take() else {
                    return [0.0; 4];
                };
                let again = f64::from(info.retransmissions);
                let limit = (1.0 - path.loss) * f64::from(info.snd_mss) / f64::from(info.path_mtu);
                [share, share / limit, again, f64::from(info.timeouts)]
            });
            println!(
                "| {name} | {} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 3),
                figure(&runs, 1, 3),
                figure(&runs, 2, 0),
                figure(&runs, 3, 0),
            );
        }
    }
}

/// 20 MiB from SYN to last octet.
fn file(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### 20 MiB, from SYN to last octet\n");
    println!("| path | algorithm | seconds | share | sent again |\n|---|---|---|---|---|");
    for (name, path, chance) in rows {
        for &algorithm in algorithms {
            let runs = all_seeds(seeds, *chance, |seed| {
                let world = World::new(seed, *path, algorithm);
                let flow = world.flow(Duration::ZERO, FILE);
                let end = world.sim.run();
                assert!(end.is_ok() || flow.has_given_up.get(), "{end:?}");
                let done = flow.done_at.get().map(|at| at.as_nanos() as f64 / 1e9);
                let seconds = done.unwrap_or(f64::INFINITY);
                let share = FILE as f64 * 8.0 / seconds / RATE as f64;
                let again = flow.info.take().map_or(0, |info| info.retransmissions);
                [seconds, share, f64::from(again)]
            });
            println!(
                "| {name} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 2),
                figure(&runs, 1, 3),
                figure(&runs, 2, 0),
            );
        }
    }
}

/// Two flows of one algorithm.
fn fairness(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### Two flows of one algorithm, 5 s to 60 s\n");
    println!("| path | algorithm | Jain index | both together | smaller share |");
    println!("|---|---|---|---|---|");
    for (name, path, _) in rows {
        for &algorithm in algorithms {
            let runs = all_seeds(seeds, true, |seed| {
                let world = World::new(seed, *path, algorithm);
                let later = Duration::from_millis(1 + world.sim.rng().below(1_000));
                let flows = [Duration::ZERO, later].map(|at| world.flow(at, u64::MAX));
                let [a, b] = world.shares([&flows[0], &flows[1]]);
                [jain(&[a, b]), a + b, a.min(b)]
            });
            println!(
                "| {name} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 3),
                figure(&runs, 1, 3),
                figure(&runs, 2, 3),
            );
        }
    }
}

/// A flow of CUBIC, and one of another algorithm that begins within a second of it.
fn rivals(rows: &[Row], seeds: u64, algorithms: &[Congestion]) {
    println!("\n### CUBIC beside another, 5 s to 60 s\n");
    println!("| path | other | CUBIC's part | CUBIC's share | both together |");
    println!("|---|---|---|---|---|");
    for (name, path, _) in rows {
        for &algorithm in algorithms {
            if algorithm.name() == Congestion::CUBIC.name() {
                continue;
            }
            let runs = all_seeds(seeds, true, |seed| {
                let world = World::new(seed, *path, algorithm);
                let later = [(); 2].map(|()| Duration::from_millis(world.sim.rng().below(1_000)));
                let flows = [
                    world.flow_of(Congestion::CUBIC, later[0], u64::MAX),
                    world.flow(later[1], u64::MAX),
                ];
                let [cubic, other] = world.shares([&flows[0], &flows[1]]);
                [cubic / (cubic + other), cubic, cubic + other]
            });
            println!(
                "| {name} | {} | {} | {} | {} |",
                algorithm.name(),
                figure(&runs, 0, 3),
                figure(&runs, 1, 3),
                figure(&runs, 2, 3),
            );
        }
    }
}

/// The figures of all seeds, two at a time: each simulation is single-threaded.
fn all_seeds<const N: usize>(
    seeds: u64,
    chance: bool,
    run: impl Fn(u64) -> [f64; N] + Sync,
) -> Vec<[f64; N]> {
    let seeds = if chance { seeds.max(1) } else { 1 };
    let next = AtomicUsize::new(0);
    let runs = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if seed >= seeds {
                        return;
                    }
                    let figures = run(seed);
                    runs.lock().expect("no run panics").push(figures);
                }
            });
        }
    });
    runs.into_inner().expect("no run panics")
}

/// One figure of all runs: `median (least..most)`.
fn figure<const N: usize>(runs: &[[f64; N]], which: usize, digits: usize) -> String {
    let mut figures: Vec<f64> = runs.iter().map(|run| run[which]).collect();
    figures.sort_by(f64::total_cmp);
    let (least, median, most) = spread(&figures);
    match figures.len() {
        1 => format!("{median:.digits$}"),
        _ => format!("{median:.digits$} ({least:.digits$}..{most:.digits$})"),
    }
}

/// Two hosts and the path between them.
struct World {
    sim: Sim,
    sender: Host,
    receiver: Host,
    port: Cell<u16>,
    algorithm: Congestion,
}

/// What a flow has come to so far.
#[derive(Clone, Default)]
struct Flow {
    received: Rc<Cell<u64>>,
    done_at: Rc<Cell<Option<Instant>>>,
    info: Rc<Cell<Option<TcpInfo>>>,
    /// One end has, and the other may wait for it for ever.
    has_given_up: Rc<Cell<bool>>,
}

impl Flow {
    /// Losses go by packets: one long burst may swallow all that a connection tries for minutes, and
    /// then it ends. Any other end is a fault.
    fn gave_up(&self, error: &std::io::Error) {
        let kinds = [ErrorKind::TimedOut, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "a connection: {error}");
        self.has_given_up.set(true);
    }
}

impl World {
    fn new(seed: u64, up: Impairment, algorithm: Congestion) -> World {
        let sim = Sim::new(seed);
        let sender = sim.host("sender", &["10.0.0.1/24"]);
        let receiver = sim.host("receiver", &["10.0.0.2/24"]);
        let link = LinkConfig {
            up,
            down: way_back(&up),
            checksum: true,
            ..LinkConfig::default()
        };
        sim.connect(&sender, &receiver, link);
        sim.set_horizon(Instant::ZERO + HORIZON);
        World {
            sim,
            sender,
            receiver,
            port: Cell::new(1000),
            algorithm,
        }
    }

    /// A flow of so many octets that begins at `start`.
    fn flow(&self, start: Duration, octets: u64) -> Flow {
        self.flow_of(self.algorithm, start, octets)
    }

    /// The same, of another algorithm.
    fn flow_of(&self, algorithm: Congestion, start: Duration, octets: u64) -> Flow {
        let flow = Flow::default();
        let port = self.port.replace(self.port.get() + 1);
        let to = SocketAddr::new(self.receiver.ip(), port);
        let (net, reading) = (self.receiver.net().clone(), flow.clone());
        let handle = self.sim.handle();
        self.sim.spawn(async move {
            let listener = TcpListener::bind(&net, to).await.expect("a free port");
            let (stream, _) = listener.accept().await.expect("a connection");
            read(&handle, &stream, octets, &reading).await;
        });
        let (net, writing, handle) = (self.sender.net().clone(), flow.clone(), self.sim.handle());
        self.sim.spawn(async move {
            handle.sleep(start).await;
            let connector = TcpConnector::new().config(config(algorithm));
            let stream = loop {
                match connector.clone().connect(&net, to).await {
                    Ok(stream) => break stream,
                    Err(e) => writing.gave_up(&e),
                }
            };
            write(&stream, octets, &writing).await;
        });
        flow
    }

    /// The share of the link that each flow had, once the beginning is over.
    fn shares<const N: usize>(&self, flows: [&Flow; N]) -> [f64; N] {
        self.sim.run_until(Instant::ZERO + DISCARDED);
        let before = flows.map(|flow| flow.received.get());
        self.sim.run_until(Instant::ZERO + END);
        let seconds = (END - DISCARDED).as_secs_f64();
        let mut shares = before.map(|n| n as f64);
        for (share, flow) in shares.iter_mut().zip(flows) {
            *share = (flow.received.get() as f64 - *share) * 8.0 / seconds / RATE as f64;
        }
        shares
    }
}

fn config(congestion: Congestion) -> Config {
    Config {
        congestion,
        ..Config::default()
    }
}

fn pattern() -> Bytes {
    (0..PATTERN).map(|i| (i ^ i >> 7) as u8).collect()
}

async fn write(stream: &TcpStream, octets: u64, flow: &Flow) {
    let pattern = pattern();
    let mut left = octets;
    while left > 0 {
        let len = left.min(PATTERN as u64);
        let mut chunk = pattern.slice(..len as usize);
        if let Err(e) = stream.write_bytes(&mut chunk).await {
            return flow.gave_up(&e);
        }
        left -= len;
        flow.info.set(stream.info().ok());
    }
    // Held until the other end has read all: to drop it would say nothing more of it.
    let end = stream.shutdown_write();
    match end.and(stream.read_bytes(1).await) {
        Ok(rest) => assert!(rest.is_empty()),
        Err(e) => return flow.gave_up(&e),
    }
    flow.info.set(stream.info().ok().or(flow.info.take()));
}

async fn read(handle: &Handle, stream: &TcpStream, octets: u64, flow: &Flow) {
    let pattern = pattern();
    while flow.received.get() < octets {
        let chunk = match stream.read_bytes(PATTERN).await {
            Ok(chunk) => chunk,
            Err(e) => return flow.gave_up(&e),
        };
        assert!(!chunk.is_empty(), "the end comes early");
        let at = (flow.received.get() % PATTERN as u64) as usize;
        let (first, rest) = chunk.split_at(chunk.len().min(PATTERN - at));
        assert!(pattern[at..].starts_with(first) && pattern.starts_with(rest));
        flow.received.set(flow.received.get() + chunk.len() as u64);
    }
    flow.done_at.set(Some(handle.now()));
}
