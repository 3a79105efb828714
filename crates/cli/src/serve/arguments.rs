//! The flags of `handfast serve`.

use std::path::PathBuf;

use clap::Args;
use handfast::stack::AddressPrefix;

/// Serve the files of a directory over HTTP, over this TCP.
///
/// This machine reaches them at the addresses given, through a TUN interface whose other end is a
/// TCP/IP stack of this program's own. Ranges, conditional requests and keep-alive are all there;
/// directories without an index.html are listed. Nothing above the directory is served.
///
/// It needs root to set the interface up, or one that is yours already. The interface goes when
/// the program does.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo handfast serve .                          then: curl http://10.78.0.1/
  sudo handfast serve /srv/www --address 192.0.2.1/24 --port 8080
  handfast serve . --tun hf0                     without root, after
                                                   sudo ip tuntap add hf0 mode tun user $USER
                                                   sudo ip addr add 10.78.0.2/24 dev hf0
                                                   sudo ip link set hf0 up
  handfast serve . -v                            and a line for each request")]
pub struct ServeArguments {
    /// What to serve
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Name of the TUN interface, made if absent; %d is numbered
    #[arg(long, value_name = "NAME", default_value = "handfast%d")]
    pub tun: String,
    /// Where to serve, with the length of the network's prefix; this machine gets the first other
    /// address of the network. May be repeated
    /// [default: 10.78.0.1/24 and fd68:616e:6466:2::1/64]
    #[arg(short, long = "address", value_name = "ADDRESS/LENGTH")]
    pub addresses: Vec<AddressPrefix>,
    /// TCP port
    #[arg(short, long, default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Also serve what symbolic links lead to outside of the directory, or by an absolute path
    #[arg(long)]
    pub follow_links: bool,
}
