//! Two connections joined by a wire with delay and faults, on virtual time.

use crate::{
    Config, Connection, ListenVerdict, Path, Segment, SegmentSlot, State, SynReceived,
    SynReceivedVerdict, TimeWait, TimeWaitVerdict, closed, listen,
};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use handfast_base::{Duration, Instant, Rng};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Ecn, Payload, SendReason, SeqNumber};

pub(crate) use super::bench::PATH;

/// What stands at one end of the wire.
pub(crate) enum End {
    Listening,
    Half(SynReceived),
    Open(Connection),
    Waiting(TimeWait, Connection),
    /// After 2 MSL; what was not read still can be.
    Ended(Connection),
}

pub(crate) struct Host {
    pub(crate) end: End,
    pub(crate) config: Arc<Config>,
    pub(crate) path: Path,
    pub(crate) iss: SeqNumber,
    pub(crate) received: Vec<u8>,
    /// Stop reading while true.
    pub(crate) deaf: bool,
    due: VecDeque<SegmentSlot>,
    /// The right edge offered last.
    edge: Option<SeqNumber>,
}

/// What the wire does to one segment, by its running number and direction.
pub(crate) type Fault = alloc::boxed::Box<dyn FnMut(usize, &SegmentSlot, u64) -> Verdict>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Drop,
    Duplicate,
    /// Congestion Experienced, where the sender allows it.
    Mark,
    /// Arrives this many microseconds late.
    Late(u64),
}

pub(crate) struct Wire {
    pub(crate) now: Instant,
    pub(crate) hosts: [Host; 2],
    pub(crate) delay: Duration,
    pub(crate) fault: Fault,
    queue: BTreeMap<(Instant, u64), (usize, Segment)>,
    sequence: u64,
    /// Every segment that was sent: (from, header, text length).
    pub(crate) log: Vec<(Instant, usize, TcpHeader, u32, handfast_wire::SendReason)>,
}

impl Host {
    pub(crate) fn new(end: End, config: Arc<Config>, path: Path, iss: SeqNumber) -> Host {
        Host {
            end,
            config,
            path,
            iss,
            received: Vec::new(),
            deaf: false,
            due: VecDeque::new(),
            edge: None,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        match &self.end {
            End::Open(c) | End::Waiting(_, c) | End::Ended(c) => c,
            _ => panic!("no connection here"),
        }
    }

    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        match &mut self.end {
            End::Open(c) | End::Waiting(_, c) | End::Ended(c) => c,
            _ => panic!("no connection here"),
        }
    }

    pub(crate) fn state(&self) -> State {
        match &self.end {
            End::Listening => State::Listen,
            End::Half(_) => State::SynReceived,
            End::Open(c) => c.state(),
            End::Waiting(..) => State::TimeWait,
            End::Ended(_) => State::Closed,
        }
    }

    fn segment(&mut self, seg: &mut Segment, now: Instant) {
        let mut slot = SegmentSlot::default();
        match &mut self.end {
            End::Listening => match listen(seg, &mut slot) {
                ListenVerdict::Syn => {
                    let mut half =
                        SynReceived::new(&seg.header, self.iss, 7, &self.config, self.path, now);
                    half.write_syn_ack(now, &self.config, self.path, &mut slot);
                    self.due.push_back(slot);
                    self.end = End::Half(half);
                }
                ListenVerdict::Reset(_) => self.due.push_back(slot),
                ListenVerdict::Discard(_) => {}
            },
            End::Half(half) => match half.segment_arrives(seg, now) {
                SynReceivedVerdict::Established => {
                    let mut c = half
                        .clone()
                        .into_connection(self.config.clone(), self.path, now);
                    c.segment_arrives(seg, now);
                    self.end = End::Open(c);
                }
                SynReceivedVerdict::SynAckAgain => {
                    half.write_syn_ack(now, &self.config, self.path, &mut slot);
                    self.due.push_back(slot);
                }
                SynReceivedVerdict::Acknowledge(_) => {
                    half.write_ack(now, &mut slot);
                    self.due.push_back(slot);
                }
                SynReceivedVerdict::Reset(_) => {
                    half.write_reset(seg, &mut slot);
                    self.due.push_back(slot);
                }
                SynReceivedVerdict::Remove => self.end = End::Listening,
                SynReceivedVerdict::Discard(_) => {}
            },
            End::Open(c) if c.state() != State::Closed => {
                c.segment_arrives(seg, now);
            }
            End::Open(_) | End::Ended(_) => {
                if closed(seg, &mut slot) {
                    self.due.push_back(slot);
                }
            }
            End::Waiting(wait, _) => {
                if let TimeWaitVerdict::Acknowledge(_) = wait.segment_arrives(seg, now) {
                    wait.write_ack(now, &mut slot);
                    self.due.push_back(slot);
                }
            }
        }
        self.read();
    }

