//! Connections that leave for another stack, and come back.

use crate::harness::{FAMILIES, Family, Pair, Side, read, write};
use bytes::Bytes;
use handfast_base::Duration;
use handfast_stack::{
    AddressPrefix, ConnectError, ConnectOptions, InterfaceConfig, SocketId, Stack, StackConfig,
    TcpImportError, TcpSnapshot,
};
use handfast_tcp::{Config, DecodeError, Ecn, ExportError, ImportError, State};
use handfast_wire::tcp::TcpFlags;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

#[test]
fn it_leaves_without_a_word_and_comes_back_with_all_it_had() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        write(&mut net.b, server, b"unread", net.now);
        net.run_for(Duration::from_secs(1));
        write(&mut net.a, client, b"unsent", net.now);
        let before = net.seen.len();
        let snapshot = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
        net.settle();
        assert_eq!(net.seen.len(), before, "nobody hears of it");
        let usage = net.a.stack.usage();
        assert_eq!((usage.connections, usage.memory), (0, 0));
        assert!(net.a.stack.tcp(client).is_none());
        // The peer speaks into the void, and is not answered.
        write(&mut net.b, server, b", and more", net.now);
        net.settle();
        assert_eq!(net.seen.len(), before + 1);
        assert_eq!(net.count(Side::A, TcpFlags::RST), 0);

        net.now += Duration::from_millis(500);
        let options = ConnectOptions::default();
        let client = net.a.stack.tcp_import(snapshot, options, net.now).unwrap();
        net.settle();
        assert_eq!(read(&mut net.b, server, net.now), b"unsent");
        net.run_for(Duration::from_secs(3));
        assert_eq!(read(&mut net.a, client, net.now), b"unread, and more");
        net.a.stack.tcp_close(client, net.now);
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        assert_eq!(net.count(Side::A, TcpFlags::RST), 0);
        assert_eq!(net.count(Side::B, TcpFlags::RST), 0);
        assert_eq!(net.a.stack.usage().connections, 0);
    }
}

#[test]
fn it_goes_on_in_another_stack_that_has_its_address() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        write(&mut net.a, client, &[1; 5000], net.now);
        net.settle();
        write(&mut net.a, client, &[2; 5000], net.now);
        let snapshot = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
        let address = AddressPrefix::new(net.a.address, 24).unwrap();
        let mut other = Stack::new(StackConfig::default(), [9; 32]);
        net.a.iface = other
            .add_interface(InterfaceConfig {
                addresses: vec![address],
                ..InterfaceConfig::default()
            })
            .unwrap();
        net.a.stack = other;
        let options = ConnectOptions::default();
        let client = net.a.stack.tcp_import(snapshot, options, net.now).unwrap();
        net.settle();
        let all = read(&mut net.b, server, net.now);
        assert_eq!(all, [[1; 5000], [2; 5000]].concat());
        write(&mut net.b, server, b"heard", net.now);
        net.settle();
        assert_eq!(read(&mut net.a, client, net.now), b"heard");
        assert_eq!(net.count(Side::A, TcpFlags::RST), 0);
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    for family in FAMILIES {
        let mut net = Pair::new(family);
        let (client, server) = net.connected(80);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        assert!(net.a.stack.tcp_export(client, net.now).is_none());
        let half_closed = net.b.stack.tcp_export(server, net.now);
        assert_eq!(half_closed, Some(Err(ExportError::State(State::CloseWait))));

        let (client, _) = net.connected(81);
        let good = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
        let mut import = |change: &dyn Fn(&mut handfast_stack::TcpSnapshot)| {
            let mut s = good.clone();
            change(&mut s);
            let before = net.a.stack.usage();
            let imported = net
                .a
                .stack
                .tcp_import(s, ConnectOptions::default(), net.now);
            let after = net.a.stack.usage();
            let same = (before.connections, before.memory) == (after.connections, after.memory);
            assert_eq!(imported.is_err(), same);
            imported.map(drop)
        };
        let place = |why| Err(TcpImportError::Place(why));
        let other = "198.51.100.7:9".parse().unwrap();
        let six = "[2001:db8:7::7]:9".parse().unwrap();
        let (same, family) = match good.local.is_ipv4() {
            true => (other, six),
            false => (six, other),
        };
        assert_eq!(import(&|s| s.remote = family), place(ConnectError::Family));
        assert_eq!(import(&|s| s.remote = same), place(ConnectError::NoRoute));
        let wrong = place(ConnectError::LocalAddress);
        assert_eq!(import(&|s| s.local = same), wrong);
        assert_eq!(import(&|s| s.local.set_port(0)), wrong);
        let wrong = place(ConnectError::RemoteAddress);
        assert_eq!(import(&|s| s.remote.set_port(0)), wrong);
        let nonsense = import(&|s| s.connection.send = vec![Bytes::new(); 3]);
        assert_eq!(nonsense, Ok(()), "nothing in three pieces");
        assert_eq!(import(&|_| ()), place(ConnectError::AddressInUse));
        let s = handfast_stack::TcpSnapshot {
            local: (net.a.address, 7777).into(),
            connection: handfast_tcp::Snapshot {
                peer_mss: 0,
                ..good.connection.clone()
            },
            ..good.clone()
        };
        let refused = net
            .a
            .stack
            .tcp_import(s, ConnectOptions::default(), net.now);
        assert_eq!(refused, Err(TcpImportError::Snapshot(ImportError::Mss)));
    }
}

