//! The flags of `handfast proxy`.

use clap::Args;
use handfast_relay::{Outbound, Rule};
use ipnet::IpNet;

/// Carry what this machine routes to a TUN interface, over this TCP, through a proxy or another
/// interface.
///
/// Connections end in a TCP/IP stack of this program's own and are carried on by sockets of this
/// machine: through a SOCKS5 proxy, out of one interface, or with a mark by which routes are
/// chosen. One of these is needed, or they would come straight back. UDP and ping go the same way,
/// but not through a SOCKS5 proxy: there they are refused. The interface goes when the program
/// does.
///
/// It needs root to set the interface up, or one that is yours already.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  sudo handfast proxy --address 10.79.0.1/30 --route 198.51.100.0/24 --socks5 127.0.0.1:1080
                                                 these through the proxy of `ssh -D 1080 elsewhere`
  sudo handfast proxy --address 10.79.0.1/30 --route 0.0.0.0/0 --interface eth0 --deny '*:25'
                                                 all of IPv4 over this TCP, but no mail
  handfast proxy --tun hf0 --socks5 [::1]:1080   without root, after
                                                   sudo ip tuntap add hf0 mode tun user $USER
                                                   sudo ip addr add 10.79.0.1/30 dev hf0
                                                   sudo ip link set hf0 up
                                                   sudo ip route add 198.51.100.0/24 dev hf0")]
pub struct ProxyArguments {
    /// Name of the TUN interface, made if absent; %d is numbered
    #[arg(long, value_name = "NAME", default_value = "handfast%d")]
    pub tun: String,
    /// This machine's own address on the interface, with the length of the network's prefix; may
    /// be repeated
    #[arg(long = "address", value_name = "ADDRESS/LENGTH")]
    pub addresses: Vec<IpNet>,
    /// A network to be reached through the interface; may be repeated
    #[arg(long = "route", value_name = "NETWORK/LENGTH")]
    pub routes: Vec<IpNet>,
    /// The SOCKS5 proxy that carries connections on
    #[arg(long, value_name = "[USER:PASSWORD@]ADDRESS:PORT")]
    pub socks5: Option<Outbound>,
    /// The interface that carries connections on
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// The mark that this program's sockets have, for `ip rule`; needs root
    #[arg(long, value_name = "NUMBER")]
    pub mark: Option<u32>,
    /// Allow only what a RULE names: ADDRESS, NETWORK/LENGTH or *, each with :PORT or :PORT-PORT
    /// if it is for these alone; may be repeated
    #[arg(long, value_name = "RULE")]
    pub allow: Vec<Rule>,
    /// Deny what a RULE names; stronger than --allow
    #[arg(long, value_name = "RULE")]
    pub deny: Vec<Rule>,
    /// Largest IP packet, in octets, of an interface that is ours to set up
    #[arg(long, value_name = "OCTETS", default_value_t = 65_520,
        value_parser = clap::value_parser!(u32).range(1280..=65_535))]
    pub mtu: u32,
}
