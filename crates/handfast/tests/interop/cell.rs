//! One cell: a device of its own, both ends, a transfer both ways, and the end of it.

use crate::content::Turn;
use crate::expected::{self, Found};
use crate::plan::Cell;
use crate::wire::Wire;
use crate::{kernel, ours};
use handfast::base::Duration;
use handfast::link::Link;
use handfast::link::impaired::{Impaired, Impairment};
use handfast::link::observed::Observed;
use handfast::link::tun::{self, TunConfig};
use handfast::stack::AddressPrefix;
use handfast::{Host, Net, TcpConnector, TcpListener};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Instant;

/// Of the rows that [`run`] returns.
pub(crate) const HEADINGS: &str = "\
| cell | opens | closes first | IP | MTU | path | timestamps | SACK | scaling | ECN | Fast Open | congestion control | KiB each way | sent again | SACKs |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// Longer than any cell takes on a machine that has much else to do.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

/// Runs a cell; a row of the table.
pub(crate) async fn run(number: usize, cell: &Cell) -> io::Result<String> {
    prepare(cell)?;
    let mtu: u32 = cell.get("MTU").parse().expect("a number");
    // The length of a name is bounded, and its device ends with its descriptor.
    let tun = tun::open(&TunConfig {
        name: format!("hf{number}"),
        mtu,
        ..TunConfig::default()
    })?;
    // Addresses of its own: nothing that an earlier cell has left in a cache is of use.
    let [prefix, ours, theirs] = match cell.get("IP") {
        "4" => ["24", "2", "1"].map(|n| match n {
            "24" => n.into(),
            n => format!("10.{}.{}.{n}", number >> 8, number & 255),
        }),
        _ => ["64", "2", "1"].map(|n| match n {
            "64" => n.into(),
            n => format!("fd00:{number:x}::{n}"),
        }),
    };
    let nodad = if cell.is("IP", "6") { "nodad" } else { "" };
    let up = format!(
        "ip link set lo up && ip addr add {theirs}/{prefix} dev hf{number} {nodad} && ip link set hf{number} up txqueuelen 5000"
    );
    let done = Command::new("sh").args(["-c", &up]).status()?;
    if !done.success() {
        return Err(io::Error::other(format!("failed: {up}")));
    }
    let wire = Wire::default();
    let link: Box<dyn Link> = match cell.get("path") {
        "clean" => Box::new(tun),
        _ => {
            let lossy = Impairment {
                loss: 0.01,
                reorder: 0.01,
                duplicate: 0.005,
                delay: Duration::from_millis(5),
                ..Impairment::default()
            };
            Box::new(Impaired::new(tun, lossy, lossy, number as u64))
        }
    };
    let link = Observed::new(link, Some(Box::new(wire.clone())));
    let address: AddressPrefix = format!("{ours}/{prefix}").parse().expect("an address");
    let host = Host::builder().link(link, [address]).start();
    let host = host.map_err(|e| io::Error::other(e.to_string()))?;
    let [ours, theirs]: [IpAddr; 2] = [ours, theirs].map(|a| a.parse().expect("an address"));
    let pair = Pair {
        net: host.net(),
        ours: SocketAddr::new(ours, 2000),
        theirs: SocketAddr::new(theirs, 2000),
        cell: *cell,
    };
    let within = |work| tokio::time::timeout(LIMIT, work);
    let late = |_| io::Error::other(format!("not done within {LIMIT:?}"));
    // Where there may be a cookie, it comes with the first connection.
    let mut connections = 1;
    if ["our Fast Open", "kernel's Fast Open"]
        .iter()
        .any(|w| cell.is(w, "on"))
    {
        within(pair.connection(1000)).await.map_err(late)??;
        connections += 1;
    }
    let before = pair.fast_opens();
    // Some hundred segments, if they fit.
    let octets = (mtu as usize * 300).clamp(256 << 10, 4 << 20);
    let (info, kernels) = within(pair.connection(octets)).await.map_err(late)??;
    pair.both_ends_closed(connections).await?;
    let [sent, received] = wire.seen();
    let found = Found {
        ours: info,
        kernels,
        sent,
        received,
        fast_open: pair.fast_opens() > before,
    };
    let agreed = expected::compare(cell, &found).map_err(|why| {
        io::Error::other(format!(
            "{why}; the first segments and the last:{}",
            wire.some()
        ))
    })?;
    let feature = |of: &str, agreed: bool| {
        let [our, kernels] = ["our", "kernel's"].map(|whose| cell.get(&format!("{whose} {of}")));
        format!("{our}/{kernels}: {}", if agreed { "yes" } else { "no" })
    };
    Ok(format!(
        "{} | {} | {} | {mtu} | {} | {} | {} | {} | {}/{}: {} | {} | {}/{} | {} | {}/{} | {}/{} |",
        cell.get("opens"),
        cell.get("closes first"),
        cell.get("IP"),
        cell.get("path"),
        feature("timestamps", agreed.timestamps),
        feature("SACK", agreed.sack),
        feature("scaling", agreed.scaling),
        cell.get("our ECN"),
        cell.get("kernel's ECN"),
        format!("{:?}", agreed.ecn).to_lowercase(),
        feature("Fast Open", agreed.fast_open),
        cell.get("our congestion control"),
        cell.get("kernel's congestion control"),
        octets >> 10,
        info.retransmissions,
        kernels.tcpi_total_retrans,
        sent.sacks,
        received.sacks,
    ))
}

