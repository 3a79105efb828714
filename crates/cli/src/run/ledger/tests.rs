use super::*;

fn line(port: u16, end: Ending) -> ConnectionLine {
    ConnectionLine {
        opened: Opened::ByProgram,
        program: SocketAddr::from(([10, 77, 0, 2], port)),
        destination: SocketAddr::from(([192, 0, 2, 1], 80)),
        name: None,
        octets_up: 1,
        octets_down: 10,
        answered: None,
        lasted: Duration::from_millis(5),
        info: None,
        end,
    }
}

#[test]
fn the_first_and_the_last_are_kept_and_all_are_summed_up() {
    let ledger = Ledger::new();
    for n in 0..20_000u32 {
        ledger.connection(line(n as u16, Ending::Closed));
    }
    let account = ledger.account();
    assert_eq!(account.connections.len(), 2 * KEPT);
    assert_eq!(account.left_out, 20_000 - 2 * KEPT as u64);
    let ports = |range: std::ops::Range<usize>| {
        let kept = account.connections[range].iter();
        kept.map(|line| line.program.port()).collect::<Vec<_>>()
    };
    assert_eq!(ports(0..3), [0, 1, 2]);
    assert_eq!(ports(2 * KEPT - 2..2 * KEPT), [19_998, 19_999]);
    assert_eq!(account.totals.connections, 20_000);
    assert_eq!(
        (account.totals.octets_up, account.totals.octets_down),
        (20_000, 200_000)
    );
}

#[test]
fn ends_are_counted_by_kind() {
    let ledger = Ledger::new();
    for end in [
        Ending::Closed,
        Ending::ProgramReset,
        Ending::DestinationReset,
        Ending::Refused("no route".into()),
        Ending::Failed("timed out".into()),
        Ending::Open,
    ] {
        ledger.connection(line(1, end));
    }
    ledger.udp_flow([3, 2], [300, 200]);
    ledger.udp_flow([1, 0], [10, 0]);
    ledger.pings(5, 4);
    let totals = ledger.totals();
    assert_eq!(
        (totals.connections, totals.refused, totals.broken),
        (5, 1, 3)
    );
    assert_eq!((totals.udp_flows, totals.datagrams), (2, [4, 2]));
    assert_eq!((totals.datagram_octets, totals.pings), ([310, 200], [5, 4]));
}
