//! Small servers inside the tests' own process; threads that a world starts are in its network.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

/// Serves each connection in a thread of its own; dropping it stops accepting.
pub(crate) struct Service {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start<F>(address: impl Into<SocketAddr>, serve: F) -> Service
    where
        F: Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    {
        let address = address.into();
        let listener = TcpListener::bind(address).unwrap();
        // Beyond 128 at once the kernel falls back on SYN cookies, and then on silence.
        rustix::net::listen(&listener, 4096).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serve = Arc::new(serve);
        let thread = spawn(move || {
            for connection in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let serve = serve.clone();
                // A client that goes away is no fault of the server.
                spawn(move || serve(connection?));
            }
        });
        Service {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// Answers each datagram; dropping it ends that.
pub(crate) struct Datagrams {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Datagrams {
    pub(crate) fn start<F>(address: impl Into<SocketAddr>, answer: F) -> Datagrams
    where
        F: Fn(&[u8], SocketAddr) -> Option<Vec<u8>> + Send + 'static,
    {
        let address = address.into();
        let socket = UdpSocket::bind(address).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                if let Some(answer) = answer(&buffer[..length], from) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Datagrams {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let local: SocketAddr = (self.address.ip(), 0).into();
        let woken = UdpSocket::bind(local).and_then(|s| s.send_to(&[], self.address));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}
