use super::server::Server;
use super::{Asker, OURS, addresses, question, servers};
use crate::dns::Upstream;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

async fn asker(server: &Server) -> Asker {
    Asker::new(Upstream::new(vec![server.at]), |config| {
        let ours = OURS.map(|a| a.parse().unwrap()).to_vec();
        let host = ["10.77.0.254", "fd68:616e:6466:1::fe"].map(|a| a.parse().unwrap());
        config.own = vec![
            ("handfast.internal".into(), ours),
            ("host.handfast.internal".into(), host.to_vec()),
        ];
        config.denied = Arc::new(|name| name == "denied.test" || name.ends_with(".denied.test"));
    })
    .await
}

#[tokio::test]
async fn our_names_are_answered_here() {
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), "plain").await;
    let asker = asker(&server).await;
    for (name, kind, expected) in [
        ("handfast.internal.", RecordType::A, "10.77.0.1"),
        (
            "HandFast.Internal.",
            RecordType::AAAA,
            "fd68:616e:6466:1::1",
        ),
        ("host.handfast.internal.", RecordType::A, "10.77.0.254"),
        (
            "host.handfast.internal.",
            RecordType::AAAA,
            "fd68:616e:6466:1::fe",
        ),
    ] {
        let answer = asker.ask(name, kind).await;
        assert_eq!(addresses(&answer), [expected.parse::<IpAddr>().unwrap()]);
        assert!(answer.metadata.authoritative && answer.metadata.recursion_available);
        assert!(answer.edns.is_some());
    }
    let by_tcp = asker
        .ask_by_tcp("handfast.internal.", RecordType::ANY)
        .await;
    assert_eq!(
        addresses(&by_tcp),
        OURS.map(|a| a.parse::<IpAddr>().unwrap())
    );
    // There is nothing else of them, and nothing below.
    let nothing = asker.ask("handfast.internal.", RecordType::MX).await;
    assert_eq!(nothing.metadata.response_code, ResponseCode::NoError);
    assert!(nothing.answers.is_empty());
    let below = asker.ask("www.handfast.internal.", RecordType::A).await;
    assert_eq!(below.metadata.response_code, ResponseCode::NXDomain);
    // Who does not use EDNS gets none.
    let mut plain = question("handfast.internal.", RecordType::A);
    plain.edns = None;
    assert!(asker.ask_at(servers()[0], &plain).await.edns.is_none());
    let names = asker.names.all("10.77.0.254".parse().unwrap());
    assert_eq!(names, ["host.handfast.internal"]);
    assert_eq!(server.heard(), 0);
}

#[tokio::test]
async fn our_addresses_have_our_names() {
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), "plain").await;
    let asker = asker(&server).await;
    let six = "e.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.6.6.4.6.e.6.1.6.8.6.d.f.ip6.arpa.";
    for (name, expected) in [
        ("1.0.77.10.in-addr.arpa.", "handfast.internal."),
        ("254.0.77.10.in-addr.arpa.", "host.handfast.internal."),
        (six, "host.handfast.internal."),
    ] {
        let answer = asker.ask(name, RecordType::PTR).await;
        let [record] = &answer.answers[..] else {
            panic!("{name}: {answer:?}");
        };
        let RData::PTR(found) = &record.data else {
            panic!("{record:?}");
        };
        assert_eq!(found.0.to_ascii(), expected);
    }
    assert_eq!(server.heard(), 0);
}

#[tokio::test]
async fn a_denied_name_does_not_exist() {
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), "plain").await;
    let asker = asker(&server).await;
    for name in ["denied.test.", "www.DENIED.test."] {
        let answer = asker.ask(name, RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        assert!(answer.answers.is_empty());
    }
    assert_eq!(server.heard(), 0);
    asker.ask("allowed.test.", RecordType::A).await;
    assert_eq!(server.heard(), 2);
}