/// The kernel's settings, which are those of the namespace.
fn prepare(cell: &Cell) -> io::Result<()> {
    let switch = |name: &str| if cell.is(name, "on") { "1" } else { "0" };
    // What is late would end TIME-WAIT (RFC 1337).
    kernel::set("tcp_rfc1337", "1")?;
    kernel::set("tcp_timestamps", switch("kernel's timestamps"))?;
    kernel::set("tcp_sack", switch("kernel's SACK"))?;
    kernel::set("tcp_window_scaling", switch("kernel's scaling"))?;
    kernel::set("tcp_ecn", cell.get("kernel's ECN"))?;
    // Client and server.
    let fast_open = if cell.is("kernel's Fast Open", "on") {
        "3"
    } else {
        "0"
    };
    kernel::set("tcp_fastopen", fast_open)?;
    kernel::set(
        "tcp_congestion_control",
        cell.get("kernel's congestion control"),
    )
}

/// Both ends of a cell's connections.
struct Pair {
    net: Net,
    ours: SocketAddr,
    theirs: SocketAddr,
    cell: Cell,
}

impl Pair {
    /// One connection, from SYN to FIN, and what each end says of it.
    async fn connection(
        &self,
        octets: usize,
    ) -> io::Result<(handfast::TcpInfo, nix::libc::tcp_info)> {
        let cell = self.cell;
        let (our_turn, their_turn) = match cell.get("closes first") {
            "we" => (Turn::First, Turn::Second),
            _ => (Turn::Second, Turn::First),
        };
        let [our_fast, their_fast] =
            ["our Fast Open", "kernel's Fast Open"].map(|f| cell.is(f, "on"));
        let config = ours::config(&cell);
        let (stream, kernels) = if cell.is("opens", "we") {
            let listener = kernel::listen(self.theirs, their_fast)?;
            let kernels = tokio::task::spawn_blocking(move || {
                kernel::transfer(listener.accept()?.0, octets, their_turn)
            });
            let connector = TcpConnector::new().config(config).fast_open(our_fast);
            (connector.connect(&self.net, self.theirs).await?, kernels)
        } else {
            let listener = TcpListener::builder().config(config).reuse_address(true);
            let listener = listener.fast_open(if our_fast { 16 } else { 0 });
            let listener = listener.bind(&self.net, self.ours)?;
            let to = self.ours;
            let kernels = tokio::task::spawn_blocking(move || {
                kernel::transfer(kernel::connect(to, their_fast)?, octets, their_turn)
            });
            (listener.accept().await?.0, kernels)
        };
        let ours = ours::transfer(stream, octets, our_turn).await?;
        let kernels = kernels.await.expect("no panic")?;
        Ok((ours, kernels))
    }

    /// Openings with text on the SYN that was taken, by either end.
    fn fast_opens(&self) -> u64 {
        let tcp = self.net.with_stack(|stack, _| stack.metrics().tcp);
        tcp.fast_opens + tcp.fast_opens_taken
    }

    /// Waits until nothing is left but TIME-WAIT at the end that closed first.
    async fn both_ends_closed(&self, connections: usize) -> io::Result<()> {
        let we_wait = self.cell.is("closes first", "we");
        let start = Instant::now();
        loop {
            let usage = self.net.with_stack(|stack, _| stack.usage());
            let kernels = kernel::sockets(self.ours, self.theirs)?;
            let (ours, theirs) = if we_wait {
                (connections, 0)
            } else {
                (0, connections)
            };
            let is_closed = usage.connections == 0
                && usage.time_wait == ours
                && kernels == vec![kernel::TIME_WAIT; theirs];
            if is_closed {
                return Ok(());
            }
            if start.elapsed() > LIMIT {
                return Err(io::Error::other(format!(
                    "not closed: {} connections and {} in TIME-WAIT of ours, {kernels:?} of the kernel's",
                    usage.connections, usage.time_wait
                )));
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}