    /// The application reads everything there is, unless it is deaf.
    pub(crate) fn read(&mut self) {
        let deaf = self.deaf;
        if let End::Open(c) | End::Waiting(_, c) | End::Ended(c) = &mut self.end
            && !deaf
        {
            while let Some(bytes) = c.receive(usize::MAX) {
                self.received.extend_from_slice(&bytes);
                c.release(bytes.len() as u32);
            }
        }
    }

    fn poll(&mut self, now: Instant, out: &mut SegmentSlot) -> bool {
        if let Some(due) = self.due.pop_front() {
            *out = due;
            return true;
        }
        let End::Open(c) = &mut self.end else {
            return false;
        };
        if c.poll_transmit(now, out) {
            return true;
        }
        if let Some(wait) = c.time_wait(now) {
            let End::Open(c) = core::mem::replace(&mut self.end, End::Listening) else {
                unreachable!()
            };
            self.end = End::Waiting(wait, c);
        }
        false
    }

    /// What must hold of every segment that leaves.
    fn check(&mut self, out: &SegmentSlot) {
        let h = &out.header;
        let text = match out.gso_size {
            0 => out.payload.len(),
            size => {
                assert!(
                    out.payload.len() > u32::from(size),
                    "a super-segment is one"
                );
                u32::from(size)
            }
        };
        let size = u32::from(self.path.ip_header) + h.header_len() as u32 + text;
        let End::Open(c) = &self.end else {
            assert!(size <= self.path.mtu, "{size} octets");
            return;
        };
        let mtu = match out.reason {
            SendReason::MtuProbe => c.path().mtu,
            _ => c.path().pmtu(),
        };
        assert!(size <= mtu, "{size} octets, and the MTU is {mtu}");
        let options = h.header_len() as u32 - 20;
        let most = u32::from(c.tcb.peer_mss.max(64));
        assert!(
            text == 0 || text + options <= most,
            "{text} + {options} > {most}"
        );
        // A SYN cannot tell a window beyond 65535, not even again.
        let control = TcpFlags::RST | TcpFlags::SYN;
        if !h.flags.contains(TcpFlags::ACK) || h.flags.intersects(control) {
            return;
        }
        let shift = c.tcb.rcv_scale;
        let edge = h.ack + (u32::from(h.window) << shift);
        if let Some(before) = self.edge {
            // By scale rounding at most, and only far beyond the buffer.
            let back = before.distance(edge);
            assert!(back < 1 << shift, "the edge moves left by {back}");
            let capacity = i64::from(c.receive_capacity());
            let held = i64::from(before.distance(c.rcv_nxt())) + i64::from(c.tcb.rcv_held);
            let far = held + (1 << shift) > capacity + capacity / 8;
            assert!(back <= 0 || far, "left by {back}, {held} of {capacity}");
        }
        self.edge = Some(self.edge.map_or(edge, |before| before.later(edge)));
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.end {
            End::Listening => None,
            End::Half(half) => Some(half.poll_timeout()),
            End::Open(c) => c.poll_timeout(),
            End::Waiting(wait, _) => Some(wait.expires()),
            End::Ended(_) => None,
        }
    }

