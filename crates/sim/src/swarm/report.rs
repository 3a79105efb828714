use super::scenario::{Plan, Scenario};
use crate::Traffic;
use crate::transfer::{Close, Death, EndReport, Ending};
use handfast::Config;
use handfast::base::{Duration, Instant};
use handfast::stack::Metrics;
use handfast::wire::Discard;
use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;

/// What came of a [`Scenario`].
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// When the last packet had come and the last timer had run.
    pub at: Instant,
    /// One number for all packets and states.
    pub trace_hash: u64,
    /// What crossed the links.
    pub traffic: Traffic,
    /// Segments that were sent again.
    pub retransmissions: u64,
    /// Packets thrown away because they were damaged.
    pub damaged: u64,
    /// Each connection, in the order of the plans.
    pub connections: Vec<ConnectionReport>,
    /// What is wrong beyond single connections.
    pub faults: Vec<String>,
}

/// What came of one connection.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// The client's end, once it has one.
    pub client_addr: Option<SocketAddr>,
    /// The server's end.
    pub server_addr: SocketAddr,
    /// The client; an error if it never got a connection.
    pub client: Option<Result<EndReport, Death>>,
    /// The server, if it got a connection.
    pub server: Option<EndReport>,
    /// Whether its link was cut for good.
    pub is_cut: bool,
    /// What is to be thought of it.
    pub verdict: Verdict,
}

/// What is to be thought of a connection's fate.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Every octet came, both ways.
    Delivered,
    /// One end wanted it so.
    Quit,
    /// It was reported dead, and that is why it may be.
    Dead(Why),
    /// It must not be so.
    Wrong(String),
}

/// Why a connection may be reported dead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Why {
    /// No sign of the peer, for as long as the options say.
    Silence,
    /// The other end had given up for that reason, and answers with a reset.
    PeerGaveUp,
    /// No answer to the SYN, for as long as the options say.
    NoAnswer,
    /// The other end had done with it, and its TIME-WAIT was over: it answers with a reset.
    TimeWaitOver,
    /// The stack's memory was used up.
    Memory,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Silence => "no sign of the peer for as long as the options say",
            Why::PeerGaveUp => "the other end had given up for want of a sign",
            Why::NoAnswer => "no answer to the SYN for as long as the options say",
            Why::TimeWaitOver => "the other end was done, and its TIME-WAIT over",
            Why::Memory => "the memory of the stack was used up",
        })
    }
}

