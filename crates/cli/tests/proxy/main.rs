//! `handfast proxy` between two network namespaces: the kernel's TCP on this side and on the far
//! one, ours in the middle.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;
mod world;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{apart, may_unshare};
use world::{CLOSED, ECHO, FAR, NOBODY, NOWHERE, SOCKS, World};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test in a world of its own, if that can be made.
fn in_world(test: impl FnOnce(World) + Send + 'static) {
    if may_unshare() {
        apart(move || test(World::new()));
    }
}

/// What a kernel says of a connect.
fn error(to: SocketAddr) -> std::io::Error {
    let begin = Instant::now();
    let error = TcpStream::connect_timeout(&to, PATIENCE).unwrap_err();
    // At once, not when the kernel loses patience.
    assert!(begin.elapsed() < PATIENCE / 2, "{to}: {error}");
    error
}

fn echo(world: &World, to: SocketAddr) {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = stream.local_addr().unwrap().ip();
    assert!(world.is_of_tun(own), "{own} is not the interface's");
    let data: Vec<u8> = (0..2_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = data.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == data, "{} of {} octets", back.len(), data.len());
}

#[test]
fn what_is_routed_to_it_leaves_by_the_interface_named() {
    in_world(|world| {
        let mut proxy = world.proxy(&["--interface", world::OUT, "--deny", "*:25"]);
        for far in FAR {
            echo(&world, SocketAddr::new(far.parse().unwrap(), ECHO));
            let refused = error(SocketAddr::new(far.parse().unwrap(), CLOSED));
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let denied = error(SocketAddr::new(far.parse().unwrap(), 25));
            let kinds = [ErrorKind::HostUnreachable, ErrorKind::PermissionDenied];
            assert!(kinds.contains(&denied.kind()), "{denied}");
        }
        for nowhere in NOWHERE {
            let unreachable = error(SocketAddr::new(nowhere.parse().unwrap(), ECHO));
            let kinds = [ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable];
            assert!(kinds.contains(&unreachable.kind()), "{unreachable}");
        }
        for nobody in NOBODY {
            let to = SocketAddr::new(nobody.parse().unwrap(), ECHO);
            let silence = TcpStream::connect_timeout(&to, Duration::from_millis(300));
            assert_eq!(silence.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        let (code, said) = proxy.end(Signal::TERM);
        assert_eq!(code, Some(128 + 15), "{said}");
        assert!(handfast_cli::netlink::interface_index(world::TUN).is_err());
    });
}

#[test]
fn datagrams_go_the_same_way() {
    in_world(|world| {
        let _proxy = world.proxy(&["--interface", world::OUT, "--deny", "*:25"]);
        for far in FAR {
            let ask = |port| {
                let to = SocketAddr::new(far.parse().unwrap(), port);
                let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                socket.set_read_timeout(Some(PATIENCE / 30))?;
                let mut back = [0; 64];
                // A datagram may be lost, and then is sent again.
                let mut tries = 0..30;
                loop {
                    tries.next();
                    let heard = socket
                        .send(b"a datagram")
                        .and_then(|_| socket.recv(&mut back));
                    match heard {
                        Err(e) if e.kind() == ErrorKind::WouldBlock && !tries.is_empty() => {}
                        heard => break heard.map(|len| back[..len].to_vec()),
                    }
                }
            };
            assert_eq!(ask(ECHO).unwrap(), b"a datagram");
            assert_eq!(
                ask(CLOSED).unwrap_err().kind(),
                ErrorKind::ConnectionRefused
            );
            let denied = ask(25).unwrap_err().kind();
            let kinds = [ErrorKind::HostUnreachable, ErrorKind::PermissionDenied];
            assert!(kinds.contains(&denied), "{denied:?}");
        }
    });
}

#[test]
fn a_socks5_proxy_carries_connections_on() {
    in_world(|world| {
        let _proxy = world.proxy(&["--socks5", SOCKS]);
        for far in FAR {
            echo(&world, SocketAddr::new(far.parse().unwrap(), ECHO));
            let refused = error(SocketAddr::new(far.parse().unwrap(), CLOSED));
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
        assert_eq!(world.proxied(), 2);
    });
}

#[test]
fn without_a_way_out_it_does_not_start() {
    in_world(|world| {
        let (code, said) = world.fails(&["--route", "192.0.2.0/24"]);
        assert_eq!(code, Some(1));
        assert!(said.contains("would come straight back; fix: "), "{said}");
        let (code, said) = world.fails(&["--mark", "1", "--tun", "a-name-that-is-too-long"]);
        assert_eq!(code, Some(1));
        assert!(
            said.contains("; fix: ") && said.lines().count() == 1,
            "{said}"
        );
    });
}
