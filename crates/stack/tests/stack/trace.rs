use crate::harness::{FAMILIES, Pair, Side, forge, syn};
use handfast_base::Duration;
use handfast_stack::{StackConfig, TraceEvent};
use handfast_tcp::{DecisionEvent, State};
use handfast_wire::Discard;

fn states(host: &mut crate::harness::Host) -> Vec<(State, State)> {
    core::iter::from_fn(|| host.stack.poll_trace())
        .filter_map(|event| match event {
            TraceEvent::State { from, to, .. } => Some((from, to)),
            _ => None,
        })
        .collect()
}

#[test]
fn every_state_change_is_told_in_order() {
    use State::*;
    for family in FAMILIES {
        let config = StackConfig {
            trace: 100,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let (client, server) = net.connected(80);
        net.a.stack.tcp_close(client, net.now);
        net.settle();
        net.b.stack.tcp_close(server, net.now);
        net.settle();
        net.run_for(Duration::from_secs(61));
        assert_eq!(
            states(&mut net.a),
            [
                (Closed, SynSent),
                (SynSent, Established),
                (Established, FinWait1),
                (FinWait1, FinWait2),
                (FinWait2, TimeWait),
                (TimeWait, Closed),
            ]
        );
        assert_eq!(
            states(&mut net.b),
            [
                (Listen, SynReceived),
                (SynReceived, Established),
                (Established, CloseWait),
                (CloseWait, LastAck),
                (LastAck, Closed),
            ]
        );
    }
}

#[test]
fn a_discard_is_told_with_its_reason_and_header_and_the_queue_is_bounded() {
    for family in FAMILIES {
        let config = StackConfig {
            trace: 3,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        for n in 0..5 {
            let mut packet = forge(net.a.at(5), net.b.at(6), syn(n));
            net.b.stack.receive(net.b.iface, &mut packet, net.now);
        }
        let events: Vec<_> = core::iter::from_fn(|| net.b.stack.poll_trace()).collect();
        assert_eq!(events.len(), 3);
        assert_eq!(net.b.stack.trace_lost(), 2);
        let TraceEvent::Discard {
            at,
            iface,
            reason,
            header: Some(header),
        } = events[0]
        else {
            panic!("{:?}", events[0]);
        };
        assert_eq!((at, iface), (net.now, net.b.iface));
        assert_eq!(reason, Discard::TcpNoConnection);
        let tcp = header.tcp.unwrap();
        assert_eq!((tcp.source_port, tcp.destination_port, tcp.seq), (5, 6, 0));
    }
    let mut silent = Pair::new(FAMILIES[0]);
    let (client, _) = silent.connected(80);
    silent.a.stack.tcp_close(client, silent.now);
    assert!(
        silent.a.stack.poll_trace().is_none(),
        "off unless asked for"
    );
}

#[test]
fn decisions_of_every_connection_are_told_from_its_handshake_to_its_end() {
    for family in FAMILIES {
        let config = StackConfig {
            trace: 10_000,
            decisions: true,
            ..StackConfig::default()
        };
        let mut net = Pair::with(family, config, Default::default());
        let (client, server) = net.connected(80);
        let text = [7; 100_000];
        net.transfer(Side::A, client, server, &text);
        let ports = (net.a.stack.tcp(client).unwrap().local_addr(), net.b.at(80));
        net.a.stack.tcp_close(client, net.now);
        net.b.stack.tcp_close(server, net.now);
        net.run_for(Duration::from_secs(61));
        for (host, local, remote, sends) in [
            (&mut net.a, ports.0, ports.1, 100_000),
            (&mut net.b, ports.1, ports.0, 0),
        ] {
            let mut sent = 0;
            let mut last = None;
            while let Some(event) = host.stack.poll_trace() {
                let TraceEvent::Decision {
                    local: here,
                    remote: there,
                    decision,
                } = event
                else {
                    continue;
                };
                assert_eq!((here, there), (local, remote));
                match decision.event {
                    DecisionEvent::Sent { octets, .. } => sent += octets,
                    DecisionEvent::State { to, .. } => last = Some(to),
                    _ => {}
                }
            }
            assert_eq!(sent, sends);
            assert!(
                matches!(last, Some(State::TimeWait | State::Closed)),
                "{last:?}"
            );
        }
    }
}
