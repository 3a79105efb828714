use super::*;
use handfast_wire::{Gso, GsoKind};
use proptest::prelude::*;

#[test]
fn a_datagram_says_where_it_came_from_and_how() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.arrive("198.51.100.9:4000", "192.0.2.1:53", ETH, b"hello")
        .unwrap();
    let d = h.table.receive(id).unwrap();
    assert_eq!(d.payload.to_bytes(), "hello");
    assert_eq!(
        (d.remote, d.local),
        (at("198.51.100.9:4000"), at("192.0.2.1:53"))
    );
    assert_eq!((d.destination, d.iface), (ip("192.0.2.1"), ETH));
    assert_eq!((d.hop_limit, d.traffic_class), (64, 0));
}

#[test]
fn a_broadcast_can_be_answered() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:67");
    h.arrive("198.51.100.9:68", "255.255.255.255:67", ETH, b"who")
        .unwrap();
    let d = h.table.receive(id).unwrap();
    assert_eq!(
        (d.local, d.destination),
        (at("192.0.2.1:67"), ip("255.255.255.255"))
    );
    let mut reply = Outbound {
        to: Some(d.remote),
        source: Some(d.local.ip()),
        iface: Some(d.iface),
        payload: d.payload,
        ..Outbound::default()
    };
    let queued = h.send_datagram(id, &mut reply).unwrap();
    let sent = h.transmit(queued.index, queued.iface, 0);
    let (source, destination, _, data) = read(&sent[0]);
    assert_eq!(
        (source, destination),
        (at("192.0.2.1:67"), at("198.51.100.9:68"))
    );
    assert_eq!(data, b"who");
}

#[test]
fn broadcasts_reach_all_who_match() {
    let mut h = Host::new();
    let sharing = UdpOptions {
        reuse: true,
        ..UdpOptions::default()
    };
    let mut open = |local, iface| {
        let id = h.table.open(UdpFamily::V4, sharing.clone());
        h.bind_on(id, local, iface).unwrap();
        id
    };
    let any = [
        open("0.0.0.0:67", None),
        open("0.0.0.0:67", None),
        open("0.0.0.0:67", Some(ETH)),
    ];
    let others = [
        open("0.0.0.0:67", Some(TUN)),
        open("192.0.2.1:67", None),
        open("0.0.0.0:68", None),
    ];
    h.arrive("198.51.100.9:68", "192.0.2.255:67", ETH, b"all")
        .unwrap();
    for id in any {
        assert_eq!(h.read_all(id), [b"all"]);
    }
    for id in others {
        assert_eq!(h.table.receive(id), Err(UdpError::WouldBlock));
    }
    let nobody = h.arrive("198.51.100.9:68", "192.0.2.255:69", ETH, b"");
    assert_eq!(nobody, Err(Discard::UdpPort));
}

#[test]
fn the_queue_is_bounded_by_octets_and_gives_its_memory_back() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.table.options_mut(id).unwrap().receive_limit = 10 * (100 + 256);
    let arrive =
        |h: &mut Host, len| h.arrive("198.51.100.9:99", "192.0.2.1:53", ETH, &alloc::vec![0; len]);
    for _ in 0..10 {
        assert_eq!(arrive(&mut h, 100), Ok(()));
    }
    assert_eq!(arrive(&mut h, 100), Err(Discard::UdpQueueFull));
    assert_eq!(arrive(&mut h, 0), Err(Discard::UdpQueueFull));
    assert_eq!(h.table.dropped(id), Ok(2));
    assert_eq!(h.table.memory(), 3560);
    assert_eq!(h.read_all(id).len(), 10);
    assert_eq!(h.table.memory(), 0);
    // Empty ones are bounded too, and one always fits.
    for _ in 0..100 {
        let _ = arrive(&mut h, 0);
    }
    assert_eq!(h.read_all(id).len(), 13);
    h.table.options_mut(id).unwrap().receive_limit = 0;
    assert_eq!(arrive(&mut h, 1000), Ok(()));
    assert_eq!(arrive(&mut h, 0), Err(Discard::UdpQueueFull));
    assert_eq!(h.read_all(id).len(), 1);
    // What the stack has no room for.
    let mut packet = packet("198.51.100.9:99", "192.0.2.1:53", &[0; 100]);
    assert_eq!(
        h.arrive_packet(&mut packet, ETH, 355),
        Err(Discard::NoMemory)
    );
    assert_eq!(h.table.memory(), 0);
}

#[test]
fn a_merged_packet_is_taken_apart() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    let data: Vec<u8> = (0..250).collect();
    let mut merged = packet("198.51.100.9:99", "192.0.2.1:53", &data);
    merged.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 100,
    });
    h.arrive_packet(&mut merged, ETH, ROOM).unwrap();
    assert_eq!(
        h.read_all(id),
        [&data[..100], &data[100..200], &data[200..]]
    );
    // As far as there is room.
    h.arrive_packet(&mut merged, ETH, 2 * 356).unwrap();
    assert_eq!(h.read_all(id), [&data[..100], &data[100..200]]);
}

