//! One connection, two processes: the first opens it and leaves in the middle of what it has to say,
//! with text in flight; what it was lies in a file then, as octets; the second goes on with it. The
//! peer, here the process that starts both, notices a pause. Needs no rights at all.
//!
//! `cargo run --release -p handfast --example move_between_processes`

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("There are links over Unix sockets on Linux only.");
}

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["leave", file] => linux::leave(file).await,
        ["go-on", file] => linux::go_on(file).await,
        _ => linux::stay().await,
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use handfast::link::datagram;
    use handfast::{Host, Net, TcpListener, TcpSnapshot, TcpStream};
    use sha2::{Digest, Sha256};
    use std::error::Error;
    use std::fs::OpenOptions;
    use std::io::{self, Write};
    use std::net::SocketAddr;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    type Outcome = Result<(), Box<dyn Error>>;

    /// Octets that each process says.
    const HALF: usize = 4 << 20;
    const MTU: u32 = 1500;

    /// The peer, with a stack of its own, and who starts the others.
    pub(crate) async fn stay() -> Outcome {
        let (ours, theirs) = UnixDatagram::pair()?;
        let address = "10.0.0.1/24".parse()?;
        let host = Host::builder().link(datagram::from_fd(ours.into(), MTU)?, [address]);
        let host = host.start()?;
        let listener = TcpListener::bind(&host.net(), peer()).await?;
        let heard = tokio::spawn(async move {
            let (mut stream, from) = listener.accept().await?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await?;
            stream.write_all(&Sha256::digest(&all)).await?;
            stream.shutdown().await?;
            io::Result::Ok((from, all.len()))
        });
        let file = std::env::temp_dir().join(format!("connection-{}", std::process::id()));
        for part in ["leave", "go-on"] {
            // Both have the same end of the socket, one after the other, as standard input.
            let mut process = Command::new(std::env::current_exe()?);
            process.arg(part).arg(&file);
            process.stdin(OwnedFd::from(theirs.try_clone()?));
            let ended = tokio::task::spawn_blocking(move || process.status()).await??;
            if !ended.success() {
                return Err(format!("{part}: {ended}").into());
            }
        }
        std::fs::remove_file(file)?;
        let (from, octets) = heard.await??;
        println!("the peer has heard {octets} octets from {from}, over one connection");
        Ok(())
    }

    /// Says the first half, and leaves.
    pub(crate) async fn leave(file: &str) -> Outcome {
        let (net, driver) = stack()?;
        tokio::spawn(driver);
        let mut stream = TcpStream::connect(&net, peer()).await?;
        stream.write_all(&text()[..HALF]).await?;
        let snapshot = stream.export()?;
        let connection = &snapshot.connection;
        let octets = snapshot.to_bytes();
        println!(
            "process {} leaves {} octets, {} of them in flight, in a file of {}",
            std::process::id(),
            connection.send.iter().map(|text| text.len()).sum::<usize>(),
            connection.snd_nxt.offset_from(connection.snd_una),
            octets.len()
        );
        // It holds what was said: nobody else may read it.
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)?;
        Ok(file.write_all(&octets)?)
    }

    /// Goes on where the other left, and says the second half.
    pub(crate) async fn go_on(file: &str) -> Outcome {
        let snapshot = TcpSnapshot::from_bytes(std::fs::read(file)?)?;
        let (net, driver) = stack()?;
        // Before anything that comes for it is looked at: the stack would answer with a reset.
        let mut stream = TcpStream::import(&net, snapshot)?;
        tokio::spawn(driver);
        println!("process {} goes on", std::process::id());
        let text = text();
        stream.write_all(&text[HALF..]).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        match answer == Sha256::digest(&text).as_slice() {
            true => Ok(()),
            false => Err("the peer has heard something else".into()),
        }
    }

    /// A stack whose one link is standard input.
    fn stack() -> Result<(Net, impl Future<Output = io::Result<()>> + Send), Box<dyn Error>> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let link = datagram::from_fd(socket, MTU)?;
        let address = "10.0.0.2/24".parse()?;
        Ok(Host::builder().link(link, [address]).drive()?)
    }

    fn peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 7))
    }

    fn text() -> Vec<u8> {
        (0..2 * HALF).map(|n| (n ^ n >> 8) as u8).collect()
    }
}
