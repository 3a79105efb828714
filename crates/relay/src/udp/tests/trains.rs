use super::world::{FAMILIES, World, receive, send_train, soon};
use super::{hears, peer};
use crate::udp::train::{couple, datagrams};
use bytes::Bytes;
use handfast::stack::{ForeignDatagram, IfaceId};
use handfast::wire::Payload;
use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::io::IoSliceMut;
use std::net::SocketAddr;

/// 40 datagrams, the last of them shorter.
const SIZE: u16 = 1200;
const LEN: usize = 39 * SIZE as usize + 700;

#[tokio::test]
async fn trains_cross_whole_both_ways() {
    for gso in [65_535, 0] {
        let world = World::with_mtu(65_520, gso);
        let _nat = world.relay(|_| ());
        for (inside, outside) in FAMILIES {
            let (server, port) = peer(outside).await;
            let state = UdpSocketState::new(UdpSockRef::from(&server)).unwrap();
            let socket = world.socket(inside).await;
            let data: Vec<u8> = (0..LEN).map(|n| (n / 13) as u8).collect();
            let before = packets_out(&world);
            send_train(&socket, &data, SIZE, SocketAddr::new(inside, port)).await;
            let (heard, strides, from) = hears_trains(&server, &state, LEN).await;
            assert!(heard == data, "the train was changed");
            assert!(strides.iter().all(|size| *size == usize::from(SIZE)));
            if state.max_gso_segments() > 1 {
                let transmit = Transmit {
                    destination: from,
                    ecn: None,
                    contents: &data,
                    segment_size: Some(SIZE.into()),
                    src_ip: None,
                };
                let back = UdpSockRef::from(&server);
                state.try_send(back, &transmit).unwrap();
            } else {
                for piece in data.chunks(SIZE.into()) {
                    server.send_to(piece, from).await.unwrap();
                }
            }
            let mut back = Vec::new();
            for n in 0..40 {
                let (piece, from) = receive(&socket).await;
                assert_eq!(from, SocketAddr::new(inside, port));
                assert_eq!(piece.len(), if n < 39 { 1200 } else { 700 });
                back.extend(piece);
            }
            assert!(back == data, "the train was changed on the way back");
            let packets = packets_out(&world) - before;
            if gso > 0 {
                // One super-datagram, or a few if the machine's loopback was slow in between.
                assert!(packets < 40, "{packets} packets for one train");
            } else {
                assert_eq!(packets, 40);
            }
        }
    }
}

fn packets_out(world: &World) -> u64 {
    let first = world.relay.net().with_stack(|stack, _| {
        let links = (1..).map_while(|n| stack.interface_metrics(IfaceId(n)));
        links.map(|metrics| metrics.packets_out).next()
    });
    first.unwrap()
}

/// Receives `len` octets, and of what size the datagrams were that came together.
async fn hears_trains(
    server: &tokio::net::UdpSocket,
    state: &UdpSocketState,
    len: usize,
) -> (Vec<u8>, Vec<usize>, SocketAddr) {
    let (mut heard, mut strides) = (Vec::new(), Vec::new());
    let mut last = None;
    while heard.len() < len {
        soon(server.readable()).await.unwrap();
        let mut buffer = vec![0; 65_536];
        let mut meta = [RecvMeta::default()];
        let received = server.try_io(tokio::io::Interest::READABLE, || {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            state.recv(UdpSockRef::from(server), &mut slices, &mut meta)
        });
        if received.is_ok() {
            heard.extend_from_slice(&buffer[..meta[0].len]);
            last = Some(meta[0].addr);
            if heard.len() < len {
                strides.push(meta[0].stride);
            }
        }
    }
    (heard, strides, last.unwrap())
}

