use crate::sockets::{Sockets, Udp, while_waiting};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(40);

pub(crate) fn datagrams_keep_their_bounds(sockets: &impl Sockets) {
    let (client, server) = (sockets.udp_client(), sockets.udp_server());
    let (from, to) = (client.local_addr().unwrap(), server.local_addr().unwrap());
    assert_eq!(client.send_to(b"first", to).unwrap(), 5);
    assert_eq!(client.send_to(b"", to).unwrap(), 0);
    assert_eq!(client.send_to(b"a third, longer", to).unwrap(), 15);
    let mut buf = [0; 10];
    assert_eq!(server.peek_from(&mut buf).unwrap(), (5, from));
    assert_eq!(server.peek(&mut buf).unwrap(), 5);
    assert_eq!(server.recv_from(&mut buf).unwrap(), (5, from));
    assert_eq!(&buf[..5], b"first");
    assert_eq!(server.recv(&mut buf).unwrap(), 0);
    // What does not fit is cut off.
    assert_eq!(server.recv_from(&mut buf).unwrap(), (10, from));
    assert_eq!(&buf, b"a third, l");
    let clone = server.try_clone().unwrap();
    drop(server);
    assert_eq!(clone.send_to(b"back", from).unwrap(), 4);
    assert_eq!(client.recv_from(&mut buf).unwrap(), (4, to));
}

pub(crate) fn a_connected_socket_hears_its_peer_alone(sockets: &impl Sockets) {
    let (client, server) = (sockets.udp_client(), sockets.udp_server());
    let stranger = sockets.udp_client();
    let at = client.local_addr().unwrap();
    assert_eq!(
        client.peer_addr().unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    assert!(client.send(b"to whom?").is_err());
    client.connect(server.local_addr().unwrap()).unwrap();
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    client.send(b"hello").unwrap();
    let mut buf = [0; 16];
    assert_eq!(server.recv_from(&mut buf).unwrap(), (5, at));
    stranger.send_to(b"not for you", at).unwrap();
    server.send_to(b"answer", at).unwrap();
    assert_eq!(client.recv(&mut buf).unwrap(), 6);
    client.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(
        client.recv(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

pub(crate) fn receiving_waits_as_told(sockets: &impl Sockets) {
    let (client, server) = (sockets.udp_client(), sockets.udp_server());
    let mut buf = [0; 16];
    let zero = Some(Duration::ZERO);
    assert_eq!(
        client.set_read_timeout(zero).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        client.set_write_timeout(zero).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    client.set_write_timeout(Some(SHORT)).unwrap();
    assert_eq!(client.write_timeout().unwrap(), Some(SHORT));
    client.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(client.read_timeout().unwrap(), Some(SHORT));
    let begin = Instant::now();
    assert_eq!(
        client.recv_from(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(
        client.peek_from(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert!(begin.elapsed() >= SHORT * 2 - Duration::from_millis(1));
    client.set_read_timeout(None).unwrap();
    client.try_clone().unwrap().set_nonblocking(true).unwrap();
    assert_eq!(
        client.recv(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    client.set_nonblocking(false).unwrap();
    let to = client.local_addr().unwrap();
    let got = while_waiting(
        || client.recv(&mut buf),
        || _ = server.send_to(b"woken", to).unwrap(),
    );
    assert_eq!(got.unwrap(), 5);
}

pub(crate) fn nobody_there_is_an_error_of_a_connected_socket(sockets: &impl Sockets) {
    let client = sockets.udp_client();
    client
        .connect(sockets.udp_server().local_addr().unwrap())
        .unwrap();
    client.send(b"anybody?").unwrap();
    let refused = client.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(client.take_error().unwrap().is_none());
}

pub(crate) fn options_of_datagrams_are_kept(sockets: &impl Sockets) {
    let client = sockets.udp_client();
    assert!(!client.broadcast().unwrap());
    client.set_broadcast(true).unwrap();
    assert!(client.broadcast().unwrap());
    client.set_ttl(9).unwrap();
    assert_eq!(client.ttl().unwrap(), 9);
    assert_eq!(
        client.set_ttl(0).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        client.set_ttl(256).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(client.multicast_ttl_v4().unwrap(), 1);
    client.set_multicast_ttl_v4(3).unwrap();
    assert_eq!(client.multicast_ttl_v4().unwrap(), 3);
    assert!(client.multicast_loop_v4().unwrap());
    client.set_multicast_loop_v4(false).unwrap();
    assert!(!client.multicast_loop_v4().unwrap());
    assert!(client.take_error().unwrap().is_none());
}
