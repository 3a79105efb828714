//! Sockets that block, with the names, types and behaviour of `std::net`.
//!
//! ```
//! use handfast::Host;
//! use handfast::blocking::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! let host = Host::builder().start()?;
//! let net = host.net();
//! let listener = TcpListener::bind(&net, "127.0.0.1:7000")?;
//! let server = std::thread::spawn(move || {
//!     let (mut stream, _) = listener.accept()?;
//!     let mut greeting = String::new();
//!     stream.read_to_string(&mut greeting).map(|_| greeting)
//! });
//! TcpStream::connect(&net, "127.0.0.1:7000")?.write_all(b"hello")?;
//! assert_eq!(server.join().unwrap()?, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What differs from `std::net`: whoever makes a socket names the [`Net`](crate::Net) it is made in;
//! a name is looked up by the machine's resolver, not through the stack; an interface is named by
//! its [`IfaceId`](crate::stack::IfaceId); and what a stream has received and nobody has read is
//! gone when its reading side is [shut down](TcpStream::shutdown).
//!
//! # Which thread may block
//!
//! Any but one that the stack needs to go on. A [`Host`](crate::Host) has a thread of its own: all
//! of the application's may block. A host that is [driven](crate::host::HostBuilder::drive) as a
//! task must not be waited for by a task of the same runtime (there is `spawn_blocking`), for the
//! one thread that could drive it may be the one that waits. Nothing that the stack calls may
//! block: a trace, an observer, a waker. A simulated host has no time while a thread waits: use
//! the sockets for tasks there.

mod authentication;
mod beyond_std;
mod tcp_listener;
mod tcp_options;
mod tcp_stream;
#[cfg(all(test, feature = "host"))]
mod tests;
mod udp_socket;
mod wait;

pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};

/// Tries the addresses in turn; what the last one said if none will do.
fn first_of<T>(
    addresses: impl ToSocketAddrs,
    mut each: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_socket_addrs()? {
        match each(address) {
            Ok(done) => return Ok(done),
            Err(e) => last = Some(e),
        }
    }
    Err(last
        .unwrap_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the name has no addresses")))
}
