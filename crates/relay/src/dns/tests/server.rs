//! A DNS server on the machine's loopback whose behaviour follows from the name asked for.

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

pub(super) struct Server {
    pub(super) at: SocketAddr,
    /// Questions heard.
    pub(super) heard: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers by UDP and by TCP; `mood` stands for the name where the name has none of its own.
    pub(super) async fn start(loopback: IpAddr, mood: &'static str) -> Server {
        // One port for both.
        let (socket, listener, at) = loop {
            let listener = TcpListener::bind((loopback, 0)).await.unwrap();
            let at = listener.local_addr().unwrap();
            if let Ok(socket) = UdpSocket::bind(at).await {
                break (socket, listener, at);
            }
        };
        let heard = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(udp(socket, mood, heard.clone()));
        tasks.spawn(tcp(listener, mood, heard.clone()));
        Server {
            at,
            heard,
            _tasks: tasks,
        }
    }

    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

async fn udp(socket: UdpSocket, mood: &'static str, heard: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
        heard.fetch_add(1, Ordering::SeqCst);
        let question = Message::from_vec(&buffer[..len]).unwrap();
        if mood == "spoofed" {
            for lie in lies(&question) {
                socket.send_to(&lie, from).await.unwrap();
            }
            // And one from elsewhere, right in all else.
            let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let lie = answer(&question, "lie", false).unwrap();
            elsewhere.send_to(&lie, from).await.unwrap();
        }
        if let Some(answer) = answer(&question, mood, true) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

async fn tcp(listener: TcpListener, mood: &'static str, heard: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let heard = heard.clone();
        connections.spawn(async move {
            while let Ok(len) = stream.read_u16().await {
                let mut octets = vec![0; len.into()];
                stream.read_exact(&mut octets).await.unwrap();
                heard.fetch_add(1, Ordering::SeqCst);
                let question = Message::from_vec(&octets).unwrap();
                if let Some(answer) = answer(&question, mood, false) {
                    let framed = crate::dns::upstream::framed(&answer);
                    stream.write_all(&framed).await.unwrap();
                }
            }
        });
    }
}

/// What a forger might send who sees nothing: wrong identifiers, or wrong questions.
fn lies(question: &Message) -> Vec<Vec<u8>> {
    let lie = answer(question, "lie", false).unwrap();
    let mut wrong_id = lie.clone();
    wrong_id[0] ^= 0x80;
    let mut wrong_name = lie.clone();
    wrong_name[13] ^= 1;
    let mut wrong_type = lie.clone();
    let name_len = question.queries[0].name.len();
    wrong_type[12 + name_len] ^= 1;
    let mut no_answer = lie.clone();
    no_answer[2] &= 0x7f;
    let cut_off = lie[..20].to_vec();
    vec![
        wrong_id,
        wrong_name,
        wrong_type,
        no_answer,
        cut_off,
        vec![],
        vec![0; 11],
    ]
}

fn answer(question: &Message, mood: &str, may_be_cut: bool) -> Option<Vec<u8>> {
    let query = question.queries[0].clone();
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    if let Some(edns) = &question.edns {
        // As it came, so that it is seen to have come whole.
        answer.set_edns(edns.clone());
    }
    let record = |name: &Name, data| Record::from_rdata(name.clone(), 300, data);
    let address = |name: &Name, last: u8| match query.query_type {
        RecordType::AAAA => {
            let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
            record(name, RData::AAAA(AAAA(ip)))
        }
        _ => record(name, RData::A(A(Ipv4Addr::new(192, 0, 2, last)))),
    };
    let text = query.name.to_ascii().to_ascii_lowercase();
    let mood = match text.split('.').next() {
        Some("plain" | "www") | None => mood,
        Some(own) => own,
    };
    match mood {
        "silent" => return None,
        "missing" => answer.metadata.response_code = ResponseCode::NXDomain,
        "trouble" => answer.metadata.response_code = ResponseCode::ServFail,
        "refused" => answer.metadata.response_code = ResponseCode::Refused,
        "lie" => _ = answer.add_answer(address(&query.name, 66)),
        "big" if may_be_cut => answer.metadata.truncation = true,
        "big" => (0..200).for_each(|n| _ = answer.add_answer(address(&query.name, n))),
        "alias" => {
            let [one, two] = ["one.alias.test.", "two.alias.test."].map(name);
            answer.add_answer(record(&query.name, RData::CNAME(CNAME(one.clone()))));
            answer.add_answer(record(&one, RData::CNAME(CNAME(two.clone()))));
            answer.add_answer(address(&two, 7));
            // Beside the point.
            answer.add_answer(address(&name("bystander.test."), 99));
        }
        "loop" => {
            let other = name("loop.other.test.");
            answer.add_answer(record(&query.name, RData::CNAME(CNAME(other.clone()))));
            answer.add_answer(record(&other, RData::CNAME(CNAME(query.name.clone()))));
        }
        _ => _ = answer.add_answer(address(&query.name, 1)),
    }
    Some(answer.to_vec().unwrap())
}

pub(super) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}
