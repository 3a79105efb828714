//! A connection moves between two hosts in the middle of a transfer, its address with it.

use bytes::Bytes;
use handfast_sim::handfast::base::{Duration, Rng};
use handfast_sim::handfast::link::impaired::{Impairment, Rate};
use handfast_sim::handfast::stack::{AddressPrefix, IfaceId, Route};
use handfast_sim::handfast::{Config, Ecn, Net, TcpConnector, TcpListener, TcpStream};
use handfast_sim::{Handle, Host, LinkConfig, Sim};

const LEN: usize = 3 << 20;
const WANDERING: &str = "10.0.0.1/32";

fn text(seed: u64) -> Bytes {
    let mut octets = vec![0; LEN];
    Rng::new(seed).fill(&mut octets);
    octets.into()
}

/// Writes all of one text and reads all of another over a stream that may be taken away at any
/// time; what was written and read by then is told.
struct Ends {
    out: Bytes,
    back: Vec<u8>,
}

impl Ends {
    async fn go_on(&mut self, stream: &TcpStream, until: impl Future<Output = ()>) {
        let write = async {
            let _ = stream.write_bytes(&mut self.out).await;
        };
        let read = async {
            while self.back.len() < LEN {
                let octets = stream.read_bytes(1 << 20).await.expect("it lives");
                assert!(!octets.is_empty(), "nobody closes");
                self.back.extend_from_slice(&octets);
            }
        };
        let mut both = std::pin::pin!(async { join(write, read).await });
        let mut until = std::pin::pin!(until);
        std::future::poll_fn(|cx| {
            if both.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
            until.as_mut().poll(cx)
        })
        .await;
    }
}

async fn join(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let mut done = [false; 2];
    std::future::poll_fn(|cx| {
        done[0] = done[0] || a.as_mut().poll(cx).is_ready();
        done[1] = done[1] || b.as_mut().poll(cx).is_ready();
        match done {
            [true, true] => std::task::Poll::Ready(()),
            _ => std::task::Poll::Pending,
        }
    })
    .await;
}

fn first_interface(net: &Net) -> IfaceId {
    net.with_stack(|stack, _| {
        let mut routes = stack.routes().filter(|r| r.iface != IfaceId::LOOPBACK);
        routes.next().expect("a link").iface
    })
}

/// The address goes from one net to the other, and the peer's route with it.
fn hand_over(from: &Net, to: &Net, peer: &Net, route: (IfaceId, IfaceId)) {
    let address: AddressPrefix = WANDERING.parse().unwrap();
    let iface = first_interface(from);
    from.with_stack(|s, now| assert!(s.remove_address(iface, address.address(), now)));
    let iface = first_interface(to);
    to.with_stack(|s, now| s.add_address(iface, address, now).unwrap());
    peer.with_stack(|s, now| {
        s.remove_route(address, None, route.0, now);
        let (prefix, iface) = (address, route.1);
        let route = Route::new(prefix, None, iface);
        s.add_route(route, now).unwrap();
    });
}

async fn client(
    nets: [Net; 2],
    peer: Net,
    routes: [IfaceId; 2],
    handle: Handle,
    config: Config,
) -> (Vec<u8>, u32) {
    let mut stream = TcpConnector::new()
        .config(config.clone())
        .local("10.0.0.1:0".parse().unwrap())
        .connect(&nets[0], "10.9.0.1:80".parse().unwrap())
        .await
        .expect("connected");
    let mut ends = Ends {
        out: text(1),
        back: Vec::new(),
    };
    let (mut at, mut moves) = (0, 0);
    let names = stream.local_addr().unwrap();
    while ends.back.len() < LEN || !ends.out.is_empty() {
        ends.go_on(&stream, handle.sleep(Duration::from_millis(150)))
            .await;
        let snapshot = stream.export().expect("it is established");
        assert_eq!(snapshot.local, names);
        // Whoever still has a handle finds it closed; dropping it does nothing.
        assert!(stream.info().is_err());
        handle.sleep(Duration::from_millis(30)).await;
        hand_over(
            &nets[at],
            &nets[1 - at],
            &peer,
            (routes[at], routes[1 - at]),
        );
        at = 1 - at;
        moves += 1;
        let connector = TcpConnector::new().config(config.clone());
        stream = connector.import(&nets[at], snapshot).expect("a place");
    }
    stream.shutdown_write().unwrap();
    stream.read_bytes(1).await.expect("the end");
    (ends.back, moves)
}