impl Report {
    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.wrong().next().is_none()
    }

    /// The connections of which that cannot be said, with their numbers.
    pub fn wrong(&self) -> impl Iterator<Item = (usize, &ConnectionReport)> {
        let all = self.connections.iter().enumerate();
        all.filter(|(_, c)| matches!(c.verdict, Verdict::Wrong(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.traffic;
        writeln!(
            f,
            "seed {}: {:?}, {} packets, {} data segments, {} lost, {} retransmissions, trace {:016x}",
            self.seed,
            self.at,
            t.packets,
            t.data_segments,
            t.lost,
            self.retransmissions,
            self.trace_hash
        )?;
        for (n, c) in self.connections.iter().enumerate() {
            writeln!(f, "  connection {n}: {:?}", c.verdict)?;
            match &c.client {
                None => writeln!(f, "    client: never done")?,
                Some(Err(death)) => writeln!(f, "    client: no connection, {}", death.kind)?,
                Some(Ok(end)) => writeln!(f, "    client: {end}")?,
            }
            match &c.server {
                None => writeln!(f, "    server: never done, or never began")?,
                Some(end) => writeln!(f, "    server: {end}")?,
            }
        }
        self.faults
            .iter()
            .try_for_each(|fault| writeln!(f, "  FAULT: {fault}"))
    }
}

/// Packets that a stack threw away for what only damage explains.
pub(super) fn damaged(metrics: &Metrics) -> u64 {
    let all = metrics.iter_discards();
    all.filter(|(reason, _)| {
        let name = reason.name();
        name.starts_with("Ip")
            || name.starts_with("Icmp") && *reason != Discard::IcmpRateLimited
            || matches!(
                reason,
                Discard::TcpTruncated | Discard::TcpChecksum | Discard::TcpOption
            )
    })
    .map(|(_, count)| count)
    .sum()
}

/// What is to be thought of a connection whose ends came to this. `timed_out` tells of each host
/// whether its stack gave any connection up.
pub(super) fn judge(
    scenario: &Scenario,
    plan: &Plan,
    client: Option<&Result<EndReport, Death>>,
    server: Option<&EndReport>,
    timed_out: &[bool],
) -> Verdict {
    let client = match client {
        None => return Verdict::Wrong("the client came to no end".into()),
        Some(Err(death)) => return judge_open(scenario, plan, death, server),
        Some(Ok(client)) => client,
    };
    for end in [Some(client), server].into_iter().flatten() {
        if let Some(fault) = end.fault() {
            return Verdict::Wrong(fault.to_owned());
        }
    }
    if let Some(server) = server
        && client.is_complete()
        && server.is_complete()
    {
        let wrong = (client.read, server.read) != (plan.transfer.down, plan.transfer.up);
        return match wrong {
            true => Verdict::Wrong("complete, but not all octets".into()),
            false => Verdict::Delivered,
        };
    }
    let quits = |close| matches!(close, Close::Abort(_) | Close::Leave(_));
    if quits(plan.transfer.client.close) || quits(plan.transfer.server.close) {
        return Verdict::Quit;
    }
    let is_short = |end: &EndReport| end.reading == Ending::Short;
    if is_short(client) || server.is_some_and(is_short) {
        return Verdict::Wrong("the stream ended too early".into());
    }
    // To the one who opened it fast it was open before anybody had heard of it.
    if plan.fast_open
        && server.is_none_or(|server| server.deaths().next().is_some())
        && client.deaths().all(|d| d.kind == ErrorKind::TimedOut)
        && client
            .deaths()
            .next()
            .is_some_and(|d| d.at.since(plan.at) >= plan.client_config.syn_limit)
        && (scenario.may_lose(plan) || scenario.is_memory_short())
    {
        return Verdict::Dead(Why::NoAnswer);
    }
    let (mine, theirs) = (&plan.client_config, &plan.server_config);
    // What a round trip may take.
    let trip = plan.transfer.patience.unwrap_or(Duration::from_secs(60));
    let gave_up = |host: usize| timed_out[host];
    let client_why = why(client, mine, server, theirs, gave_up(plan.server), trip);
    let server_why = match server {
        Some(server) => why(
            server,
            theirs,
            Some(client),
            mine,
            gave_up(plan.client),
            trip,
        ),
        None => Ok(None),
    };
    match (client_why, server_why) {
        (Ok(None), Ok(None)) => Verdict::Wrong("neither complete nor dead".into()),
        (Ok(a), Ok(b)) => Verdict::Dead(a.or(b).unwrap_or(Why::Silence)),
        // What a stack has no room for it throws away, as if it were lost.
        _ if scenario.is_memory_short() => Verdict::Dead(Why::Memory),
        _ => Verdict::Wrong("dead without a reason".into()),
    }
}

/// Why this end may be dead, if it is.
fn why(
    end: &EndReport,
    config: &Config,
    other: Option<&EndReport>,
    other_config: &Config,
    other_gave_up: bool,
    trip: Duration,
) -> Result<Option<Why>, ()> {
    let Some(death) = end.deaths().next() else {
        return Ok(None);
    };
    if end.deaths().all(|death| is_silence(death, config, trip)) {
        return Ok(Some(Why::Silence));
    }
    let told = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    if !end.deaths().all(|death| told.contains(&death.kind)) {
        return Err(());
    }
    match other {
        Some(other) if other.deaths().next().is_some() => Ok(Some(Why::PeerGaveUp)),
        // Its application had left the rest to the stack.
        _ if other_gave_up => Ok(Some(Why::PeerGaveUp)),
        Some(other) if death.at >= other.at + other_config.time_wait => Ok(Some(Why::TimeWaitOver)),
        Some(_) => Err(()),
        // It gave up before the handshake was done.
        None => Ok(Some(Why::PeerGaveUp)),
    }
}

fn judge_open(
    scenario: &Scenario,
    plan: &Plan,
    death: &Death,
    server: Option<&EndReport>,
) -> Verdict {
    let waited = death.at.since(plan.at);
    match death.kind {
        ErrorKind::TimedOut
            if waited >= plan.client_config.syn_limit
                && (scenario.may_lose(plan) || scenario.is_memory_short()) =>
        {
            Verdict::Dead(Why::NoAnswer)
        }
        ErrorKind::OutOfMemory if scenario.is_memory_short() => Verdict::Dead(Why::Memory),
        // The other end had no memory to call, and so nobody was there.
        ErrorKind::ConnectionRefused if plan.is_simultaneous && scenario.is_memory_short() => {
            Verdict::Dead(Why::Memory)
        }
        // To the other end it was open, which has left again; of that nothing arrived but this.
        ErrorKind::ConnectionRefused
            if plan.is_simultaneous
                && scenario.may_lose(plan)
                && server.is_some_and(|s| s.writing == Ending::Quit && s.at < death.at) =>
        {
            Verdict::Quit
        }
        kind => Verdict::Wrong(format!("no connection after {waited:?}: {kind}")),
    }
}

/// However far a timeout is backed off, it expires twice before a connection is given up: what is
/// lost is at least two repetitions of a segment, or what they were answered with.
const LOST: u64 = 2;

/// Whether a connection with these options, over a path of that round-trip time at worst, may be
/// given up so long after the peer was heard.
fn is_silence(death: &Death, config: &Config, trip: Duration) -> bool {
    let keep_alive = config.keep_alive.map_or(Duration::MAX, |k| {
        k.idle.saturating_add(k.interval * u32::from(k.count))
    });
    if death.kind != ErrorKind::TimedOut || death.lost < LOST {
        return false;
    }
    // It counts from when that was sent of which the acknowledgment never came.
    let stall = death.stall + trip;
    stall >= config.retransmission_limit || death.silence >= keep_alive
}
