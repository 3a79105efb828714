//! W5 against Linux: one bulk transfer over an impaired path to a kernel, sent by another kernel
//! or by us, with the same congestion control. Markdown comes out.
//!
//! `cargo run --release -p handfast-bench --bin w5_linux [runs] [at once] [rows with this in the
//! name, or ""] [algorithms]` as root
//!
//! The path is that of W5 in real time, between two network namespaces made for the run: wire
//! packets of 1,500 octets, one system call each, into the receiver's TUN. Super-segments of either
//! sender are cut before the path. A run lasts 20 s from the first octet, the first 5 discarded.
//! The two senders' runs of a row go side by side, so that what else the machine does
//! befalls both. Retransmissions are the sender's count; *duplicates* are those that the receiving
//! kernel reports (D-SACKs sent): what was sent again for nothing, counted by the same eyes for both.

use bytes::Bytes;
use handfast::base::Rng;
use handfast::congestion::Congestion;
use handfast::link::impaired::{Impaired, Impairment};
use handfast::link::tun::Tun;
use handfast::{Config, Host, TcpConnector};
use handfast_bench::bridge::{self, counter};
use handfast_bench::namespace::cpu_seconds;
use handfast_bench::paths::{RATE, rows, way_back};
use handfast_bench::spread;
use nix::sys::socket::GetSockOpt;
use nix::{getsockopt_impl, libc, sockopt_impl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const DISCARDED: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(20);
const SENDER: &str = "10.8.0.2";
const RECEIVER: &str = "10.8.0.1:5000";
const CHUNK: usize = 1 << 18;
/// A connection that nothing comes of is an error.
const PATIENCE: Duration = Duration::from_secs(60);

sockopt_impl!(
    /// TCP_INFO.
    Information,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    libc::tcp_info
);

/// What one run came to.
#[derive(Clone, Copy, Default)]
struct Run {
    share: f64,
    again: f64,
    duplicates: f64,
    timeouts: f64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("benchmark failed: {e}; it needs root, /dev/net/tun and iproute2");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |a| a.parse());
    let runs: usize = number(0, 5).map_err(Error::other)?;
    let at_once: usize = number(1, 6).map_err(Error::other)?;
    let only = args.get(2).map_or("", String::as_str);
    let algorithms: Vec<&str> = match args.get(3..) {
        Some(named @ [_, ..]) => named.iter().map(String::as_str).collect(),
        _ => vec!["reno", "cubic"],
    };
    let rows: Vec<_> = rows().into_iter().filter(|r| r.0.contains(only)).collect();
    // The two senders of one run follow each other, and so begin together.
    let mut jobs = Vec::new();
    for turn in 0..runs as u64 {
        for row in 0..rows.len() {
            for algorithm in 0..algorithms.len() {
                jobs.extend([false, true].map(|ours| (turn, row, algorithm, ours)));
            }
        }
    }
    println!(
        "100 Mbit/s, 50 ms, queue 1 BDP, 1,500 octets, 5 s to 20 s; {runs} runs, {at_once} at once; \
         Linux {}; median (least..most); ratio: ours to the kernel's mean, 95 % of {RESAMPLES} bootstraps",
        rustix::system::uname().release().to_string_lossy()
    );
    let (next, start, cpu) = (AtomicUsize::new(0), Instant::now(), cpu_seconds()?);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once.max(1))
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (turn, row, algorithm, ours) = *job;
                        let run = one(ours, algorithms[algorithm], rows[row].1, turn)?;
                        eprintln!(
                            "{turn} {} {} {}: {:.3}",
                            rows[row].0,
                            algorithms[algorithm],
                            if ours { "ours" } else { "kernel" },
                            run.share
                        );
                        done.lock().expect("no panic").push((*job, run));
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    let (done, used) = (done.into_inner().expect("no panic"), cpu_seconds()?);
    let used = used.0 + used.1 - cpu.0 - cpu.1;
    println!(
        "{:.0} s, in which this process used {used:.0} s of processor time\n\n\
         | path | algorithm | share: kernel | share: handfast | ratio | sent again: kernel | handfast | \
         duplicates: kernel | handfast | timeouts: kernel | handfast |\n\
         |---|---|---|---|---|---|---|---|---|---|---|",
        start.elapsed().as_secs_f64()
    );
    for (row, (name, ..)) in rows.iter().enumerate() {
        for (algorithm, called) in algorithms.iter().enumerate() {
            let of = |whose: bool| -> Vec<Run> {
                let mine = done
                    .iter()
                    .filter(|((_, r, a, ours), _)| (*r, *a, *ours) == (row, algorithm, whose));
                mine.map(|(_, run)| *run).collect()
            };
            let (kernels, ours) = (of(false), of(true));
            let both = |digits, figure: fn(&Run) -> f64| {
                [&kernels, &ours].map(|runs| shown(runs.iter().map(figure).collect(), digits))
            };
            let [share, again, duplicates, timeouts] = [
                both(3, |r| r.share),
                both(0, |r| r.again),
                both(0, |r| r.duplicates),
                both(0, |r| r.timeouts),
            ]
            .map(|both| both.join(" | "));
            let ratio = ratio(&ours, &kernels);
            println!(
                "| {name} | {called} | {share} | {ratio} | {again} | {duplicates} | {timeouts} |"
            );
        }
    }
    Ok(())
}

