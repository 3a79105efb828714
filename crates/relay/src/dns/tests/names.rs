use super::Asker;
use super::server::Server;
use crate::dns::{Names, Upstream};
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::advance;

#[tokio::test]
async fn answers_teach_which_names_lead_to_which_addresses() {
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), "plain").await;
    let asker = Asker::new(Upstream::new(vec![server.at]), |_| ()).await;
    asker.ask("www.Alias.test.", RecordType::A).await;
    let one: IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!(asker.names.of(one).as_deref(), Some("www.alias.test"));
    // Along a chain, the name asked for first.
    asker.ask("alias.test.", RecordType::A).await;
    asker.ask("alias.test.", RecordType::AAAA).await;
    for end in ["192.0.2.7", "2001:db8::7"] {
        let names = asker.names.all(end.parse().unwrap());
        assert_eq!(names, ["alias.test", "one.alias.test", "two.alias.test"]);
    }
    assert_eq!(asker.names.of("192.0.2.99".parse().unwrap()), None);
    // A chain that bites its tail leads nowhere, and a cut answer teaches what it has.
    asker.ask("loop.test.", RecordType::A).await;
    asker.ask("big.test.", RecordType::A).await;
    assert_eq!(asker.names.len(), 3);
    asker.ask_by_tcp("big.test.", RecordType::A).await;
    assert_eq!(asker.names.all(one), ["big.test", "www.alias.test"]);
}

#[tokio::test(start_paused = true)]
async fn they_are_known_for_a_while() {
    let names = Names::default();
    let seconds = Duration::from_secs;
    let ip: IpAddr = "192.0.2.1".parse().unwrap();
    names.note(ip, "short.test", seconds(0));
    names.note(ip, "long.test", seconds(3000));
    names.note(ip, "endless.test", seconds(u32::MAX.into()));
    advance(seconds(599)).await;
    assert_eq!(names.all(ip).len(), 3);
    advance(seconds(2)).await;
    assert_eq!(names.all(ip), ["endless.test", "long.test"]);
    advance(seconds(3000)).await;
    assert_eq!(names.of(ip).as_deref(), Some("endless.test"));
    advance(seconds(24 * 3600)).await;
    assert_eq!(names.of(ip), None);
    assert!(names.is_empty());
}

#[tokio::test(start_paused = true)]
async fn they_are_bounded() {
    let names = Names::new(64);
    for n in 0..10_000u32 {
        let ip = IpAddr::V4(Ipv4Addr::from(n));
        names.note(ip, "some.test", Duration::from_secs(3600));
        assert!(names.len() <= 64);
        assert_eq!(names.of(ip).as_deref(), Some("some.test"));
        advance(Duration::from_millis(1)).await;
    }
    let ip = "192.0.2.1".parse().unwrap();
    for n in 0..1000 {
        names.note(ip, &format!("{n}.test"), Duration::from_secs(3600));
    }
    let all = names.all(ip);
    assert_eq!((all.len(), &all[0][..]), (16, "999.test"));
}
