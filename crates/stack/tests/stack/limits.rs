use crate::harness::{FAMILIES, Family, Pair, Side, forge, forge_with_text, read, wide_buffers};
use bytes::Bytes;
use handfast_base::Duration;
use handfast_stack::{ConnectError, ConnectOptions, ListenOptions, SocketId, StackConfig};
use handfast_tcp::{Buffer, Config, Readiness, State};
use handfast_wire::tcp::{TcpFlags, TcpHeader};
use handfast_wire::{Batch, Discard};

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let options = ListenOptions {
            backlog: 20_000,
            ..ListenOptions::on(net.b.at(80))
        };
        let listener = net.b.stack.tcp_listen(options).unwrap();
        let remote = net.b.at(80);
        let clients: Vec<SocketId> = (0..10_000)
            .map(|_| {
                net.a
                    .stack
                    .tcp_connect(remote, ConnectOptions::default(), net.now)
                    .unwrap()
            })
            .collect();
        net.settle();
        assert!(
            clients
                .iter()
                .all(|c| net.a.state(*c) == State::Established)
        );
        let servers: Vec<SocketId> =
            core::iter::from_fn(|| net.b.stack.tcp_accept(listener)).collect();
        assert_eq!(servers.len(), 10_000);
        net.settle();
        // An idle multitude: one event, one socket.
        net.a.events.clear();
        net.b.events.clear();
        let chosen = net.a.stack.tcp(clients[5000]).unwrap().local_addr();
        let peer = |id: &&SocketId| net.b.stack.tcp(**id).unwrap().peer_addr() == chosen;
        let server = *servers.iter().find(peer).unwrap();
        net.transfer(Side::A, clients[5000], server, b"one of many");
        assert!(net.b.events.len() <= 1 && net.a.events.len() <= 1);
        for id in clients {
            assert!(net.a.stack.tcp_close(id, net.now));
        }
        net.settle();
        for id in servers {
            assert!(net.b.stack.tcp_close(id, net.now));
        }
        net.settle();
        assert_eq!(net.a.stack.usage().time_wait, 10_000);
        net.run_for(Duration::from_secs(70));
        for host in [&net.a, &net.b] {
            let usage = host.stack.usage();
            assert_eq!(
                (usage.connections, usage.half_open, usage.time_wait),
                (0, 0, 0)
            );
            assert_eq!((usage.memory, usage.timers), (0, 0));
            assert_eq!(host.stack.poll_timeout(), None);
        }
    }
}

#[test]
fn out_of_memory_nothing_new_begins_and_what_lives_goes_on() {
    for family in FAMILIES {
        let config = StackConfig {
            memory: 256 * 1024,
            tcp: wide_buffers(),
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let listener = net.b.listen(80);
        let (client, server) = net.connect_to(listener, 80);
        // A fills what it may; the rest is left, not lost.
        let data: Vec<u8> = (0..1_000_000u32).map(|n| (n * 3) as u8).collect();
        let mut left = Bytes::from(data.clone());
        let taken = net
            .a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut left)
            .unwrap();
        assert!(taken > 100_000 && taken < 256 * 1024, "{taken}");
        assert_eq!(left.len(), data.len() - taken);
        let none = net
            .a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut left)
            .unwrap();
        assert_eq!(none, 0);
        let mut c = net.a.stack.tcp_mut(client, net.now).unwrap();
        assert_eq!(c.send_room(), 0);
        assert!(!c.readiness().contains(Readiness::WRITABLE), "nobody spins");
        let remote = net.b.at(80);
        let refused = net
            .a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now);
        assert_eq!(refused, Err(ConnectError::NoMemory));
        // Room is announced, and all of it arrives in the end.
        net.a.events.clear();
        let mut got = Vec::new();
        for _ in 0..20_000 {
            net.settle();
            got.extend(read(&mut net.b, server, net.now));
            if got.len() == data.len() {
                break;
            }
            if net
                .a
                .events
                .remove(&client)
                .is_some_and(|r| r.contains(Readiness::WRITABLE))
            {
                net.a
                    .stack
                    .tcp_mut(client, net.now)
                    .unwrap()
                    .send(&mut left)
                    .unwrap();
            } else {
                net.run_for(Duration::from_millis(10));
            }
        }
        assert_eq!(got.len(), data.len());
        assert!(got == data);
        assert!(net.a.stack.usage().memory <= 256 * 1024);
        net.a
            .stack
            .tcp_connect(remote, ConnectOptions::default(), net.now)
            .unwrap();
    }
}

