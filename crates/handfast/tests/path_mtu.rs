//! The path MTU behind a real router: the kernel forwards between two TUNs, one of which carries
//! less, in a network namespace of the test's own.
#![cfg(all(feature = "tun", feature = "tokio", target_os = "linux"))]

mod namespace;

use handfast::stack::AddressPrefix;
use handfast::{Host, Net, TcpInfo, TcpListener, TcpStream};
use namespace::{sh, tun};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OCTETS: usize = 1 << 20;

#[test]
fn a_kernels_router_speaks_or_is_silent() {
    // Without a right of its own to them, the test asks for forwarding and for rules by protocol.
    let needs = format!(
        "{} && ip rule add ipproto icmp blackhole && echo 1 > /proc/sys/net/ipv4/ip_forward \
         && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
        tun::NEEDS
    );
    namespace::run("a_kernels_router_speaks_or_is_silent", &needs, || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(inside());
    });
}

/// A stack behind the kernel, which is its gateway.
fn host(name: &str, ours: &[&str], gateways: [&str; 2]) -> Host {
    let ours = ours.iter().map(|a| a.parse::<AddressPrefix>().unwrap());
    let mut builder = Host::builder().link(tun::device(name), ours);
    for gateway in gateways {
        builder = builder.gateway(gateway.parse().unwrap());
    }
    builder.start().expect("a host")
}

async fn inside() {
    sh("echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    let near = host(
        "near0",
        &["10.1.0.2/24", "fd01::2/64"],
        ["10.1.0.1", "fd01::1"],
    );
    let far = ["10.2.0.2/24", "10.2.0.3/24", "fd02::2/64", "fd02::3/64"];
    let far = host("far0", &far, ["10.2.0.1", "fd02::1"]);
    for (name, v4, v6) in [
        ("near0", "10.1.0.1/24", "fd01::1/64"),
        ("far0", "10.2.0.1/24", "fd02::1/64"),
    ] {
        sh(&format!(
            "ip addr add {v4} dev {name} && ip addr add {v6} dev {name} nodad && ip link set {name} up"
        ));
    }
    // Now that the stacks believe in 1500, so that no MSS says otherwise.
    sh("ip link set far0 mtu 1280");
    for to in ["10.2.0.2", "fd02::2"] {
        let info = transfer(&near.net(), &far.net(), to.parse().unwrap()).await;
        assert_eq!((info.path_mtu, info.timeouts), (1_280, 0), "{to}: {info:?}");
    }
    sh("ip rule add ipproto icmp blackhole && ip -6 rule add ipproto ipv6-icmp blackhole");
    for to in ["10.2.0.3", "fd02::3"] {
        let info = transfer(&near.net(), &far.net(), to.parse().unwrap()).await;
        assert!(
            info.path_mtu <= 1_280 && info.path_mtu >= 1_024 && info.timeouts >= 2,
            "{to}: {info:?}"
        );
    }
}

/// A mebioctet; what our connection is like when it has arrived.
async fn transfer(near: &Net, far: &Net, to: IpAddr) -> TcpInfo {
    let to = SocketAddr::new(to, 80);
    let listener = TcpListener::bind(far, to).await.expect("a listener");
    let reading = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("the text");
        stream.write_all(b"thanks").await.expect("the answer");
        all
    });
    let text: Vec<u8> = (0..OCTETS).map(|n| (n ^ n >> 8) as u8).collect();
    let mut stream = TcpStream::connect(near, to).await.expect("a connection");
    stream.write_all(&text).await.expect("all is taken");
    stream.shutdown().await.expect("the end");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the answer");
    assert_eq!(answer, b"thanks");
    assert!(reading.await.expect("the reader") == text);
    stream.info().expect("a connection")
}
