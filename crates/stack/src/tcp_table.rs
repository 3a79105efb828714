//! All that has a tuple: connections, half-open connections, TIME-WAIT records, and the table in
//! which they are found.

use crate::demux::{Demux, Owner};
use crate::half_open::HalfOpen;
use crate::listener::Scope;
use crate::slots::Slots;
use crate::tcp_sockets::TcpSocket;
use crate::time_wait_table::TimeWaitTable;
use crate::tuple::{StoredTuple, Tuple};

#[derive(Debug)]
pub(crate) struct TcpTable {
    pub(crate) demux: Demux,
    pub(crate) connections: Slots<TcpSocket>,
    pub(crate) half_open: Slots<HalfOpen>,
    pub(crate) time_wait: TimeWaitTable,
}

impl TcpTable {
    pub(crate) fn new(key: &[u8; 16], max_time_wait: usize) -> TcpTable {
        TcpTable {
            demux: Demux::new(key),
            connections: Slots::new(),
            half_open: Slots::new(),
            time_wait: TimeWaitTable::new(max_time_wait),
        }
    }

    /// What the tuple belongs to.
    #[inline]
    pub(crate) fn owner_of(&self, tuple: &Tuple) -> Option<Owner> {
        let is_it = |owner| self.stored(owner).is_some_and(|stored| stored.is(tuple));
        self.demux.find(self.demux.tag(tuple), is_it)
    }

    #[inline]
    fn stored(&self, owner: Owner) -> Option<&StoredTuple> {
        Some(match owner {
            Owner::Connection(i) => &self.connections.get(i)?.tuple,
            Owner::SynReceived(i) => &self.half_open.get(i)?.tuple,
            Owner::TimeWait(i) => &self.time_wait.slots.get(i)?.tuple,
        })
    }

    /// Whether anything has a local address in `scope` and this port.
    pub(crate) fn uses_port(&self, scope: Scope, port: u16) -> bool {
        self.demux.any_with_port(port, |owner| {
            let local = self.stored(owner).map(|stored| stored.get().local);
            local.is_some_and(|l| l.port() == port && scope.takes(l.ip()))
        })
    }
}
