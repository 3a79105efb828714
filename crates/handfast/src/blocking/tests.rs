use super::wait::{Patience, wait};
use crate::{Host, Interest};
use std::future::{pending, poll_fn};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

#[test]
fn a_thread_that_waits_looks_when_it_is_woken_and_never_else() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let (tell, told) = mpsc::channel::<Waker>();
    let waiting = thread::spawn(move || {
        let mut looks = 0;
        wait(
            &net,
            None,
            poll_fn(|cx| {
                looks += 1;
                tell.send(cx.waker().clone()).unwrap();
                if looks == 3 {
                    return Poll::Ready(looks);
                }
                Poll::Pending
            }),
        )
    });
    for _ in 0..2 {
        let waker = told.recv().unwrap();
        // A token of the application's own wakes nobody.
        waiting.thread().unpark();
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        waker.wake();
    }
    assert_eq!(waiting.join().unwrap(), Some(3));
}

#[test]
fn a_wake_during_the_look_is_not_lost_and_the_applications_token_stays_its_own() {
    let host = Host::builder().start().unwrap();
    thread::current().unpark();
    let mut looks = 0;
    let done = wait(
        &host.net(),
        None,
        poll_fn(|cx| {
            looks += 1;
            cx.waker().wake_by_ref();
            match looks {
                100 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }),
    );
    assert_eq!((done, looks), (Some(()), 100));
    // Returns at once, for the token is still there.
    thread::park();
}

#[test]
fn the_deadline_is_kept_and_what_is_ready_is_had_after_it() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let begin = net.now();
    let limit = Duration::from_millis(30);
    assert_eq!(wait(&net, Some(begin + limit), pending::<()>()), None);
    assert!(net.now() - begin >= limit);
    assert_eq!(wait(&net, Some(begin), async { 7 }), Some(7));
    let forever = Patience::default();
    forever
        .set_timeout(Interest::Read, Some(Duration::MAX))
        .unwrap();
    assert!(forever.deadline(&net, Interest::Read) > Some(net.now()));
    assert_eq!(forever.deadline(&net, Interest::Write), None);
}

#[test]
fn silence_is_a_connection_that_is_not_answered_in_time() {
    use super::TcpStream;
    use handfast_link::memory;
    let (left, _silent) = memory::pair(&memory::Config::default());
    let address = "10.0.0.1/24".parse().unwrap();
    let host = Host::builder().link(left, [address]).start().unwrap();
    let at = "10.0.0.2:80".parse().unwrap();
    let limit = Duration::from_millis(50);
    let silence = TcpStream::connect_timeout(&host.net(), &at, limit).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::TimedOut);
    // The attempt is abandoned.
    let connections = host.net().with_stack(|stack, _| stack.usage().connections);
    assert_eq!(connections, 0);
}

/// Two ends of a connection over a host's own address.
fn connected(net: &crate::Net) -> [super::TcpStream; 2] {
    let listener = super::TcpListener::bind(net, "127.0.0.1:0").unwrap();
    let client = super::TcpStream::connect(net, listener.local_addr().unwrap()).unwrap();
    [client, listener.accept().unwrap().0]
}