#[tokio::test]
async fn ecn_crosses_both_ways() {
    let world = World::new();
    let _nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let (server, port) = peer(outside).await;
        let state = UdpSocketState::new(UdpSockRef::from(&server)).unwrap();
        let socket = world.socket(inside).await;
        socket
            .configure(|options| options.traffic_class = 0b01)
            .unwrap();
        send_train(&socket, b"ect(1)", 0, SocketAddr::new(inside, port)).await;
        let mut meta = [RecvMeta::default()];
        loop {
            soon(server.readable()).await.unwrap();
            let mut buffer = [0; 100];
            let received = server.try_io(tokio::io::Interest::READABLE, || {
                let mut slices = [IoSliceMut::new(&mut buffer)];
                state.recv(UdpSockRef::from(&server), &mut slices, &mut meta)
            });
            if received.is_ok() {
                break;
            }
        }
        assert_eq!(meta[0].ecn, Some(EcnCodepoint::Ect1));
        let transmit = Transmit {
            destination: meta[0].addr,
            ecn: Some(EcnCodepoint::Ce),
            contents: b"ce",
            segment_size: None,
            src_ip: None,
        };
        state
            .try_send(UdpSockRef::from(&server), &transmit)
            .unwrap();
        let datagram = soon(socket.recv_datagram()).await.unwrap();
        assert_eq!(datagram.traffic_class & 3, 0b11);
    }
}

#[tokio::test]
async fn what_is_longer_than_the_path_is_cut_by_the_machine() {
    // Trains of datagrams that do not fit an Ethernet: the loopback takes them all the same.
    let world = World::new();
    let _nat = world.relay(|_| ());
    for (inside, outside) in FAMILIES {
        let (server, port) = peer(outside).await;
        let socket = world.socket(inside).await;
        let data: Vec<u8> = (0..60_000u32).map(|n| (n / 17) as u8).collect();
        send_train(&socket, &data, 20_000, SocketAddr::new(inside, port)).await;
        for n in 0..3 {
            let (heard, _) = hears(&server).await;
            assert!(heard == data[n * 20_000..][..20_000]);
        }
    }
}

fn train(len: usize, segment_size: u16) -> ForeignDatagram {
    ForeignDatagram {
        source: "10.77.0.2:1000".parse().unwrap(),
        destination: "192.0.2.1:53".parse().unwrap(),
        payload: Payload::from(Bytes::from(vec![7; len])),
        segment_size,
        hop_limit: 64,
        traffic_class: 0,
    }
}

#[test]
fn only_what_can_be_told_apart_again_is_coupled() {
    let coupled = |mut first: ForeignDatagram, next: ForeignDatagram| {
        couple(&mut first, next).is_none().then_some(first)
    };
    let two = coupled(train(100, 0), train(100, 0)).unwrap();
    assert_eq!((two.payload.len(), two.segment_size), (200, 100));
    let ended = coupled(two.clone(), train(30, 0)).unwrap();
    assert_eq!((datagrams(&ended), ended.segment_size), (3, 100));
    // After a shorter one nothing can follow, and nothing longer or empty ever.
    assert_eq!(coupled(ended, train(100, 0)), None);
    assert_eq!(coupled(two.clone(), train(101, 0)), None);
    assert_eq!(coupled(two.clone(), train(0, 0)), None);
    assert_eq!(coupled(train(0, 0), train(0, 0)), None);
    // Trains couple, too, if they are of one size.
    assert_eq!(
        datagrams(&coupled(two.clone(), train(450, 100)).unwrap()),
        7
    );
    assert_eq!(coupled(two.clone(), train(90, 45)), None);
    // As many as the kernel takes.
    assert!(coupled(train(6300, 100), train(100, 0)).is_some());
    assert_eq!(coupled(train(6400, 100), train(100, 0)), None);
    assert_eq!(coupled(train(60_000, 0), train(60_000, 0)), None);
    // And only what goes the same way.
    let other = ForeignDatagram {
        traffic_class: 1,
        ..train(100, 0)
    };
    assert_eq!(coupled(two, other), None);
}
