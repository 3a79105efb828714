//! Datagrams of a program in memory to real sockets of the machine's loopback, and back.

mod errors;
mod mapping;
pub(crate) mod place;
mod published;
mod timeouts;
mod trains;
pub(crate) mod world;

use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;
use world::soon;

/// A socket of the machine's.
async fn peer(at: IpAddr) -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((at, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// What a socket of the machine's gets next.
async fn hears(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (len, from) = soon(socket.recv_from(&mut buffer)).await.unwrap();
    buffer.truncate(len);
    (buffer, from)
}
