use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use handfast_base::{Duration, Instant};
use handfast_stack::{
    AddressPrefix, ConnectOptions, IfaceId, InterfaceConfig, ListenOptions, SocketId, Stack,
    StackConfig,
};
use handfast_tcp::{Config, ConnectionError, Readiness, State};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Batch, IpHeader, Packet, Protocol};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Buffers of a size that a test can count on.
pub(crate) fn wide_buffers() -> Arc<Config> {
    Arc::new(Config {
        send_buffer: (4 << 20).into(),
        receive_buffer: (4 << 20).into(),
        ..Config::default()
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    A,
    B,
}

pub(crate) struct Host {
    pub(crate) stack: Stack,
    pub(crate) iface: IfaceId,
    pub(crate) address: IpAddr,
    pub(crate) events: BTreeMap<SocketId, Readiness>,
    out: Batch,
}

/// What crossed the wire, in order.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) from: Side,
    pub(crate) ip: IpHeader,
    pub(crate) tcp: Option<TcpHeader>,
    pub(crate) text: u32,
}

type Filter = Box<dyn FnMut(&Seen) -> bool>;

/// Two hosts on one link without loss, delay or limit, unless the filter drops.
pub(crate) struct Pair {
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) now: Instant,
    pub(crate) seen: Vec<Seen>,
    pub(crate) keep: Filter,
    pub(crate) family: Family,
}

impl Host {
    fn new(config: StackConfig, seed: u8, address: &str, interface: InterfaceConfig) -> Host {
        let mut stack = Stack::new(config, [seed; 32]);
        let prefix: AddressPrefix = address.parse().unwrap();
        let iface = stack
            .add_interface(InterfaceConfig {
                addresses: vec![prefix],
                ..interface
            })
            .unwrap();
        Host {
            stack,
            iface,
            address: prefix.address(),
            events: BTreeMap::new(),
            out: Batch::new(64),
        }
    }

    pub(crate) fn take_events(&mut self) {
        while let Some((id, r)) = self.stack.poll_event() {
            *self.events.entry(id).or_default() |= r;
        }
    }

    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    pub(crate) fn state(&self, id: SocketId) -> State {
        self.stack.tcp(id).expect("a live handle").state()
    }

    pub(crate) fn error(&self, id: SocketId) -> Option<ConnectionError> {
        self.stack.tcp(id).expect("a live handle").error()
    }

    pub(crate) fn listen(&mut self, port: u16) -> SocketId {
        let options = ListenOptions::on(self.at(port));
        self.stack.tcp_listen(options).unwrap()
    }
}

impl Pair {
    pub(crate) fn new(family: Family) -> Pair {
        Pair::with(family, StackConfig::default(), InterfaceConfig::default())
    }

    pub(crate) fn with(family: Family, config: StackConfig, interface: InterfaceConfig) -> Pair {
        let (a, b) = match family {
            Family::V4 => ("192.0.2.1/24", "192.0.2.2/24"),
            Family::V6 => ("2001:db8::1/64", "2001:db8::2/64"),
        };
        Pair {
            a: Host::new(config.clone(), 1, a, interface.clone()),
            b: Host::new(config, 2, b, interface),
            now: Instant::from_secs(1000),
            seen: Vec::new(),
            keep: Box::new(|_| true),
            family,
        }
    }

    /// Carries what each side has to say, once; how many packets that were.
    pub(crate) fn exchange(&mut self) -> usize {
        let mut moved = 0;
        for from in [Side::A, Side::B] {
            let (tx, rx) = match from {
                Side::A => (&mut self.a, &mut self.b),
                Side::B => (&mut self.b, &mut self.a),
            };
            tx.stack.poll_transmit(tx.iface, self.now, &mut tx.out);
            for packet in tx.out.packets_mut() {
                moved += 1;
                let seen = describe(from, packet);
                let keep = (self.keep)(&seen);
                self.seen.push(seen);
                if keep {
                    rx.stack.receive(rx.iface, packet, self.now);
                }
            }
            tx.out.clear();
        }
        self.a.take_events();
        self.b.take_events();
        moved
    }

