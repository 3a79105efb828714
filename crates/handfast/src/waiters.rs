use handfast_stack::SocketId;
use handfast_tcp::Readiness;
use std::collections::HashMap;
use std::task::Waker;

/// What a task waits for on a socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Interest {
    /// Something to read or to accept, or the end of it.
    Read,
    /// Room to write, or a connection that is there.
    Write,
}

/// Who waits for what. Every task that waits is woken, two readers of one socket included.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    sockets: HashMap<SocketId, [Vec<Waker>; 2]>,
}

/// What lets a waiting reader go on.
pub(crate) const READ: Readiness = Readiness::READABLE
    .union(Readiness::READ_CLOSED)
    .union(Readiness::CLOSED)
    .union(Readiness::ERROR)
    .union(Readiness::URGENT);
/// What lets a waiting writer go on.
pub(crate) const WRITE: Readiness = Readiness::WRITABLE
    .union(Readiness::CONNECTED)
    .union(Readiness::WRITE_CLOSED)
    .union(Readiness::CLOSED)
    .union(Readiness::ERROR);

impl Waiters {
    /// Wakes `waker` when something happens on `id` that `interest` waits for.
    pub(crate) fn wait(&mut self, id: SocketId, interest: Interest, waker: &Waker) {
        let list = &mut self.sockets.entry(id).or_default()[interest as usize];
        if !list.iter().any(|w| w.will_wake(waker)) {
            list.push(waker.clone());
        }
    }

    /// Moves those who waited for `happened` on `id` to `woken`.
    pub(crate) fn take(&mut self, id: SocketId, happened: Readiness, woken: &mut Vec<Waker>) {
        let Some([readers, writers]) = self.sockets.get_mut(&id) else {
            return;
        };
        if happened.intersects(READ) {
            woken.append(readers);
        }
        if happened.intersects(WRITE) {
            woken.append(writers);
        }
    }

    /// What the task of `waker` waits for, in an order that does not depend on the table's.
    pub(crate) fn awaited_by(&self, waker: &Waker) -> Vec<(SocketId, Interest)> {
        let mut found = Vec::new();
        for (&id, [readers, writers]) in &self.sockets {
            let waits = |list: &[Waker]| list.iter().any(|w| w.will_wake(waker));
            if waits(readers) {
                found.push((id, Interest::Read));
            }
            if waits(writers) {
                found.push((id, Interest::Write));
            }
        }
        found.sort_unstable();
        found
    }

    /// Moves all who wait on `id` to `woken`: the socket is gone.
    pub(crate) fn remove(&mut self, id: SocketId, woken: &mut Vec<Waker>) {
        if let Some(lists) = self.sockets.remove(&id) {
            woken.extend(lists.into_iter().flatten());
        }
    }
}
