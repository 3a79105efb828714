//! Two handfast stacks on one thread, joined by batches of packets.

use bytes::Bytes;
use handfast::Config;
use handfast::base::{Duration, Instant};
use handfast::stack::{
    ConnectOptions, InterfaceConfig, ListenOptions, SocketId, Stack, StackConfig, address::IfaceId,
};
use handfast::wire::Batch;
use std::net::SocketAddr;
use std::sync::Arc;

/// How the two stacks are joined.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Largest IP packet.
    pub mtu: u32,
    /// Largest super-segment; 0: none.
    pub gso_max: u32,
    /// Checksums are left out, as over a device with offload.
    pub offload: bool,
    /// Octets are copied into the stack and out of it.
    pub copied: bool,
}

/// Two stacks with one established connection.
pub struct Pair {
    stacks: [Stack; 2],
    ifaces: [IfaceId; 2],
    sockets: [SocketId; 2],
    batch: Batch,
    now: Instant,
    copied: bool,
    source: Bytes,
    sink: Vec<u8>,
    /// Packets carried from the sender to the receiver, and back.
    pub packets: [u64; 2],
}

const CHUNK: usize = 64 * 1024;

impl Pair {
    /// Two stacks and a connection from the first to the second.
    pub fn new(setup: Setup) -> Pair {
        let tcp = Config {
            send_buffer: (1 << 20).into(),
            receive_buffer: (1 << 20).into(),
            ..Config::default()
        };
        let config = StackConfig {
            tcp: Arc::new(tcp),
            ..StackConfig::default()
        };
        let mut stacks = [[1; 32], [2; 32]].map(|seed| Stack::new(config.clone(), seed));
        let mut ifaces = [IfaceId::LOOPBACK; 2];
        for (i, stack) in stacks.iter_mut().enumerate() {
            let address = format!("10.0.0.{}/24", i + 1).parse().expect("a prefix");
            let iface = InterfaceConfig {
                mtu: setup.mtu,
                gso_max: setup.gso_max,
                checksum_offload: setup.offload,
                addresses: vec![address],
                ..InterfaceConfig::default()
            };
            ifaces[i] = stack.add_interface(iface).expect("an interface");
        }
        let now = Instant::from_secs(1);
        let at: SocketAddr = "10.0.0.2:80".parse().expect("an address");
        let listener = stacks[1]
            .tcp_listen(ListenOptions::on(at))
            .expect("a listener");
        let client = stacks[0]
            .tcp_connect(at, ConnectOptions::default(), now)
            .expect("a route");
        let mut pair = Pair {
            stacks,
            ifaces,
            sockets: [client, client],
            batch: Batch::new(64),
            now,
            copied: setup.copied,
            source: Bytes::from((0..CHUNK).map(|i| (i % 251) as u8).collect::<Vec<u8>>()),
            sink: vec![0; CHUNK],
            packets: [0; 2],
        };
        for _ in 0..4 {
            pair.carry(0);
            pair.carry(1);
        }
        pair.sockets[1] = pair.stacks[1].tcp_accept(listener).expect("a connection");
        pair
    }

    fn carry(&mut self, from: usize) {
        loop {
            let count =
                self.stacks[from].poll_transmit(self.ifaces[from], self.now, &mut self.batch);
            if count == 0 {
                break;
            }
            self.packets[from] += count as u64;
            for packet in self.batch.packets_mut() {
                self.stacks[1 - from].receive(self.ifaces[1 - from], packet, self.now);
            }
            self.batch.clear();
            // The other end answers batch by batch.
            if from == 0 {
                self.read();
                self.carry(1);
            }
        }
    }

    fn write(&mut self, left: &mut usize) {
        while *left > 0 {
            let len = CHUNK.min(*left);
            let mut data = if self.copied {
                Bytes::copy_from_slice(&self.source[..len])
            } else {
                self.source.slice(..len)
            };
            let Some(mut c) = self.stacks[0].tcp_mut(self.sockets[0], self.now) else {
                return;
            };
            match c.send(&mut data) {
                Ok(0) | Err(_) => return,
                Ok(n) => *left -= n,
            }
        }
    }

    fn read(&mut self) -> usize {
        let mut total = 0;
        let Some(mut c) = self.stacks[1].tcp_mut(self.sockets[1], self.now) else {
            return 0;
        };
        while let Some(data) = c.receive(CHUNK) {
            if self.copied {
                self.sink[..data.len()].copy_from_slice(&data);
            }
            total += data.len();
        }
        if total > 0 {
            c.release(total as u32);
        }
        total
    }

    /// Carries `octets` from the first stack to the second.
    ///
    /// # Panics
    /// When the transfer stalls: a benchmark of nothing is none.
    pub fn transfer(&mut self, octets: usize) {
        let mut left = octets;
        let goal = self.received() + octets as u64;
        let mut rounds = 0;
        while self.received() < goal {
            self.now += Duration::from_micros(20);
            self.write(&mut left);
            self.carry(0);
            self.read();
            self.carry(1);
            for stack in &mut self.stacks {
                if stack.poll_timer().is_some_and(|at| at <= self.now) {
                    stack.timeout(self.now);
                }
            }
            rounds += 1;
            assert!(
                rounds < octets + 1000,
                "stalled at {} of {goal}",
                self.received()
            );
        }
    }

    fn received(&self) -> u64 {
        let c = self.stacks[1]
            .tcp(self.sockets[1])
            .expect("the connection lives");
        c.info(self.now).octets_received
    }
}
