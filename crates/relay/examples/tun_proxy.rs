//! Carries what this machine routes to a TUN interface out of another interface, over this TCP.
//!
//! ```text
//! cargo run --release --example tun_proxy -- hf0 eth0
//! ip address add 10.79.0.1/30 dev hf0 && ip link set hf0 up && ip route add 198.51.100.0/24 dev hf0
//! curl http://198.51.100.7/
//! ```
//!
//! It needs root, or a TUN interface that is yours: `ip tuntap add hf0 mode tun user $USER`.

use handfast::Host;
use handfast::link::tun::{self, TunConfig};
use handfast_relay::{
    Direct, Outbound, Policy, Relay, RelayEvent, RelayObserver, raise_descriptor_limit,
};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Says how connections end.
struct Journal;

impl RelayObserver for Journal {
    fn on_event(&self, event: &RelayEvent) {
        match event {
            RelayEvent::TcpClosed(report) => println!(
                "{} {}: {} octets up, {} down",
                report.destination, report.end, report.octets_up, report.octets_down
            ),
            RelayEvent::TcpRefused { id, why } => println!("#{id}: {why}"),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(interface)) = (arguments.next(), arguments.next()) else {
        return Err("write it like: tun_proxy TUN INTERFACE".into());
    };
    raise_descriptor_limit()?;
    let link = tun::open(&TunConfig {
        name,
        mtu: 65_520,
        ..TunConfig::default()
    })?;
    println!("On {}, out of {interface}.", link.name());
    // The stack stands in for all other hosts, so it needs no address of its own.
    let host = Host::builder()
        .link(link, [])
        .gateway(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        .gateway(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .start()?;
    // Or what leaves would come straight back.
    let mut direct = Direct::default();
    direct.bind_interface = Some(interface);
    let mut policy = Policy::default();
    policy.deny("*:25".parse()?);
    let relay = Relay::builder(&host.net())
        .outbound(Outbound::Direct(direct))
        .policy(policy)
        .observer(Arc::new(Journal))
        .start()
        .await?;
    tokio::signal::ctrl_c().await?;
    relay.close().await;
    Ok(())
}
