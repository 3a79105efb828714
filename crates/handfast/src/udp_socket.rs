use crate::engine::Core;
use crate::socket::copy_out;
use crate::waiters::Interest;
use crate::{Net, Readiness, error};
use bytes::Bytes;
use handfast_base::Instant;
use handfast_stack::udp::{Datagram, Outbound, UdpError, UdpFamily, UdpOptions};
use handfast_stack::{IfaceId, SocketId};
use handfast_wire::Payload;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

/// A UDP socket over a handfast stack, with the methods of tokio's `UdpSocket`.
///
/// Datagrams keep their boundaries. One that can never be sent (too long, no route) is an error to
/// the caller. Every async call may be cancelled and loses nothing.
pub struct UdpSocket {
    pub(crate) net: Net,
    id: SocketId,
}

impl UdpSocket {
    /// A socket bound to `local`; the unspecified address is all of its family (and `[::]` IPv4,
    /// too), port 0 is chosen.
    ///
    /// # Errors
    /// `AddrInUse`, or `AddrNotAvailable` when the address is not ours.
    // Async as tokio's is, though nothing here waits.
    pub async fn bind(net: &Net, local: SocketAddr) -> io::Result<UdpSocket> {
        UdpSocket::bind_with(net, local, UdpOptions::default())
    }

    /// As [`bind`](UdpSocket::bind), with options.
    ///
    /// # Errors
    /// As [`bind`](UdpSocket::bind).
    pub fn bind_with(net: &Net, local: SocketAddr, options: UdpOptions) -> io::Result<UdpSocket> {
        let family = match local.ip() {
            IpAddr::V4(_) => UdpFamily::V4,
            IpAddr::V6(ip) if ip.is_unspecified() => UdpFamily::Dual,
            IpAddr::V6(_) => UdpFamily::V6,
        };
        let opened = net
            .engine()
            .call(|core, _| core.stack.udp_open(family, options));
        // From here on dropping it closes it.
        let socket = UdpSocket {
            net: net.clone(),
            id: opened.map_err(error::from_udp)?,
        };
        let id = socket.id;
        net.engine()
            .call(|core, _| core.stack.udp_bind(id, local, None))
            .map_err(error::from_udp)?;
        Ok(socket)
    }

