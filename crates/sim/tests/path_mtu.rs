//! Paths that carry less in the middle than at their ends, with routers that say so and with routers
//! that do not.

use bytes::Bytes;
use handfast_sim::handfast::base::{Duration, Instant};
use handfast_sim::handfast::link::impaired::{Hop, Impairment, Rate, Verdict};
use handfast_sim::handfast::stack::icmp::{Problem, write_error};
use handfast_sim::handfast::wire::{IpHeader, Packet};
use handfast_sim::handfast::{Config, MtuProbing, TcpConnector, TcpInfo, TcpListener};
use handfast_sim::{Host, Link, LinkConfig, Sim};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

const MIB: u64 = 1 << 20;

/// Two hosts, 20 ms and 50 Mb/s apart.
struct World {
    sim: Sim,
    a: Host,
    b: Host,
    link: Link,
    port: Cell<u16>,
}

fn way(hop: Option<Hop>) -> Impairment {
    Impairment {
        delay: Duration::from_millis(10),
        rate: Some(Rate::new(50_000_000)),
        hop,
        ..Impairment::default()
    }
}

fn hop(mtu: u32, tells: bool) -> Option<Hop> {
    Some(Hop { mtu, tells })
}

impl World {
    fn new(is_v6: bool, mtu: u32, gso: u32, hop: Option<Hop>) -> World {
        let sim = Sim::new(7);
        let [a, b] = match is_v6 {
            false => ["10.0.0.1/24", "10.0.0.2/24"],
            true => ["fd00::1/64", "fd00::2/64"],
        };
        let (a, b) = (sim.host("a", &[a]), sim.host("b", &[b]));
        let config = LinkConfig {
            mtu,
            gso,
            up: way(hop),
            down: way(None),
            ..LinkConfig::default()
        };
        let link = sim.connect(&a, &b, config);
        World {
            sim,
            a,
            b,
            link,
            port: Cell::new(80),
        }
    }

    /// Sends so many octets from `a` to `b`, each time after a pause; what `a`'s connection was like
    /// when they had arrived.
    fn send(&self, config: Config, pieces: &[(Duration, u64)]) -> Vec<TcpInfo> {
        self.port.set(self.port.get() + 1);
        let to = SocketAddr::new(self.b.ip(), self.port.get());
        let net = self.b.net().clone();
        let whole: u64 = pieces.iter().map(|piece| piece.1).sum();
        let arrived = Rc::new(Cell::new(0));
        let count = Rc::clone(&arrived);
        self.sim.spawn(async move {
            let listener = TcpListener::bind(&net, to).await.expect("a listener");
            let (stream, _) = listener.accept().await.expect("a connection");
            loop {
                let text = stream.read_bytes(1 << 20).await.expect("no error");
                if text.is_empty() {
                    break;
                }
                let from = count.get();
                let wanted = (from..).map(octet);
                assert!(text.iter().copied().zip(wanted).all(|(a, b)| a == b));
                count.set(from + text.len() as u64);
            }
            assert_eq!(count.get(), whole);
        });
        let (net, handle, pieces) = (self.a.net().clone(), self.sim.handle(), pieces.to_vec());
        let infos = self.sim.block_on(async move {
            let connector = TcpConnector::new().config(config);
            let stream = connector.connect(&net, to).await.expect("a connection");
            let mut infos = Vec::new();
            let mut at = 0;
            for (pause, octets) in pieces {
                handle.sleep(pause).await;
                let mut text: Bytes = (at..at + octets).map(octet).collect();
                stream.write_bytes(&mut text).await.expect("no error");
                at += octets;
                while arrived.get() < at {
                    handle.sleep(Duration::from_millis(10)).await;
                }
                infos.push(stream.info().expect("a connection"));
            }
            infos
        });
        let infos = infos.unwrap();
        self.sim.run().unwrap();
        infos
    }

    /// One piece, and how long it took.
    fn one(&self, octets: u64) -> (TcpInfo, Duration) {
        let began = self.sim.now();
        let infos = self.send(Config::default(), &[(Duration::ZERO, octets)]);
        (infos[0], self.sim.now().since(began))
    }
}

fn octet(n: u64) -> u8 {
    (n ^ n >> 8).wrapping_mul(37) as u8
}

const FAMILIES: [bool; 2] = [false, true];
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn with_routers_that_speak_a_transfer_loses_a_round_trip() {
    for is_v6 in FAMILIES {
        for gso in [0, 65_535] {
            let (info, time) = World::new(is_v6, 1_500, gso, hop(1_280, true)).one(MIB);
            assert_eq!((info.path_mtu, info.timeouts), (1_280, 0));
            assert!(time < Duration::from_secs(1), "{time:?}");
        }
    }
}

#[test]
fn in_a_black_hole_a_transfer_loses_two_timeouts() {
    for is_v6 in FAMILIES {
        for gso in [0, 65_535] {
            let (info, time) = World::new(is_v6, 1_500, gso, hop(1_280, false)).one(MIB);
            assert_eq!((info.path_mtu, info.timeouts), (1_280, 2), "{info:?}");
            assert!(time < Duration::from_secs(2), "{time:?}");
        }
    }
}

/// What the first connection has found out the second one knows.
#[test]
fn who_comes_later_loses_nothing() {
    for is_v6 in FAMILIES {
        for tells in [true, false] {
            let world = World::new(is_v6, 1_500, 0, hop(1_280, tells));
            world.one(MIB);
            let (info, _) = world.one(MIB);
            // In a black hole the search goes on: a probe may be lost, and its octets with it.
            let most = if tells { 0 } else { 2 * info.mtu_probes.1 };
            assert_eq!(info.timeouts, 0, "{info:?}");
            assert!(info.retransmissions <= most, "{info:?}");
            assert_eq!(info.path_mtu, 1_280);
        }
    }
}

