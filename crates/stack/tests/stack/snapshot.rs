//! Connections that leave for another stack, and come back.

use crate::harness::{FAMILIES, Pair, Side, read, write};
use bytes::Bytes;
use handfast_base::Duration;
use handfast_stack::{
    AddressPrefix, ConnectError, ConnectOptions, InterfaceConfig, Stack, StackConfig,
    TcpImportError,
};
use handfast_tcp::{ExportError, ImportError, State};
use handfast_wire::tcp::TcpFlags;

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
