//! Connections that move from one host to another while they are at work.

use crate::{Net, TcpConnector, TcpStream, error};
use handfast_stack::TcpSnapshot;
use std::io::{self, ErrorKind};

impl TcpStream {
    /// Takes the connection out of its stack as a value, with all that is in flight, unsent and
    /// unread. The stream, and every other handle to the connection, is closed by that; the peer
    /// hears nothing of it. Where its address goes, the connection can be
    /// [imported](TcpStream::import): for the peer there was a pause.
    ///
    /// For a minute this stack answers nothing that still comes for it.
    ///
    /// # Errors
    /// `NotConnected` when the socket is gone; `InvalidInput`, with an
    /// [`ExportError`](crate::ExportError) inside, when the connection is not ESTABLISHED, because
    /// one end has closed it: nothing has changed then.
    pub fn export(&self) -> io::Result<TcpSnapshot> {
        let id = self.0.id;
        let engine = self.0.net.engine();
        let exported = engine.call(|core, now| core.stack.tcp_export(id, now));
        let exported = exported.ok_or_else(error::gone)?;
        let snapshot = exported.map_err(|why| io::Error::new(ErrorKind::InvalidInput, why))?;
        // Whoever waits on it waits in vain.
        engine.close(id, |_, _| ());
        Ok(snapshot)
    }

    /// Puts a connection in that was [exported](TcpStream::export) elsewhere, with the options of
    /// the stack. Its address must be one of ours by now. What comes for it before is answered with a
    /// reset, so where that could be, import it before its link is driven: before the future of
    /// [`HostBuilder::drive`](crate::host::HostBuilder::drive) is polled.
    ///
    /// # Errors
    /// `InvalidInput` when the value is no connection; `AddrNotAvailable`, `AddrInUse`,
    /// `NetworkUnreachable`, `OutOfMemory` when there is no place for it here.
    pub fn import(net: &Net, snapshot: TcpSnapshot) -> io::Result<TcpStream> {
        TcpConnector::new().import(net, snapshot)
    }
}

impl TcpConnector {
    /// As [`TcpStream::import`], with these settings; where to connect from is the value's to say.
    ///
    /// # Errors
    /// As [`TcpStream::import`].
    pub fn import(self, net: &Net, snapshot: TcpSnapshot) -> io::Result<TcpStream> {
        let options = self.options;
        net.engine()
            .call(|core, now| core.stack.tcp_import(snapshot, options, now))
            .map(|id| TcpStream::from_id(net, id))
            .map_err(error::from_import)
    }
}
