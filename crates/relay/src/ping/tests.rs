use super::{Config, Pings, probe};
use crate::udp::tests::place::{in_place, routed};
use crate::udp::tests::world::{FAMILIES, World, soon};
use bytes::Bytes;
use handfast::Net;
use handfast::stack::icmp::Problem;
use handfast::stack::{Foreign, PingEvent, SocketId};
use handfast::wire::Payload;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A socket of the program's for echo requests to one host.
struct Pinger {
    net: Net,
    id: SocketId,
}

impl Pinger {
    fn new(world: &World, to: IpAddr) -> Pinger {
        let net = world.program.net();
        let id = net.with_stack(|stack, _| stack.ping_open(to, 0)).unwrap();
        Pinger { net, id }
    }

    fn send(&self, data: &[u8]) -> u16 {
        let data = Payload::from(Bytes::copy_from_slice(data));
        self.net
            .with_stack(|stack, now| stack.ping_send(self.id, data, now))
            .unwrap()
    }

    fn hop_limit(&self, hop_limit: u8) {
        self.net
            .with_stack(|stack, _| stack.ping_set_hop_limit(self.id, hop_limit));
    }

    async fn hears(&self) -> PingEvent {
        // These sockets have no async form.
        soon(async {
            loop {
                if let Some(event) = self.net.with_stack(|stack, _| stack.ping_receive(self.id)) {
                    return event;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    async fn hears_reply(&self) -> (u16, Vec<u8>, u8) {
        match self.hears().await {
            PingEvent::Reply {
                sequence,
                payload,
                hop_limit,
                ..
            } => (sequence, payload.to_bytes().to_vec(), hop_limit),
            other => panic!("{other:?}"),
        }
    }

    async fn hears_error(&self) -> (u16, IpAddr, String) {
        match self.hears().await {
            PingEvent::Error {
                sequence,
                reporter,
                error,
            } => (sequence, reporter, format!("{error:?}")),
            other => panic!("{other:?}"),
        }
    }
}

/// Pings that the machine answers.
async fn pings_are_answered() {
    let world = World::new();
    let nat = world.relay(|_| ());
    for (inside, _) in FAMILIES {
        let pinger = Pinger::new(&world, inside);
        for len in [0, 1, 56, 1472, 9000, 60_000] {
            let data: Vec<u8> = (0..len).map(|n| (n % 253) as u8).collect();
            let sequence = pinger.send(&data);
            let (answered, back, hop_limit) = pinger.hears_reply().await;
            assert_eq!(answered, sequence);
            assert!(back == data, "{len} octets were changed");
            // The machine's own, less our hop.
            assert_eq!(hop_limit, 63);
        }
        // Two who ping at once have their own answers.
        let others = [(); 3].map(|()| Pinger::new(&world, inside));
        for (n, other) in others.iter().enumerate() {
            (0..5u8).for_each(|k| _ = other.send(&[n as u8, k]));
        }
        for (n, other) in others.iter().enumerate() {
            for k in 0..5u8 {
                let (sequence, data, _) = other.hears_reply().await;
                assert_eq!((sequence, data), (k.into(), vec![n as u8, k]));
            }
        }
        pinger.hop_limit(1);
        pinger.send(b"near");
        let (_, reporter, error) = pinger.hears_error().await;
        let gateway = match inside.is_ipv4() {
            true => "10.77.0.1",
            false => "fd68:616e:6466:1::1",
        };
        assert_eq!(reporter, gateway.parse::<IpAddr>().unwrap());
        assert!(error.contains("TimeExceeded"), "{error}");
    }
    assert_eq!(nat.counts().refused, 0);
}

/// What routers say of pings is told in their names.
async fn errors_come_back() {
    let world = World::new();
    let _nat = world.relay(|config| config.admit = Arc::new(Some));
    for routed in routed() {
        // One hop beyond us and the machine: its router.
        let far = Pinger::new(&world, routed.far);
        far.hop_limit(2);
        let sequence = far.send(b"traceroute");
        let (about, reporter, _) = far.hears_error().await;
        assert_eq!((about, reporter), (sequence, routed.router));
        let unreachable = Pinger::new(&world, routed.unreachable);
        let sequence = unreachable.send(b"?");
        let (about, reporter, error) = unreachable.hears_error().await;
        assert_eq!((about, reporter), (sequence, routed.router));
        assert!(error.contains("Unreachable"), "{error}");
        let prohibited = Pinger::new(&world, routed.prohibited);
        prohibited.send(b"?");
        let (_, reporter, error) = prohibited.hears_error().await;
        assert_eq!(reporter, routed.router);
        assert!(error.contains("Prohibited"), "{error}");
        let router = Pinger::new(&world, routed.router);
        router.send(b"!");
        assert_eq!(router.hears_reply().await.1, b"!");
    }
}

#[tokio::test]
async fn as_the_machine_permits_it_here() {
    match probe() {
        Ok(()) => pings_are_answered().await,
        Err(why) => eprintln!("SKIPPED: {why}"),
    }
}

#[test]
fn with_sockets_that_anybody_may_have() {
    in_place("0 2147483647", pings_are_answered);
    in_place("0 2147483647", errors_come_back);
}

#[test]
fn with_raw_sockets() {
    in_place("1 0", pings_are_answered);
    in_place("1 0", errors_come_back);
}

#[tokio::test]
async fn an_identifier_that_is_idle_is_forgotten_and_their_number_is_bounded() {
    if let Err(why) = probe() {
        eprintln!("SKIPPED: {why}");
        return;
    }
    let world = World::new();
    let foreign = Arc::new(handfast::ForeignSocket::bind(&world.relay.net(), 1 << 20).unwrap());
    let pings = Pings::new(
        foreign.clone(),
        Config {
            identifiers: 2,
            ..Config::default()
        },
    );
    let admit = crate::udp::tests::world::substitute();
    let inside = FAMILIES[0].0;
    let pingers = [(); 3].map(|()| Pinger::new(&world, inside));
    for pinger in &pingers {
        pinger.send(b"data");
        let Foreign::Echo(echo) = soon(foreign.recv()).await.unwrap() else {
            panic!("no ping");
        };
        pings.request(echo, &admit);
        pinger.hears_reply().await;
    }
    assert_eq!(pings.shared.table().len(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    tokio::task::yield_now().await;
    assert_eq!(pings.shared.table().len(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(pings.shared.table().len(), 0);
}

#[tokio::test]
async fn what_is_not_permitted_is_prohibited_and_told_once() {
    let world = World::new();
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let foreign = Arc::new(handfast::ForeignSocket::bind(&world.relay.net(), 1 << 20).unwrap());
    let config = Config {
        unavailable: Arc::new(move |why| {
            let why = why.to_string();
            assert!(
                why.contains("sysctl net.ipv4.ping_group_range=\"0 2147483647\""),
                "{why}"
            );
            count.fetch_add(1, Ordering::SeqCst);
        }),
        ..Config::default()
    };
    let pings = Pings::new(foreign, config);
    for _ in 0..3 {
        let why = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(pings.shared.unavailable(why), Problem::Prohibited);
    }
    assert_eq!(told.load(Ordering::SeqCst), 1);
    // Without pings, all are prohibited.
    drop(pings);
    let _nat = world.relay(|config| config.ping = None);
    for (inside, _) in FAMILIES {
        let pinger = Pinger::new(&world, inside);
        pinger.send(b"?");
        let (_, _, error) = pinger.hears_error().await;
        assert!(error.contains("Prohibited"), "{error}");
    }
}