/// `median (least..most)`.
fn shown(mut figures: Vec<f64>, digits: usize) -> String {
    figures.sort_by(f64::total_cmp);
    let (least, median, most) = spread(&figures);
    format!("{median:.digits$} ({least:.digits$}..{most:.digits$})")
}

const RESAMPLES: usize = 10_000;

/// Of the means of the shares, with the interval of the bootstrap by percentiles.
fn ratio(ours: &[Run], kernels: &[Run]) -> String {
    let mean = |runs: &mut dyn Iterator<Item = f64>, of: usize| runs.sum::<f64>() / of as f64;
    let shares = |runs: &[Run]| mean(&mut runs.iter().map(|r| r.share), runs.len());
    let mut rng = Rng::new(1);
    let mut again = |runs: &[Run]| {
        let mut picked = (0..runs.len()).map(|_| runs[rng.below(runs.len() as u64) as usize].share);
        mean(&mut picked, runs.len())
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| again(ours) / again(kernels))
        .collect();
    ratios.sort_by(f64::total_cmp);
    format!(
        "**{:.2}** ({:.2}..{:.2})",
        shares(ours) / shares(kernels),
        ratios[RESAMPLES / 40],
        ratios[RESAMPLES - 1 - RESAMPLES / 40]
    )
}

/// One transfer, by us or by a kernel.
fn one(ours: bool, algorithm: &str, up: Impairment, seed: u64) -> io::Result<Run> {
    let receiver = Receiver::start()?;
    let tun = receiver.tun.recv_timeout(PATIENCE).map_err(Error::other);
    let path = match tun {
        Ok(tun) => Impaired::new(tun, up, way_back(&up), seed),
        // Why there is none.
        Err(e) => return Err(receiver.thread.join().expect("no panic").err().unwrap_or(e)),
    };
    let mut sender: Box<dyn Sender> = match ours {
        true => Box::new(Ours::start(path, algorithm)?),
        false => Box::new(Kernel::start(path, algorithm)?),
    };
    let waiting = Instant::now();
    while receiver.received.load(Ordering::Relaxed) == 0 {
        if waiting.elapsed() > PATIENCE {
            return Err(Error::other("nothing arrives"));
        }
        thread::sleep(Duration::from_micros(100));
    }
    let start = Instant::now();
    thread::sleep(DISCARDED);
    let before = (receiver.received.load(Ordering::Relaxed), start.elapsed());
    thread::sleep(END.saturating_sub(start.elapsed()));
    let after = (receiver.received.load(Ordering::Relaxed), start.elapsed());
    receiver.stop.store(true, Ordering::Relaxed);
    let duplicates = receiver.thread.join().expect("no panic")?;
    let [again, timeouts] = sender.end()?;
    let seconds = (after.1 - before.1).as_secs_f64();
    Ok(Run {
        share: (after.0 - before.0) as f64 * 8.0 / seconds / RATE as f64,
        again,
        duplicates,
        timeouts,
    })
}

/// A kernel that reads all that comes, in a namespace of its own.
struct Receiver {
    tun: mpsc::Receiver<Tun>,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    /// Ends with the duplicates it has reported.
    thread: JoinHandle<io::Result<f64>>,
}

impl Receiver {
    fn start() -> io::Result<Receiver> {
        let (hand_over, tun) = mpsc::channel();
        let received = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, ends) = (received.clone(), stop.clone());
        let thread = thread::Builder::new().spawn(move || {
            let tun = bridge::namespace("10.8.0.1", "cubic")?;
            let listener = TcpListener::bind(RECEIVER)?;
            hand_over.send(tun).map_err(Error::other)?;
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(Duration::from_millis(100)))?;
            let mut buf = vec![0; CHUNK];
            while !ends.load(Ordering::Relaxed) {
                match stream.read(&mut buf) {
                    Ok(0) => return Err(Error::other("the sender ends early")),
                    Ok(n) => _ = count.fetch_add(n as u64, Ordering::Relaxed),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => return Err(e),
                }
            }
            // Those below what had arrived in order, and those beyond.
            let old = counter("TcpExt", "TCPDSACKOldSent")?;
            Ok((old + counter("TcpExt", "TCPDSACKOfoSent")?) as f64)
        })?;
        Ok(Receiver {
            tun,
            received,
            stop,
            thread,
        })
    }
}