    /// Connects to one peer: the socket gets that peer's datagrams alone, sends there by default,
    /// and is told when nobody is there.
    ///
    /// # Errors
    /// At once for what could never succeed.
    pub async fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        self.call(|core, now| core.stack.udp_connect(self.id, remote, now))
    }

    /// Our address and port.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.look(|core| core.stack.udp().local(self.id))
    }

    /// The connected peer.
    ///
    /// # Errors
    /// `NotConnected` when there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.look(|core| core.stack.udp().remote(self.id))?
            .ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Sends a datagram to `to`, waiting for room if need be; returns its length.
    ///
    /// # Errors
    /// What the network said of an earlier datagram, once; why this one cannot be sent.
    pub async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.send_datagram(outbound(data, Some(to))).await?;
        Ok(data.len())
    }

    /// Sends a datagram to the connected peer.
    ///
    /// # Errors
    /// As [`send_to`](UdpSocket::send_to), and `NotConnected`.
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_datagram(outbound(data, None)).await?;
        Ok(data.len())
    }

    /// Sends a datagram by reference, or several of one size
    /// ([`segment_size`](Outbound::segment_size)).
    ///
    /// # Errors
    /// As [`send_to`](UdpSocket::send_to).
    pub async fn send_datagram(&self, mut datagram: Outbound) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(&mut datagram, Some(cx))).await
    }

    /// As [`send_to`](UdpSocket::send_to), without waiting.
    ///
    /// # Errors
    /// As [`send_to`](UdpSocket::send_to), and `WouldBlock`.
    pub fn try_send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<usize> {
        now_or_block(self.poll_send(&mut outbound(data, Some(to)), None))?;
        Ok(data.len())
    }

    /// As [`send`](UdpSocket::send), without waiting.
    ///
    /// # Errors
    /// As [`send`](UdpSocket::send), and `WouldBlock`.
    pub fn try_send(&self, data: &[u8]) -> io::Result<usize> {
        now_or_block(self.poll_send(&mut outbound(data, None), None))?;
        Ok(data.len())
    }

    /// Receives a datagram; what does not fit `out` is cut off. Returns its length and sender.
    ///
    /// # Errors
    /// What the network said of an earlier datagram, once.
    pub async fn recv_from(&self, out: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.recv_datagram().await?;
        Ok((copy_out(datagram.payload.slices(), out), datagram.remote))
    }

    /// As [`recv_from`](UdpSocket::recv_from), from the connected peer.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub async fn recv(&self, out: &mut [u8]) -> io::Result<usize> {
        self.recv_from(out).await.map(|(n, _)| n)
    }

    /// Receives a datagram by reference, with all that is known of its way.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub async fn recv_datagram(&self) -> io::Result<Datagram> {
        poll_fn(|cx| self.poll_receive(Some(cx))).await
    }

    /// As [`recv_from`](UdpSocket::recv_from), without waiting.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from), and `WouldBlock`.
    pub fn try_recv_from(&self, out: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = now_or_block(self.poll_receive(None))?;
        Ok((copy_out(datagram.payload.slices(), out), datagram.remote))
    }

    /// As [`recv_from`](UdpSocket::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub async fn peek_from(&self, out: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let seen = poll_fn(|cx| {
            self.net.engine().look(|core, _| {
                let seen = core
                    .stack
                    .udp()
                    .peek(self.id)
                    .map(|d| (d.payload.clone(), d.remote));
                self.wait_if_blocked(core, seen, Interest::Read, Some(cx))
            })
        });
        let (payload, remote) = seen.await?;
        Ok((copy_out(payload.slices(), out), remote))
    }

    /// Waits until any of `wanted` ([`Readiness::READABLE`], [`Readiness::WRITABLE`]) holds;
    /// returns all that holds.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn ready(&self, wanted: Readiness) -> io::Result<Readiness> {
        poll_fn(|cx| {
            self.net.engine().look(|core, _| {
                let ready = core
                    .stack
                    .udp()
                    .readiness(self.id)
                    .map_err(error::from_udp)?;
                if ready.intersects(wanted) {
                    return Poll::Ready(Ok(ready));
                }
                for (flag, interest) in [
                    (Readiness::READABLE, Interest::Read),
                    (Readiness::WRITABLE, Interest::Write),
                ] {
                    if wanted.contains(flag) {
                        core.wait(self.id, interest, cx.waker());
                    }
                }
                Poll::Pending
            })
        })
        .await
    }

    /// Waits until a datagram can be received.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Readiness::READABLE).await.map(drop)
    }

    /// Waits until a datagram can be sent.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Readiness::WRITABLE).await.map(drop)
    }

    /// Allows datagrams to broadcast addresses, or forbids them.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.configure(|options| options.broadcast = on)
    }

    /// Whether datagrams to broadcast addresses are allowed.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.look(|core| core.stack.udp().options(self.id).map(|o| o.broadcast))
    }

    /// The options of the socket.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn options(&self) -> io::Result<UdpOptions> {
        self.look(|core| core.stack.udp().options(self.id).cloned())
    }

    /// Changes any option of the socket.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn configure(&self, change: impl FnOnce(&mut UdpOptions)) -> io::Result<()> {
        self.call(|core, _| core.stack.udp_options_mut(self.id).map(change))
    }

    /// Joins a multicast group on an interface.
    ///
    /// # Errors
    /// `InvalidInput` for what is no group's address.
    pub fn join_multicast(&self, group: IpAddr, iface: IfaceId) -> io::Result<()> {
        self.call(|core, _| core.stack.udp_join(self.id, iface, group))
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn leave_multicast(&self, group: IpAddr, iface: IfaceId) -> io::Result<()> {
        self.call(|core, _| core.stack.udp_leave(self.id, iface, group))
    }

    /// Takes the error that waits on the socket.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let taken = self.call(|core, _| core.stack.udp_take_error(self.id))?;
        Ok(taken.map(|(_, why)| error::from_udp(why)))
    }

    fn call<R>(&self, f: impl FnOnce(&mut Core, Instant) -> Result<R, UdpError>) -> io::Result<R> {
        self.net.engine().call(f).map_err(error::from_udp)
    }

    fn look<R>(&self, f: impl FnOnce(&mut Core) -> Result<R, UdpError>) -> io::Result<R> {
        self.net
            .engine()
            .look(|core, _| f(core))
            .map_err(error::from_udp)
    }

    fn poll_send(
        &self,
        datagram: &mut Outbound,
        cx: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<()>> {
        self.net.engine().call(|core, now| {
            let sent = core.stack.udp_send(self.id, datagram, now);
            self.wait_if_blocked(core, sent, Interest::Write, cx)
        })
    }

    fn poll_receive(&self, cx: Option<&mut Context<'_>>) -> Poll<io::Result<Datagram>> {
        self.net.engine().look(|core, _| {
            let received = core.stack.udp_receive(self.id);
            self.wait_if_blocked(core, received, Interest::Read, cx)
        })
    }

    fn wait_if_blocked<T>(
        &self,
        core: &mut Core,
        result: Result<T, UdpError>,
        interest: Interest,
        cx: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<T>> {
        if matches!(result, Err(UdpError::WouldBlock)) {
            if let Some(cx) = cx {
                core.wait(self.id, interest, cx.waker());
            }
            return Poll::Pending;
        }
        Poll::Ready(result.map_err(error::from_udp))
    }
}

fn outbound(data: &[u8], to: Option<SocketAddr>) -> Outbound {
    let payload = Payload::from(Bytes::copy_from_slice(data));
    Outbound {
        to,
        payload,
        ..Outbound::default()
    }
}

fn now_or_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let id = self.id;
        self.net
            .engine()
            .close(id, |stack, _| _ = stack.udp_close(id));
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("local", &self.local_addr().ok())
            .finish()
    }
}
