use super::server::Server;
use super::{Asker, addresses, exchange, question, read_framed, servers};
use crate::dns::{ResolvConf, Upstream};
use crate::udp::tests::world::{receive, send, soon};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Servers, asked twice with a second each.
fn impatient(servers: Vec<SocketAddr>) -> Upstream {
    let conf = ResolvConf {
        timeout: Duration::from_secs(1),
        ..ResolvConf::default()
    };
    Upstream::with(servers, &conf)
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let socket = tokio::net::UdpSocket::bind((V4, 0)).await.unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test]
async fn questions_go_up_and_answers_come_down_as_they_are() {
    for loopback in [V4, V6] {
        let server = Server::start(loopback, "plain").await;
        let asker = Asker::new(Upstream::new(vec![server.at]), |_| ()).await;
        let answer = asker.ask("plain.test.", RecordType::A).await;
        assert_eq!(addresses(&answer), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        // The server gives EDNS back as it came.
        assert_eq!(answer.edns.unwrap().max_payload(), 4000);
        let answer = asker.ask("PLAIN.test.", RecordType::AAAA).await;
        assert_eq!(
            addresses(&answer),
            ["2001:db8::1".parse::<IpAddr>().unwrap()]
        );
        let answer = asker.ask("missing.test.", RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(server.heard(), 6);
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_comes_whole_by_tcp() {
    let server = Server::start(V4, "plain").await;
    let asker = Asker::new(Upstream::new(vec![server.at]), |_| ()).await;
    let cut = asker.ask("big.test.", RecordType::A).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = asker.ask_by_tcp("big.test.", RecordType::A).await;
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 200);
}

#[tokio::test]
async fn one_connection_carries_many_questions_whose_answers_overtake_each_other() {
    let server = Server::start(V4, "plain").await;
    let asker = Asker::new(impatient(vec![server.at]), |_| ()).await;
    let mut stream = asker.connect().await;
    let mut all = Vec::new();
    for n in 0..50u16 {
        // The first is never answered by the server.
        let name = if n == 0 {
            "silent.test."
        } else {
            "plain.test."
        };
        let mut question = question(name, RecordType::A);
        question.metadata.id = n;
        let octets = question.to_vec().unwrap();
        all.extend(crate::dns::upstream::framed(&octets));
    }
    // However they are cut.
    for part in all.chunks(7) {
        soon(stream.write_all(part)).await.unwrap();
    }
    soon(stream.shutdown()).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..50 {
        let answer = read_framed(&mut stream).await;
        ids.push(answer.metadata.id);
        let expected = match answer.metadata.id {
            0 => ResponseCode::ServFail,
            _ => ResponseCode::NoError,
        };
        assert_eq!(answer.metadata.response_code, expected);
    }
    assert_eq!(ids.last(), Some(&0));
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..50));
    // Then the connection ends.
    use tokio::io::AsyncReadExt;
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_dead_server_is_passed_over_and_asked_last_from_then_on() {
    let silent = Server::start(V4, "silent").await;
    let server = Server::start(V4, "plain").await;
    let dead = nobody().await;
    let asker = Asker::new(impatient(vec![dead, silent.at, server.at]), |_| ()).await;
    let answer = asker.ask("plain.test.", RecordType::A).await;
    assert_eq!(addresses(&answer).len(), 1);
    for _ in 0..5 {
        asker.ask("plain.test.", RecordType::A).await;
    }
    assert_eq!((silent.heard(), server.heard()), (1, 12));
}

#[tokio::test]
async fn the_trouble_of_one_server_is_not_that_of_all() {
    let troubled = Server::start(V4, "trouble").await;
    let refusing = Server::start(V4, "refused").await;
    let server = Server::start(V4, "plain").await;
    let all = vec![troubled.at, refusing.at, server.at];
    let asker = Asker::new(Upstream::new(all), |_| ()).await;
    let answer = asker.ask("plain.test.", RecordType::A).await;
    assert_eq!(addresses(&answer).len(), 1);
    // If all are troubled, one says so.
    let asker = Asker::new(Upstream::new(vec![refusing.at, troubled.at]), |_| ()).await;
    let answer = asker.ask("plain.test.", RecordType::A).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn nobody_answers_and_so_we_do() {
    for servers in [vec![], vec![nobody().await, nobody().await]] {
        let asker = Asker::new(Upstream::new(servers), |_| ()).await;
        for answer in [
            asker.ask("plain.test.", RecordType::A).await,
            asker.ask_by_tcp("plain.test.", RecordType::A).await,
        ] {
            assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
            assert!(answer.edns.is_some());
        }
    }
}

#[tokio::test]
async fn forged_answers_are_passed_over() {
    let server = Server::start(V4, "spoofed").await;
    let asker = Asker::new(Upstream::new(vec![server.at]), |_| ()).await;
    for _ in 0..20 {
        let answer = asker.ask("plain.test.", RecordType::A).await;
        assert_eq!(addresses(&answer), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }
    assert_eq!(asker.names.all("192.0.2.66".parse().unwrap()), [""; 0]);
}

#[tokio::test]
async fn identifiers_and_ports_are_new_for_each_question() {
    let listener = tokio::net::UdpSocket::bind((V4, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let asker = Asker::new(impatient(vec![at]), |_| ()).await;
    let (mut ids, mut ports) = (Vec::new(), Vec::new());
    let socket = asker.world.socket(servers()[0].ip()).await;
    for _ in 0..16 {
        let octets = question("plain.test.", RecordType::A).to_vec().unwrap();
        send(&socket, &octets, servers()[0]).await;
        let mut buffer = [0; 512];
        let (len, from) = soon(listener.recv_from(&mut buffer)).await.unwrap();
        let heard = Message::from_vec(&buffer[..len]).unwrap();
        assert_eq!(heard.queries[0].name, super::server::name("plain.test."));
        ids.push(heard.metadata.id);
        ports.push(from.port());
    }
    for list in [&mut ids, &mut ports] {
        list.sort_unstable();
        list.dedup();
        // Chance may repeat one, and never most.
        assert!(list.len() > 8, "{list:?}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_as_far_as_it_may_be() {
    let server = Server::start(V4, "plain").await;
    let asker = Asker::new(Upstream::new(vec![server.at]), |_| ()).await;
    let at = servers()[0];
    let socket = asker.world.socket(at.ip()).await;
    let good = question("plain.test.", RecordType::A).to_vec().unwrap();
    // What deserves no answer comes first: the answers are those to what follows.
    let mut response = good.clone();
    response[2] |= 0x80;
    for silent in [&good[..11], &[], &response] {
        send(&socket, silent, at).await;
    }
    let mut two = good.clone();
    two[5] = 2;
    let mut notify = good.clone();
    notify[2] |= 4 << 3;
    let mut pointer = good.clone();
    pointer[12] = 0xc0;
    for (message, code) in [
        (&good[..12], ResponseCode::FormErr),
        (&good[..20], ResponseCode::FormErr),
        (&two, ResponseCode::FormErr),
        (&pointer, ResponseCode::FormErr),
        (&notify, ResponseCode::NotImp),
    ] {
        let answer = exchange(&socket, at, message).await;
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(answer.metadata.response_code, code);
        assert_eq!(answer.metadata.id, 0x1234);
    }
    // None of it was passed on, and all is well after it.
    assert_eq!(server.heard(), 0);
    exchange(&socket, at, &good).await;
    assert_eq!(server.heard(), 1);
    let _ = receive;
}
