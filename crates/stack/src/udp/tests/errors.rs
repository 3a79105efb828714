use super::*;
use crate::icmp::IcmpEvent;
use core::time::Duration;
use handfast_wire::icmp::Quote;

const PEER: &str = "198.51.100.9:99";

fn event(error: IcmpError, local: &str, remote: &str) -> IcmpEvent {
    let (local, remote) = (at(local), at(remote));
    IcmpEvent {
        reporter: remote.ip(),
        quote: Quote {
            source: local.ip(),
            destination: remote.ip(),
            packet_len: 100,
            transport: QuotedTransport::Udp {
                source_port: local.port(),
                destination_port: remote.port(),
            },
        },
        error,
    }
}

const PORT: IcmpError = IcmpError::Hard(NetError::PortUnreachable);

pub(super) fn unreachable(h: &mut Host, local: &str, remote: &str) -> bool {
    h.table
        .on_icmp_error(&event(PORT, local, remote), ETH, h.now)
}

#[test]
fn port_unreachable_fails_the_connected_senders_next_call_once() {
    let refused = UdpError::Unreachable(NetError::PortUnreachable);
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.connect(id, PEER).unwrap();
    h.send(id, None, b"anybody there?").unwrap();
    h.arrive(PEER, "192.0.2.1:53", ETH, b"before").unwrap();
    h.table.pop_ready();
    assert!(unreachable(&mut h, "192.0.2.1:53", PEER));
    let all = Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR;
    assert_eq!(h.table.pop_ready(), Some((id, all)));
    assert_eq!(h.table.peek(id), Err(refused));
    assert_eq!(h.table.receive(id), Err(refused));
    assert_eq!(h.table.receive(id).unwrap().payload.to_bytes(), "before");

    assert!(unreachable(&mut h, "192.0.2.1:53", PEER));
    assert_eq!(h.send(id, None, b"again"), Err(refused));
    assert!(h.send(id, None, b"again").is_ok());

    assert!(unreachable(&mut h, "192.0.2.1:53", PEER));
    assert_eq!(h.table.take_error(id), Ok(Some((None, refused))));
    assert_eq!(h.table.take_error(id), Ok(None));
    assert_eq!(h.table.receive(id), Err(UdpError::WouldBlock));
}

#[test]
fn soft_errors_fail_no_call() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    h.connect(id, PEER).unwrap();
    let soft = event(
        IcmpError::Soft(NetError::TimeExceeded),
        "192.0.2.1:53",
        PEER,
    );
    assert!(h.table.on_icmp_error(&soft, ETH, h.now));
    assert_eq!(h.table.pop_ready(), Some((id, Readiness::ERROR)));
    assert_eq!(h.table.receive(id), Err(UdpError::WouldBlock));
    assert!(h.send(id, None, b"").is_ok());
    let noted = UdpError::Unreachable(NetError::TimeExceeded);
    assert_eq!(h.table.take_error(id), Ok(Some((Some(at(PEER)), noted))));
}

#[test]
fn an_unconnected_socket_hears_of_whom_it_sent_to_lately() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    assert!(!unreachable(&mut h, "192.0.2.1:53", PEER), "never sent");
    h.send(id, Some(PEER), b"").unwrap();
    assert!(
        !unreachable(&mut h, "192.0.2.1:53", "198.51.100.9:98"),
        "another port"
    );
    assert!(
        !unreachable(&mut h, "192.0.2.1:53", "198.51.100.8:99"),
        "another host"
    );
    assert!(!unreachable(&mut h, "192.0.2.1:54", PEER), "not our port");
    assert_eq!(h.table.pop_ready(), None);
    assert!(unreachable(&mut h, "192.0.2.1:53", PEER));
    // No call fails: the others it talks to are none the worse.
    assert!(h.send(id, Some("198.51.100.8:99"), b"").is_ok());
    assert_eq!(h.table.receive(id), Err(UdpError::WouldBlock));
    let refused = UdpError::Unreachable(NetError::PortUnreachable);
    assert_eq!(h.table.take_error(id), Ok(Some((Some(at(PEER)), refused))));

    // Too long ago.
    h.now += Duration::from_secs(61);
    assert!(!unreachable(&mut h, "192.0.2.1:53", PEER));
    // Sixteen others since.
    h.send(id, Some(PEER), b"").unwrap();
    for port in 1..=16 {
        h.now += Duration::from_millis(1);
        h.send(id, Some(&alloc::format!("198.51.100.7:{port}")), b"")
            .unwrap();
    }
    assert!(!unreachable(&mut h, "192.0.2.1:53", PEER));
    assert!(unreachable(&mut h, "192.0.2.1:53", "198.51.100.7:1"));
}

#[test]
fn errors_about_what_was_never_sent_reach_nobody() {
    let mut h = Host::new();
    let connected = h.bound("192.0.2.1:53");
    h.connect(connected, PEER).unwrap();
    let any = h.bound("0.0.0.0:54");
    let unbound = h.open(UdpFamily::V4);
    for (local, remote) in [
        ("192.0.2.1:53", "198.51.100.9:98"),
        ("10.0.0.1:53", PEER),
        ("192.0.2.1:54", PEER),
        ("192.0.2.1:0", PEER),
        ("192.0.2.1:55", PEER),
    ] {
        assert!(!unreachable(&mut h, local, remote), "{local} {remote}");
    }
    for id in [connected, any, unbound] {
        assert_eq!(h.table.take_error(id), Ok(None));
    }
    let other = IcmpEvent {
        quote: Quote {
            transport: QuotedTransport::Other(Protocol::IGMP),
            ..event(PORT, "192.0.2.1:53", PEER).quote
        },
        ..event(PORT, "192.0.2.1:53", PEER)
    };
    assert!(!h.table.on_icmp_error(&other, ETH, h.now));
}

#[test]
fn too_big_is_believed_of_real_destinations_and_fails_nothing_by_itself() {
    let mut h = Host::new();
    let id = h.bound("0.0.0.0:53");
    let too_big = event(IcmpError::TooBig { mtu: 1400 }, "192.0.2.1:53", PEER);
    assert!(!h.table.on_icmp_error(&too_big, ETH, h.now));
    h.send(id, Some(PEER), b"").unwrap();
    assert!(h.table.on_icmp_error(&too_big, ETH, h.now));
    assert_eq!(h.table.take_error(id), Ok(None));
    assert_eq!(h.table.pop_ready(), None);
    // The stack remembers; the very next send is judged by it.
    let mut outbound = Outbound {
        to: Some(at(PEER)),
        payload: payload(&[0; 1400]),
        ..Outbound::default()
    };
    let narrow = |w: &Wanted| {
        Ok(Egress {
            mtu: 1400,
            ..route(w)?
        })
    };
    let sent = h.table.send(id, &mut outbound, 0, h.now, narrow);
    assert_eq!(sent, Err(UdpError::TooBig { max: 1372 }));
}

#[test]
fn an_error_about_the_last_peer_does_not_outlive_the_connection() {
    let mut h = Host::new();
    let id = h.bound("192.0.2.1:53");
    h.connect(id, PEER).unwrap();
    assert!(unreachable(&mut h, "192.0.2.1:53", PEER));
    h.connect(id, "198.51.100.8:99").unwrap();
    assert!(h.send(id, None, b"").is_ok());
}
