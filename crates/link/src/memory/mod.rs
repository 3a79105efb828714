//! Two ends joined in memory: packets change hands by reference, without delay.
//!
//! A full queue pushes back and never drops. What an end takes it leaves as it was: a
//! super-segment stays one packet, and a checksum the sender left
//! [`Partial`](handfast_wire::Checksum::Partial) arrives so, for it has crossed no wire.
//!
//! ```
//! use handfast_base::Instant;
//! use handfast_link::{Link, memory};
//! use handfast_wire::{Batch, Packet};
//!
//! let (mut left, mut right) = memory::pair(&memory::Config::default());
//! let mut batch = Batch::new(8);
//! batch.push(Packet::from_bytes("hello".into())).unwrap();
//! assert_eq!(left.transmit(Instant::ZERO, &mut batch)?, 1);
//! assert_eq!(right.receive(Instant::ZERO, &mut batch)?, 1);
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(test)]
mod tests;

use crate::{Capabilities, Link, Source};
use handfast_base::Instant;
use handfast_wire::Batch;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// How a pair is built; both ends are alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// What the ends say they can do. A pair can do all of it: nothing is cut, summed or dropped.
    pub capabilities: Capabilities,
    /// Packets (super-segments count as one) that may wait in each direction, at least 1.
    pub queue: usize,
}

impl Default for Config {
    /// IP packets of at most 1,500 octets, checksums left to the link, no super-segments, 1,024
    /// packets a direction.
    fn default() -> Config {
        Config {
            capabilities: Capabilities {
                checksum: true,
                ..Capabilities::ip(1500)
            },
            queue: 1024,
        }
    }
}

/// Two ends: what one transmits the other receives.
pub fn pair(config: &Config) -> (MemoryLink, MemoryLink) {
    let lanes = [(); 2].map(|()| Arc::new(Lane::new(config.queue)));
    let end = |send: usize| MemoryLink {
        capabilities: config.capabilities,
        send: lanes[send].clone(),
        receive: lanes[1 - send].clone(),
    };
    (end(0), end(1))
}

/// One end of a [`pair`]; each may live on a thread of its own.
///
/// When the other end is dropped, what it had sent is still received; then both calls fail with
/// [`io::ErrorKind::BrokenPipe`].
#[derive(Debug)]
pub struct MemoryLink {
    capabilities: Capabilities,
    send: Arc<Lane>,
    receive: Arc<Lane>,
}

impl Link for MemoryLink {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, _now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let lane = &*self.receive;
        if lane.waiting.load(Ordering::Acquire) == 0 {
            // Closed is stored after the last packet was: look at both again in this order.
            let closed = lane.closed.load(Ordering::Acquire);
            if lane.waiting.load(Ordering::Acquire) == 0 {
                return if closed { Err(gone()) } else { Ok(0) };
            }
        }
        let mut state = lane.lock();
        let count = batch.append(&mut state.packets, usize::MAX);
        lane.waiting.store(state.packets.len(), Ordering::Release);
        let wake = (count > 0 && state.refused)
            .then(|| {
                state.refused = false;
                state.sender.clone()
            })
            .flatten();
        drop(state);
        wake.inspect(Waker::wake_by_ref);
        Ok(count)
    }

    fn transmit(&mut self, _now: Instant, batch: &mut Batch) -> io::Result<usize> {
        let lane = &*self.send;
        if lane.closed.load(Ordering::Acquire) {
            return Err(gone());
        }
        if batch.is_empty() {
            return Ok(0);
        }
        let mut state = lane.lock();
        let was_empty = state.packets.is_empty();
        let count = state.packets.append(batch, usize::MAX);
        state.refused = !batch.is_empty();
        lane.waiting.store(state.packets.len(), Ordering::Release);
        let wake = was_empty.then(|| state.receiver.clone()).flatten();
        drop(state);
        wake.inspect(Waker::wake_by_ref);
        Ok(count)
    }

    /// In the past while packets wait, else none.
    fn poll_timeout(&self) -> Option<Instant> {
        (self.receive.waiting.load(Ordering::Acquire) > 0).then_some(Instant::ZERO)
    }

    fn readiness(&self) -> Source<'_> {
        Source::Polled
    }

    /// When packets arrive where none waited, when there is room again after a partial send, and
    /// when the other end is dropped.
    fn set_waker(&mut self, waker: &Waker) {
        self.receive.lock().receiver = Some(waker.clone());
        self.send.lock().sender = Some(waker.clone());
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        for lane in [&self.send, &self.receive] {
            let mut state = lane.lock();
            lane.closed.store(true, Ordering::Release);
            let wakers = [state.receiver.take(), state.sender.take()];
            drop(state);
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

/// The error of an end whose other end was dropped.
pub(crate) fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other end was dropped")
}

/// One direction.
#[derive(Debug)]
struct Lane {
    state: Mutex<State>,
    /// Packets in it, so that asking an empty lane takes no lock.
    waiting: AtomicUsize,
    closed: AtomicBool,
}

#[derive(Debug)]
struct State {
    packets: Batch,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    /// Whether the last send was partial.
    refused: bool,
}

impl Lane {
    fn new(limit: usize) -> Lane {
        Lane {
            state: Mutex::new(State {
                packets: Batch::new(limit),
                receiver: None,
                sender: None,
                refused: false,
            }),
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