#[test]
fn the_narrowest_path_of_ipv4_hosts_and_the_widest_there_is() {
    for tells in [true, false] {
        let (info, _) = World::new(false, 1_500, 0, hop(576, tells)).one(MIB);
        assert_eq!(info.path_mtu, 576);
        let (info, _) = World::new(false, 65_535, 0, hop(1_500, tells)).one(MIB);
        assert_eq!(info.path_mtu, 1_500);
    }
    let (info, _) = World::new(false, 65_535, 0, None).one(4 * MIB);
    assert_eq!((info.path_mtu, info.retransmissions), (65_535, 0));
}

#[test]
fn a_path_that_grows_again_is_used_when_what_was_known_has_become_old() {
    for is_v6 in FAMILIES {
        for tells in [true, false] {
            let world = World::new(is_v6, 1_500, 0, hop(1_280, tells));
            let (link, a) = (world.link.clone(), world.a.clone());
            let grows = Instant::ZERO + 2 * MINUTE;
            world.sim.at(grows, move || link.impair(&a, way(None)));
            let pieces = [0, 20, 20, 20, 120, 600].map(|s| (Duration::from_secs(s), MIB));
            let infos = world.send(Config::default(), &pieces);
            let mtus: Vec<u32> = infos.iter().map(|info| info.path_mtu).collect();
            assert_eq!(
                mtus,
                [1_280, 1_280, 1_280, 1_280, 1_280, 1_500],
                "IPv6 {is_v6}, told {tells}"
            );
            assert_eq!(infos[5].timeouts, infos[0].timeouts);
        }
    }
}

#[test]
fn a_path_that_shrinks_under_a_transfer_costs_a_timeout_or_three() {
    for (tells, most) in [(true, 1), (false, 4)] {
        let world = World::new(false, 1_500, 0, None);
        let (link, a) = (world.link.clone(), world.a.clone());
        let shrinks = Instant::ZERO + Duration::from_millis(100);
        world
            .sim
            .at(shrinks, move || link.impair(&a, way(hop(1_400, tells))));
        // What once worked is tried first, and in vain, if nobody tells.
        let pieces = [0, 30, 30, 30].map(|s| (Duration::from_secs(s), 4 * MIB));
        let infos = world.send(Config::default(), &pieces);
        assert!((1..=most).contains(&infos[0].timeouts), "{infos:?}");
        assert_eq!(infos[3].timeouts, infos[0].timeouts, "{infos:?}");
        assert_eq!(infos[3].path_mtu, 1_400);
    }
}

/// RFC 5927, 7.3.4: whoever sees the ports and guesses a number in the window changes nothing.
#[test]
fn forged_messages_do_no_harm() {
    for is_v6 in FAMILIES {
        let world = World::new(is_v6, 1_500, 0, None);
        let iface = world.link.interface(&world.a);
        let forged: Arc<Mutex<Vec<Packet>>> = Arc::default();
        let out = Arc::clone(&forged);
        // Every fifth segment draws a message that claims the path to be as narrow as can be.
        world.link.choose(&world.a, move |packet, number| {
            if number % 5 == 4 && packet.len() > 1_000 {
                let mtu = if is_v6 {
                    1_280
                } else {
                    68 + number as u32 % 1_000
                };
                out.lock().unwrap().extend(message(packet, mtu));
            }
            Verdict::Pass
        });
        let (net, handle) = (world.a.net().clone(), world.sim.handle());
        world.sim.spawn_background(async move {
            // The first round trip is when it would be believed (RFC 5927, 7.2).
            handle.sleep(Duration::from_millis(60)).await;
            forged.lock().unwrap().clear();
            loop {
                handle.sleep(Duration::from_millis(1)).await;
                for mut packet in forged.lock().unwrap().drain(..) {
                    net.with_stack(|stack, now| stack.receive(iface, &mut packet, now));
                }
            }
        });
        let (info, _) = world.one(4 * MIB);
        assert_eq!(
            (info.path_mtu, info.retransmissions),
            (1_500, 0),
            "{info:?}"
        );
    }
}

/// What a router would say of this packet.
fn message(packet: &Packet, mtu: u32) -> Option<Packet> {
    let (ip, at, end) = IpHeader::parse(packet.headers(), packet.len()).ok()?;
    let (problem, from) = (Problem::TooBig { mtu }, ip.destination);
    let mut out = Packet::new();
    write_error(
        packet,
        &ip,
        at,
        end,
        problem,
        from,
        1_500,
        |_| false,
        &mut out,
    )
    .then(|| Packet::from_bytes(out.to_bytes()))
}

/// From the base upwards without a router's word and without a timeout.
#[test]
fn who_always_probes_needs_neither_routers_nor_timeouts() {
    for is_v6 in FAMILIES {
        let world = World::new(is_v6, 1_500, 65_535, hop(1_420, false));
        let config = Config {
            mtu_probing: MtuProbing::Always,
            ..Config::default()
        };
        let pieces = [
            (Duration::ZERO, 2 * MIB),
            (MINUTE, 2 * MIB),
            (MINUTE, 2 * MIB),
        ];
        let infos = world.send(config, &pieces);
        assert_eq!(
            (infos[2].path_mtu, infos[2].timeouts),
            (1_420, 0),
            "{infos:?}"
        );
    }
}
