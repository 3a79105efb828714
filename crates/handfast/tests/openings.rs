//! SYN cookies and Fast Open between our TCP and the kernel's, over a TUN, in a network namespace
//! of the test's own. The kernel's side of Fast Open is asked for by Python, which can.
#![cfg(all(feature = "tun", feature = "tokio", target_os = "linux"))]

mod namespace;

use handfast::stack::{SynCookies, TcpMetrics};
use handfast::{Net, TcpConnector, TcpListener, TcpStream};
use namespace::tun::{self, echo, text};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connects twice with what there is to say on the SYN, and prints what comes back.
const FAST_CLIENT: &str = r#"
import socket, sys
for turn in range(2):
    family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.sendall(b'question %d' % turn)
    s.shutdown(socket.SHUT_WR)
    answer = b''
    while part := s.recv(4096):
        answer += part
    assert answer == b'question %d' % turn, answer
    s.close()
"#;

/// Says back what it hears, text on SYNs included, until it is ended.
const FAST_SERVER: &str = r#"
import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM)
s.setsockopt(socket.IPPROTO_TCP, 23, 16)  # TCP_FASTOPEN
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen(16)
print('listening', flush=True)
while True:
    c, _ = s.accept()
    while part := c.recv(65536):
        c.sendall(part)
    c.close()
"#;

#[test]
fn cookies_and_fast_open_with_the_kernel() {
    let needs = format!(
        "{} && command -v python3 && test -w /proc/sys/net/ipv4/tcp_fastopen",
        tun::NEEDS
    );
    namespace::run("cookies_and_fast_open_with_the_kernel", &needs, || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(inside());
    });
}

fn tcp(net: &Net) -> TcpMetrics {
    net.with_stack(|stack, _| stack.metrics().tcp)
}

/// A counter of the namespace's kernel: its value stands under its name.
fn kernel(name: &str) -> u64 {
    let all = std::fs::read_to_string("/proc/net/netstat").expect("the kernel's counters");
    let lines: Vec<&str> = all.lines().collect();
    let found = lines.chunks(2).find_map(|pair| {
        let at = pair[0].split(' ').position(|n| n == name)?;
        pair[1].split(' ').nth(at)?.parse().ok()
    });
    found.unwrap_or_else(|| panic!("no counter {name}"))
}

async fn inside() {
    let host = tun::host();
    let net = host.net();
    for [ours, theirs] in tun::addresses() {
        kernel_connects_by_our_cookie(&net, ours).await;
        we_connect_by_the_kernels_cookie(&net, theirs).await;
        kernel_opens_fast(&net, ours).await;
        we_open_fast(&net, theirs).await;
    }
}

async fn kernel_connects_by_our_cookie(net: &Net, ours: IpAddr) {
    let at = SocketAddr::new(ours, 80);
    let listener = TcpListener::builder().syn_cookies(SynCookies::Always);
    let listener = listener.bind(net, at).expect("a listener");
    let before = tcp(net);
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(at).expect("a connection");
        stream.write_all(&text(1 << 20)).expect("written");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("read");
        assert!(back == text(1 << 20));
    });
    let (stream, _) = listener.accept().await.expect("a connection");
    let info = stream.info().expect("it is there");
    assert!(info.timestamps && info.window_scale.is_some(), "{info:?}");
    echo(stream).await;
    client.await.expect("no panic");
    let after = tcp(net);
    assert_eq!(after.syn_cookies_accepted - before.syn_cookies_accepted, 1);
    assert_eq!(after.syn_cookies_failed, before.syn_cookies_failed);
    println!("{ours}: the kernel connects by our cookie");
}

async fn we_connect_by_the_kernels_cookie(net: &Net, theirs: IpAddr) {
    // As with a full queue, but always.
    std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").expect("a setting");
    let before = kernel("SyncookiesRecv");
    let listener = std::net::TcpListener::bind((theirs, 81)).expect("a listener");
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("read");
        stream.write_all(&all).expect("written");
    });
    let mut stream = TcpStream::connect(net, (theirs, 81).into())
        .await
        .expect("connected");
    stream.write_all(&text(100_000)).await.expect("written");
    stream.shutdown().await.expect("shut");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.expect("read");
    assert!(back == text(100_000));
    server.await.expect("no panic");
    assert_eq!(kernel("SyncookiesRecv") - before, 1);
    std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "1").expect("a setting");
    println!("{theirs}: we connect by the kernel's cookie");
}

async fn kernel_opens_fast(net: &Net, ours: IpAddr) {
    std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "3").expect("a setting");
    let listener = TcpListener::builder().fast_open(16);
    let listener = listener
        .bind(net, SocketAddr::new(ours, 82))
        .expect("a listener");
    let (before, active) = (tcp(net), kernel("TCPFastOpenActive"));
    let mut client = Command::new("python3");
    client.args(["-c", FAST_CLIENT, &ours.to_string(), "82"]);
    let client = tokio::task::spawn_blocking(move || client.status());
    for _ in 0..2 {
        echo(listener.accept().await.expect("a connection").0).await;
    }
    assert!(client.await.expect("no panic").is_ok_and(|s| s.success()));
    let after = tcp(net);
    assert_eq!(after.fast_opens - before.fast_opens, 1, "the second one");
    assert_eq!(kernel("TCPFastOpenActive") - active, 1);
    println!("{ours}: the kernel opens fast");
}

async fn we_open_fast(net: &Net, theirs: IpAddr) {
    let mut server = Command::new("python3")
        .args(["-c", FAST_SERVER, &theirs.to_string(), "83"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut line = [0; 10];
    server
        .stdout
        .take()
        .expect("piped")
        .read_exact(&mut line)
        .expect("it listens");
    let (before, passive) = (tcp(net), kernel("TCPFastOpenPassive"));
    for turn in 0..2 {
        let connector = TcpConnector::new().fast_open(true);
        let mut stream = connector
            .connect(net, (theirs, 83).into())
            .await
            .expect("connected");
        stream.write_all(b"a question").await.expect("written");
        stream.shutdown().await.expect("shut");
        let mut back = Vec::new();
        let answer = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut back));
        answer.await.expect("in time").expect("read");
        assert_eq!(back, b"a question", "turn {turn}");
    }
    server.kill().and_then(|()| server.wait()).expect("it ends");
    let after = tcp(net);
    assert_eq!(
        after.fast_opens_taken - before.fast_opens_taken,
        1,
        "the second one"
    );
    assert_eq!(kernel("TCPFastOpenPassive") - passive, 1);
    println!("{theirs}: we open fast");
}
