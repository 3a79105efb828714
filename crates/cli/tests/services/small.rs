//! Echo, discard, daytime and chargen.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, SystemTime};

use handfast_cli::kernel_peer::Seeded;

use crate::kernel::{V4, V6, inside};

/// How long an answer may take that must come, and how long we wait for one that must not.
const PATIENCE: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_millis(300);

fn octets(len: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    Seeded::new(7, len).read_to_end(&mut octets).unwrap();
    octets
}

#[test]
fn echo_sends_back_what_comes_however_much_and_closes_after_us() {
    inside(None, |inside| {
        for address in [V4, V6] {
            let stream = inside.connect(address, 7);
            let sent = octets(16 << 20);
            let received = thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    (&stream).write_all(&sent).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                });
                let mut received = Vec::new();
                (&stream).read_to_end(&mut received).unwrap();
                writer.join().unwrap();
                received
            });
            assert!(received == sent, "{} octets came back", received.len());
        }
    });
}

#[test]
fn discard_takes_everything_and_says_nothing() {
    inside(None, |inside| {
        for address in [V4, V6] {
            let mut stream = inside.connect(address, 9);
            // More than any buffer holds.
            stream.write_all(&octets(32 << 20)).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
        }
    });
}

#[test]
fn daytime_says_the_time_once_whatever_it_is_told() {
    inside(None, |inside| {
        for address in [V4, V6] {
            let before = SystemTime::now() - Duration::from_secs(1);
            let mut stream = inside.connect(address, 13);
            // What is unread when it closes must not destroy the answer.
            stream.write_all(b"what time is it?").unwrap();
            let mut line = String::new();
            stream.read_to_string(&mut line).unwrap();
            let time = line.strip_suffix("\r\n").expect("one line");
            let time = httpdate::parse_http_date(time).unwrap();
            assert!((before..=SystemTime::now()).contains(&time), "{line}");
        }
    });
}

#[test]
fn chargen_makes_its_pattern_as_fast_as_it_is_read() {
    inside(None, |inside| {
        for address in [V4, V6] {
            let mut stream = inside.connect(address, 19);
            stream.write_all(b"thrown away").unwrap();
            // It waits for us here, and holds no more than its buffers.
            thread::sleep(Duration::from_millis(100));
            let mut text = vec![0; 40 * 7030];
            stream.read_exact(&mut text).unwrap();
            let ring: Vec<u8> = (b' '..=b'~').collect();
            for (n, line) in text.chunks(74).enumerate() {
                let expected: Vec<u8> = (0..72).map(|i| ring[(n + i) % 95]).collect();
                assert_eq!(line[..72], expected, "line {n}");
                assert_eq!(&line[72..], b"\r\n", "line {n}");
            }
        }
    });
}

#[test]
fn no_service_is_exhausted_by_those_who_stay() {
    inside(None, |inside| {
        // The limit is 256 for each address: more wait, and are served when others go.
        let mut connections: Vec<_> = (0..300).map(|_| inside.connect(V4, 7)).collect();
        for stream in &mut connections[..256] {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        let waits = &mut connections[256];
        waits.write_all(b"y").unwrap();
        waits.set_read_timeout(Some(SILENCE)).unwrap();
        let early = waits.read(&mut [0]).map_err(|e| e.kind());
        assert!(matches!(early, Err(ErrorKind::WouldBlock)), "{early:?}");
        connections.drain(..100);
        let waits = &mut connections[156];
        waits.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0];
        waits.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"y");
        // Others have limits of their own.
        let mut line = String::new();
        inside.connect(V4, 13).read_to_string(&mut line).unwrap();
        assert!(line.ends_with("GMT\r\n"), "{line}");
    });
}

#[test]
fn datagrams_are_answered_but_not_those_of_services() {
    inside(None, |_| {
        for address in [V4, V6] {
            let any = if address == V4 { "0.0.0.0" } else { "::" };
            let socket = |port: u16| {
                let local = SocketAddr::new(any.parse().unwrap(), port);
                let socket = UdpSocket::bind(local).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket
            };
            let to = |port| SocketAddr::new(address.parse().unwrap(), port);
            let mut buffer = vec![0; 65_536];

            let client = socket(0);
            for len in [0, 1, 512, 1452] {
                let sent = octets(len);
                client.send_to(&sent, to(7)).unwrap();
                let (n, from) = client.recv_from(&mut buffer).unwrap();
                assert_eq!((n as u64, from), (len, to(7)));
                assert!(buffer[..n] == sent);
            }
            client.send_to(b"", to(13)).unwrap();
            let n = client.recv(&mut buffer).unwrap();
            assert!(buffer[..n].ends_with(b"GMT\r\n"));
            let mut lengths = Vec::new();
            for _ in 0..20 {
                client.send_to(b"more", to(19)).unwrap();
                let n = client.recv(&mut buffer).unwrap();
                assert!(n <= 512);
                assert!(
                    buffer[..n]
                        .iter()
                        .all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n'))
                );
                lengths.push(n);
            }
            lengths.dedup();
            assert!(lengths.len() > 1, "as chance has it: {lengths:?}");
            client.send_to(b"nothing", to(9)).unwrap();
            client.set_read_timeout(Some(SILENCE)).unwrap();
            assert!(client.recv(&mut buffer).is_err(), "discard is silent");

            // Two services that answered each other would never come to an end.
            for port in [7, 13, 19, 53, 1023] {
                let service = socket(port);
                for port in [7, 13, 19] {
                    service.send_to(b"ping", to(port)).unwrap();
                }
                service.set_read_timeout(Some(SILENCE)).unwrap();
                let answer = service.recv(&mut buffer).map_err(|e| e.kind());
                assert_eq!(answer, Err(ErrorKind::WouldBlock), "port {port}");
            }
            let ordinary = socket(1024);
            ordinary.send_to(b"ping", to(7)).unwrap();
            assert_eq!(ordinary.recv(&mut buffer).unwrap(), 4);
        }
    });
}
