//! A stack at one end of a TUN; at the other the namespace's kernel.

use super::sh;
use handfast::link::tun::{self, Tun, TunConfig};
use handfast::stack::AddressPrefix;
use handfast::{Host, TcpStream};
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a namespace must allow for this.
pub(crate) const NEEDS: &str = "ip tuntap add name needed mode tun";

/// Of each family the stack's address and the kernel's, once there is a [`host`].
pub(crate) const ADDRESSES: [[&str; 2]; 2] = [["10.9.0.2", "10.9.0.1"], ["fd09::2", "fd09::1"]];

/// The device, ended with its last owner.
pub(crate) fn device(name: &str) -> Tun {
    let config = TunConfig {
        name: name.into(),
        ..TunConfig::default()
    };
    tun::open(&config).expect("a TUN")
}

/// A stack with [`ADDRESSES`] beside the kernel.
pub(crate) fn host() -> Host {
    sh("ip link set lo up");
    let ours = ["10.9.0.2/24", "fd09::2/64"].map(|a| a.parse::<AddressPrefix>().unwrap());
    let host = Host::builder().link(device("hf0"), ours).start();
    sh(
        "ip addr add 10.9.0.1/24 dev hf0 && ip addr add fd09::1/64 dev hf0 nodad && ip link set hf0 up",
    );
    host.expect("a host")
}

/// The addresses of both ends, family by family.
pub(crate) fn addresses() -> impl Iterator<Item = [IpAddr; 2]> {
    ADDRESSES
        .into_iter()
        .map(|pair| pair.map(|a| a.parse().unwrap()))
}

/// So many octets of which none can be mistaken for one nearby.
pub(crate) fn text(octets: usize) -> Vec<u8> {
    (0..octets).map(|n| (n % 251) as u8).collect()
}

/// Says back what it hears, and how much that was.
pub(crate) async fn echo(mut stream: TcpStream) -> usize {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.expect("the question");
    stream.write_all(&all).await.expect("the answer");
    stream.shutdown().await.expect("the end");
    all.len()
}