    /// Carries packets until nobody has anything to say at this instant.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let due = |h: &Host, now| h.stack.poll_timeout().is_some_and(|at| at <= now);
            for host in [&mut self.a, &mut self.b] {
                if due(host, self.now) {
                    host.stack.timeout(self.now);
                }
            }
            let moved = self.exchange();
            if moved == 0 && !due(&self.a, self.now) && !due(&self.b, self.now) {
                return;
            }
        }
        panic!("never quiet");
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let next = [&self.a, &self.b]
                .into_iter()
                .filter_map(|h| h.stack.poll_timeout())
                .min();
            match next {
                Some(at) if at <= end => {
                    assert!(at > self.now, "a deadline in the past after settling");
                    self.now = at;
                }
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    /// A connection from A to a listener on B at `port`, established and accepted.
    pub(crate) fn connected(&mut self, port: u16) -> (SocketId, SocketId) {
        let listener = self.b.listen(port);
        let pair = self.connect_to(listener, port);
        self.b.stack.tcp_close_listener(listener, self.now);
        pair
    }

    pub(crate) fn connect_to(&mut self, listener: SocketId, port: u16) -> (SocketId, SocketId) {
        let client = self.attempt(port);
        self.settle();
        let server = self.b.stack.tcp_accept(listener).expect("a connection");
        self.settle();
        (client, server)
    }

    /// A's attempt to reach B at `port`, of which nothing has left yet.
    pub(crate) fn attempt(&mut self, port: u16) -> SocketId {
        let options = ConnectOptions::default();
        let remote = self.b.at(port);
        self.a.stack.tcp_connect(remote, options, self.now).unwrap()
    }

    /// Sends all of `data` from one side to the other and reads it there.
    pub(crate) fn transfer(&mut self, from: Side, tx: SocketId, rx: SocketId, data: &[u8]) {
        let mut left = Bytes::copy_from_slice(data);
        let mut got = Vec::new();
        let mut turns = 0;
        while got.len() < data.len() {
            turns += 1;
            assert!(turns < 100_000, "stuck at {} of {}", got.len(), data.len());
            let now = self.now;
            let (sender, receiver) = match from {
                Side::A => (&mut self.a, &mut self.b),
                Side::B => (&mut self.b, &mut self.a),
            };
            sender
                .stack
                .tcp_mut(tx, now)
                .unwrap()
                .send(&mut left)
                .unwrap();
            let _ = receiver;
            self.settle();
            let receiver = match from {
                Side::A => &mut self.b,
                Side::B => &mut self.a,
            };
            let read = read(receiver, rx, now);
            if read.is_empty() {
                self.run_for(Duration::from_millis(50));
            }
            got.extend(read);
            self.settle();
        }
        assert_eq!(got, data);
    }

    pub(crate) fn count(&self, from: Side, flags: TcpFlags) -> usize {
        let it = self.seen.iter().filter(|s| s.from == from);
        it.filter(|s| s.tcp.is_some_and(|t| t.flags.contains(flags)))
            .count()
    }
}

/// All that is there to be read.
pub(crate) fn read(host: &mut Host, id: SocketId, now: Instant) -> Vec<u8> {
    let mut all = Vec::new();
    let mut tcp = host.stack.tcp_mut(id, now).expect("a live handle");
    while let Some(data) = tcp.receive(usize::MAX) {
        tcp.release(data.len() as u32);
        all.extend_from_slice(&data);
    }
    all
}

pub(crate) fn write(host: &mut Host, id: SocketId, data: &'static [u8], now: Instant) {
    let mut data = Bytes::from_static(data);
    let mut tcp = host.stack.tcp_mut(id, now).expect("a live handle");
    tcp.send(&mut data).expect("taken");
    assert!(data.is_empty(), "taken whole");
}

/// One side has said all.
pub(crate) fn shut(host: &mut Host, id: SocketId, now: Instant) {
    let mut tcp = host.stack.tcp_mut(id, now).expect("a live handle");
    tcp.shutdown_write().expect("open until now");
}

pub(crate) fn linger(host: &mut Host, id: SocketId, time: Option<Duration>, now: Instant) {
    let mut tcp = host.stack.tcp_mut(id, now).expect("a live handle");
    tcp.set_linger(time);
}

fn describe(from: Side, packet: &Packet) -> Seen {
    let headers = packet.headers();
    let (ip, offset, end) = IpHeader::parse(headers, packet.len()).expect("a valid packet");
    let tcp = (ip.protocol == Protocol::TCP)
        .then(|| TcpHeader::parse(&headers[offset..]).expect("a valid segment"));
    Seen {
        from,
        ip,
        text: end - offset as u32 - tcp.map_or(0, |t| t.1 as u32),
        tcp: tcp.map(|t| t.0),
    }
}

/// A TCP segment as a stranger would forge it.
pub(crate) fn forge(source: SocketAddr, destination: SocketAddr, tcp: TcpHeader) -> Packet {
    forge_with_text(source, destination, tcp, 0)
}

/// As [`forge`], with so many octets of text.
pub(crate) fn forge_with_text(
    source: SocketAddr,
    destination: SocketAddr,
    tcp: TcpHeader,
    text: usize,
) -> Packet {
    let ip = IpHeader::new(source.ip(), destination.ip(), Protocol::TCP);
    let tcp = TcpHeader {
        source_port: source.port(),
        destination_port: destination.port(),
        ..tcp
    };
    let mut built = Packet::new();
    built.payload.push(Bytes::from(vec![0x55; text]));
    assert!(built.write_tcp(&ip, &tcp, 0, handfast_wire::Checksum::None));
    Packet::from_bytes(built.to_bytes())
}

pub(crate) fn syn(seq: u32) -> TcpHeader {
    TcpHeader {
        seq: handfast_wire::SeqNumber(seq),
        flags: TcpFlags::SYN,
        window: 65535,
        ..TcpHeader::default()
    }
}
