//! The kernel's TCP on one end of a veth pair, ours over a packet socket on the other, in a network
//! namespace of the test's own. `HANDFAST_PACKET_MIB` sets the size of the transfers (default 64).
#![cfg(all(feature = "host", feature = "tokio", target_os = "linux"))]
#![expect(
    clippy::disallowed_methods,
    reason = "a kernel's TCP lives in real time"
)]

mod namespace;

use handfast::link::observed::Observed;
use handfast::link::packet::{self, MacAddress};
use handfast::wire::{IpHeader, Observation, Observer, Packet};
use handfast::{Host, TcpListener, TcpStream};
use namespace::sh;
use rustix::net::sockopt;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OURS: [&str; 2] = ["10.77.0.1", "fd77::1"];

#[test]
fn a_kernels_tcp_and_ours_move_files_over_a_packet_socket() {
    let needs = "ip link add near type veth peer name far";
    let name = "a_kernels_tcp_and_ours_move_files_over_a_packet_socket";
    namespace::run(name, needs, inside);
}

/// The largest packets either way, in octets. Wants none of them: it need only be asked.
#[derive(Clone, Default)]
struct Largest(Arc<[AtomicU32; 2]>);

impl Observer for Largest {
    fn wants(&self, packet: &Packet) -> bool {
        let (header, ..) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
        let ours = OURS.map(|ours| ours.parse::<IpAddr>().unwrap());
        let way = usize::from(ours.contains(&header.source));
        self.0[way].fetch_max(packet.len(), Ordering::Relaxed);
        false
    }

    fn on_packet(&mut self, _: Observation<'_>) {
        panic!("it was not wanted");
    }
}

impl Largest {
    /// Received, sent.
    fn take(&self) -> [u32; 2] {
        [0, 1].map(|way| self.0[way].swap(0, Ordering::Relaxed))
    }
}

/// The default of `net.core.rmem_max`.
const SMALL: Option<usize> = Some(212_992);

fn inside() {
    sh("ip link set lo up");
    sh("ip link add near type veth peer name far");
    sh("ip link set far arp off");
    sh("ip addr add 10.77.0.2/24 dev far");
    sh("ip -6 addr add fd77::2/64 dev far nodad");
    for (mtu, buffer) in [(1500, None), (1500, SMALL), (65_520, None), (65_520, SMALL)] {
        for end in ["near", "far"] {
            sh(&format!("ip link set {end} mtu {mtu} up"));
        }
        let (index, near) = interface("near");
        let (_, far) = interface("far");
        let fd = packet::sys::open(index).unwrap();
        if let Some(buffer) = buffer {
            sockopt::set_socket_recv_buffer_size(&fd, buffer).unwrap();
            println!("with the buffer that an ordinary machine leaves a socket:");
        }
        let link = packet::from_fd(fd, mtu, near, far).unwrap();
        let largest = Largest::default();
        let link = Observed::new(link, Some(Box::new(largest.clone())));
        let addresses = OURS.map(|ours| format!("{ours}/64").replace("1/64", "1/24"));
        let addresses = addresses.map(|address| address.parse().unwrap());
        let host = Host::builder().link(link, addresses).start().unwrap();
        for ours in OURS {
            transfers(
                &host,
                SocketAddr::new(ours.parse().unwrap(), 80),
                mtu,
                &largest,
            );
        }
    }
}

/// One file to us and one from us, by a program with the kernel's sockets.
fn transfers(host: &Host, at: SocketAddr, mtu: u32, largest: &Largest) {
    let size = std::env::var("HANDFAST_PACKET_MIB").map_or(64, |mib| mib.parse().unwrap()) << 20;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let net = host.net();
    let listener = runtime.block_on(TcpListener::bind(&net, at)).unwrap();

    largest.take();
    let begin = Instant::now();
    let program = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(at).unwrap();
        let mut hash = Sha256::new();
        for block in blocks(size) {
            hash.update(&block);
            stream.write_all(&block).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, hash.finalize().as_slice());
    });
    runtime.block_on(async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hash = Sha256::new();
        assert_eq!(read_all(&mut stream, &mut hash).await, size);
        stream.write_all(&hash.finalize()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    program.join().unwrap();
    report(at, mtu, "up", size, begin, largest.take()[0]);

    let begin = Instant::now();
    let program = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(at).unwrap();
        let mut hash = Sha256::new();
        let (mut block, mut octets) = (vec![0; 1 << 16], 0);
        loop {
            let len = stream.read(&mut block).unwrap();
            if len == 0 {
                break;
            }
            hash.update(&block[..len]);
            octets += len;
        }
        (octets, hash.finalize())
    });
    let sent = runtime.block_on(async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hash = Sha256::new();
        for block in blocks(size) {
            hash.update(&block);
            stream.write_all(&block).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        let mut rest = Sha256::new();
        assert_eq!(read_all(&mut stream, &mut rest).await, 0);
        hash.finalize()
    });
    assert_eq!(program.join().unwrap(), (size, sent));
    report(at, mtu, "down", size, begin, largest.take()[1]);
}

fn report(at: SocketAddr, mtu: u32, way: &str, size: usize, begin: Instant, largest: u32) {
    let rate = size as f64 / begin.elapsed().as_secs_f64() / 1e6;
    println!("{at} MTU {mtu} {way}: {rate:.0} MB/s, SHA-256 equal, largest packet {largest}");
    // Several wire packets in one: both sides' segmentation is left undone.
    assert!(largest > 30_000, "{largest}");
}

async fn read_all(stream: &mut TcpStream, hash: &mut Sha256) -> usize {
    let (mut block, mut octets) = (vec![0; 1 << 16], 0);
    loop {
        let len = stream.read(&mut block).await.unwrap();
        if len == 0 {
            return octets;
        }
        hash.update(&block[..len]);
        octets += len;
    }
}

/// So many octets in blocks, none like the other.
fn blocks(size: usize) -> impl Iterator<Item = Vec<u8>> + Send {
    (0..size >> 16).map(|number| {
        let numbers = (0..1u32 << 14).map(|at| (number as u32 ^ at).wrapping_mul(0x9e37_79b9));
        numbers.flat_map(u32::to_be_bytes).collect()
    })
}

/// Index and address; `/sys` need not show this namespace.
fn interface(name: &str) -> (u32, MacAddress) {
    let shown = Command::new("ip")
        .args(["-o", "link", "show", name])
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let index = shown.split(':').next().unwrap().parse().unwrap();
    let text = shown.split("link/ether ").nth(1).unwrap();
    let octets = text[..17].split(':');
    let octets = octets.map(|octet| u8::from_str_radix(octet, 16).unwrap());
    (index, octets.collect::<Vec<u8>>().try_into().unwrap())
}
