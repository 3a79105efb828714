use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::http::{Framing, Head, read_body};
use super::site::{self, Route};
use super::*;

/// A peer whose other end runs in this very process.
fn peer() -> Peer {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let commands = BufReader::new(theirs.try_clone().unwrap());
    thread::spawn(move || serve(commands, theirs));
    Peer::new(ours).unwrap()
}

fn loopback() -> [SocketAddr; 2] {
    ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]
}

#[test]
fn seeded_content_is_the_same_however_it_is_read() {
    let mut whole = Vec::new();
    Seeded::new(9, 100_003).read_to_end(&mut whole).unwrap();
    assert_eq!(whole.len(), 100_003);
    for size in [1, 7, 8, 1000, 16 * 1024, 50_001] {
        let mut content = Seeded::new(9, 100_003);
        let mut pieces = Vec::new();
        let mut buffer = vec![0; size];
        while let n @ 1.. = content.fill(&mut buffer) {
            pieces.extend_from_slice(&buffer[..n]);
        }
        assert!(pieces == whole, "read by {size}");
    }
    let mut other = Vec::new();
    Seeded::new(10, 100_003).read_to_end(&mut other).unwrap();
    assert!(other != whole);
    let hash = hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(&whole));
    assert_eq!(Seeded::new(9, 100_003).sha256(), hash);
    // FIPS 180-4's hash of nothing.
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Seeded::new(9, 0).sha256(), nothing);
}