#[test]
fn a_reader_who_sleeps_cannot_fill_the_memory() {
    for family in FAMILIES {
        let config = StackConfig {
            memory: 512 * 1024,
            tcp: wide_buffers(),
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config.clone(), Default::default());
        // Only the receiver is short.
        let roomy = StackConfig {
            memory: 256 << 20,
            ..config
        };
        net.a = Pair::with(family, roomy, Default::default()).a;
        let listener = net.b.listen(80);
        let (client, server) = net.connect_to(listener, 80);
        let data = vec![7u8; 3_000_000];
        let mut left = Bytes::from(data.clone());
        net.a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut left)
            .unwrap();
        for _ in 0..100 {
            net.run_for(Duration::from_millis(100));
            assert!(
                net.b.stack.usage().memory <= 512 * 1024,
                "{:?}",
                net.b.stack.usage()
            );
        }
        assert!(net.b.stack.metrics().discards(Discard::NoMemory) > 0);
        let mut got = 0;
        for _ in 0..5000 {
            got += read(&mut net.b, server, net.now).len();
            if got == data.len() {
                break;
            }
            net.run_for(Duration::from_millis(50));
        }
        assert_eq!(got, data.len(), "refused segments come again");
    }
}

/// Connections of a multitude; one side is short of memory, and nobody reads but the last.
fn one_moves_among_sleepers(family: Family, short: Side) {
    const MEMORY: usize = 1 << 20;
    const ALL: usize = 3_000_000;
    let config = StackConfig {
        memory: MEMORY,
        ..StackConfig::default()
    };
    let mut net = Pair::new(family);
    let scarce = Pair::with(family, config, Default::default());
    match short {
        Side::A => net.a = scarce.a,
        Side::B => net.b = scarce.b,
    }
    let listener = net.b.listen(80);
    let pairs: Vec<_> = (0..40).map(|_| net.connect_to(listener, 80)).collect();
    let data: Vec<u8> = (0..ALL).map(|n| (n * 7) as u8).collect();
    let mut left = vec![Bytes::from(data.clone()); pairs.len()];
    let (_, reader) = *pairs.last().unwrap();
    let mut got = Vec::new();
    for round in 0..40_000 {
        for ((client, server), left) in pairs.iter().zip(&mut left) {
            if left.is_empty() && *server != reader {
                *left = Bytes::from(data.clone());
            }
            net.a
                .stack
                .tcp_mut(*client, net.now)
                .unwrap()
                .send(left)
                .unwrap();
        }
        net.run_for(Duration::from_millis(20));
        let scarce = match short {
            Side::A => net.a.stack.usage(),
            Side::B => net.b.stack.usage(),
        };
        assert!(scarce.memory <= MEMORY, "{scarce:?}");
        if round < 3000 {
            continue;
        }
        assert!(
            round > 3000 || scarce.memory >= MEMORY / 8 * 7,
            "{scarce:?}"
        );
        got.extend(read(&mut net.b, reader, net.now));
        if got.len() == ALL {
            break;
        }
    }
    assert_eq!(got.len(), ALL, "short is {short:?}");
    assert!(got == data);
}

#[test]
fn a_connection_that_is_read_moves_among_those_that_fill_the_senders_memory() {
    for family in FAMILIES {
        one_moves_among_sleepers(family, Side::A);
    }
}

#[test]
fn a_connection_that_is_read_moves_among_those_that_fill_the_receivers_memory() {
    for family in FAMILIES {
        one_moves_among_sleepers(family, Side::B);
    }
}

