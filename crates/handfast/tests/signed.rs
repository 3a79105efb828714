//! Signed connections between our TCP and the kernel's, over a TUN, in a network namespace of the
//! test's own. The kernel's side is asked for by Python, which knows no keys but can pass octets.
#![cfg(all(feature = "tun", feature = "tokio", target_os = "linux"))]

mod namespace;

use handfast::keys::{Algorithm, KeyRing, MasterKey, Md5Key};
use handfast::wire::Discard;
use handfast::{Net, TcpConnector, TcpListener};
use namespace::tun::{self, echo, text};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1 << 20;

/// Sets the keys of a socket. Arguments: client or server, address, port, the peer's address, md5 or
/// an algorithm, secret. A client sends 1 MiB, checks that it comes back, and says what
/// happened; a server says back what it hears.
const KERNEL: &str = r#"
import socket, struct, sys
role, address, port, peer, kind, secret = sys.argv[1:7]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
secret = secret.encode()
def storage(host):
    packed = socket.inet_pton(family, host)
    if family == socket.AF_INET:
        return (struct.pack('=HH', family, 0) + packed).ljust(128, b'\0')
    return (struct.pack('=HHI', family, 0, 0) + packed).ljust(128, b'\0')
def protect(s):
    if kind == 'md5':  # struct tcp_md5sig
        value = storage(peer) + struct.pack('=BBHi', 0, 0, len(secret), 0) + secret.ljust(80, b'\0')
        s.setsockopt(socket.IPPROTO_TCP, 14, value)  # TCP_MD5SIG
        return
    prefix = 32 if family == socket.AF_INET else 128
    value = storage(peer) + kind.encode().ljust(64, b'\0')  # struct tcp_ao_add
    # ifindex, flags, reserved, prefix, sndid, rcvid, maclen, keyflags, keylen
    value += struct.pack('=iIHBBBBBB', 0, 0, 0, prefix, 100, 101, 12, 0, len(secret))
    s.setsockopt(socket.IPPROTO_TCP, 38, value + secret.ljust(80, b'\0'))  # TCP_AO_ADD_KEY
def text():
    return bytes(n % 251 for n in range(1 << 20))
s = socket.socket(family, socket.SOCK_STREAM)
try:
    protect(s)
except OSError as e:
    print('unsupported', e, flush=True)
    sys.exit()
if role == 'server':
    s.bind((address, int(port)))
    s.listen(16)
    print('listening', flush=True)
    while True:
        c, _ = s.accept()
        while part := c.recv(65536):
            c.sendall(part)
        c.close()
else:
    s.settimeout(float(sys.argv[7]))
    try:
        s.connect((address, int(port)))
    except (TimeoutError, ConnectionError) as e:
        print('failed', e, flush=True)
        sys.exit()
    s.settimeout(60)
    import threading
    sender = threading.Thread(target=lambda: (s.sendall(text()), s.shutdown(socket.SHUT_WR)))
    sender.start()
    back = b''
    while part := s.recv(65536):
        back += part
    sender.join()
    assert back == text(), len(back)
    print('done', flush=True)
"#;

#[test]
fn signed_connections_with_the_kernel() {
    let needs = format!("{} && command -v python3", tun::NEEDS);
    namespace::run("signed_connections_with_the_kernel", &needs, || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(inside());
    });
}

async fn inside() {
    let host = tun::host();
    let net = host.net();
    let schemes = [
        ("md5", None),
        ("hmac(sha1)", Some(Algorithm::HmacSha1)),
        ("cmac(aes128)", Some(Algorithm::Aes128Cmac)),
    ];
    for (n, (kind, algorithm)) in schemes.into_iter().enumerate() {
        for [ours, theirs] in tun::addresses() {
            let port = 179 + 10 * n as u16;
            let keys = |secret: &[u8]| ring(theirs, algorithm, secret);
            if !kernel_connects(&net, ours, theirs, port, kind, &keys).await {
                eprintln!("SKIPPED: this kernel has no {kind}");
                break;
            }
            we_connect(&net, theirs, ours, port + 1, kind, &keys).await;
        }
    }
}