#[test]
fn closing_waits_as_long_as_it_lingers_and_resets_then() {
    use std::io::{ErrorKind, Read, Write};
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let [mut client, mut server] = connected(&net);
    client.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(full) = client.write(&[7; 65_536]) {
            break full;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    client.set_nonblocking(false).unwrap();
    let time = Duration::from_millis(200);
    client.set_linger(Some(time)).unwrap();
    assert_eq!(client.linger().unwrap(), Some(time));
    let clone = client.try_clone().unwrap();
    let begin = net.now();
    drop(client);
    assert!(net.now() - begin < time, "there is another handle");
    drop(clone);
    assert!(net.now() - begin >= time);
    let mut all = Vec::new();
    let end = server.read_to_end(&mut all).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn closing_waits_no_longer_than_until_all_is_acknowledged() {
    use std::io::{Read, Write};
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let [mut client, mut server] = connected(&net);
    let long = Duration::from_secs(600);
    client.set_linger(Some(long)).unwrap();
    let closing = thread::spawn(move || client.write_all(&[7; 5_000_000]));
    let mut all = Vec::new();
    server.read_to_end(&mut all).unwrap();
    closing.join().unwrap().unwrap();
    assert_eq!(all, [7; 5_000_000]);
    // Who may not wait does not; and with text unread there is nothing to wait for.
    for nonblocking in [true, false] {
        let [mut client, mut server] = connected(&net);
        client.write_all(b"unread").unwrap();
        server.peek(&mut [0]).unwrap();
        server.set_linger(Some(long)).unwrap();
        server.set_nonblocking(nonblocking).unwrap();
        let begin = net.now();
        server.write_all(b"never read").unwrap();
        drop(server);
        assert!(net.now() - begin < long / 2);
        let reset = client.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn what_is_set_on_a_connection_is_kept() {
    use crate::{KeepAlive, UserTimeoutOption};
    use std::io::{Read, Write};
    let host = Host::builder().start().unwrap();
    let [mut client, mut server] = connected(&host.net());
    assert!(!client.cork().unwrap() && !client.keepalive().unwrap());
    assert_eq!(client.tcp_keepalive().unwrap(), None);
    client.set_keepalive(true).unwrap();
    assert_eq!(client.tcp_keepalive().unwrap(), Some(KeepAlive::default()));
    let often = KeepAlive {
        idle: Duration::from_secs(30),
        interval: Duration::from_secs(3),
        count: 2,
        garbage_octet: false,
    };
    client.set_tcp_keepalive(&often).unwrap();
    assert_eq!(client.tcp_keepalive().unwrap(), Some(often));
    client.set_keepalive(false).unwrap();
    assert!(!client.keepalive().unwrap());
    let limit = Some(Duration::from_secs(7));
    client.set_tcp_user_timeout(limit).unwrap();
    assert_eq!(client.tcp_user_timeout().unwrap(), limit);
    client
        .set_user_timeout_option(Some(UserTimeoutOption::default()))
        .unwrap();
    client.set_quickack(true).unwrap();
    assert!(client.quickack().unwrap());
    client.set_quickack(false).unwrap();
    assert!(!client.quickack().unwrap());
    client.set_mss(Some(600)).unwrap();
    let stamped = 600 - 12;
    assert_eq!(client.mss().unwrap(), stamped);
    client.set_trace(100).unwrap();
    // A cork holds back less than a segment, for 200 ms at most.
    client.set_cork(true).unwrap();
    assert!(client.cork().unwrap());
    client.write_all(b"corked").unwrap();
    server
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    assert!(server.read(&mut [0; 8]).is_err());
    client.set_cork(false).unwrap();
    server.set_read_timeout(None).unwrap();
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 6);
    // And says so.
    let told = client.decisions().unwrap();
    let is_cork = |d: &crate::Decision| {
        matches!(
            d.event,
            crate::DecisionEvent::Held {
                by: crate::Hold::Cork,
                ..
            }
        )
    };
    assert!(told.iter().any(is_cork), "{told:?}");
}

#[test]
fn a_connection_that_left_is_closed_to_all_and_goes_on_where_it_comes_back() {
    use std::io::{ErrorKind, Read, Write};
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let [mut client, mut server] = connected(&net);
    let clone = client.try_clone().unwrap();
    let waiting = thread::spawn(move || { &clone }.read(&mut [0; 8]).unwrap_err().kind());
    client.write_all(b"before, ").unwrap();
    let snapshot = client.export().unwrap();
    assert_eq!(waiting.join().unwrap(), ErrorKind::NotConnected);
    assert_eq!(
        client.write(b"x").unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    drop(client);
    let nonsense = {
        let mut snapshot = snapshot.clone();
        snapshot.connection.peer_mss = 0;
        super::TcpStream::import(&net, snapshot).unwrap_err().kind()
    };
    assert_eq!(nonsense, ErrorKind::InvalidInput);
    let mut client = super::TcpStream::import(&net, snapshot).unwrap();
    client.write_all(b"after").unwrap();
    drop(client);
    let mut all = String::new();
    server.read_to_string(&mut all).unwrap();
    assert_eq!(all, "before, after");
}

#[test]
fn keys_are_those_of_both_ends_and_can_be_changed() {
    use super::{TcpListener, TcpStream};
    use crate::TcpConnector;
    use crate::keys::{Algorithm, KeyRing, MasterKey};
    use std::io::{ErrorKind, Write};
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let loopback: std::net::IpAddr = [127, 0, 0, 1].into();
    let key = |send, receive, secret: &[u8]| {
        MasterKey::new(loopback, send, receive, Algorithm::HmacSha1, secret).unwrap()
    };
    let listener = TcpListener::bind(&net, "127.0.0.1:179").unwrap();
    listener.add_tcp_ao(key(1, 2, b"secret")).unwrap();
    listener
        .add_tcp_ao(key(1, 2, b"the IDs are taken"))
        .unwrap_err();
    let at = listener.local_addr().unwrap();
    let with = |key| TcpConnector::new().tcp_ao(key).unwrap();
    let second = Duration::from_secs(1);
    let wrong = TcpStream::connect_timeout_with(&net, &at, second, with(key(2, 1, b"guessed")));
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::TimedOut);
    let client = TcpStream::connect_with(&net, at, with(key(2, 1, b"secret"))).unwrap();
    let (server, _) = listener.accept().unwrap();
    (&client).write_all(b"signed").unwrap();
    assert_eq!(server.read_bytes(100).unwrap(), "signed");
    assert_eq!(server.tcp_ao_key_ids().unwrap().unwrap().send, 1);
    server.add_tcp_ao(key(3, 4, b"next")).unwrap();
    client.add_tcp_ao(key(4, 3, b"next")).unwrap();
    // Asked by what it hears, the client changes its key.
    server.ask_for_tcp_ao(4).unwrap();
    (&server).write_all(b"change").unwrap();
    assert_eq!(client.read_bytes(100).unwrap(), "change");
    assert_eq!(client.tcp_ao_key_ids().unwrap().unwrap().send, 4);
    server.sign_with_tcp_ao(3).unwrap();
    (&client).write_all(b"changed").unwrap();
    assert_eq!(server.read_bytes(100).unwrap(), "changed");
    client.remove_tcp_ao(4, 3).unwrap_err();
    let plain = listener.change_keys(|keys| *keys = KeyRing::new());
    plain.unwrap();
    listener.set_md5sig(loopback, Some(b"other")).unwrap();
    let md5 = TcpConnector::new().md5sig(loopback, b"other").unwrap();
    let client = TcpStream::connect_with(&net, at, md5).unwrap();
    assert_eq!(client.tcp_ao_key_ids().unwrap(), None);
}

#[test]
fn a_request_is_decided_about_before_it_is_answered() {
    use super::{TcpListener, TcpStream};
    use std::io::ErrorKind;
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let settings = crate::TcpListener::builder().pending();
    let listener = TcpListener::bind_with(&net, "127.0.0.1:0", settings).unwrap();
    let at = listener.local_addr().unwrap();
    let client = thread::spawn({
        let net = net.clone();
        move || [0, 1].map(|_| TcpStream::connect(&net, at))
    });
    listener
        .pending()
        .unwrap()
        .reject(crate::stack::Reject::Reset);
    let server = listener
        .accept_pending(listener.pending().unwrap())
        .unwrap();
    let [refused, client] = client.join().unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let client = client.unwrap();
    client.write_bytes(&mut "there".into()).unwrap();
    client.acknowledged().unwrap();
    assert_eq!(client.info().unwrap().octets_sent, 5);
    assert_eq!(server.read_bytes(100).unwrap(), "there");
    client.abort().unwrap();
    let reset = server.read_bytes(100).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert!(server.read_bytes(100).unwrap().is_empty(), "told once");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(
        listener.pending().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
fn a_datagram_is_had_with_its_way_and_several_are_sent_as_one() {
    use super::UdpSocket;
    use crate::stack::udp::{Outbound, UdpOptions};
    use std::io::ErrorKind;
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let options = UdpOptions {
        hop_limit: 7,
        ..UdpOptions::default()
    };
    let one = UdpSocket::bind_with(&net, "127.0.0.1:0", options).unwrap();
    let other = UdpSocket::bind(&net, "127.0.0.1:0").unwrap();
    let two = Outbound {
        to: Some(other.local_addr().unwrap()),
        payload: bytes::Bytes::from_static(b"firstsecond").into(),
        segment_size: 5,
        ..Outbound::default()
    };
    one.send_datagram(two).unwrap();
    for text in [&b"first"[..], b"secon", b"d"] {
        let heard = other.recv_datagram().unwrap();
        assert_eq!(heard.payload.to_bytes(), text);
        assert_eq!(
            (heard.remote, heard.hop_limit),
            (one.local_addr().unwrap(), 7)
        );
    }
    one.configure(|options| options.hop_limit = 9).unwrap();
    assert_eq!(one.options().unwrap().hop_limit, 9);
    one.send_to(b"again", other.local_addr().unwrap()).unwrap();
    assert_eq!(other.recv_datagram().unwrap().hop_limit, 9);
    other.set_nonblocking(true).unwrap();
    assert_eq!(
        other.recv_datagram().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}
