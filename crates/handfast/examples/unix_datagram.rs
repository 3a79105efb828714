//! Packet in, socket out: IP packets come over a Unix socket, one a datagram, as sandboxes and VPN
//! clients hand over a network by a descriptor; their TCP ends here, and what it carries goes on
//! over ordinary sockets of this machine. Needs no rights at all.
//!
//! ```text
//! cargo run --release -p handfast --example unix_datagram
//! cargo run --release -p handfast --example unix_datagram -- -
//! ```
//!
//! The first plays both sides: a "sandbox" with a stack of its own and nothing but that socket fetches
//! a page from a server of this machine. With `-` the socket is standard input, as whoever starts
//! this program has connected it (`SOCK_DGRAM`, or `SOCK_SEQPACKET`, of which alone it hears the
//! end), and any address is reached; 10.0.0.1 stands for the loopback of this machine. In Python:
//!
//! ```text
//! ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
//! subprocess.Popen(["unix_datagram", "-"], stdin=theirs)
//! ours.send(packet)    # from 10.0.0.2, without any link header
//! ```

use handfast::link::datagram;
use handfast::{Host, PendingSyn, TcpListener, blocking, stack};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Largest IP packet on the socket, in octets.
const MTU: u32 = 1500;
/// Our address on the socket, which stands for the loopback of this machine.
const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("-") {
        return relay(io::stdin().as_fd().try_clone_to_owned()?).await;
    }
    let (ours, theirs) = UnixDatagram::pair()?;
    tokio::spawn(async move {
        let over = relay(ours.into()).await.map_err(|e| e.to_string());
        eprintln!("the relay is over: {over:?}");
    });

    let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    std::thread::spawn(move || -> io::Result<()> {
        let (mut stream, peer) = server.accept()?;
        let mut request = [0; 1000];
        let len = stream.read(&mut request)?;
        let line = String::from_utf8_lossy(&request[..len]);
        let line = line.lines().next().unwrap_or_default();
        write!(
            stream,
            "HTTP/1.0 200 OK\r\n\r\nthe machine's own socket heard {line:?} from {peer}\n"
        )
    });
    let page = tokio::task::spawn_blocking(move || sandbox(theirs.into(), port)).await?;
    print!("{}", page.map_err(|e| e.to_string())?);
    Ok(())
}

/// All that a sandbox has is the socket.
fn sandbox(fd: OwnedFd, port: u16) -> Result<String, Box<dyn Error + Send + Sync>> {
    let link = datagram::from_fd(fd, MTU)?;
    let host = Host::builder()
        .link(link, ["10.0.0.2/24".parse()?])
        .start()?;
    let mut stream = blocking::TcpStream::connect(&host.net(), (US, port))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

/// Ends every connection that comes over `fd` here, and carries it on, until the other end of it is
/// gone.
async fn relay(fd: OwnedFd) -> Result<(), Box<dyn Error>> {
    let link = datagram::from_fd(fd, MTU)?;
    let address = format!("{US}/24").parse()?;
    let (net, drive) = Host::builder().link(link, [address]).drive()?;
    // Every address, every port, and each connection waits until its destination has answered.
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let listener = TcpListener::builder()
        .accept_any()
        .pending()
        .bind(&net, any)?;
    // No packet is read before there is somebody to take it.
    tokio::spawn(drive);
    let mut look = tokio::time::interval(Duration::from_secs(1));
    loop {
        let syn = tokio::select! {
            syn = listener.pending() => syn?,
            _ = look.tick() => match net.engine().take_link_failure() {
                Some(gone) => return Err(gone.into()),
                None => continue,
            },
        };
        tokio::spawn(async move {
            let (from, to) = (syn.peer_addr(), syn.local_addr());
            if let Err(e) = carry(syn, to).await {
                eprintln!("{from} to {to}: {e}");
            }
        });
    }
}

async fn carry(syn: PendingSyn, mut to: SocketAddr) -> io::Result<()> {
    if to.ip() == IpAddr::V4(US) {
        to.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let mut outside = match tokio::net::TcpStream::connect(to).await {
        Ok(outside) => outside,
        Err(e) => {
            syn.reject(stack::Reject::Reset);
            return Err(e);
        }
    };
    let mut inside = syn.accept().await?;
    tokio::io::copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}
