//! The services on a TUN, and the kernel's TCP at its other end.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use handfast::Host;
use handfast::stack::AddressPrefix;
use handfast_cli::netlink::{self, InterfaceAddress};
use handfast_cli::services::{self, Services, Watch};
use handfast_link::observed::Observed;
use handfast_link::tun::{self, TunConfig};
use nix::sched::{CloneFlags, unshare};
use tokio::runtime::Runtime;

use crate::support::{apart, may_unshare};

pub(crate) const V4: &str = "10.77.0.1";
pub(crate) const V6: &str = "fd68:616e:6466:1::1";

/// How long a client may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// The services, and this thread in the namespace from which the kernel reaches them.
pub(crate) struct Inside {
    _services: Services,
    _host: Host,
    _runtime: Runtime,
}

/// Runs `test` beside the services, with `files` if there are any; loudly not without root.
pub(crate) fn inside(files: Option<PathBuf>, test: impl FnOnce(&Inside) + Send + 'static) {
    if may_unshare() {
        apart(move || test(&Inside::new(files)));
    }
}

impl Inside {
    fn new(files: Option<PathBuf>) -> Inside {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let tun = tun::open(&TunConfig::default()).unwrap();
        let mut route = netlink::Socket::route().unwrap();
        let index = netlink::interface_index(tun.name()).unwrap();
        route.set_quiet(index, 1500).unwrap();
        route.set_up(index).unwrap();
        for (address, prefix_len) in [("10.77.0.2", 24), ("fd68:616e:6466:1::2", 64)] {
            let address = address.parse().unwrap();
            let address = InterfaceAddress {
                address,
                prefix_len,
            };
            route.add_address(index, address).unwrap();
        }
        let addresses: [IpAddr; 2] = [V4, V6].map(|text| text.parse().unwrap());
        let watch = Watch::new(&addresses);
        let prefixes = [24, 64].into_iter().zip(addresses);
        let events = watch.clone();
        let host = Host::builder()
            .link(
                Observed::new(tun, Some(Box::new(watch.clone()))),
                prefixes.map(|(len, ip)| AddressPrefix::new(ip, len).unwrap()),
            )
            .trace(move |event| events.on_event(&event))
            .start()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let started = {
            let _entered = runtime.enter();
            services::start(&host.net(), &addresses, &watch, files)
        };
        Inside {
            _services: started.unwrap(),
            _host: host,
            _runtime: runtime,
        }
    }

    /// A connection of the kernel's to a port of the services.
    pub(crate) fn connect(&self, address: &str, port: u16) -> TcpStream {
        let to = SocketAddr::new(address.parse().unwrap(), port);
        let stream = TcpStream::connect_timeout(&to, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// What curl says; it must have exited with 0.
pub(crate) fn curl(arguments: &[&str]) -> Vec<u8> {
    let output = try_curl(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {said}");
    output.stdout
}

/// What curl says, however it ends.
pub(crate) fn try_curl(arguments: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--globoff", "--max-time"])
        .arg(PATIENCE.as_secs().to_string())
        .args(arguments)
        .output()
        .expect("these tests need curl")
}

/// As [`curl`], as text.
pub(crate) fn curl_text(arguments: &[&str]) -> String {
    String::from_utf8(curl(arguments)).unwrap()
}

/// The status of an answer, as a number.
pub(crate) fn status(arguments: &[&str]) -> String {
    let format = ["-o", "/dev/null", "-w", "%{http_code}"];
    curl_text(&[&format, arguments].concat())
}
