use crate::sockets::{Listener, Sockets, Stream, StreamMethods, while_waiting};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(40);

pub(crate) fn a_limit_of_nothing_is_refused(sockets: &impl Sockets) {
    let (client, _server) = sockets.pair();
    let none = client.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
    let none = client.set_write_timeout(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
}

pub(crate) fn a_read_gives_up_in_time_and_goes_on_later(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    client.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(client.read_timeout().unwrap(), Some(SHORT));
    let begin = Instant::now();
    assert_eq!(
        client.read(&mut [0; 4]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(
        client.peek(&mut [0; 4]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert!(begin.elapsed() >= SHORT * 2 - Duration::from_millis(1));
    server.write_all(b"late").unwrap();
    client.set_read_timeout(None).unwrap();
    let mut buf = [0; 4];
    client.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"late");
}

pub(crate) fn a_write_gives_up_in_time_and_tells_how_far_it_came(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    client.set_write_timeout(Some(SHORT)).unwrap();
    assert_eq!(client.write_timeout().unwrap(), Some(SHORT));
    let data: Vec<u8> = (0..64_000_000u32).map(|n| (n % 251) as u8).collect();
    let begin = Instant::now();
    let mut sent = client.write(&data).unwrap();
    assert!(sent > 0 && sent < data.len(), "{sent}");
    assert!(begin.elapsed() >= SHORT);
    // What little the peer's window has grown meanwhile is taken; then there is room for nothing.
    let full = loop {
        match client.write(&data[sent..]) {
            Ok(more) => sent += more,
            Err(e) => break e,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).unwrap();
    assert!(all == data[..sent]);
}

pub(crate) fn nothing_waits_that_must_not(sockets: &impl Sockets) {
    let listener = sockets.listen();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
    let client = sockets.connect(&[listener.local_addr().unwrap()]).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let clone = client.try_clone().unwrap();
    client.set_nonblocking(true).unwrap();
    let mut buf = [0; 8];
    let nothing = clone.read_shared(&mut buf).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    assert_eq!(
        clone.peek(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let mut sent = 0;
    let full = loop {
        match clone.write_shared(&[7; 100_000]) {
            Ok(octets) => sent += octets,
            Err(e) => break e,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    clone.set_nonblocking(false).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.write_shared(b"the last").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        // The room may have grown between the two.
        assert!(all.len() >= sent + 8, "{} after {sent}", all.len());
        assert!(all.ends_with(b"the last"));
    });
}

pub(crate) fn an_accepted_stream_waits_though_its_listener_does_not(sockets: &impl Sockets) {
    let listener = sockets.listen();
    listener.set_nonblocking(true).unwrap();
    let mut client = sockets.connect(&[listener.local_addr().unwrap()]).unwrap();
    let mut server = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
    };
    let mut buf = [0; 4];
    let got = while_waiting(
        || server.read(&mut buf),
        || client.write_all(b"abcd").unwrap(),
    );
    assert_eq!(got.unwrap(), 4);
}

pub(crate) fn a_reader_that_waits_is_woken_by_data_by_the_end_and_by_a_shutdown(
    sockets: &impl Sockets,
) {
    let (client, mut server) = sockets.pair();
    let read = || client.read_shared(&mut [0; 8]);
    let woken = while_waiting(read, || server.write_all(b"abc").unwrap());
    assert_eq!(woken.unwrap(), 3);
    let woken = while_waiting(read, || server.shutdown(Shutdown::Write).unwrap());
    assert_eq!(woken.unwrap(), 0);
    let (client, server) = sockets.pair();
    let read = || client.read_shared(&mut [0; 8]);
    let woken = while_waiting(read, || client.shutdown(Shutdown::Both).unwrap());
    assert_eq!(woken.unwrap(), 0);
    drop(server);
    let (client, server) = sockets.pair();
    client.write_shared(b"unread").unwrap();
    assert!(server.peek(&mut [0; 1]).unwrap() > 0);
    let read = || client.read_shared(&mut [0; 8]);
    let woken = while_waiting(read, || drop(server));
    assert_eq!(woken.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

pub(crate) fn an_accept_that_waits_is_woken(sockets: &impl Sockets) {
    let listener = sockets.listen();
    let at = listener.local_addr().unwrap();
    let mut client = None;
    let accepted = while_waiting(
        || listener.accept(),
        || client = Some(sockets.connect(&[at]).unwrap()),
    );
    let peer = accepted.unwrap().1;
    assert_eq!(peer, client.unwrap().local_addr().unwrap());
}

pub(crate) fn two_readers_of_one_connection_share_what_comes(sockets: &impl Sockets) {
    let (client, mut server) = sockets.pair();
    let octets = while_waiting(
        || {
            std::thread::scope(|scope| {
                let readers = [(); 2].map(|()| {
                    scope.spawn(|| {
                        let (mut buf, mut octets) = ([0; 100], 0);
                        loop {
                            match client.read_shared(&mut buf).unwrap() {
                                0 => return octets,
                                len => octets += len,
                            }
                        }
                    })
                });
                readers.map(|reader| reader.join().unwrap())
            })
        },
        || {
            for _ in 0..1000 {
                server.write_all(&[1; 77]).unwrap();
            }
            server.shutdown(Shutdown::Write).unwrap();
        },
    );
    assert_eq!(octets.iter().sum::<usize>(), 77_000);
}

/// Without any time limit: a lost wake would be for ever.
pub(crate) fn ten_thousand_ping_pongs_lose_no_wake(sockets: &impl Sockets) {
    let (mut client, mut server) = sockets.pair();
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let done = while_waiting(
        move || {
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let mut buf = [0; 64];
                    while server.read_exact(&mut buf).is_ok() {
                        server.write_all(&buf).unwrap();
                    }
                });
                let mut buf = [0; 64];
                for number in 0..10_000u32 {
                    buf[..4].copy_from_slice(&number.to_be_bytes());
                    client.write_all(&buf).unwrap();
                    client.read_exact(&mut buf).unwrap();
                    assert_eq!(buf[..4], number.to_be_bytes());
                }
                drop(client);
            });
            true
        },
        || (),
    );
    assert!(done);
}
