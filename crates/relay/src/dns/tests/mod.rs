//! A program in memory that asks, and real servers on the machine's loopback that answer.

mod forwarding;
mod names;
mod own;
mod resolv_conf;
mod server;

use super::{Dns, DnsConfig, Names, Upstream, serve};
use crate::udp::tests::world::{World, receive, send, soon};
use handfast::{TcpStream, UdpSocket};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Our addresses.
pub(super) const OURS: [&str; 2] = ["10.77.0.1", "fd68:616e:6466:1::1"];

pub(super) struct Asker {
    pub(super) world: World,
    pub(super) names: Arc<Names>,
    _dns: Dns,
}

impl Asker {
    pub(super) async fn new(upstream: Upstream, change: impl FnOnce(&mut DnsConfig)) -> Asker {
        let world = World::new();
        let names = Arc::new(Names::default());
        let mut config = DnsConfig::new(upstream);
        change(&mut config);
        let ours = OURS.map(|a| a.parse().unwrap());
        let net = world.relay.net();
        let serving = serve(&net, &ours, config, names.clone());
        Asker {
            _dns: soon(serving).await.unwrap(),
            world,
            names,
        }
    }

    /// Asks by UDP, of each of our addresses in turn.
    pub(super) async fn ask(&self, name: &str, kind: RecordType) -> Message {
        let mut answers = Vec::new();
        for at in servers() {
            answers.push(self.ask_at(at, &question(name, kind)).await);
        }
        assert_eq!(answers[0].answers, answers[1].answers);
        assert_eq!(
            answers[0].metadata.response_code,
            answers[1].metadata.response_code
        );
        answers.swap_remove(0)
    }

    pub(super) async fn ask_at(&self, at: SocketAddr, question: &Message) -> Message {
        let socket = self.world.socket(at.ip()).await;
        let answer = exchange(&socket, at, &question.to_vec().unwrap()).await;
        let answer = Message::from_vec(&answer).unwrap();
        check(question, &answer);
        answer
    }

    pub(super) async fn ask_by_tcp(&self, name: &str, kind: RecordType) -> Message {
        let question = question(name, kind);
        let mut stream = self.connect().await;
        let octets = question.to_vec().unwrap();
        soon(stream.write_all(&super::upstream::framed(&octets)))
            .await
            .unwrap();
        let answer = read_framed(&mut stream).await;
        check(&question, &answer);
        answer
    }

    pub(super) async fn connect(&self) -> TcpStream {
        let net = self.world.program.net();
        soon(TcpStream::connect(&net, servers()[0])).await.unwrap()
    }
}

pub(super) fn servers() -> [SocketAddr; 2] {
    OURS.map(|ip| SocketAddr::new(ip.parse().unwrap(), 53))
}

pub(super) async fn read_framed(stream: &mut TcpStream) -> Message {
    let len = soon(stream.read_u16()).await.unwrap();
    let mut octets = vec![0; len.into()];
    soon(stream.read_exact(&mut octets)).await.unwrap();
    Message::from_vec(&octets).unwrap()
}

pub(super) async fn exchange(socket: &UdpSocket, at: SocketAddr, question: &[u8]) -> Vec<u8> {
    send(socket, question, at).await;
    let (answer, from) = receive(socket).await;
    assert_eq!(from, at);
    answer
}

/// A question with an identifier that is the test's own.
pub(super) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(4000);
    message.set_edns(edns);
    message
}

fn check(question: &Message, answer: &Message) {
    assert_eq!(answer.metadata.id, question.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert_eq!(answer.queries, question.queries);
}

pub(super) fn addresses(answer: &Message) -> Vec<IpAddr> {
    let records = answer.answers.iter();
    records
        .filter_map(|record| match &record.data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
        .collect()
}