async fn server(net: Net, config: Config) -> Vec<u8> {
    let listener = TcpListener::builder()
        .config(config)
        .bind(&net, "10.9.0.1:80".parse().unwrap())
        .expect("a listener");
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut ends = Ends {
        out: text(2),
        back: Vec::new(),
    };
    ends.go_on(&stream, std::future::pending()).await;
    assert!(stream.read_bytes(1).await.expect("the end").is_empty());
    ends.back
}

fn resets(host: &Host) -> u64 {
    let net = host.net();
    net.with_stack(|stack, _| stack.metrics().tcp.resets_in)
}

#[test]
fn every_octet_arrives_once_however_often_the_connection_moves() {
    let accurate = Config {
        ecn: Ecn::Accurate,
        ..Config::default()
    };
    let plain = Config {
        sack: false,
        timestamps: false,
        ..Config::default()
    };
    for (seed, config) in [Config::default(), accurate, plain].into_iter().enumerate() {
        for loss in [0.0, 0.01] {
            let sim = Sim::new(seed as u64);
            let homes = [
                sim.host("one", &["10.0.0.1/32", "10.1.0.1/24"]),
                sim.host("other", &["10.2.0.1/24"]),
            ];
            let peer = sim.host("peer", &["10.1.0.9/24", "10.2.0.9/24", "10.9.0.1/32"]);
            let path = LinkConfig::symmetric(Impairment {
                delay: Duration::from_millis(10),
                rate: Some(Rate::new(50_000_000)),
                loss,
                ..Impairment::default()
            });
            for home in &homes {
                sim.connect(home, &peer, path);
            }
            let peer_net = peer.net().clone();
            let address: AddressPrefix = WANDERING.parse().unwrap();
            let routes = [0, 1].map(|n| {
                let wanted: std::net::IpAddr = ["10.1.0.0", "10.2.0.0"][n].parse().unwrap();
                peer_net.with_stack(|s, _| {
                    let of_net = |r: &&Route| r.prefix.network().address() == wanted;
                    s.routes().find(of_net).expect("a route").iface
                })
            });
            peer_net.with_stack(|s, now| {
                s.add_address(routes[0], "10.9.0.1/32".parse().unwrap(), now)
                    .unwrap();
                let route = Route::new(address, None, routes[0]);
                s.add_route(route, now).unwrap();
            });
            for home in &homes {
                let iface = first_interface(home.net());
                home.net().with_stack(|s, now| {
                    if home.name() == "one" {
                        s.add_address(iface, address, now).unwrap();
                    }
                    let route = Route::new("10.9.0.1/32".parse().unwrap(), None, iface);
                    s.add_route(route, now).unwrap();
                });
            }
            let there = sim.spawn(server(peer_net.clone(), config.clone()));
            let nets = [0, 1].map(|n| homes[n].net().clone());
            let here = client(nets, peer_net, routes, sim.handle(), config.clone());
            let (back, moves) = sim.block_on(here).expect("nobody waits in vain");
            assert!(back == text(2), "what came back");
            sim.run_to_rest();
            assert!(
                there.take().expect("it has ended") == text(1),
                "what went there"
            );
            assert!(moves > 3, "{moves} moves");
            let reset = homes.iter().chain([&peer]).map(resets).sum::<u64>();
            assert_eq!(reset, 0);
        }
    }
}
