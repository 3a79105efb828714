//! One connection that moves from this stack into the machine's kernel and back, while its peer
//! notices nothing. In a network namespace of its own, with root:
//!
//! `cargo build -p handfast --example carry && sudo unshare -n target/debug/examples/carry`

#[cfg(all(target_os = "linux", feature = "tun", feature = "blocking"))]
fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(not(all(target_os = "linux", feature = "tun", feature = "blocking")))]
fn main() {
    eprintln!("There is TCP_REPAIR on Linux only.");
}

#[cfg(all(target_os = "linux", feature = "tun", feature = "blocking"))]
mod linux {
    use handfast::blocking::TcpStream;
    use handfast::link::tun::{self, TunConfig};
    use handfast::stack::{AddressPrefix, IfaceId, Route};
    use handfast::{Host, Net, TcpSnapshot, repair};
    use std::io::{self, Read, Write};
    use std::net::TcpListener;
    use std::process::Command;

    const OURS: &str = "10.9.0.2/24";

    pub(crate) fn main() -> io::Result<()> {
        let tun = tun::open(&TunConfig {
            name: "hf0".into(),
            ..TunConfig::default()
        })?;
        let ours: AddressPrefix = OURS.parse().expect("an address");
        let host = Host::builder().link(tun, [ours]).start();
        let host = host.map_err(io::Error::other)?;
        let net = host.net();
        keep_way(&net);
        for command in [
            "ip link set lo up",
            "ip addr add 10.9.0.1/24 dev hf0",
            "ip link set hf0 up",
        ] {
            run(command)?;
        }
        let listener = TcpListener::bind("10.9.0.1:7")?;
        let echo = std::thread::spawn(move || {
            let (mut stream, from) = listener.accept()?;
            let mut line = [0; 64];
            loop {
                match stream.read(&mut line)? {
                    0 => return io::Result::Ok(()),
                    n => println!("  {from} says {:?}", String::from_utf8_lossy(&line[..n])),
                }
                stream.write_all(b"I hear you")?;
            }
        });

        let stream = TcpStream::connect(&net, "10.9.0.1:7")?;
        say(&stream, "I live in user space")?;

        let snapshot = stream.export()?;
        tell(&snapshot);
        own(&net, ours, false);
        run("ip addr add 10.9.0.2/32 dev lo")?;
        let stream = repair::import(&snapshot)?;
        say(&stream, "I am a socket of the kernel now")?;

        run("ip addr del 10.9.0.2/32 dev lo")?;
        let snapshot = repair::export(&stream)?;
        tell(&snapshot);
        own(&net, ours, true);
        drop(stream);
        let stream = TcpStream::import(&net, snapshot)?;
        say(&stream, "and here I am again")?;
        drop(stream);
        echo.join().expect("no panic")
    }

    fn say<S>(stream: &S, words: &str) -> io::Result<()>
    where
        for<'a> &'a S: Read + Write,
    {
        { stream }.write_all(words.as_bytes())?;
        let mut answer = [0; 10];
        { stream }.read_exact(&mut answer)
    }

    fn tell(snapshot: &TcpSnapshot) {
        let c = &snapshot.connection;
        println!(
            "{} -> {}: SND.NXT {}, RCV.NXT {}, {:?}, moves",
            snapshot.local, snapshot.remote, c.snd_nxt.0, c.rcv_nxt.0, c.timestamps
        );
    }

    /// The address is ours, or no longer.
    fn own(net: &Net, address: AddressPrefix, owned: bool) {
        net.with_stack(|stack, now| {
            // The one link there is beside the loopback keeps its way to the peer.
            let link = stack
                .routes()
                .find(|route| route.iface != IfaceId::LOOPBACK);
            let iface = link.expect("a link").iface;
            match owned {
                true => stack.add_address(iface, address, now).expect("an address"),
                false => _ = stack.remove_address(iface, address.address(), now),
            }
        });
    }

    /// A route to the peer that stays when the address goes.
    fn keep_way(net: &Net) {
        net.with_stack(|stack, now| {
            let link = stack
                .routes()
                .find(|route| route.iface != IfaceId::LOOPBACK);
            let iface = link.expect("a link").iface;
            let route = Route::new("10.9.0.1/32".parse().expect("a prefix"), None, iface);
            stack.add_route(route, now).expect("a route");
        });
    }

    fn run(command: &str) -> io::Result<()> {
        let status = Command::new("sh").args(["-c", command]).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(io::Error::other(command.to_string())),
        }
    }
}
