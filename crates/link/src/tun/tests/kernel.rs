//! Against the kernel's own stack, each in a fresh network namespace.

use super::*;
use crate::impaired::{Impaired, Impairment, Verdict};
use crate::namespace::{self, ip, wait};
use handfast_wire::tcp::TcpFlags;
use handfast_wire::{Direction, SeqNumber, segment};
use rustix::net::{AddressFamily, SocketType, ipproto};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant as Clock};

/// The kernel's addresses, and ours.
const KERNEL: [&str; 2] = ["10.77.0.1", "fd77::1"];
const OURS: [&str; 2] = ["10.77.0.2", "fd77::2"];

fn run(name: &str, body: fn()) {
    namespace::run(name, "exec 3<>/dev/net/tun && ip link set lo up", body);
}

fn up(config: &TunConfig) -> Tun {
    let tun = open(config).unwrap();
    let name = tun.name();
    ip(&format!("addr add 10.77.0.1/24 dev {name}"));
    ip(&format!("-6 addr add fd77::1/64 dev {name} nodad"));
    ip(&format!("link set {name} up"));
    wait(&format!("-6 -o addr show dev {name}"), |shown| {
        shown.contains("fd77") && !shown.contains("tentative")
    });
    tun
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The next packet that `wanted` accepts; others (the kernel's own multicast) are skipped.
fn next(tun: &mut Tun, wanted: impl Fn(&IpHeader) -> bool) -> (Packet, IpHeader, usize, u32) {
    let deadline = Clock::now() + Duration::from_secs(5);
    let mut batch = Batch::new(1);
    while Clock::now() < deadline {
        if tun.receive(Instant::ZERO, &mut batch).unwrap() == 0 {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        let packet = std::mem::take(&mut batch.packets_mut()[0]);
        batch.clear();
        let (header, transport, end) = IpHeader::parse(packet.headers(), packet.len()).unwrap();
        if wanted(&header) {
            return (packet, header, transport, end);
        }
    }
    panic!("no such packet within 5 s");
}

fn send(tun: &mut Tun, packet: Packet) {
    let mut batch = Batch::new(1);
    batch.push(packet).unwrap();
    assert_eq!(tun.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
}

#[test]
fn a_ping_is_read_and_its_answer_taken() {
    run(
        "tun::tests::kernel::a_ping_is_read_and_its_answer_taken",
        || {
            let mut tun = up(&TunConfig::default());
            let socket =
                rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))
                    .unwrap();
            let mut echo = vec![8, 0, 0, 0, 0, 1, 0, 2];
            echo.extend_from_slice(&pattern(56));
            let checksum = {
                let sum: u32 = echo
                    .chunks(2)
                    .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
                    .sum();
                !((sum & 0xffff) + (sum >> 16)) as u16
            };
            echo[2..4].copy_from_slice(&checksum.to_be_bytes());
            let to = SocketAddr::from((OURS[0].parse::<Ipv4Addr>().unwrap(), 0));
            rustix::net::sendto(&socket, &echo, rustix::net::SendFlags::empty(), &to).unwrap();
            let (mut packet, header, transport, end) =
                next(&mut tun, |h| h.protocol == Protocol::ICMP);
            assert_eq!(header.source, address(KERNEL[0]));
            assert_eq!(packet.verify_transport(&header, transport, end), Ok(()));
            assert_eq!(packet.to_bytes()[transport..], echo);

            // Answered as it is, with addresses exchanged and the type changed to 0.
            let mut answer = packet.take_payload(0, end).to_bytes().to_vec();
            answer[12..20].rotate_left(4);
            answer[20] = 0;
            let checksum = checksum + 0x0800;
            answer[22..24].copy_from_slice(&checksum.to_be_bytes());
            send(&mut tun, Packet::from_bytes(answer.clone().into()));
            let mut got = [0u8; 200];
            let (len, _) =
                rustix::net::recv(&socket, &mut got[..], rustix::net::RecvFlags::empty()).unwrap();
            assert_eq!(got[20..len], answer[20..]);
        },
    );
}

/// A connection of the kernel's to port 80 of ours, accepted by hand: nothing is lost on a TUN, so
/// two numbers are all there is to keep.
struct Peer {
    stream: TcpStream,
    ours: IpAddr,
    kernel: IpAddr,
    port: u16,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
}

impl Peer {
    fn connect(tun: &mut Tun, family: usize) -> Peer {
        let (ours, kernel) = (address(OURS[family]), address(KERNEL[family]));
        let client = std::thread::spawn(move || TcpStream::connect((ours, 80)).unwrap());
        let wanted = |h: &IpHeader| h.protocol == Protocol::TCP && h.destination == ours;
        let (packet, _, transport, _) = next(tun, wanted);
        let (syn, _) = TcpHeader::parse(&packet.headers()[transport..]).unwrap();
        assert_eq!(syn.flags, TcpFlags::SYN);
        let mut header = TcpHeader {
            source_port: 80,
            destination_port: syn.source_port,
            seq: SeqNumber(1000),
            ack: syn.seq + 1,
            flags: TcpFlags::SYN | TcpFlags::ACK,
            window: 65_535,
            ..TcpHeader::default()
        };
        header.options.mss = Some(if family == 0 { 1460 } else { 1440 });
        send(tun, tcp_packet(ours, kernel, &header, &Bytes::new(), 0));
        Peer {
            stream: client.join().unwrap(),
            ours,
            kernel,
            port: syn.source_port,
            snd_nxt: SeqNumber(1001),
            rcv_nxt: syn.seq + 1,
        }
    }

    fn send(&mut self, tun: &mut Tun, payload: &Bytes, segment_size: u16) {
        let header = TcpHeader {
            source_port: 80,
            destination_port: self.port,
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags: TcpFlags::ACK,
            window: 65_535,
            ..TcpHeader::default()
        };
        self.snd_nxt += payload.len() as u32;
        send(
            tun,
            tcp_packet(self.ours, self.kernel, &header, payload, segment_size),
        );
    }

    /// What the kernel's application reads, checked against what was sent.
    fn expect(&mut self, octets: &[u8]) {
        let mut got = vec![0; octets.len()];
        self.stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        self.stream.read_exact(&mut got).unwrap();
        assert!(got == octets);
    }
}

#[test]
fn a_super_segment_of_the_kernel_arrives_as_one_packet() {
    run(
        "tun::tests::kernel::a_super_segment_of_the_kernel_arrives_as_one_packet",
        || {
            let mut tun = up(&TunConfig::default());
            assert!(tun.offload().contains(sys::Offload::TCP));
            for (family, kind, mss) in [(0, GsoKind::TcpV4, 1460), (1, GsoKind::TcpV6, 1440)] {
                let mut peer = Peer::connect(&mut tun, family);
                let data = pattern(300_000);
                let mut writer = peer.stream.try_clone().unwrap();
                let copy = data.clone();
                let writing = std::thread::spawn(move || writer.write_all(&copy).unwrap());
                let mut got = Vec::new();
                let mut largest = 0;
                while got.len() < data.len() {
                    let (mut packet, header, transport, end) =
                        next(&mut tun, |h| h.protocol == Protocol::TCP);
                    assert_eq!(packet.verify_transport(&header, transport, end), Ok(()));
                    let (tcp, len) = TcpHeader::parse(&packet.headers()[transport..]).unwrap();
                    if tcp.seq != peer.rcv_nxt {
                        continue;
                    }
                    if let Some(gso) = packet.gso {
                        assert_eq!((gso.kind, gso.size), (kind, mss));
                        assert_eq!(packet.checksum, Checksum::Partial);
                        let mut octets = 0;
                        segment(&packet, 0, Checksum::None, |piece| {
                            let (ip, transport, end) =
                                IpHeader::parse(piece.headers(), piece.len()).unwrap();
                            assert_eq!(piece.verify_transport(&ip, transport, end), Ok(()));
                            octets += piece.payload.len();
                        })
                        .unwrap();
                        assert_eq!(octets as usize, end as usize - transport - len);
                        largest = largest.max(octets);
                    }
                    let payload = packet.take_payload((transport + len) as u32, end);
                    peer.rcv_nxt += payload.len();
                    got.extend_from_slice(&payload.to_bytes());
                    peer.send(&mut tun, &Bytes::new(), 0);
                }
                writing.join().unwrap();
                assert!(got == data);
                assert!(largest > 10 * u32::from(mss), "{largest}");
            }
        },
    );
}

/// Behind an impaired path a loss takes one wire segment out of the kernel's super-segment.
#[test]
fn a_wrapped_tun_loses_single_segments() {
    run(
        "tun::tests::kernel::a_wrapped_tun_loses_single_segments",
        || {
            let mut tun = up(&TunConfig::default());
            let mut peer = Peer::connect(&mut tun, 0);
            let nothing = Impairment::default();
            let mut path = Impaired::new(tun, nothing, nothing, 0);
            let is_second = move |packet: &Packet| {
                // The kernel's multicast on a new interface is no TCP, and shorter.
                let seq = (packet.len() == 1500).then(|| crate::sample::payload(packet).0);
                seq.map(SeqNumber) == Some(peer.rcv_nxt + 1460)
            };
            path.choose(
                Direction::Received,
                Some(Box::new(move |packet, _| match is_second(packet) {
                    true => Verdict::Drop,
                    false => Verdict::Pass,
                })),
            );
            let data = pattern(10 * 1460);
            peer.stream.write_all(&data).unwrap();
            let deadline = Clock::now() + Duration::from_secs(5);
            let mut got = std::collections::BTreeMap::new();
            let mut batch = Batch::new(4);
            while got.len() < 9 && Clock::now() < deadline {
                path.receive(Instant::ZERO, &mut batch).unwrap();
                for packet in batch.packets() {
                    let header = IpHeader::parse(packet.headers(), packet.len()).unwrap().0;
                    if header.protocol == Protocol::TCP && packet.len() > 100 {
                        assert_eq!((packet.gso, packet.len()), (None, 1500));
                        let (seq, octets) = crate::sample::payload(packet);
                        let offset = seq.wrapping_sub(peer.rcv_nxt.0);
                        got.insert(offset as usize / 1460, octets);
                    }
                }
                batch.clear();
            }
            assert!(got.keys().copied().eq([0, 2, 3, 4, 5, 6, 7, 8, 9]));
            for (index, octets) in got {
                assert!(octets == data[index * 1460..][..1460]);
            }
            assert!(path.counters(Direction::Received).lost > 0);
        },
    );
}

#[test]
fn a_super_segment_written_reaches_the_kernels_application() {
    run(
        "tun::tests::kernel::a_super_segment_written_reaches_the_kernels_application",
        || {
            let config = TunConfig {
                gso_tcp: 400_000,
                ..TunConfig::default()
            };
            let mut tun = up(&config);
            for (family, mss) in [(0, 1460), (1, 1440)] {
                let mut peer = Peer::connect(&mut tun, family);
                // Beyond 64 KiB: whole over IPv4, in two or three over IPv6. The receive window is
                // what bounds it.
                for len in [1, 1460, 20_000, 60_000, 100_000, 150_000] {
                    let data = pattern(len);
                    peer.send(&mut tun, &data, mss);
                    peer.expect(&data);
                }
                assert_eq!(tun.counters(), TunCounters::default());
            }
            assert_eq!(tun.queue.limits.tcp_v4, u32::MAX);
        },
    );
}

/// A kernel that takes no such super-segments is asked once.
#[test]
fn what_the_kernel_refuses_is_cut_from_then_on() {
    run(
        "tun::tests::kernel::what_the_kernel_refuses_is_cut_from_then_on",
        || {
            let mut tun = up(&TunConfig::default());
            let mut peer = Peer::connect(&mut tun, 0);
            let data = pattern(20_000);
            for _ in 0..2 {
                let header = TcpHeader {
                    source_port: 80,
                    destination_port: peer.port,
                    seq: peer.snd_nxt,
                    ack: peer.rcv_nxt,
                    flags: TcpFlags::ACK,
                    window: 65_535,
                    ..TcpHeader::default()
                };
                let mut packet = tcp_packet(peer.ours, peer.kernel, &header, &data, 1460);
                // IPv4 that claims to be IPv6 is what this kernel refuses.
                packet.gso.as_mut().unwrap().kind = GsoKind::TcpV6;
                send(&mut tun, packet);
                peer.snd_nxt += data.len() as u32;
                peer.expect(&data);
                assert_eq!(
                    (tun.queue.limits.tcp_v6, tun.queue.limits.tcp_v4),
                    (0, u32::MAX)
                );
            }
            assert_eq!(tun.counters(), TunCounters::default());
            send(&mut tun, Packet::from_bytes(pattern(20)));
            assert_eq!(tun.counters().refused, 1, "that is no IP packet");
        },
    );
}

#[test]
fn datagrams_written_are_received_by_a_socket() {
    run(
        "tun::tests::kernel::datagrams_written_are_received_by_a_socket",
        || {
            let mut tun = up(&TunConfig::default());
            for family in [0, 1] {
                let (ours, kernel) = (address(OURS[family]), address(KERNEL[family]));
                let socket = UdpSocket::bind((kernel, 7000)).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                let udp = handfast_wire::udp::UdpHeader {
                    source_port: 9,
                    destination_port: 7000,
                };
                let header = IpHeader::new(ours, kernel, Protocol::UDP);
                let datagram = |payload: &Bytes, segment_size, checksum| {
                    let mut packet = Packet::new();
                    let half = payload.len() / 2;
                    packet.payload.push(payload.slice(..half));
                    packet.payload.push(payload.slice(half..));
                    assert!(packet.write_udp(&header, &udp, segment_size, checksum));
                    packet
                };
                let mut got = [0; 2000];
                for checksum in [Checksum::Partial, Checksum::None] {
                    let data = pattern(999);
                    send(&mut tun, datagram(&data, 0, checksum));
                    let (len, from) = socket.recv_from(&mut got).unwrap();
                    assert_eq!((&got[..len], from), (&data[..], (ours, 9).into()));
                }
                if tun.capabilities().gso_udp == 0 {
                    eprintln!(
                        "SKIPPED super-datagrams: this kernel has no UDP segmentation offload"
                    );
                    continue;
                }
                let data = pattern(5_500);
                send(&mut tun, datagram(&data, 1000, Checksum::Partial));
                for piece in data.chunks(1000) {
                    let len = socket.recv(&mut got).unwrap();
                    assert_eq!(&got[..len], piece);
                }
                assert_eq!(tun.counters(), TunCounters::default());
            }
        },
    );
}

#[test]
fn an_interface_that_is_down_pushes_back_and_one_that_is_gone_is_an_error() {
    run(
        "tun::tests::kernel::an_interface_that_is_down_pushes_back_and_one_that_is_gone_is_an_error",
        || {
            let mut tun = up(&TunConfig::default());
            let name = tun.name().to_owned();
            let packet = tcp_packet(
                address(OURS[0]),
                address(KERNEL[0]),
                &TcpHeader::default(),
                &Bytes::new(),
                0,
            );
            let mut batch = Batch::new(1);
            batch.push(packet).unwrap();
            ip(&format!("link set {name} down"));
            assert_eq!(tun.transmit(Instant::ZERO, &mut batch).unwrap(), 0);
            assert_eq!(batch.len(), 1);
            let mut got = Batch::new(64);
            while tun.receive(Instant::ZERO, &mut got).unwrap() > 0 {
                got.clear();
            }
            ip(&format!("link set {name} up"));
            assert_eq!(tun.transmit(Instant::ZERO, &mut batch).unwrap(), 1);
            ip(&format!("link del {name}"));
            got.clear();
            assert!(tun.receive(Instant::ZERO, &mut got).is_err());
            batch.push(Packet::from_bytes(pattern(40))).unwrap();
            assert!(tun.transmit(Instant::ZERO, &mut batch).is_err());
            assert_eq!(batch.len(), 1);
        },
    );
}

#[test]
fn a_descriptor_is_taken_only_if_it_is_such_a_queue() {
    let (near, _far) = std::os::unix::net::UnixDatagram::pair().unwrap();
    assert!(Tun::from_fd(near.into(), 1500).is_err());
    run(
        "tun::tests::kernel::a_descriptor_is_taken_only_if_it_is_such_a_queue",
        || {
            let config = TunConfig {
                name: "queues0".into(),
                mtu: 9000,
                multi_queue: true,
                ..TunConfig::default()
            };
            let first = open(&config).unwrap();
            let second = open(&config).unwrap();
            assert_eq!((first.name(), second.name()), ("queues0", "queues0"));
            assert_ne!(first.as_fd().as_raw_fd(), second.as_fd().as_raw_fd());
            let mtu = std::fs::read_to_string("/sys/class/net/queues0/mtu");
            if let Ok(mtu) = mtu {
                // /sys shows the namespace that mounted it, which need not be this one.
                assert_eq!(mtu.trim(), "9000");
            }
            let again = Tun::from_fd(second.queue.fd.try_clone().unwrap(), 9000).unwrap();
            assert_eq!(again.name(), "queues0");
            assert_eq!(again.capabilities().mtu, 9000);
            assert!(Tun::from_fd(sys::open_device().unwrap(), 1500).is_err());
            assert!(
                open(&TunConfig {
                    name: "a-name-too-long-by-far".into(),
                    ..config
                })
                .is_err()
            );
        },
    );
}
