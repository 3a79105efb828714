//! A program's host, and a relay's at the other end of a link in memory.

use crate::udp::{Admit, Config, Nat, UdpReport};
use handfast::link::Capabilities;
use handfast::link::memory::{self, MemoryLink};
use handfast::stack::udp::Outbound;
use handfast::wire::Payload;
use handfast::{Host, UdpSocket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// More than any test takes on any machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// What the machine's loopback is called inside.
pub(crate) const OUTSIDE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
pub(crate) const OUTSIDE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 5));

pub(crate) const FAMILIES: [(IpAddr, IpAddr); 2] = [
    (OUTSIDE_V4, IpAddr::V4(Ipv4Addr::LOCALHOST)),
    (OUTSIDE_V6, IpAddr::V6(Ipv6Addr::LOCALHOST)),
];

pub(crate) struct World {
    pub(crate) program: Host,
    pub(crate) relay: Host,
}

impl World {
    /// The link takes super-segments and jumbo packets.
    pub(crate) fn new() -> World {
        World::with_mtu(65_520, 65_535)
    }

    pub(crate) fn with_mtu(mtu: u32, gso_udp: u32) -> World {
        let capabilities = Capabilities {
            checksum: true,
            gso_tcp: gso_udp,
            gso_udp,
            ..Capabilities::ip(mtu)
        };
        let (inside, outside) = memory::pair(&memory::Config {
            capabilities,
            ..memory::Config::default()
        });
        World {
            program: host(inside, ["10.77.0.2/24", "fd68:616e:6466:1::2/64"], true),
            relay: host(outside, ["10.77.0.1/24", "fd68:616e:6466:1::1/64"], false),
        }
    }

    /// Relays everything, the machine's loopback under the names of [`FAMILIES`].
    pub(crate) fn relay(&self, change: impl FnOnce(&mut Config)) -> Nat {
        let mut config = Config {
            admit: substitute(),
            ..Config::default()
        };
        change(&mut config);
        Nat::start(&self.relay.net(), config).unwrap()
    }

    /// As [`relay`](World::relay), with the reports.
    pub(crate) fn reported(
        &self,
        change: impl FnOnce(&mut Config),
    ) -> (Nat, UnboundedReceiver<UdpReport>) {
        let (sender, receiver) = unbounded_channel();
        let nat = self.relay(|config| {
            config.report = Arc::new(move |report| _ = sender.send(report));
            change(config);
        });
        (nat, receiver)
    }

    /// A socket of the program's, of the family of `like`.
    pub(crate) async fn socket(&self, like: IpAddr) -> UdpSocket {
        let any = match like {
            IpAddr::V4(_) => "10.77.0.2:0",
            IpAddr::V6(_) => "[fd68:616e:6466:1::2]:0",
        };
        let net = self.program.net();
        UdpSocket::bind(&net, any.parse().unwrap()).await.unwrap()
    }
}

fn host(link: MemoryLink, addresses: [&str; 2], is_program: bool) -> Host {
    let addresses = addresses.map(|a| a.parse().unwrap());
    let mut builder = Host::builder().link(link, addresses);
    if is_program {
        builder = builder
            .gateway(Ipv4Addr::UNSPECIFIED.into())
            .gateway(Ipv6Addr::UNSPECIFIED.into());
    }
    builder.start().unwrap()
}

pub(crate) fn substitute() -> Admit {
    Arc::new(|to: SocketAddr| {
        let found = FAMILIES.iter().find(|(inside, _)| *inside == to.ip());
        found.map(|(_, outside)| SocketAddr::new(*outside, to.port()))
    })
}

/// Waits for what must come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let what = std::any::type_name::<T>();
    timeout(LONG, future)
        .await
        .unwrap_or_else(|_| panic!("no {what} in time"))
}

pub(crate) async fn send(socket: &UdpSocket, data: &[u8], to: SocketAddr) {
    soon(socket.send_to(data, to)).await.unwrap();
}

/// Sends datagrams of `size` octets in one call.
pub(crate) async fn send_train(socket: &UdpSocket, data: &[u8], size: u16, to: SocketAddr) {
    let train = Outbound {
        to: Some(to),
        payload: Payload::from(bytes::Bytes::copy_from_slice(data)),
        segment_size: size,
        ..Outbound::default()
    };
    soon(socket.send_datagram(train)).await.unwrap();
}

pub(crate) async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let datagram = soon(socket.recv_datagram()).await.unwrap();
    (datagram.payload.to_bytes().to_vec(), datagram.remote)
}
