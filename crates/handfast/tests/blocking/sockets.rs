//! Both kinds of sockets under one set of traits, whose methods are those of `std::net`.

use handfast::link::memory;
use handfast::{Host, Net, blocking};
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::time::Duration;

/// Where sockets are made: a client's machine and a server's.
pub(crate) trait Sockets: Sync {
    type Stream: Stream;
    type Listener: Listener<Stream = Self::Stream>;
    type Udp: Udp;

    fn connect(&self, to: &[SocketAddr]) -> io::Result<Self::Stream>;
    fn connect_timeout(&self, to: &SocketAddr, time: Duration) -> io::Result<Self::Stream>;
    fn listen_on(&self, port: u16) -> io::Result<Self::Listener>;
    fn listen_at_strangers(&self) -> io::Result<Self::Listener>;
    fn udp_client(&self) -> Self::Udp;
    fn udp_server(&self) -> Self::Udp;

    fn listen(&self) -> Self::Listener {
        self.listen_on(0).unwrap()
    }

    /// A connection: the client's end and the server's.
    fn pair(&self) -> (Self::Stream, Self::Stream) {
        let listener = self.listen();
        let client = self.connect(&[listener.local_addr().unwrap()]).unwrap();
        (client, listener.accept().unwrap().0)
    }
}

/// A trait of these methods, which both types have by themselves.
macro_rules! methods_of_both {
    ($trait:ident: $std:ty, $ours:ty; $($methods:tt)*) => {
        pub(crate) trait $trait: Debug + Send + Sync + Sized {
            $($methods)*
        }

        delegate!($trait for $std; $($methods)*);
        delegate!($trait for $ours; $($methods)*);
    };
}

macro_rules! delegate {
    ($trait:ident for $type:ty;
        $(fn $method:ident(&self $(, $name:ident: $of:ty)*) -> $result:ty;)*) => {
        impl $trait for $type {
            $(fn $method(&self $(, $name: $of)*) -> $result {
                <$type>::$method(self $(, $name)*)
            })*
        }
    };
}

methods_of_both! {
    StreamMethods: net::TcpStream, blocking::TcpStream;
    fn peer_addr(&self) -> io::Result<SocketAddr>;
    fn local_addr(&self) -> io::Result<SocketAddr>;
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
    fn try_clone(&self) -> io::Result<Self>;
    fn set_read_timeout(&self, dur: Option<Duration>) -> io::Result<()>;
    fn set_write_timeout(&self, dur: Option<Duration>) -> io::Result<()>;
    fn read_timeout(&self) -> io::Result<Option<Duration>>;
    fn write_timeout(&self) -> io::Result<Option<Duration>>;
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()>;
    fn nodelay(&self) -> io::Result<bool>;
    fn set_ttl(&self, ttl: u32) -> io::Result<()>;
    fn ttl(&self) -> io::Result<u32>;
    fn take_error(&self) -> io::Result<Option<io::Error>>;
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()>;
}

/// A stream, also behind a shared reference.
pub(crate) trait Stream: StreamMethods + Read + Write {
    fn read_shared(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn write_shared(&self, buf: &[u8]) -> io::Result<usize>;
}

impl<T: StreamMethods + Read + Write> Stream for T
where
    for<'a> &'a T: Read + Write,
{
    fn read_shared(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buf)
    }

    fn write_shared(&self, buf: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(buf)
    }
}

pub(crate) trait Listener: Debug + Send + Sync + Sized {
    type Stream;

    fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)>;
    fn incoming(&self) -> impl Iterator<Item = io::Result<Self::Stream>>;
    fn local_addr(&self) -> io::Result<SocketAddr>;
    fn try_clone(&self) -> io::Result<Self>;
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()>;
    fn take_error(&self) -> io::Result<Option<io::Error>>;
}

macro_rules! listener {
    ($($type:ty, $stream:ty;)*) => {
        $(impl Listener for $type {
            type Stream = $stream;

            fn accept(&self) -> io::Result<($stream, SocketAddr)> { <$type>::accept(self) }
            fn incoming(&self) -> impl Iterator<Item = io::Result<$stream>> {
                <$type>::incoming(self)
            }
            fn local_addr(&self) -> io::Result<SocketAddr> { <$type>::local_addr(self) }
            fn try_clone(&self) -> io::Result<Self> { <$type>::try_clone(self) }
            fn set_nonblocking(&self, on: bool) -> io::Result<()> {
                <$type>::set_nonblocking(self, on)
            }
            fn take_error(&self) -> io::Result<Option<io::Error>> { <$type>::take_error(self) }
        })*
    };
}

listener! {
    net::TcpListener, net::TcpStream;
    blocking::TcpListener, blocking::TcpStream;
}