fn ring(peer: IpAddr, algorithm: Option<Algorithm>, secret: &[u8]) -> KeyRing {
    let mut ring = KeyRing::new();
    match algorithm {
        // The kernel sends 100 and receives 101.
        Some(algorithm) => {
            let key = MasterKey::new(peer, 101, 100, algorithm, secret);
            ring.add(key.expect("a key")).expect("the first key");
        }
        None => {
            let key = Md5Key::new(peer, secret).expect("a key");
            ring.add_md5(key).expect("the first key");
        }
    }
    ring
}

fn kernel(arguments: &[&str]) -> Child {
    let mut python = Command::new("python3");
    python.args(["-c", KERNEL]).args(arguments);
    python.stdout(Stdio::piped()).spawn().expect("python3 runs")
}

/// What it says first.
fn told(child: &mut Child) -> impl Future<Output = String> + use<> {
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).map(|_| line)
    });
    async { line.await.expect("no panic").expect("a line") }
}

fn wrong_signatures(net: &Net) -> u64 {
    net.with_stack(|stack, _| stack.metrics().discards(Discard::TcpSignature))
}

/// False when the kernel cannot.
async fn kernel_connects(
    net: &Net,
    ours: IpAddr,
    theirs: IpAddr,
    port: u16,
    kind: &str,
    keys: &dyn Fn(&[u8]) -> KeyRing,
) -> bool {
    let at = SocketAddr::new(ours, port);
    let listener = TcpListener::builder().keys(keys(b"secret"));
    let listener = listener.bind(net, at).expect("a listener");
    let (address, port) = (ours.to_string(), port.to_string());
    let client =
        |secret, patience| kernel(&["client", &address, &port, &address, kind, secret, patience]);
    let mut right = client("secret", "60");
    let said = told(&mut right);
    tokio::pin!(said);
    let mut first = None;
    let stream = tokio::select! {
        line = &mut said => { first = Some(line); None }
        accepted = listener.accept() => Some(accepted.expect("a connection").0),
    };
    if let Some(line) = first {
        assert!(line.starts_with("unsupported"), "{kind}: {line}");
        right.wait().expect("it ends");
        return false;
    }
    assert_eq!(echo(stream.expect("one of the two")).await, MIB);
    assert_eq!(said.await, "done\n", "{kind}");
    right.wait().expect("it ends");
    // With another secret it never connects, and no state is made.
    let before = wrong_signatures(net);
    let mut wrong = client("another", "3");
    assert!(told(&mut wrong).await.starts_with("failed"), "{kind}");
    wrong.wait().expect("it ends");
    assert!(wrong_signatures(net) > before, "{kind}: counted");
    let accepted = tokio::time::timeout(Duration::from_millis(10), listener.accept()).await;
    assert!(accepted.is_err(), "{kind}");
    println!("{theirs}: the kernel connects, {kind}");
    true
}

async fn we_connect(
    net: &Net,
    theirs: IpAddr,
    ours: IpAddr,
    port: u16,
    kind: &str,
    keys: &dyn Fn(&[u8]) -> KeyRing,
) {
    let [address, peer, number] = [theirs.to_string(), ours.to_string(), port.to_string()];
    let mut server = kernel(&["server", &address, &number, &peer, kind, "secret"]);
    assert_eq!(told(&mut server).await, "listening\n");
    let at = SocketAddr::new(theirs, port);
    let connector = TcpConnector::new().keys(keys(b"secret"));
    let stream = connector.connect(net, at).await.expect("connected");
    let (mut read, mut write) = stream.into_split();
    let sender = tokio::spawn(async move {
        write.write_all(&text(MIB)).await.expect("written");
        write.shutdown().await.expect("shut");
    });
    let mut back = Vec::new();
    let answer = tokio::time::timeout(Duration::from_secs(60), read.read_to_end(&mut back));
    answer.await.expect("in time").expect("read");
    sender.await.expect("no panic");
    assert!(back == text(MIB), "{kind}: {}", back.len());
    for keys in [keys(b"another"), KeyRing::new()] {
        let connector = TcpConnector::new().keys(keys);
        let connected = connector.connect(net, at);
        let connected = tokio::time::timeout(Duration::from_secs(3), connected).await;
        assert!(
            !connected.is_ok_and(|c| c.is_ok()),
            "{kind}: it never connects"
        );
    }
    server.kill().and_then(|()| server.wait()).expect("it ends");
    println!("{theirs}: we connect, {kind}");
}
