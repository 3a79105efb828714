//! The small services over UDP.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use handfast::stack::udp::{Outbound, UdpOptions};
use handfast::wire::Payload;
use handfast::{Net, UdpSocket};
use handfast_base::Rng;
use tokio::task::JoinSet;

use super::{chargen, daytime, discard, echo};

/// No datagram from a port below is answered: well-known services live there (RFC 6335 section 6),
/// and two that answer each other would never come to an end.
const LOWEST: u16 = 1024;

/// Starts them on `address`.
///
/// # Errors
/// Those of binding, with the address.
pub(super) fn start(tasks: &mut JoinSet<()>, net: &Net, address: IpAddr) -> io::Result<()> {
    let bind = |port| {
        let local = SocketAddr::new(address, port);
        let named = |e: io::Error| io::Error::new(e.kind(), format!("UDP {local}: {e}"));
        UdpSocket::bind_with(net, local, UdpOptions::default()).map_err(named)
    };
    let mut chance = Rng::new(net.now().as_nanos());
    tasks.spawn(serve(bind(echo::PORT)?, Some));
    tasks.spawn(serve(bind(discard::PORT)?, |_| None));
    tasks.spawn(serve(bind(daytime::PORT)?, |_| Some(text(daytime::line()))));
    tasks.spawn(serve(bind(chargen::PORT)?, move |_| {
        Some(text(chargen::datagram(&mut chance)))
    }));
    Ok(())
}

/// Answers each datagram with what `answer` makes of it.
async fn serve(socket: UdpSocket, mut answer: impl FnMut(Payload) -> Option<Payload>) {
    loop {
        match socket.recv_datagram().await {
            Ok(datagram) if datagram.remote.port() < LOWEST => {}
            Ok(datagram) => {
                if let Some(payload) = answer(datagram.payload) {
                    let to = Some(datagram.remote);
                    // An answer that cannot be sent is lost, as any datagram may be.
                    let _ = socket
                        .send_datagram(Outbound {
                            to,
                            payload,
                            ..Outbound::default()
                        })
                        .await;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotConnected => return,
            // What the network says of an earlier answer.
            Err(_) => {}
        }
    }
}

fn text(octets: Bytes) -> Payload {
    Payload::from(octets)
}