#[test]
fn checksums() {
    let mut h = Host::new();
    let four = h.bound("0.0.0.0:53");
    let six = h.bound("[::]:53");
    // No checksum: allowed in IPv4 alone, whatever the device claims.
    let mut packet4 = packet("198.51.100.9:99", "192.0.2.1:53", b"x");
    packet4.head_mut()[26..28].fill(0);
    assert_eq!(h.arrive_packet(&mut packet4, ETH, ROOM), Ok(()));
    assert_eq!(h.read_all(four).len(), 1);
    let mut packet6 = packet("[2001:db8::9]:99", "[2001:db8::1]:53", b"x");
    packet6.head_mut()[46..48].fill(0);
    let dropped = h.arrive_packet(&mut packet6, ETH, ROOM);
    assert_eq!(dropped, Err(Discard::UdpZeroChecksumV6));
    let mut trusted = Packet::from_bytes(packet6.to_bytes());
    trusted.checksum = Checksum::Verified;
    let (header, transport, end) = IpHeader::parse(trusted.headers(), trusted.len()).unwrap();
    let verdict = trusted.verify_transport(&header, transport, end);
    assert_eq!(verdict, Err(Discard::UdpZeroChecksumV6));
    // A wrong one.
    for mut wrong in [
        packet("198.51.100.9:99", "192.0.2.1:53", b"x"),
        packet("[2001:db8::9]:99", "[2001:db8::1]:53", b"x"),
    ] {
        let last = wrong.head().len() - 1;
        wrong.head_mut()[last] ^= 1;
        assert_eq!(
            h.arrive_packet(&mut wrong, ETH, ROOM),
            Err(Discard::UdpChecksum)
        );
    }
    assert!(h.table.peek(four).is_err() && h.table.peek(six).is_err());
}

#[test]
fn lengths_that_lie() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    for (claimed, expected) in [
        (0u16, Err(Discard::UdpTruncated)),
        (7, Err(Discard::UdpTruncated)),
        (8, Ok(0)),
        (10, Ok(2)),
        (13, Ok(5)),
        (14, Err(Discard::UdpTruncated)),
        (65535, Err(Discard::UdpTruncated)),
    ] {
        let mut p = packet("198.51.100.9:99", "192.0.2.1:53", b"12345");
        p.head_mut()[24..26].copy_from_slice(&claimed.to_be_bytes());
        // Without a checksum, so that only the length is judged.
        p.head_mut()[26..28].fill(0);
        let got = h.arrive_packet(&mut p, ETH, ROOM);
        assert_eq!(got.map(|()| h.read_all(id)[0].len()), expected, "{claimed}");
    }
    // Cut off inside the header.
    let whole = packet("198.51.100.9:99", "192.0.2.1:53", b"").to_bytes();
    for cut in 20..28 {
        let mut octets = whole.slice(..cut).to_vec();
        octets[2..4].copy_from_slice(&(cut as u16).to_be_bytes());
        octets[10..12].fill(0);
        let sum = octets[..20]
            .chunks(2)
            .fold(0u32, |s, w| s + u32::from(u16::from_be_bytes([w[0], w[1]])));
        let folded = (sum & 0xffff) + (sum >> 16);
        octets[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
        let mut p = Packet::from_bytes(octets.into());
        assert_eq!(
            h.arrive_packet(&mut p, ETH, ROOM),
            Err(Discard::UdpTruncated),
            "{cut}"
        );
    }
}

#[test]
fn port_zero_crashes_nobody() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:7");
    h.arrive("198.51.100.9:0", "192.0.2.1:7", ETH, b"echo")
        .unwrap();
    let d = h.table.receive(id).unwrap();
    assert_eq!(d.remote.port(), 0);
    let mut reply = Outbound {
        to: Some(d.remote),
        payload: d.payload,
        ..Outbound::default()
    };
    assert_eq!(
        h.send_datagram(id, &mut reply),
        Err(UdpError::RemoteAddress)
    );
    assert_eq!(reply.payload.len(), 4, "left as it was");
    assert_eq!(
        h.arrive("198.51.100.9:9", "192.0.2.1:0", ETH, b""),
        Err(Discard::UdpPort)
    );
}

#[derive(Clone, Debug)]
enum Act {
    Arrive(usize),
    Read,
    Send(usize),
    Transmit,
    Unreachable,
    TakeError,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0usize..1400).prop_map(Act::Arrive),
        3 => Just(Act::Read),
        4 => (0usize..1400).prop_map(Act::Send),
        3 => Just(Act::Transmit),
        1 => Just(Act::Unreachable),
        1 => Just(Act::TakeError),
    ]
}

