use crate::sockets::{Listener, Sockets, Stream, StreamMethods};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

pub(crate) fn what_is_written_is_read_and_each_direction_ends_by_itself(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"hello");
    server.write_all(&[7; 100_000]).unwrap();
    drop(server);
    all.clear();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, [7; 100_000]);
    // The end stays the end.
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(client.read(&mut []).unwrap(), 0);
}

pub(crate) fn addresses_agree(sockets: &impl Sockets) {
    let listener = sockets.listen();
    let at = listener.local_addr().unwrap();
    assert_ne!(at.port(), 0);
    let limit = Duration::from_secs(60);
    let client = sockets.connect_timeout(&at, limit).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(client.peer_addr().unwrap(), at);
    assert_eq!(server.local_addr().unwrap(), at);
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(server.peer_addr().unwrap(), peer);
    assert!(format!("{client:?}").contains(&at.to_string()));
    assert!(format!("{listener:?}").contains(&at.to_string()));
}

pub(crate) fn a_blocking_write_takes_all_of_it(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    let data: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(client.write(&data).unwrap(), data.len());
            client.flush().unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert!(all == data);
    });
}

pub(crate) fn parts_are_gathered_and_scattered(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    let parts = [&b"one, "[..], b"", b"two and three"];
    let sent = client.write_vectored(&parts.map(IoSlice::new)).unwrap();
    assert_eq!(sent, 18);
    // All of it is there before it is read in parts.
    while server.peek(&mut [0; 32]).unwrap() < 18 {}
    let (mut a, mut b, mut c) = ([0; 3], [0; 0], [0; 32]);
    let parts = &mut [&mut a[..], &mut b, &mut c].map(IoSliceMut::new);
    assert_eq!(server.read_vectored(parts).unwrap(), 18);
    assert_eq!((&a, &c[..15]), (b"one", &b", two and three"[..]));
}

pub(crate) fn peeking_leaves_what_is_there(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    client.write_all(b"abc").unwrap();
    let mut buf = [0; 8];
    while server.peek(&mut buf).unwrap() < 3 {}
    assert_eq!(server.peek(&mut buf[..2]).unwrap(), 2);
    assert_eq!(server.read(&mut buf).unwrap(), 3);
    assert_eq!(&buf[..3], b"abc");
    drop(client);
    assert_eq!(server.peek(&mut buf).unwrap(), 0);
}

pub(crate) fn options_are_kept(sockets: &impl Sockets) {
    let (client, _server) = sockets.pair();
    assert!(!client.nodelay().unwrap());
    client.set_nodelay(true).unwrap();
    assert!(client.nodelay().unwrap());
    client.set_ttl(17).unwrap();
    assert_eq!(client.ttl().unwrap(), 17);
    for ttl in [0, 256] {
        assert_eq!(
            client.set_ttl(ttl).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
    assert!(client.take_error().unwrap().is_none());
    assert_eq!(client.read_timeout().unwrap(), None);
    assert_eq!(client.write_timeout().unwrap(), None);
}

pub(crate) fn clones_share_one_connection(sockets: &impl Sockets) {
    let (client, mut server) = sockets.pair();
    let mut clone = client.try_clone().unwrap();
    client.write_shared(b"one ").unwrap();
    drop(client);
    clone.write_all(b"two").unwrap();
    let limit = Some(Duration::from_millis(500));
    let other = clone.try_clone().unwrap();
    other.set_read_timeout(limit).unwrap();
    assert_eq!(clone.read_timeout().unwrap(), limit);
    other.shutdown(Shutdown::Write).unwrap();
    let mut all = String::new();
    server.read_to_string(&mut all).unwrap();
    assert_eq!(all, "one two");
    assert!(clone.write(b"x").is_err());
}

pub(crate) fn the_first_address_that_answers_is_taken(sockets: &impl Sockets) {
    let closed = sockets.listen().local_addr().unwrap();
    let listener = sockets.listen();
    let at = listener.local_addr().unwrap();
    let client = sockets.connect(&[closed, at]).unwrap();
    assert_eq!(client.peer_addr().unwrap(), at);
    let nowhere = sockets.connect(&[]).unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::InvalidInput);
}

pub(crate) fn a_closed_port_refuses(sockets: &impl Sockets) {
    let closed = sockets.listen().local_addr().unwrap();
    let refused = sockets.connect(&[closed]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let limit = Duration::from_secs(60);
    let refused = sockets.connect_timeout(&closed, limit).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let none = sockets.connect_timeout(&closed, Duration::ZERO);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidInput);
}

pub(crate) fn a_port_in_use_is_said_so_and_free_again_after(sockets: &impl Sockets) {
    let listener = sockets.listen();
    let at = listener.local_addr().unwrap();
    let taken = sockets.listen_on(at.port()).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    // The server closes first, and keeps TIME-WAIT.
    let mut client = sockets.connect(&[at]).unwrap();
    let (server, _) = listener.accept().unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    drop((client, listener));
    sockets.listen_on(at.port()).unwrap();
}

pub(crate) fn an_address_of_somebody_else_is_not_available(sockets: &impl Sockets) {
    let refused = sockets.listen_at_strangers().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrNotAvailable);
}