    fn timeout(&mut self, now: Instant) {
        match &mut self.end {
            End::Listening => {}
            End::Half(half) => {
                if half.poll_timeout() <= now {
                    if half.timeout(now) {
                        self.end = End::Listening;
                    } else {
                        let mut slot = SegmentSlot::default();
                        half.write_syn_ack(now, &self.config, self.path, &mut slot);
                        self.due.push_back(slot);
                    }
                }
            }
            End::Open(c) => c.timeout(now),
            End::Waiting(wait, _) if wait.expires() > now => {}
            End::Waiting(..) => {
                if let End::Waiting(_, c) = core::mem::replace(&mut self.end, End::Listening) {
                    self.end = End::Ended(c);
                }
            }
            End::Ended(_) => {}
        }
    }
}

impl Wire {
    pub(crate) fn new(client: Config, server: Config) -> Wire {
        Wire::with_iss(client, server, SeqNumber(1000), SeqNumber(5000))
    }

    pub(crate) fn with_iss(
        client: Config,
        server: Config,
        client_iss: SeqNumber,
        server_iss: SeqNumber,
    ) -> Wire {
        let now = Instant::from_secs(10);
        let (client, server) = (Arc::new(client), Arc::new(server));
        let open = Connection::open(client.clone(), PATH, client_iss, 3, now);
        let client = Host::new(End::Open(open), client, PATH, client_iss);
        let server = Host::new(End::Listening, server, PATH, server_iss);
        Wire::between([client, server], now)
    }

    pub(crate) fn between(hosts: [Host; 2], now: Instant) -> Wire {
        Wire {
            now,
            hosts,
            delay: Duration::from_millis(10),
            fault: alloc::boxed::Box::new(|_, _, _| Verdict::Pass),
            queue: BTreeMap::new(),
            sequence: 0,
            log: Vec::new(),
        }
    }

    pub(crate) fn client(&mut self) -> &mut Connection {
        self.hosts[0].connection_mut()
    }

    pub(crate) fn server(&mut self) -> &mut Connection {
        self.hosts[1].connection_mut()
    }

    pub(crate) fn states(&self) -> (State, State) {
        (self.hosts[0].state(), self.hosts[1].state())
    }

    /// Sends all that may be sent now.
    pub(crate) fn flush(&mut self) {
        let mut slot = SegmentSlot::default();
        for from in 0..2 {
            self.hosts[from].read();
            let mut burst = 0;
            while self.hosts[from].poll(self.now, &mut slot) {
                burst += 1;
                assert!(
                    burst < 100_000,
                    "output never ends: {:?}",
                    self.hosts[from].state()
                );
                self.hosts[from].check(&slot);
                let n = self.log.len() as u64;
                self.log
                    .push((self.now, from, slot.header, slot.payload.len(), slot.reason));
                let mut arrivals = Vec::new();
                let mut ecn = slot.ecn;
                match (self.fault)(from, &slot, n) {
                    Verdict::Pass => arrivals.push(self.delay),
                    Verdict::Mark => {
                        arrivals.push(self.delay);
                        if ecn != Ecn::NotEct {
                            ecn = Ecn::Ce;
                        }
                    }
                    Verdict::Drop => {}
                    Verdict::Duplicate => arrivals.extend([self.delay, self.delay]),
                    Verdict::Late(us) => {
                        arrivals.push(self.delay + Duration::from_micros(us));
                    }
                }
                for delay in arrivals {
                    self.sequence += 1;
                    let seg = Segment {
                        header: slot.header,
                        payload: copy(&slot.payload),
                        gso_size: slot.gso_size,
                        ecn,
                    };
                    self.queue
                        .insert((self.now + delay, self.sequence), (1 - from, seg));
                }
            }
            // Doing only what the deadlines say never spins.
            let due = self.hosts[from].deadline().filter(|&at| at <= self.now);
            assert_eq!(due, None, "still due: {:?}", self.hosts[from].state());
        }
    }

