//! Two smoltcp stacks on one thread, joined by queues of buffers: the peer of `memory`.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{
    Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken,
};
use smoltcp::socket::tcp::{self, CongestionControl};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address};
use std::collections::VecDeque;

/// Packets in flight one way, and used buffers.
#[derive(Default)]
struct Queue {
    packets: VecDeque<Vec<u8>>,
}

/// One end's view.
struct End {
    inbox: Queue,
    outbox: Queue,
    spare: Vec<Vec<u8>>,
    mtu: usize,
    sums: bool,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut End);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut buffer = self.0.spare.pop().unwrap_or_default();
        buffer.resize(len, 0);
        let result = f(&mut buffer);
        self.0.outbox.packets.push_back(buffer);
        result
    }
}

impl Device for End {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let packet = self.inbox.packets.pop_front()?;
        Some((Rx(packet), Tx(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        (self.outbox.packets.len() < 64).then_some(Tx(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut c = DeviceCapabilities::default();
        c.medium = Medium::Ip;
        c.max_transmission_unit = self.mtu;
        c.max_burst_size = Some(64);
        if !self.sums {
            let mut none = ChecksumCapabilities::default();
            none.ipv4 = Checksum::Both;
            none.tcp = Checksum::None;
            c.checksum = none;
        }
        c
    }
}

/// Two smoltcp stacks with one established connection.
pub struct Pair {
    ends: [End; 2],
    ifaces: [Interface; 2],
    sets: [SocketSet<'static>; 2],
    handles: [SocketHandle; 2],
    now: i64,
    source: Vec<u8>,
    sink: Vec<u8>,
    /// Packets carried from the sender to the receiver, and back.
    pub packets: [u64; 2],
}

const CHUNK: usize = 64 * 1024;

impl Pair {
    /// Two stacks with 1 MiB buffers; `sums`: checksums made and checked.
    pub fn new(mtu: usize, sums: bool) -> Pair {
        let mut ends = [(); 2].map(|()| End {
            inbox: Queue::default(),
            outbox: Queue::default(),
            spare: Vec::new(),
            mtu,
            sums,
        });
        let mut ifaces: Vec<Interface> = Vec::new();
        let (mut sets, mut handles) = (Vec::new(), Vec::new());
        for (i, end) in ends.iter_mut().enumerate() {
            let mut iface = Interface::new(
                Config::new(HardwareAddress::Ip),
                end,
                Instant::from_micros(0),
            );
            iface.update_ip_addrs(|a| {
                let address = IpAddress::v4(10, 0, 0, i as u8 + 1);
                a.push(IpCidr::new(address, 24))
                    .expect("room for an address");
            });
            ifaces.push(iface);
            let buffer = || tcp::SocketBuffer::new(vec![0; 1 << 20]);
            let mut socket = tcp::Socket::new(buffer(), buffer());
            socket.set_congestion_control(CongestionControl::Reno);
            let mut set = SocketSet::new(Vec::new());
            handles.push(set.add(socket));
            sets.push(set);
        }
        let mut pair = Pair {
            ends,
            ifaces: ifaces
                .try_into()
                .unwrap_or_else(|_| unreachable!("two were made")),
            sets: sets
                .try_into()
                .unwrap_or_else(|_| unreachable!("two were made")),
            handles: [handles[0], handles[1]],
            now: 1_000_000,
            source: (0..CHUNK).map(|i| (i % 251) as u8).collect(),
            sink: vec![0; CHUNK],
            packets: [0; 2],
        };
        let (h, s) = (pair.handles, &mut pair.sets);
        s[1].get_mut::<tcp::Socket<'_>>(h[1])
            .listen(80)
            .expect("listens");
        let remote = (IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 2)), 80);
        let context = pair.ifaces[0].context();
        s[0].get_mut::<tcp::Socket<'_>>(h[0])
            .connect(context, remote, 49_152)
            .expect("connects");
        for _ in 0..8 {
            pair.step();
        }
        pair
    }

    fn step(&mut self) {
        self.now += 20;
        let now = Instant::from_micros(self.now);
        for i in 0..2 {
            self.ifaces[i].poll(now, &mut self.ends[i], &mut self.sets[i]);
            let sent = std::mem::take(&mut self.ends[i].outbox.packets);
            self.packets[i] += sent.len() as u64;
            self.ends[1 - i].inbox.packets.extend(sent);
        }
    }

    /// Carries `octets` from the first stack to the second, copied in and out.
    ///
    /// # Panics
    /// When the transfer stalls.
    pub fn transfer(&mut self, octets: usize) {
        let (mut left, mut got, mut rounds) = (octets, 0, 0);
        while got < octets {
            let socket = self.sets[0].get_mut::<tcp::Socket<'_>>(self.handles[0]);
            while left > 0 && socket.can_send() {
                let n = socket
                    .send_slice(&self.source[..CHUNK.min(left)])
                    .expect("open");
                left -= n;
                if n == 0 {
                    break;
                }
            }
            self.step();
            let socket = self.sets[1].get_mut::<tcp::Socket<'_>>(self.handles[1]);
            while socket.can_recv() {
                got += socket.recv_slice(&mut self.sink).expect("open");
            }
            rounds += 1;
            assert!(rounds < octets + 1000, "stalled at {got} of {octets}");
        }
    }
}