/// Or whoever waits for it would try again for ever, at one instant.
#[test]
fn with_its_send_buffer_full_nobody_is_told_that_there_is_memory() {
    for family in FAMILIES {
        let config = StackConfig {
            memory: 1 << 20,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        net.b.listen(80);
        let remote = net.b.at(80);
        let mut connect = |send_buffer| {
            let config = Config {
                send_buffer: Buffer::Fixed(send_buffer),
                ..Config::default()
            };
            let options = ConnectOptions {
                config: Some(config.into()),
                ..ConnectOptions::default()
            };
            let id = net.a.stack.tcp_connect(remote, options, net.now).unwrap();
            net.settle();
            id
        };
        let (hungry, modest) = (connect(4 << 20), connect(2_000));
        // Nobody reads, and all that is left is a share for each.
        let mut all = Bytes::from(vec![7; 2 << 20]);
        let mut c = net.a.stack.tcp_mut(hungry, net.now).unwrap();
        c.send(&mut all).unwrap();
        assert!(!all.is_empty());
        let mut c = net.a.stack.tcp_mut(modest, net.now).unwrap();
        assert!(c.send_room() > 0);
        let mut text = Bytes::from(vec![8; 2_000]);
        assert_eq!(c.send(&mut text), Ok(2_000));
        while net.a.stack.poll_event().is_some() {}
        let mut text = Bytes::from(vec![9; 100_000]);
        for _ in 0..3 {
            let mut c = net.a.stack.tcp_mut(modest, net.now).unwrap();
            assert_eq!(c.send(&mut text), Ok(0));
            assert_eq!(net.a.stack.poll_event(), None);
        }
    }
}

/// Nobody reads for longer than a peer that says nothing is waited for; both ends are short.
#[test]
fn a_peer_without_memory_is_not_taken_for_dead() {
    const ALL: usize = 100_000;
    for family in FAMILIES {
        let config = StackConfig {
            memory: 256 * 1024,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let listener = net.b.listen(80);
        let pairs: Vec<_> = (0..20).map(|_| net.connect_to(listener, 80)).collect();
        let data: Vec<u8> = (0..ALL).map(|n| (n * 7) as u8).collect();
        let mut left = vec![[Bytes::from(data.clone()), Bytes::from(data.clone())]; pairs.len()];
        let mut got = vec![[0; 2]; pairs.len()];
        for round in 0..40_000 {
            for (n, &(client, server)) in pairs.iter().enumerate() {
                for (side, id) in [client, server].into_iter().enumerate() {
                    let host = match side {
                        0 => &mut net.a,
                        _ => &mut net.b,
                    };
                    let mut c = host.stack.tcp_mut(id, net.now).unwrap();
                    c.send(&mut left[n][side]).unwrap();
                    if round > 4_000 {
                        let read = read(host, id, net.now);
                        let at = got[n][side];
                        assert!(data[at..at + read.len()] == read);
                        got[n][side] += read.len();
                    }
                }
            }
            if got.iter().flatten().all(|&got| got == ALL) {
                break;
            }
            net.run_for(Duration::from_millis(100));
        }
        assert!(got.iter().flatten().all(|&got| got == ALL), "{got:?}");
    }
}

#[test]
fn out_of_order_text_is_refused_before_the_reserve_is_touched() {
    for family in FAMILIES {
        let config = StackConfig {
            memory: 32 * 1024,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let (client, server) = net.connected(80);
        let server_port = 80;
        let info = net.b.stack.tcp(server).unwrap();
        let peer = info.peer_addr();
        let last = net
            .seen
            .iter()
            .rev()
            .find(|s| s.from == Side::A)
            .unwrap()
            .tcp
            .unwrap();
        // Holes everywhere, as an attacker would leave them.
        for n in 0..200u32 {
            let header = TcpHeader {
                seq: last.seq + 300 * (n + 1),
                ack: last.ack,
                flags: TcpFlags::ACK,
                window: 65535,
                options: last.options,
                ..TcpHeader::default()
            };
            let mut packet = forge_with_text(peer, net.b.at(server_port), header, 290);
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
        }
        let usage = net.b.stack.usage();
        assert!(usage.memory <= 32 * 1024, "{usage:?}");
        assert!(net.b.stack.metrics().discards(Discard::NoMemory) > 50);
        net.transfer(Side::A, client, server, b"in order, this still passes");
    }
}

/// Or two ends whose memory is used up would wait for each other for ever.
#[test]
fn text_beyond_a_gap_makes_room_for_what_fills_it() {
    for family in FAMILIES {
        let config = StackConfig {
            memory: 64 * 1024,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let (_, server) = net.connected(80);
        let peer = net.b.stack.tcp(server).unwrap().peer_addr();
        let sent = net.seen.iter().rev().find(|s| s.from == Side::A);
        let last = sent.unwrap().tcp.unwrap();
        let mut say = |at: u32, octets: usize| {
            let header = TcpHeader {
                seq: last.seq + at,
                ack: last.ack,
                flags: TcpFlags::ACK,
                window: 65535,
                options: last.options,
                ..TcpHeader::default()
            };
            let mut packet = forge_with_text(peer, net.b.at(80), header, octets);
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            net.b.stack.usage().memory
        };
        let full = (5..54).map(|n| say(n * 1_200, 1_200)).max().unwrap();
        assert!(full > 50_000, "{full}");
        assert!(say(0, 5_900) < full / 2);
        assert_eq!(read(&mut net.b, server, net.now).len(), 5_900);
    }
}

#[test]
fn a_full_batch_pushes_back_and_loses_nothing() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        let mut data = Bytes::from(vec![1u8; 14_000]);
        net.a
            .stack
            .tcp_mut(client, net.now)
            .unwrap()
            .send(&mut data)
            .unwrap();
        let mut out = Batch::new(1);
        let mut packets = 0;
        // One packet at a time; the same one is offered until it is taken.
        while net.a.stack.has_output(net.a.iface) {
            net.a.stack.poll_transmit(net.a.iface, net.now, &mut out);
            assert_eq!(
                net.a.stack.poll_transmit(net.a.iface, net.now, &mut out),
                0,
                "full"
            );
            for packet in out.packets_mut() {
                packets += 1;
                net.b.stack.receive(net.b.iface, packet, net.now);
            }
            out.clear();
        }
        assert!(packets >= 10, "{packets}");
        net.settle();
        assert_eq!(read(&mut net.b, server, net.now).len(), 14_000);
        assert_eq!(net.a.stack.metrics().tcp.retransmissions, 0);
    }
}

#[test]
fn a_bulk_flow_does_not_delay_a_small_one() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let listener = net.b.listen(80);
        let (bulk, bulk_server) = net.connect_to(listener, 80);
        let (small, _) = net.connect_to(listener, 80);
        // Let the bulk flow's window grow.
        net.transfer(Side::A, bulk, bulk_server, &vec![0u8; 2_000_000]);
        let mut data = Bytes::from(vec![0u8; 4_000_000]);
        net.a
            .stack
            .tcp_mut(bulk, net.now)
            .unwrap()
            .send(&mut data)
            .unwrap();
        let word = &mut Bytes::from_static(b"hello");
        net.a
            .stack
            .tcp_mut(small, net.now)
            .unwrap()
            .send(word)
            .unwrap();
        let mut out = Batch::new(1000);
        net.a.stack.poll_transmit(net.a.iface, net.now, &mut out);
        let at = out
            .packets()
            .iter()
            .position(|p| p.payload.len() == 5)
            .expect("the small one is in the first batch");
        assert!(out.len() > 20, "there is bulk: {}", out.len());
        assert!(at <= 16, "{at} packets before it");
    }
}

