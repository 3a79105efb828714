//! Two network namespaces, each that of a thread, with a veth between them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process};

use super::support::built;

/// The interface of the proxy.
pub(crate) const TUN: &str = "hf0";
/// The interface by which this side reaches the far one.
pub(crate) const OUT: &str = "near";
/// Where the far side serves, in each family; routed to the proxy.
pub(crate) const FAR: [&str; 2] = ["192.0.2.1", "2001:db8:2::1"];
/// What the far side says it cannot reach.
pub(crate) const NOWHERE: [&str; 2] = ["192.0.2.66", "2001:db8:2::66"];
/// What the far side is silent about.
pub(crate) const NOBODY: [&str; 2] = ["192.0.2.77", "2001:db8:2::77"];
pub(crate) const ECHO: u16 = 7;
pub(crate) const CLOSED: u16 = 9;
/// The SOCKS5 proxy of the far side, which is not routed to ours.
pub(crate) const SOCKS: &str = "198.51.100.2:1080";

/// The addresses of the proxy's interface.
const OWN: [(&str, u8); 2] = [("10.79.0.1", 30), ("fd68:616e:6466:3::1", 64)];

/// The namespace of the thread that makes it, and a far one.
pub(crate) struct World {
    proxied: Arc<AtomicUsize>,
}

/// A running `handfast proxy`.
pub(crate) struct Proxy {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl World {
    pub(crate) fn new() -> World {
        let proxied = Arc::<AtomicUsize>::default();
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let (told, thread_id) = mpsc::channel();
        let (joined, is_joined) = mpsc::channel();
        let (serving, is_serving) = mpsc::channel();
        thread::spawn({
            let proxied = proxied.clone();
            move || {
                unshare(CloneFlags::CLONE_NEWNET).unwrap();
                told.send(rustix::thread::gettid()).unwrap();
                is_joined.recv().unwrap();
                far(&proxied);
                serving.send(()).unwrap();
                // Its namespace lives as long as its sockets.
            }
        });
        let far_thread = thread_id.recv().unwrap().as_raw_pid();
        ip(&format!("link add {OUT} type veth peer name far"));
        ip(&format!("link set far netns {far_thread}"));
        ip("link set lo up");
        ip(&format!("address add 198.51.100.1/24 dev {OUT}"));
        ip(&format!("address add 2001:db8:51::1/64 dev {OUT} nodad"));
        ip(&format!("link set {OUT} up"));
        joined.send(()).unwrap();
        is_serving.recv().unwrap();
        ip("route add default via 198.51.100.2");
        ip("-6 route add default via 2001:db8:51::2");
        World { proxied }
    }

    /// Starts `handfast proxy` for what is far, and waits until it carries.
    pub(crate) fn proxy(&self, flags: &[&str]) -> Proxy {
        let mut command = Command::new(built());
        command.args(["proxy", "--tun", TUN]);
        for (address, len) in OWN {
            command.args(["--address", &format!("{address}/{len}")]);
        }
        command.args(["--route", "192.0.2.0/24", "--route", "2001:db8:2::/64"]);
        let mut child = command
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(
            line.starts_with("What is routed to interface hf0"),
            "{line}"
        );
        Proxy { child, output }
    }

    /// Runs `handfast proxy`, which fails: its exit code, and what it says.
    pub(crate) fn fails(&self, flags: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(built())
            .arg("proxy")
            .args(flags)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    pub(crate) fn is_of_tun(&self, address: IpAddr) -> bool {
        OWN.iter().any(|(own, _)| own.parse() == Ok(address))
    }

    /// Connections that the far side's SOCKS5 proxy has made.
    pub(crate) fn proxied(&self) -> usize {
        self.proxied.load(Ordering::SeqCst)
    }
}

impl Proxy {
    /// Ends it with a signal: its exit code, and what else it said.
    pub(crate) fn end(&mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Ended already is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What happens on the far side, by threads that stay in its namespace.
fn far(proxied: &Arc<AtomicUsize>) {
    ip("link set lo up");
    ip("address add 198.51.100.2/24 dev far");
    ip("address add 2001:db8:51::2/64 dev far nodad");
    ip("link set far up");
    for (at, len) in FAR.into_iter().zip([32, 128]) {
        ip(&format!("address add {at}/{len} dev lo nodad"));
    }
    for (at, len) in NOWHERE.into_iter().zip([32, 128]) {
        ip(&format!("route add unreachable {at}/{len}"));
    }
    for (at, len) in NOBODY.into_iter().zip([32, 128]) {
        ip(&format!("route add blackhole {at}/{len}"));
    }
    // A router says what it cannot reach.
    for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        std::fs::write(format!("/proc/sys/net/{path}"), "1").unwrap();
    }
    for at in FAR {
        let at = SocketAddr::new(at.parse().unwrap(), ECHO);
        let listener = TcpListener::bind(at).unwrap();
        serve(listener, echo);
        let socket = UdpSocket::bind(at).unwrap();
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            while let Ok((len, peer)) = socket.recv_from(&mut datagram) {
                let _ = socket.send_to(&datagram[..len], peer);
            }
        });
    }
    let proxied = proxied.clone();
    let listener = TcpListener::bind(SOCKS).unwrap();
    serve(listener, move |stream| {
        // Whoever asked may be gone.
        let _ = socks(stream, &proxied);
    });
}

fn serve(listener: TcpListener, each: impl Fn(TcpStream) + Clone + Send + 'static) {
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
}

fn echo(stream: TcpStream) {
    let mut reader = stream.try_clone().unwrap();
    let mut writer = stream;
    let _ = std::io::copy(&mut reader, &mut writer);
    let _ = writer.shutdown(Shutdown::Write);
}

/// One connection of a SOCKS5 proxy without passwords (RFC 1928).
fn socks(mut stream: TcpStream, proxied: &AtomicUsize) -> std::io::Result<()> {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting)?;
    let mut methods = vec![0; greeting[1].into()];
    stream.read_exact(&mut methods)?;
    stream.write_all(&[5, 0])?;
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    let address = match request[3] {
        1 => {
            let mut octets = [0; 4];
            stream.read_exact(&mut octets)?;
            IpAddr::from(Ipv4Addr::from(octets))
        }
        _ => {
            let mut octets = [0; 16];
            stream.read_exact(&mut octets)?;
            IpAddr::from(Ipv6Addr::from(octets))
        }
    };
    let mut port = [0; 2];
    stream.read_exact(&mut port)?;
    let at = SocketAddr::new(address, u16::from_be_bytes(port));
    match TcpStream::connect(at) {
        Ok(far) => {
            proxied.fetch_add(1, Ordering::SeqCst);
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            let (mut up, mut down) = (stream.try_clone()?, stream);
            let (mut to, mut from) = (far.try_clone()?, far);
            let upward = thread::spawn(move || {
                let _ = std::io::copy(&mut up, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let _ = std::io::copy(&mut from, &mut down);
            let _ = down.shutdown(Shutdown::Write);
            let _ = upward.join();
            Ok(())
        }
        Err(_) => stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
    }
}

/// Runs `ip` in the namespace of this thread.
fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("iproute2");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}