#[test]
fn a_connected_socket_hears_its_peers_broadcasts_alone() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:67");
    h.table.options_mut(id).unwrap().reuse = true;
    h.connect(id, "198.51.100.9:68").unwrap();
    // Connected, it has an address, to which a broadcast is not sent.
    let broadcast = |h: &mut Host, source| h.arrive(source, "192.0.2.255:67", ETH, b"");
    assert_eq!(broadcast(&mut h, "198.51.100.9:68"), Err(Discard::UdpPort));
    // Bound to a group and connected to one who sends there.
    let member = h.bound("224.0.0.9:520");
    h.table.join(member, ETH, ip("224.0.0.9")).unwrap();
    h.connect(member, "198.51.100.9:520").unwrap();
    let to_group = |h: &mut Host, source| h.arrive(source, "224.0.0.9:520", ETH, b"");
    assert_eq!(to_group(&mut h, "198.51.100.9:520"), Ok(()));
    assert_eq!(to_group(&mut h, "198.51.100.8:520"), Err(Discard::UdpPort));
}

proptest! {
    /// In every state, readiness says what peek, receive and send then do, and the memory is
    /// that of the queues.
    #[test]
    fn peek_receive_send_and_readiness_agree(acts in proptest::collection::vec(act(), 1..120)) {
        let mut h = Host::new();
        let id = h.bound("0.0.0.0:53");
        h.connect(id, "198.51.100.9:99").unwrap();
        let options = h.table.options_mut(id).unwrap();
        options.receive_limit = 4000;
        options.send_limit = 4000;
        let (mut unread, mut unsent) = (VecDeque::new(), VecDeque::new());
        for act in acts {
            let before = h.table.readiness(id).unwrap();
            match act {
                Act::Arrive(len) => {
                    let data = alloc::vec![7; len];
                    if h.arrive("198.51.100.9:99", "192.0.2.1:53", ETH, &data).is_ok() {
                        unread.push_back(len);
                    }
                }
                Act::Read => {
                    let peeked = h.table.peek(id).cloned();
                    let got = h.table.receive(id);
                    prop_assert_eq!(&peeked, &got);
                    let blocks = got == Err(UdpError::WouldBlock);
                    prop_assert_eq!(before.contains(Readiness::READABLE), !blocks);
                    if let Ok(d) = got {
                        prop_assert_eq!(Some(d.payload.len() as usize), unread.pop_front());
                    }
                }
                Act::Send(len) => {
                    let got = h.send(id, None, &alloc::vec![9; len]);
                    let blocks = got == Err(UdpError::WouldBlock);
                    prop_assert_eq!(before.contains(Readiness::WRITABLE), !blocks);
                    if got.is_ok() {
                        unsent.push_back(len);
                    }
                }
                Act::Transmit => {
                    for packet in h.transmit(id.index, ETH, 0) {
                        prop_assert_eq!(Some(packet.len() as usize - 28), unsent.pop_front());
                    }
                    prop_assert!(unsent.is_empty());
                }
                Act::Unreachable => {
                    prop_assert!(errors::unreachable(&mut h, "192.0.2.1:53", "198.51.100.9:99"));
                    let all = Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR;
                    prop_assert_eq!(h.table.readiness(id).unwrap(), all);
                }
                Act::TakeError => {
                    let got = h.table.take_error(id).unwrap();
                    prop_assert_eq!(before.contains(Readiness::ERROR), got.is_some());
                }
            }
            let held: usize = unread.iter().chain(&unsent).map(|len| len + 256).sum();
            prop_assert_eq!(h.table.memory(), held);
        }
    }

    /// Whatever arrives, nothing panics and nothing is left behind.
    #[test]
    fn any_octets(
        octets in proptest::collection::vec(any::<u8>(), 0..60),
        size in 0u16..20,
        multicast: bool,
    ) {
        let mut h = Host::new();
        let id = h.bound("0.0.0.0:53");
        h.table.join(id, ETH, ip("224.0.0.9")).unwrap();
        let destination = if multicast { "224.0.0.9" } else { "192.0.2.1" };
        let header = IpHeader::new(ip("198.51.100.9"), ip(destination), Protocol::UDP);
        let mut packet = Packet::new();
        header.emit(packet.reserve_head(20), octets.len() as u32);
        packet.payload = Payload::from(Bytes::from(octets));
        packet.gso = (size > 0).then_some(Gso { kind: GsoKind::Udp, size });
        let _ = h.arrive_packet(&mut packet, ETH, ROOM);
        h.table.close(id);
        prop_assert_eq!(h.table.memory(), 0);
    }
}
