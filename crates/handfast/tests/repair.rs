//! Connections that move between our TCP and the kernel's in the middle of a transfer, in network
//! namespaces of the test's own: one in which the peer, a socket of the kernel, and the TUN of our
//! stack live, and one of another kernel's socket. Both have the address that wanders; the peer's
//! route decides where it is.
#![cfg(all(
    feature = "tun",
    feature = "tokio",
    feature = "blocking",
    target_os = "linux"
))]
#![expect(clippy::disallowed_methods, reason = "the kernel is waited for")]

mod namespace;

use handfast::blocking::TcpStream;
use handfast::stack::{AddressPrefix, IfaceId, Route};
use handfast::{Host, Net, TcpConnector, TcpSnapshot, repair};
use namespace::{sh, tun};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

/// Octets each way: of one stay, and of all.
const LEG: usize = 3 << 20;
const LEGS: usize = 4;

#[test]
fn connections_move_between_our_stack_and_the_kernel() {
    // To size a socket's buffers beyond the machine's limits takes its own root: one who is root in a
    // user namespace only may not.
    let needs = format!(
        "{} && command -v nsenter && unshare -n true && grep -q 4294967295 /proc/self/uid_map",
        tun::NEEDS
    );
    let name = "connections_move_between_our_stack_and_the_kernel";
    namespace::run(name, &needs, inside);
}

/// Another network namespace, as long as this lives.
struct Elsewhere(Child);

impl Elsewhere {
    fn new() -> Elsewhere {
        let sleeper = Command::new("unshare")
            .args(["-n", "sleep", "600"])
            .spawn()
            .expect("unshare runs");
        let there = Elsewhere(sleeper);
        let own = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
        while std::fs::read_link(there.path()).is_ok_and(|n| n == own) {
            thread::sleep(Duration::from_millis(1));
        }
        there
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    fn run(&self, command: &str) {
        sh(&format!("nsenter --net={} sh -c '{command}'", self.path()));
    }

    /// What a thread in there makes of it.
    fn with<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let namespace = std::fs::File::open(self.path()).expect("it is there");
        let work = || {
            use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
            use std::os::fd::AsFd;
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).expect("the right to");
            f()
        };
        thread::scope(|s| s.spawn(work).join().expect("no panic"))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The addresses of one family.
struct Family {
    wandering: &'static str,
    peer: &'static str,
    there: &'static str,
    length: u8,
    most: u8,
}

const FAMILIES: [Family; 2] = [
    Family {
        wandering: "10.77.0.1",
        peer: "10.8.0.1",
        there: "10.8.0.2",
        length: 24,
        most: 32,
    },
    Family {
        wandering: "fd77::1",
        peer: "fd08::1",
        there: "fd08::2",
        length: 64,
        most: 128,
    },
];

struct World {
    net: Net,
    iface: IfaceId,
    there: Elsewhere,
}

/// A socket of whichever TCP has the connection.
enum Stream {
    Ours(TcpStream),
    Kernels(std::net::TcpStream),
}

fn inside() {
    sh("ip link set lo up; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done");
    let there = Elsewhere::new();
    let pid = there.0.id();
    sh(&format!(
        "ip link add near type veth peer name far netns {pid} && ip link set near up"
    ));
    there.run("ip link set lo up && ip link set far up");
    let any: AddressPrefix = "192.0.2.1/24".parse().unwrap();
    let host = Host::builder().link(tun::device("hf0"), [any]).start();
    let net = host.as_ref().expect("a host").net();
    sh("ip link set hf0 up");
    let iface = net.with_stack(|s, _| {
        let mut routes = s.routes().filter(|r| r.iface != IfaceId::LOOPBACK);
        routes.next().expect("the TUN").iface
    });
    let world = World { net, iface, there };
    for family in &FAMILIES {
        let Family {
            wandering,
            peer,
            there,
            length,
            most,
        } = family;
        let nodad = if *most == 128 { "nodad" } else { "" };
        sh(&format!("ip addr add {peer}/{length} dev near {nodad}"));
        world.there.run(&format!(
            "ip addr add {there}/{length} dev far {nodad} && ip addr add {wandering}/{most} dev lo {nodad} && \
             ip route add {peer} dev far src {wandering}"
        ));
        world.net.with_stack(|s, now| {
            let prefix = AddressPrefix::new(peer.parse().unwrap(), *most).unwrap();
            let iface = world.iface;
            let route = Route::new(prefix, None, iface);
            s.add_route(route, now).unwrap();
        });
        for begins_with_us in [true, false] {
            wander(&world, family, begins_with_us);
        }
    }
    let resets = world.net.with_stack(|s, _| s.metrics().tcp);
    assert_eq!((resets.resets_in, resets.resets_out), (0, 0));
    // There a connection that is taken out counts as reset; nobody is told, though.
    let files = [
        ("/proc/thread-self/net/snmp".to_string(), true),
        (format!("/proc/{pid}/net/snmp"), false),
    ];
    for (file, is_peer) in files {
        let all = std::fs::read_to_string(&file).expect("the kernel's counters");
        assert_eq!(counter(&all, "Tcp:", "OutRsts"), 0, "{file}");
        assert!(
            !is_peer || counter(&all, "Tcp:", "EstabResets") == 0,
            "{file}"
        );
    }
}

fn counter(all: &str, of: &str, name: &str) -> u64 {
    let mut lines = all.lines().filter(|l| l.starts_with(of));
    let names = lines.next().expect("names").split(' ');
    let values = lines.next().expect("values").split(' ');
    let found = names.zip(values).find(|(n, _)| *n == name);
    found.and_then(|(_, v)| v.parse().ok()).expect("a counter")
}

impl World {
    /// From now on what the peer sends goes to our stack, or to the kernel there.
    fn route(&self, family: &Family, to_us: bool) {
        let Family {
            wandering,
            there,
            most,
            ..
        } = family;
        match to_us {
            true => sh(&format!("ip route replace {wandering}/{most} dev hf0")),
            false => sh(&format!(
                "ip route replace {wandering}/{most} via {there} dev near"
            )),
        }
        // What is under way arrives.
        thread::sleep(Duration::from_millis(50));
    }

