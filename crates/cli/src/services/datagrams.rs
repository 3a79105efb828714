//! The small services over UDP.

use std::io;
use std::net::{IpAddr, SocketAddr};

use handfast::stack::udp::{Outbound, UdpOptions};
use handfast::wire::Payload;
use handfast::{Net, UdpSocket};
use handfast_base::Rng;

use super::{Task, chargen, daytime, discard, echo};

/// No datagram from a port below is answered: well-known services live there (RFC 6335 section 6),
/// and two that answer each other would never come to an end.
const LOWEST: u16 = 1024;

/// Binds them on `address`.
///
/// # Errors
/// Those of binding, with the address.
pub(super) fn bind(tasks: &mut Vec<Task>, net: &Net, address: IpAddr) -> io::Result<()> {
    let bind = |port| {
        let local = SocketAddr::new(address, port);
        let named = |e: io::Error| io::Error::new(e.kind(), format!("UDP {local}: {e}"));
        UdpSocket::bind_with(net, local, UdpOptions::default()).map_err(named)
    };
    let mut chance = Rng::new(net.now().as_nanos());
    tasks.push(Box::pin(serve(bind(echo::PORT)?, Some)));
    tasks.push(Box::pin(serve(bind(discard::PORT)?, |_| None)));
    let daytime = |_| Some(Payload::from(daytime::line()));
    tasks.push(Box::pin(serve(bind(daytime::PORT)?, daytime)));
    let chargen = move |_| Some(Payload::from(chargen::datagram(&mut chance)));
    tasks.push(Box::pin(serve(bind(chargen::PORT)?, chargen)));
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