    /// When the next thing happens, if nobody does anything.
    pub(crate) fn next(&self) -> Option<Instant> {
        let arrival = self.queue.keys().next().map(|k| k.0);
        let timers = self.hosts.iter().filter_map(Host::deadline).min();
        arrival.into_iter().chain(timers).min()
    }

    /// Goes on to `at` and lets happen what happens then.
    pub(crate) fn go(&mut self, at: Instant) {
        self.now = self.now.max(at);
        // Packets that already lie there go before any timer.
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, mut seg) = entry.remove();
            self.hosts[to].segment(&mut seg, self.now);
        }
        for host in &mut self.hosts {
            host.timeout(self.now);
        }
        self.flush();
    }

    /// Goes on to the next event; false when nothing will ever happen.
    pub(crate) fn step(&mut self) -> bool {
        self.flush();
        let Some(next) = self.next() else {
            return false;
        };
        self.go(next);
        true
    }

    /// Runs until `done` or `limit` of virtual time; true when done.
    pub(crate) fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Wire) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            if self.now > end || !self.step() {
                return done(self);
            }
        }
    }

    /// Runs until both ends are ESTABLISHED.
    pub(crate) fn establish(&mut self) {
        let both = (State::Established, State::Established);
        assert!(
            self.run(Duration::from_secs(60), |w| w.states() == both),
            "{:?}",
            self.states()
        );
    }

    /// Transfers `data` from one end to the other, feeding the send buffer as it drains.
    pub(crate) fn transfer(&mut self, from: usize, data: &[u8], limit: Duration) -> bool {
        let mut rest = Bytes::copy_from_slice(data);
        let before = self.hosts[1 - from].received.len();
        let want = before + data.len();
        self.run(limit, |w| {
            if !rest.is_empty() {
                let sent = w.hosts[from].connection_mut().send(&mut rest);
                if sent.is_err() {
                    return true;
                }
                w.flush();
            }
            w.hosts[1 - from].received.len() >= want
        }) && self.hosts[1 - from].received[before..] == *data
    }

    /// Takes one end's connection out, lets time pass in which nobody is there and what comes is
    /// lost, and puts it in again with these options.
    pub(crate) fn carry(&mut self, who: usize, pause: Duration, config: Config) {
        let now = self.now;
        let snapshot = self.hosts[who].connection_mut().export(now);
        let snapshot = snapshot.expect("it is established");
        let mut slot = SegmentSlot::default();
        let old = self.hosts[who].connection_mut();
        assert!(!old.poll_transmit(now, &mut slot), "it goes without a word");
        assert_eq!((old.state(), old.poll_timeout()), (State::Closed, None));
        self.hosts[who].end = End::Listening;
        self.hosts[who].due.clear();
        loop {
            self.queue.retain(|_, (to, _)| *to != who);
            match self.next().filter(|&at| at <= now + pause) {
                Some(at) => self.go(at),
                None => break,
            }
        }
        self.now = now + pause;
        let host = &mut self.hosts[who];
        host.config = Arc::new(config);
        let c = Connection::import(snapshot, host.config.clone(), host.path, self.now);
        host.end = End::Open(c.expect("what was exported is a connection"));
        self.flush();
    }

    pub(crate) fn count(&self, from: usize, flags: TcpFlags) -> usize {
        self.log
            .iter()
            .filter(|l| l.1 == from && l.2.flags.contains(flags))
            .count()
    }
}

fn copy(payload: &Payload) -> Payload {
    Payload::from(Bytes::copy_from_slice(&payload.to_bytes()))
}

/// Octets that differ at every offset a mix-up could produce.
pub(crate) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut out = alloc::vec![0; len];
    Rng::new(seed).fill(&mut out);
    out
}