pub(crate) fn unread_data_resets_the_peer(sockets: &impl Sockets) {
    let (client, mut server) = sockets.pair();
    server.write_all(b"never read").unwrap();
    // It has arrived.
    assert!(client.peek(&mut [0; 4]).unwrap() > 0);
    drop(client);
    let reset = server.read(&mut [0; 16]).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    // Told once; then it is over.
    assert_eq!(server.read(&mut [0; 16]).unwrap(), 0);
    assert_eq!(
        server.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    let dead = server.shutdown(Shutdown::Both).unwrap_err();
    assert_eq!(dead.kind(), ErrorKind::NotConnected);
}

pub(crate) fn writing_to_who_is_gone_fails(sockets: &impl Sockets) {
    let (client, mut server) = sockets.pair();
    drop(client);
    assert_eq!(server.read(&mut [0; 16]).unwrap(), 0);
    let mut failed = Ok(0);
    for _ in 0..1000 {
        failed = server.write(b"is anybody there?");
        if failed.is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let kind = failed.unwrap_err().kind();
    assert!(
        matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{kind}"
    );
}

pub(crate) fn writing_after_shutdown_is_a_broken_pipe(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    client.shutdown(Shutdown::Write).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        client.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    // The other direction is as it was.
    server.write_all(b"still").unwrap();
    let mut buf = [0; 5];
    client.read_exact(&mut buf).unwrap();
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!(client.read(&mut buf).unwrap(), 0);
}

pub(crate) fn incoming_goes_on(sockets: &impl Sockets) {
    let listener = sockets.listen();
    let at = listener.local_addr().unwrap();
    assert!(listener.take_error().unwrap().is_none());
    let clone = listener.try_clone().unwrap();
    drop(listener);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for stream in clone.incoming().take(50) {
                let mut stream = stream.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                all.reverse();
                stream.write_all(&all).unwrap();
            }
        });
        for number in 0..50u8 {
            scope.spawn(move || {
                let mut stream = sockets.connect(&[at]).unwrap();
                stream.write_all(&[number, 1, 2]).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                assert_eq!(all, [2, 1, number]);
            });
        }
    });
}

pub(crate) fn megabytes_both_ways_at_once(sockets: &impl Sockets) {
    let (client, server) = sockets.pair();
    const LEN: usize = 16 << 20;
    let chunk: Vec<u8> = (0..1 << 16).map(|at| (at % 251) as u8).collect();
    let send = |stream: &_| {
        for _ in 0..LEN / chunk.len() {
            assert_eq!(Stream::write_shared(stream, &chunk).unwrap(), chunk.len());
        }
        StreamMethods::shutdown(stream, Shutdown::Write).unwrap();
    };
    let receive = |stream: &_| {
        let (mut buf, mut at) = (vec![0; 100_000], 0);
        loop {
            let len = Stream::read_shared(stream, &mut buf).unwrap();
            if len == 0 {
                return assert_eq!(at, LEN);
            }
            let expected = chunk.iter().cycle().skip(at % chunk.len());
            assert!(buf[..len].iter().eq(expected.take(len)), "at {at}");
            at += len;
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| send(&client));
        scope.spawn(|| send(&server));
        scope.spawn(|| receive(&client));
        receive(&server);
    });
}
