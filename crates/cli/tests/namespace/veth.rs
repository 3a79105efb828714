//! The namespace without `/dev/net/tun`: a veth pair, and a packet socket on our end of it.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use handfast::wire::Batch;
use handfast::{Host, TcpStream};
use handfast_base::Instant;
use handfast_cli::kernel_peer::Seeded;
use handfast_cli::namespace::{Backend, Namespace, NamespaceConfig, Program, Supervision};
use handfast_link::Link;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::built;
use crate::{config, create_or_skip};

fn create() -> Option<Namespace> {
    let mut backends = Backend::candidates();
    backends.retain(|backend| !Backend::with_tun().contains(backend));
    let config = NamespaceConfig {
        backends,
        supervision: Supervision::PidNamespace,
        ..config(built())
    };
    let mut namespace = create_or_skip(&config)?;
    assert!(
        namespace
            .backend()
            .to_string()
            .ends_with("veth + AF_PACKET")
    );
    assert!(namespace.take_tun().is_none());
    Some(namespace)
}

#[test]
fn it_is_quiet_and_no_destination_is_one_too_many() {
    let Some(mut namespace) = create() else {
        return;
    };
    let mut link = namespace.take_link().expect("the first time");
    assert!(namespace.take_link().is_err());
    thread::sleep(Duration::from_millis(200));
    let mut batch = Batch::new(64);
    assert_eq!(link.receive(Instant::ZERO, &mut batch).unwrap(), 0);
    // Twice as many as a kernel has room for neighbours.
    let script = "for i in {1..2000}; do
        echo > /dev/udp/198.18.$((i / 250)).$((i % 250 + 1))/9 || exit 1
        echo > /dev/udp/2001:db8:1::$i/9 || exit 2
    done";
    let program = Program {
        argv: ["bash", "-c", script].map(Into::into).into(),
        ..Program::default()
    };
    let running = namespace.start(&program, None).expect("bash");
    assert_eq!(running.wait().code(), 0);
    // The first of them: datagrams, and nothing to find out whom to send them to.
    assert!(link.receive(Instant::ZERO, &mut batch).unwrap() > 0);
    for packet in batch.packets() {
        let octets = packet.to_bytes();
        let protocol = match octets[0] >> 4 {
            4 => octets[9],
            _ => octets[6],
        };
        assert_eq!(protocol, 17, "UDP");
    }
}

#[test]
fn the_kernel_and_our_stack_talk_over_it() {
    let Some(mut namespace) = create() else {
        return;
    };
    let link = namespace.take_link().unwrap();
    let prefixes = ["192.0.2.2/24", "2001:db8::2/64"].map(|p| p.parse().unwrap());
    let host = Host::builder().link(link, prefixes).start().unwrap();
    let served: [SocketAddr; 2] = ["192.0.2.1:80", "[2001:db8::1]:80"].map(|a| a.parse().unwrap());
    namespace.peer().listen(&served).unwrap();
    let (seed, len) = (7, 3_000_001);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for to in served {
        let net = host.net();
        let page = runtime.block_on(async move {
            let mut stream = TcpStream::connect(&net, to).await.unwrap();
            let request = format!(
                "GET /bytes/{len}?seed={seed} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut page = Vec::new();
            stream.read_to_end(&mut page).await.unwrap();
            page
        });
        let body = &page[page.len() - len as usize..];
        let digest: String = Sha256::digest(body)
            .iter()
            .map(|o| format!("{o:02x}"))
            .collect();
        assert_eq!(digest, Seeded::new(seed, len).sha256(), "from {to}");
    }
}