#[test]
fn garbage_panics_nothing_and_makes_nothing() {
    let mut rng = handfast_base::Rng::new(9);
    for family in FAMILIES {
        let mut net = Pair::new(family);
        net.b.listen(80);
        let (client, server) = net.connected(81);
        let peer = net.a.stack.tcp(client).unwrap().local_addr();
        for round in 0..20_000u32 {
            let header = TcpHeader {
                seq: handfast_wire::SeqNumber(rng.next_u32()),
                ack: handfast_wire::SeqNumber(rng.next_u32()),
                flags: TcpFlags::from_bits_truncate(rng.next_u32() as u16),
                window: rng.next_u32() as u16,
                ..TcpHeader::default()
            };
            let port = if round % 2 == 0 { 80 } else { 81 };
            let whole = forge(peer, net.b.at(port), header).to_bytes();
            let mut octets = whole.to_vec();
            if round % 3 == 0 {
                let at = rng.below(octets.len() as u64) as usize;
                octets[at] ^= 1 << rng.below(8);
            }
            if round % 7 == 0 {
                octets.truncate(rng.below(octets.len() as u64) as usize);
            }
            let mut packet = handfast_wire::Packet::from_bytes(Bytes::from(octets));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
            net.exchange();
        }
        net.run_for(Duration::from_secs(300));
        assert_eq!(
            net.b.state(server),
            State::Established,
            "a blind attacker reaches nothing"
        );
        let usage = net.b.stack.usage();
        assert_eq!((usage.connections, usage.half_open), (1, 0));
    }
}