/// What sends until it is told to end.
trait Sender {
    /// Ends it: what it sent again, and its timeouts.
    fn end(&mut self) -> io::Result<[f64; 2]>;
}

/// A kernel that sends, in a namespace of its own.
struct Kernel {
    stream: TcpStream,
    stop: Arc<AtomicBool>,
    /// Ends with its timeouts.
    writer: Option<JoinHandle<io::Result<f64>>>,
    bridge: Option<JoinHandle<io::Result<()>>>,
}

impl Kernel {
    fn start(mut path: Impaired<Tun>, algorithm: &str) -> io::Result<Kernel> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, algorithm) = (stop.clone(), algorithm.to_owned());
        let (ready, connected) = mpsc::channel();
        let writer = thread::Builder::new().spawn(move || {
            let mut tun = bridge::namespace(SENDER, &algorithm)?;
            let carries = ends.clone();
            let bridge = thread::spawn(move || bridge::carry(&mut tun, &mut path, &carries));
            let socket = socket_with(
                AddressFamily::INET,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            )?;
            // Before it connects: one that has begun with BBR goes on pacing under any other.
            sockopt::set_tcp_congestion(&socket, &algorithm)?;
            let to: SocketAddr = RECEIVER.parse().expect("a literal");
            rustix::net::connect(&socket, &to)?;
            let mut stream = TcpStream::from(socket);
            stream.set_write_timeout(Some(Duration::from_millis(100)))?;
            ready
                .send((stream.try_clone()?, bridge))
                .map_err(Error::other)?;
            let chunk = vec![7; CHUNK];
            while !ends.load(Ordering::Relaxed) {
                match stream.write(&chunk) {
                    Err(e) if e.kind() != io::ErrorKind::WouldBlock => break,
                    _ => {}
                }
            }
            Ok(counter("TcpExt", "TCPTimeouts")? as f64)
        })?;
        let Ok((stream, bridge)) = connected.recv() else {
            let why = writer.join().expect("no panic").err();
            return Err(why.unwrap_or_else(|| Error::other("not connected")));
        };
        Ok(Kernel {
            stream,
            stop,
            writer: Some(writer),
            bridge: Some(bridge),
        })
    }
}

impl Sender for Kernel {
    fn end(&mut self) -> io::Result<[f64; 2]> {
        let again = Information.get(&self.stream)?.tcpi_total_retrans;
        self.stop.store(true, Ordering::Relaxed);
        let timeouts = self.writer.take().map(|w| w.join().expect("no panic"));
        self.bridge
            .take()
            .map(|b| b.join().expect("no panic"))
            .transpose()?;
        Ok([again.into(), timeouts.transpose()?.unwrap_or_default()])
    }
}

/// Our stack, right at the path.
struct Ours {
    stream: Arc<handfast::TcpStream>,
    writer: Option<JoinHandle<io::Result<()>>>,
    host: Option<Host>,
}

impl Ours {
    fn start(path: Impaired<Tun>, algorithm: &str) -> io::Result<Ours> {
        let address = format!("{SENDER}/24").parse().expect("a literal");
        let host = Host::builder().link(path, [address]).start();
        let host = host.map_err(Error::other)?;
        let congestion: Congestion = algorithm.parse().map_err(Error::other)?;
        let config = Config {
            congestion,
            ..Config::default()
        };
        let (net, to) = (host.net(), RECEIVER.parse().expect("a literal"));
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let connector = TcpConnector::new().config(config);
        let stream = Arc::new(runtime.block_on(connector.connect(&net, to))?);
        let writing = stream.clone();
        let writer = thread::spawn(move || {
            let chunk = Bytes::from(vec![7; CHUNK]);
            runtime.block_on(async {
                loop {
                    writing.write_bytes(&mut chunk.clone()).await?;
                }
            })
        });
        Ok(Ours {
            stream,
            writer: Some(writer),
            host: Some(host),
        })
    }
}

impl Sender for Ours {
    fn end(&mut self) -> io::Result<[f64; 2]> {
        let info = self.stream.info()?;
        self.stream.abort()?;
        // It ends with the connection, which is an error to it.
        if let Some(writer) = self.writer.take() {
            let _ = writer.join().expect("no panic");
        }
        self.host.take();
        Ok([info.retransmissions.into(), info.timeouts.into()])
    }
}