#[test]
fn forms_survive_both_ways() {
    let form = [("user", "Zoë & co=1"), ("password", "100% +~\u{0}")];
    let form: Vec<_> = form.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let text = encode_form(&form);
    assert_eq!(text, "user=Zo%C3%AB+%26+co%3D1&password=100%25+%2B%7E%00");
    assert_eq!(decode_form(&text), form);
    // What is not valid stays as it is.
    assert_eq!(
        decode_form("a=%&b=%zz&c=%4&d"),
        [("a", "%"), ("b", "%zz"), ("c", "%4")].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}

fn body_of(octets: &[u8], framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    read_body(&mut BufReader::with_capacity(3, octets), framing, |piece| {
        body.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(body)
}

#[test]
fn bodies_end_where_their_framing_says() {
    let chunked = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
    assert_eq!(body_of(chunked, Framing::Chunked).unwrap(), b"hello world");
    assert_eq!(
        body_of(b"hello world", Framing::Length(5)).unwrap(),
        b"hello"
    );
    assert_eq!(body_of(b"hello", Framing::UntilEnd).unwrap(), b"hello");
    for (broken, framing) in [
        (&b"hell"[..], Framing::Length(5)),
        (b"5\r\nhell", Framing::Chunked),
        (b"5\r\nhello!\r\n0\r\n\r\n", Framing::Chunked),
        (b"5\r\nhello\r\n", Framing::Chunked),
        (b"x\r\nhello\r\n0\r\n\r\n", Framing::Chunked),
        (b"fffffffffffffffff\r\n", Framing::Chunked),
    ] {
        assert!(body_of(broken, framing).is_err(), "{broken:?}");
    }
}

#[test]
fn heads_are_bounded_and_their_framing_is_strict() {
    let framing = |fields: &str| {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = Head::read(&mut text.as_bytes())?.expect("a head");
        head.framing(Framing::UntilEnd)
    };
    assert_eq!(framing("").unwrap(), Framing::UntilEnd);
    assert_eq!(
        framing("content-LENGTH:  12 \r\n").unwrap(),
        Framing::Length(12)
    );
    let both = "Content-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n";
    assert_eq!(framing(both).unwrap(), Framing::Chunked);
    for broken in [
        "Content-Length: -1\r\n",
        "Content-Length: +1\r\n",
        "Transfer-Encoding: gzip\r\n",
        "nothing\r\n",
    ] {
        assert!(framing(broken).is_err(), "{broken}");
    }
    let endless = io::repeat(b'a');
    assert!(Head::read(&mut BufReader::new(endless)).is_err());
    assert!(Head::read(&mut &b""[..]).unwrap().is_none());
    assert!(Head::read(&mut &b"GET / HTTP/1.1\r\nHost: x"[..]).is_err());
}

#[test]
fn targets_have_one_meaning_for_one_method() {
    assert_eq!(Route::of("GET", "/"), Route::Front);
    assert_eq!(Route::of("POST", "/"), Route::OtherMethod);
    assert_eq!(
        Route::of("GET", "/bytes/10?seed=7"),
        Route::Bytes { len: 10, seed: 7 }
    );
    assert_eq!(
        Route::of("GET", "/bytes/10"),
        Route::Bytes {
            len: 10,
            seed: site::DEFAULT_SEED
        }
    );
    assert_eq!(Route::of("GET", "/bytes/ten"), Route::Unknown);
    assert_eq!(Route::of("GET", "/bytes/10?seed=x"), Route::Unknown);
    assert_eq!(Route::of("GET", "/login"), Route::OtherMethod);
    assert_eq!(Route::of("POST", "/upload"), Route::Upload);
    assert_eq!(site::log_in("user=a").0, 403);
    let (status, page) = site::log_in("user=%3Cb%3E&password=x");
    assert_eq!(status, 200);
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"));
}

#[test]
fn client_and_server_agree_over_both_families() {
    let peer = peer();
    for to in peer.listen(&loopback()).unwrap() {
        let page = peer.get(to, "/").unwrap();
        assert_eq!(
            (page.status, page.text.as_str()),
            (200, site::front_page().as_str())
        );
        assert_eq!(page.bytes, page.text.len() as u64);
        assert!(page.clean_end);
        assert_eq!(page.local.ip(), to.ip());

        let welcome = peer.log_in(to, "alice & bob", "s3cret").unwrap();
        assert_eq!(welcome.status, 200);
        assert!(welcome.text.contains("alice &amp; bob"), "{}", welcome.text);
        assert_eq!(peer.log_in(to, "alice", "").unwrap().status, 403);
        assert_eq!(peer.get(to, "/nothing").unwrap().status, 404);
        assert_eq!(peer.get(to, "/upload").unwrap().status, 405);

        for len in [0, 1, 1_000_003] {
            let download = peer.download(to, 5, len).unwrap();
            assert_eq!(download.bytes, len);
            assert_eq!(download.sha256, Seeded::new(5, len).sha256());
            let upload = peer.upload(to, 6, len).unwrap();
            assert_eq!(upload.sent, len);
            assert_eq!(
                upload.text,
                site::receipt(&Seeded::new(6, len).sha256(), len)
            );
        }
    }
}

#[test]
fn the_side_that_closes_first_is_the_one_in_time_wait() {
    let peer = peer();
    for to in peer.listen(&loopback()).unwrap() {
        for closes_first in [Side::Client, Side::Server] {
            let request = HttpRequest {
                closes_first,
                ..HttpRequest::new(to, "/", RequestBody::None)
            };
            let reply = peer.request(&request).unwrap();
            assert!(reply.clean_end);
            let (first, second) = match closes_first {
                Side::Client => (reply.local, to),
                Side::Server => (to, reply.local),
            };
            // The last FIN and its ACK may still be on their way.
            let state = (0..100).find_map(|_| {
                thread::sleep(Duration::from_millis(5));
                let state = peer.tcp_state(first, second).unwrap()?;
                (state.state == "TIME-WAIT" && peer.tcp_state(second, first).unwrap().is_none())
                    .then_some(state)
            });
            let state = state.unwrap_or_else(|| panic!("{closes_first:?} to {to}: no TIME-WAIT"));
            assert!(state.timer_millis > 50_000, "{state}");
        }
    }
}

#[test]
fn the_state_of_a_connection_is_told_by_its_four_tuple() {
    let peer = peer();
    for address in loopback() {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let (local, remote) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        server.write_all(b"unread").unwrap();
        thread::sleep(Duration::from_millis(20));
        let state = peer.tcp_state(local, remote).unwrap().expect("it exists");
        assert_eq!(
            (state.state.as_str(), state.receive_queue),
            ("ESTABLISHED", 6)
        );
        let info = state.info.as_ref().expect("sock_diag tells more");
        assert!(
            info.snd_cwnd > 0 && info.snd_mss > 500 && info.rto_micros >= 200_000,
            "{info:?}"
        );
        assert!(!state.to_string().contains('\n'));

        // The table of /proc tells the same state and queues.
        let table = if local.is_ipv4() {
            "/proc/self/net/tcp"
        } else {
            "/proc/self/net/tcp6"
        };
        let rows = std::fs::read_to_string(table).unwrap();
        let rows = rows
            .lines()
            .filter_map(|row| super::tcp_state::parse_row(row, local, remote));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].state.as_str(), rows[0].receive_queue),
            ("ESTABLISHED", 6)
        );

        drop(server);
        thread::sleep(Duration::from_millis(20));
        let state = peer.tcp_state(local, remote).unwrap().expect("it exists");
        assert_eq!(state.state, "CLOSE-WAIT");
        // The listener, which the kernel would name instead, is not this connection.
        let stranger = SocketAddr::new(remote.ip(), 9);
        assert_eq!(peer.tcp_state(remote, stranger).unwrap(), None);
    }
    let (v4, v6) = ("127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap());
    assert!(matches!(peer.tcp_state(v4, v6), Err(PeerError::Failed(_))));
}

#[test]
fn failures_say_how_far_it_came() {
    let peer = peer();
    // Nobody listens on a port just given back.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let Err(PeerError::Http(failure)) = peer.get(free, "/") else {
        panic!("somebody answered");
    };
    assert_eq!(failure.stage, Stage::Connect);
    assert_eq!(failure.errno, Some(nix::errno::Errno::ECONNREFUSED as i32));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        stream
            .write_all(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.",
            )
            .unwrap();
        // Silence, until the other side has had enough.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let request = HttpRequest {
        timeout: Duration::from_millis(100),
        ..HttpRequest::new(to, "/", RequestBody::None)
    };
    let Err(PeerError::Http(failure)) = peer.request(&request) else {
        panic!("half an answer is none");
    };
    assert_eq!((failure.stage.clone(), failure.bytes), (Stage::Receive, 5));
    assert!(
        failure.to_string().contains("no progress for 100ms"),
        "{failure}"
    );
    assert!(failure.local.is_some());
}