/// A connection with text in flight, unsent and unread, and with these options.
fn busy(family: Family, config: Config, text: &'static [u8]) -> (Pair, SocketId, SocketId) {
    let stack = StackConfig {
        tcp: Arc::new(config),
        ..StackConfig::default()
    };
    let mut net = Pair::with(family, stack, InterfaceConfig::default());
    let (client, server) = net.connected(80);
    write(&mut net.b, server, b"unread", net.now);
    net.run_for(Duration::from_secs(1));
    net.keep = Box::new(|_| false);
    write(&mut net.a, client, text, net.now);
    net.exchange();
    net.keep = Box::new(|_| true);
    (net, client, server)
}

#[test]
fn it_goes_on_from_octets() {
    for family in FAMILIES {
        let text = &[7; 30_000];
        let (mut net, client, server) = busy(family, Config::default(), text);
        let snapshot = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
        assert!(snapshot.connection.snd_nxt != snapshot.connection.snd_una);
        let octets = snapshot.to_bytes();
        let snapshot = TcpSnapshot::from_bytes(octets).unwrap();
        let options = ConnectOptions::default();
        let client = net.a.stack.tcp_import(snapshot, options, net.now).unwrap();
        net.run_for(Duration::from_secs(5));
        assert_eq!(read(&mut net.b, server, net.now), text);
        assert_eq!(read(&mut net.a, client, net.now), b"unread");
    }
}

#[test]
fn octets_that_are_none_are_told_apart() {
    let (mut net, client, _) = busy(FAMILIES[0], Config::default(), b"text");
    let snapshot = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
    let octets = snapshot.to_bytes();
    let read = |octets: Vec<u8>| TcpSnapshot::from_bytes(octets).map(drop);
    for short in 0..octets.len() {
        assert_eq!(read(octets[..short].to_vec()), Err(DecodeError::Short));
    }
    assert_eq!(read([&octets[..], &[0]].concat()), Err(DecodeError::Long));
    let with = |at: usize, value: u8| {
        let mut octets = octets.clone();
        octets[at] = value;
        read(octets)
    };
    // Two addresses of IPv4, of seven octets each, then the mark, and the version.
    assert_eq!(with(0, 5), Err(DecodeError::Mark));
    assert_eq!(with(14, b'x'), Err(DecodeError::Mark));
    assert_eq!(with(18, 2), Err(DecodeError::Version(2)));
}

/// As it is after octets: a queue of one piece, or of none.
fn joined(mut snapshot: TcpSnapshot) -> TcpSnapshot {
    let c = &mut snapshot.connection;
    for queue in [&mut c.send, &mut c.receive] {
        let all = queue.concat();
        *queue = match all.is_empty() {
            true => Vec::new(),
            false => std::vec![all.into()],
        };
    }
    snapshot
}

proptest! {
    #[test]
    fn octets_say_all_there_is(
        v6: bool, timestamps: bool, window_scaling: bool, sack: bool,
        ecn in prop_oneof![Just(Ecn::Off), Just(Ecn::On), Just(Ecn::Accurate)],
        octets in 1..20_000usize,
    ) {
        let config = Config { timestamps, window_scaling, sack, ecn, ..Config::default() };
        let text = &[9; 20_000][..octets];
        let (mut net, client, _) = busy(FAMILIES[usize::from(v6)], config, text);
        let snapshot = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
        let again = TcpSnapshot::from_bytes(snapshot.to_bytes());
        prop_assert_eq!(again, Ok(joined(snapshot)));
    }

    #[test]
    fn no_octets_do_harm(octets in vec(any::<u8>(), 0..300)) {
        let _ = TcpSnapshot::from_bytes(octets);
    }

    /// What can be read of spoiled octets is refused, or is a connection that lives.
    #[test]
    fn spoiled_octets_do_no_harm(
        v6: bool,
        spoiled in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let config = Config { ecn: Ecn::Accurate, ..Config::default() };
        let (mut net, client, server) = busy(FAMILIES[usize::from(v6)], config, b"text");
        let snapshot = net.a.stack.tcp_export(client, net.now).unwrap().unwrap();
        let mut octets = snapshot.to_bytes();
        for (at, value) in spoiled {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        let Ok(snapshot) = TcpSnapshot::from_bytes(octets) else {
            return Ok(());
        };
        if let Ok(client) = net.a.stack.tcp_import(snapshot, ConnectOptions::default(), net.now) {
            if let Some(mut tcp) = net.b.stack.tcp_mut(server, net.now) {
                let _ = tcp.send(&mut Bytes::from_static(b"more"));
            }
            if let Some(mut tcp) = net.a.stack.tcp_mut(client, net.now) {
                let _ = tcp.send(&mut Bytes::from_static(b"more"));
            }
            net.run_for(Duration::from_secs(60));
        }
    }
}