methods_of_both! {
    Udp: net::UdpSocket, blocking::UdpSocket;
    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
    fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
    fn send_to(&self, buf: &[u8], to: SocketAddr) -> io::Result<usize>;
    fn connect(&self, to: SocketAddr) -> io::Result<()>;
    fn try_clone(&self) -> io::Result<Self>;
    fn peer_addr(&self) -> io::Result<SocketAddr>;
    fn local_addr(&self) -> io::Result<SocketAddr>;
    fn set_read_timeout(&self, dur: Option<Duration>) -> io::Result<()>;
    fn set_write_timeout(&self, dur: Option<Duration>) -> io::Result<()>;
    fn read_timeout(&self) -> io::Result<Option<Duration>>;
    fn write_timeout(&self) -> io::Result<Option<Duration>>;
    fn set_broadcast(&self, on: bool) -> io::Result<()>;
    fn broadcast(&self) -> io::Result<bool>;
    fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()>;
    fn multicast_loop_v4(&self) -> io::Result<bool>;
    fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()>;
    fn multicast_ttl_v4(&self) -> io::Result<u32>;
    fn set_ttl(&self, ttl: u32) -> io::Result<()>;
    fn ttl(&self) -> io::Result<u32>;
    fn take_error(&self) -> io::Result<Option<io::Error>>;
    fn send(&self, buf: &[u8]) -> io::Result<usize>;
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn set_nonblocking(&self, on: bool) -> io::Result<()>;
}

/// The system's sockets on its loopback.
pub(crate) struct Std;

impl Sockets for Std {
    type Stream = net::TcpStream;
    type Listener = net::TcpListener;
    type Udp = net::UdpSocket;

    fn connect(&self, to: &[SocketAddr]) -> io::Result<net::TcpStream> {
        net::TcpStream::connect(to)
    }

    fn connect_timeout(&self, to: &SocketAddr, time: Duration) -> io::Result<net::TcpStream> {
        net::TcpStream::connect_timeout(to, time)
    }

    fn listen_on(&self, port: u16) -> io::Result<net::TcpListener> {
        net::TcpListener::bind(("127.0.0.1", port))
    }

    fn listen_at_strangers(&self) -> io::Result<net::TcpListener> {
        net::TcpListener::bind("192.0.2.1:0")
    }

    fn udp_client(&self) -> net::UdpSocket {
        net::UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    fn udp_server(&self) -> net::UdpSocket {
        self.udp_client()
    }
}

/// Ours, of two hosts joined by a link in memory.
pub(crate) struct Ours {
    client: Net,
    server: Net,
    _hosts: [Host; 2],
}

impl Ours {
    pub(crate) fn new() -> Ours {
        let (left, right) = memory::pair(&memory::Config::default());
        let host = |link, address: &str| {
            let builder = Host::builder().link(link, [address.parse().unwrap()]);
            builder.start().unwrap()
        };
        let hosts = [host(left, "10.0.0.1/24"), host(right, "10.0.0.2/24")];
        Ours {
            client: hosts[0].net(),
            server: hosts[1].net(),
            _hosts: hosts,
        }
    }
}

impl Sockets for Ours {
    type Stream = blocking::TcpStream;
    type Listener = blocking::TcpListener;
    type Udp = blocking::UdpSocket;

    fn connect(&self, to: &[SocketAddr]) -> io::Result<blocking::TcpStream> {
        blocking::TcpStream::connect(&self.client, to)
    }

    fn connect_timeout(&self, to: &SocketAddr, time: Duration) -> io::Result<blocking::TcpStream> {
        blocking::TcpStream::connect_timeout(&self.client, to, time)
    }

    fn listen_on(&self, port: u16) -> io::Result<blocking::TcpListener> {
        blocking::TcpListener::bind(&self.server, ("10.0.0.2", port))
    }

    fn listen_at_strangers(&self) -> io::Result<blocking::TcpListener> {
        blocking::TcpListener::bind(&self.server, "192.0.2.1:0")
    }

    fn udp_client(&self) -> blocking::UdpSocket {
        blocking::UdpSocket::bind(&self.client, "10.0.0.1:0").unwrap()
    }

    fn udp_server(&self) -> blocking::UdpSocket {
        blocking::UdpSocket::bind(&self.server, "10.0.0.2:0").unwrap()
    }
}

/// Calls `wait` in a thread and then `act`; fails when `wait` has not returned 60 s later.
pub(crate) fn while_waiting<R: Send>(wait: impl FnOnce() -> R + Send, act: impl FnOnce()) -> R {
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        scope.spawn(move || _ = tell.send(wait()));
        // Long enough for it to be waiting, most likely; the outcome does not depend on it.
        std::thread::park_timeout(Duration::from_millis(30));
        act();
        match told.recv_timeout(Duration::from_secs(60)) {
            Ok(result) => result,
            Err(e) => {
                eprintln!("a wake was lost: {e}");
                // The scope would wait for it for ever.
                std::process::abort()
            }
        }
    })
}