#[test]
fn several_things_are_done_at_once() {
    let peer = peer();
    let to = peer.listen(&loopback()[..1]).unwrap()[0];
    // One request is stuck while others are answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stuck = HttpRequest::new(silent.local_addr().unwrap(), "/", RequestBody::None);
    let stuck = peer.start(Command::Http(stuck)).unwrap();
    let (mut held, _) = silent.accept().unwrap();
    let many: Vec<_> = (0..16u64)
        .map(|n| {
            let request = HttpRequest::new(to, &format!("/bytes/{n}"), RequestBody::None);
            peer.start(Command::Http(request)).unwrap()
        })
        .collect();
    for (n, pending) in (0..).zip(many) {
        assert!(matches!(pending.wait(), Ok(Reply::Http(Ok(reply))) if reply.bytes == n));
    }
    held.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    drop(held);
    assert!(matches!(stuck.wait(), Ok(Reply::Http(Ok(reply))) if reply.status == 204));
}

#[test]
fn a_peer_that_is_gone_says_so() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let peer = Peer::new(ours).unwrap();
    let pending = peer.start(Command::Listen(Vec::new())).unwrap();
    drop(theirs);
    assert!(matches!(pending.wait(), Err(PeerError::Gone)));
    assert!(matches!(peer.listen(&[]), Err(PeerError::Gone)));
}

#[test]
fn the_server_takes_what_other_clients_send() {
    let peer = peer();
    let to = peer.listen(&loopback()[..1]).unwrap()[0];
    let exchange = |request: &[u8]| {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(request).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    // Two requests in one go, the first chunked and with an expectation; HTTP/1.0 ends it.
    let response = exchange(
        b"POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
          Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    );
    assert!(
        response.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{response}"
    );
    // FIPS 180-4's hash of "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(response.contains(&site::receipt(abc, 3)), "{response}");
    assert!(response.ends_with(&site::front_page()), "{response}");

    assert!(exchange(b"nonsense\r\nmore nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let long = b"POST /login HTTP/1.1\r\nContent-Length: 9999999\r\n\r\nuser=";
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(long).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}