    fn own(&self, family: &Family, owned: bool) {
        let address: IpAddr = family.wandering.parse().unwrap();
        self.net.with_stack(|s, now| match owned {
            true => {
                let prefix = AddressPrefix::new(address, family.most).unwrap();
                s.add_address(self.iface, prefix, now).expect("an address");
            }
            false => assert!(s.remove_address(self.iface, address, now)),
        });
    }

    fn carry(&self, family: &Family, stream: Stream) -> Stream {
        match stream {
            Stream::Ours(stream) => {
                let snapshot = stream.export().expect("it is established");
                describe("to the kernel", &snapshot);
                let moved = self.there.with(|| repair::import(&snapshot));
                self.route(family, false);
                self.own(family, false);
                Stream::Kernels(moved.expect("the right to"))
            }
            Stream::Kernels(stream) => {
                // It must hear nothing any more; and our stack is not at that address yet.
                self.route(family, true);
                let snapshot = repair::export(&stream).expect("the right to");
                describe("to us", &snapshot);
                self.own(family, true);
                drop(stream);
                let moved = TcpStream::import(&self.net, snapshot);
                Stream::Ours(moved.expect("a place"))
            }
        }
    }
}

fn describe(how: &str, snapshot: &TcpSnapshot) {
    let s = &snapshot.connection;
    let octets = |q: &[bytes::Bytes]| q.iter().map(bytes::Bytes::len).sum::<usize>();
    let in_flight = s.snd_nxt.offset_from(s.snd_una);
    println!(
        "{how}: {in_flight} of {} octets in flight, {} unread, scales {:?}, clock {:?}",
        octets(&s.send),
        octets(&s.receive),
        s.window_scale,
        s.timestamps.map(|t| t.value),
    );
}

fn text(seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..LEG * LEGS).map(next).collect()
}

/// Writes one stay's share, and reads as much, at the same time.
fn leg<S: Sync>(stream: &S, out: &[u8], hash: &mut Sha256)
where
    for<'a> &'a S: Read + Write,
{
    thread::scope(|s| {
        s.spawn(|| { stream }.write_all(out).expect("written"));
        let mut left = LEG;
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let most = left.min(buffer.len());
            let read = { stream }.read(&mut buffer[..most]).expect("it lives");
            assert!(read > 0, "nobody closes");
            hash.update(&buffer[..read]);
            left -= read;
        }
    });
}

fn wander(world: &World, family: &Family, begins_with_us: bool) {
    let peer: IpAddr = family.peer.parse().unwrap();
    let wandering: IpAddr = family.wandering.parse().unwrap();
    let listener = std::net::TcpListener::bind((peer, 0)).expect("a listener");
    let at = listener.local_addr().unwrap();
    let far = thread::spawn(move || {
        let (stream, from) = listener.accept().expect("a connection");
        let (mut hash, stream) = (Sha256::new(), &stream);
        thread::scope(|s| {
            s.spawn(|| { stream }.write_all(&text(2)).expect("written"));
            let mut buffer = vec![0; 1 << 16];
            loop {
                match { stream }.read(&mut buffer).expect("it lives") {
                    0 => break,
                    read => hash.update(&buffer[..read]),
                }
                // So that something waits to be sent.
                thread::sleep(Duration::from_millis(1));
            }
        });
        (hash.finalize(), from)
    });
    world.route(family, begins_with_us);
    let mut stream = match begins_with_us {
        true => {
            world.own(family, true);
            let local = SocketAddr::new(wandering, 0);
            let connect = TcpConnector::new().local(local).connect(&world.net, at);
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            Stream::Ours(
                runtime
                    .unwrap()
                    .block_on(connect)
                    .expect("connected")
                    .into(),
            )
        }
        false => {
            let connect = || std::net::TcpStream::connect(at);
            Stream::Kernels(world.there.with(connect).expect("connected"))
        }
    };
    let (out, mut hash) = (text(1), Sha256::new());
    for (n, share) in out.chunks(LEG).enumerate() {
        if n > 0 {
            stream = world.carry(family, stream);
        }
        match &stream {
            Stream::Ours(s) => leg(s, share, &mut hash),
            Stream::Kernels(s) => leg(s, share, &mut hash),
        }
    }
    let both = std::net::Shutdown::Write;
    let end = match &stream {
        Stream::Ours(s) => s.shutdown(both).and_then(|()| { s }.read(&mut [0])),
        Stream::Kernels(s) => s.shutdown(both).and_then(|()| { s }.read(&mut [0])),
    };
    assert_eq!(end.expect("the end"), 0);
    let (there, from) = far.join().expect("no panic");
    assert_eq!(from.ip(), wandering);
    assert!(there == Sha256::digest(&out), "what went there");
    assert!(hash.finalize() == Sha256::digest(text(2)), "what came back");
    drop(stream);
    let owned = world
        .net
        .with_stack(|s, _| s.addresses(world.iface).any(|a| a.address() == wandering));
    if owned {
        world.own(family, false);
    }
    println!(
        "{wandering}: {} octets each way, moved {} times",
        LEG * LEGS,
        LEGS - 1
    );
}
