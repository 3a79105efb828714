use super::*;

const MDNS: &str = "224.0.0.251";

fn sharing(h: &mut Host, local: &str) -> SocketId {
    let options = UdpOptions {
        reuse: true,
        ..UdpOptions::default()
    };
    let id = h.table.open(UdpFamily::V4, options);
    h.bind_on(id, local, None).unwrap();
    id
}

#[test]
fn every_member_hears_and_others_do_not() {
    let mut h = Host::new();
    let a = sharing(&mut h, "0.0.0.0:5353");
    let b = sharing(&mut h, "224.0.0.251:5353");
    let elsewhere = sharing(&mut h, "0.0.0.0:5353");
    let stranger = sharing(&mut h, "0.0.0.0:5353");
    let by_address = sharing(&mut h, "192.0.2.1:5353");
    assert_eq!(h.table.join(a, ETH, ip(MDNS)), Ok(true));
    assert_eq!(h.table.join(b, ETH, ip(MDNS)), Ok(false));
    assert_eq!(h.table.join(elsewhere, TUN, ip(MDNS)), Ok(true));
    assert_eq!(h.table.join(by_address, ETH, ip(MDNS)), Ok(false));
    h.arrive("198.51.100.9:5353", "224.0.0.251:5353", ETH, b"?")
        .unwrap();
    for id in [a, b] {
        let d = h.table.receive(id).unwrap();
        assert_eq!(d.payload.to_bytes(), "?");
        assert_eq!((d.local, d.destination), (at("192.0.2.1:5353"), ip(MDNS)));
    }
    for id in [elsewhere, stranger, by_address] {
        assert_eq!(h.table.receive(id), Err(UdpError::WouldBlock));
    }
    assert_eq!(
        h.arrive("198.51.100.9:1", "224.0.0.252:5353", ETH, b""),
        Err(Discard::UdpPort)
    );
    // Everybody is in the group of all hosts.
    h.arrive("198.51.100.9:1", "224.0.0.1:5353", ETH, b"all")
        .unwrap();
    for id in [a, elsewhere, stranger] {
        assert_eq!(h.read_all(id), [b"all"]);
    }
}

#[test]
fn the_first_joins_and_the_last_leaves() {
    let mut h = Host::new();
    let (a, b) = (h.open(UdpFamily::V4), h.open(UdpFamily::V4));
    assert_eq!(h.table.join(a, ETH, ip(MDNS)), Ok(true));
    assert_eq!(h.table.join(a, ETH, ip(MDNS)), Ok(false));
    assert_eq!(h.table.join(b, ETH, ip(MDNS)), Ok(false));
    assert_eq!(h.table.join(b, TUN, ip(MDNS)), Ok(true));
    assert_eq!(h.table.leave(a, ETH, ip(MDNS)), Ok(false));
    assert_eq!(h.table.leave(a, ETH, ip(MDNS)), Err(UdpError::Group));
    assert!(h.table.is_member(ETH, ip(MDNS)));
    let groups: Vec<_> = h.table.groups().collect();
    assert_eq!(groups, [(ETH, ip(MDNS)), (TUN, ip(MDNS))]);
    h.table.remove_interface(TUN);
    assert!(!h.table.is_member(TUN, ip(MDNS)));
    assert_eq!(h.table.leave(b, TUN, ip(MDNS)), Err(UdpError::Group));
    h.table.close(b);
    assert_eq!(h.table.groups().count(), 0);
}

#[test]
fn what_is_no_group_or_one_too_many_is_refused() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::V4);
    assert_eq!(h.table.join(id, ETH, ip("192.0.2.5")), Err(UdpError::Group));
    assert_eq!(h.table.join(id, ETH, ip("ff02::fb")), Err(UdpError::Family));
    for n in 0..64u8 {
        assert_eq!(
            h.table.join(id, ETH, IpAddr::from([239, 0, 0, n])),
            Ok(true)
        );
    }
    assert_eq!(h.table.join(id, ETH, ip(MDNS)), Err(UdpError::Group));
}

#[test]
fn to_a_group_goes_one_hop_by_the_chosen_interface_and_back_to_local_members() {
    let mut h = Host::new();
    let id = h.open(UdpFamily::Dual);
    let one = |h: &mut Host, to: &str, iface| {
        let queued = h.send(id, Some(to), b"?").unwrap();
        assert_eq!(queued.iface, iface);
        let mut packet = Packet::new();
        let polled = h
            .table
            .poll_transmit(queued.index, iface, 0, Checksum::None, &mut packet);
        (read(&packet).2.hop_limit, polled)
    };
    assert_eq!(one(&mut h, "224.0.0.251:5353", ETH), (1, Some(true)));
    assert_eq!(one(&mut h, "[ff02::fb]:5353", ETH), (1, Some(true)));
    assert_eq!(one(&mut h, "198.51.100.9:5353", ETH), (64, Some(false)));
    let options = h.table.options_mut(id).unwrap();
    options.multicast_hop_limit = 7;
    options.multicast_iface = Some(TUN);
    options.multicast_loop = false;
    assert_eq!(one(&mut h, "224.0.0.251:5353", TUN), (7, Some(false)));
    // Only groups are meant.
    assert_eq!(one(&mut h, "198.51.100.9:5353", ETH), (64, Some(false)));
}

#[test]
fn a_socket_bound_to_a_group_sends_from_one_of_our_addresses() {
    let mut h = Host::new();
    let id = sharing(&mut h, "224.0.0.251:5353");
    let queued = h.send(id, Some("224.0.0.251:5353"), b"?").unwrap();
    let (source, ..) = read(&h.transmit(queued.index, ETH, 0)[0]);
    assert_eq!(source, at("192.0.2.1:5353"));
    h.connect(id, "198.51.100.9:1").unwrap();
    h.send(id, None, b"!").unwrap();
    let (source, ..) = read(&h.transmit(queued.index, ETH, 0)[0]);
    assert_eq!(source, at("192.0.2.1:5353"));
}
