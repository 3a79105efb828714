use crate::links::Links;
use crate::waiters::{Interest, Waiters};
use handfast_base::Instant;
use handfast_link::Link;
use handfast_stack::address::{AddressPrefix, IfaceId};
use handfast_stack::{InterfaceConfig, InterfaceError, SocketId, Stack, TraceEvent};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Waker;

/// What an engine must be given: time, and somebody to tell when it wants to be driven.
pub trait Environment: Send + Sync {
    /// The time, on a monotonic clock.
    fn now(&self) -> Instant;

    /// Something happened outside [`Engine::poll`] that may move the deadline its
    /// [`Next`] told, to `deadline`. Called often and must be cheap.
    fn wake(&self, deadline: Option<Instant>);
}

/// A stack with its links and the tasks that wait on its sockets. It has no clock, no descriptor
/// and no thread: an [`Environment`] gives it time, and whoever owns it calls
/// [`poll`](Engine::poll).
///
/// One lock covers protocol work, and never a copy of data, a system call or a waker. Another
/// belongs to the links: whoever queues data carries it to the link, unless somebody is at it
/// already, who then carries that, too.
pub struct Engine {
    core: Mutex<Core>,
    links: Mutex<Links>,
    /// There is output that whoever holds `links` must look for once more before it lets go.
    dirty: AtomicBool,
    environment: Box<dyn Environment>,
}

/// What the stack's lock covers.
pub(crate) struct Core {
    pub(crate) stack: Stack,
    pub(crate) waiters: Waiters,
    woken: Vec<Waker>,
    trace: Option<Box<dyn FnMut(TraceEvent) + Send>>,
}

/// What an engine waits for after [`Engine::poll`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next {
    /// When to call again if nothing happens before; `None`: never.
    pub deadline: Option<Instant>,
    /// More packets may wait already: call again at once, after other duties.
    pub more: bool,
    /// A link took no more packets: call again when it has room.
    pub blocked: bool,
}

impl Engine {
    /// An engine without links.
    pub fn new(stack: Stack, environment: Box<dyn Environment>) -> Engine {
        Engine {
            core: Mutex::new(Core {
                stack,
                waiters: Waiters::default(),
                woken: Vec::new(),
                trace: None,
            }),
            links: Mutex::new(Links::new()),
            dirty: AtomicBool::new(false),
            environment,
        }
    }

    /// Attaches a link as an interface with these addresses; MTU and offloads are the link's.
    ///
    /// # Errors
    /// An [`InterfaceError`]; the link is dropped then.
    pub fn attach(
        &self,
        link: Box<dyn Link>,
        addresses: &[AddressPrefix],
    ) -> Result<IfaceId, InterfaceError> {
        let capabilities = *link.capabilities();
        let config = InterfaceConfig {
            mtu: capabilities.mtu,
            gso_max: capabilities.gso_tcp,
            gso_max_udp: capabilities.gso_udp,
            checksum_offload: capabilities.checksum,
            addresses: addresses.to_vec(),
            ..InterfaceConfig::default()
        };
        let mut links = self.links();
        let iface = self.core().stack.add_interface(config)?;
        links.attach(iface, link);
        Ok(iface)
    }

    /// Hands every event of the stack's trace to `sink`, which must not block. Events exist only
    /// if the stack was made with [`StackConfig::trace`](handfast_stack::StackConfig::trace).
    pub fn set_trace(&self, sink: Option<Box<dyn FnMut(TraceEvent) + Send>>) {
        self.core().trace = sink;
    }

    /// Works directly on the stack: interfaces, routes, metrics.
    pub fn with_stack<R>(&self, f: impl FnOnce(&mut Stack, Instant) -> R) -> R {
        self.call(|core, now| f(&mut core.stack, now))
    }

    /// Looks at the stack; nothing is driven by it.
    pub fn inspect<R>(&self, f: impl FnOnce(&Stack) -> R) -> R {
        f(&self.core().stack)
    }

    /// The sockets that the task of `waker` waits on, and what for: what a driver says of a task
    /// that nothing will ever wake.
    pub fn awaited_by(&self, waker: &Waker) -> Vec<(SocketId, Interest)> {
        self.core().waiters.awaited_by(waker)
    }

    /// Does all there is to do: carries packets in, lets timers run, wakes tasks, carries packets
    /// out. Bounded: when much arrives it returns with [`Next::more`].
    pub fn poll(&self) -> Next {
        let clock = || self.environment.now();
        let mut links = self.links();
        let more = links.receive(&clock, |work| self.with_core(|core| work(core)));
        let now = clock();
        self.with_core(|core| core.stack.timeout(now));
        self.transmit(&mut links);
        let blocked = links.tell_blocked();
        let deadline = links.poll_timeout();
        drop(links);
        // Whoever came while we held the links relies on us.
        let more = more || self.dirty.load(Ordering::Acquire);
        Next {
            deadline: deadline.into_iter().chain(self.poll_timer()).min(),
            more,
            blocked,
        }
    }

    /// When the stack next wants to be driven, links not considered; in the past of every clock
    /// when it has more to carry from one of its own addresses to another. What is queued after
    /// [`poll`](Engine::poll) returned may have moved it.
    pub fn poll_timer(&self) -> Option<Instant> {
        let core = self.core();
        if core.stack.has_output(IfaceId::LOOPBACK) {
            return Some(Instant::ZERO);
        }
        core.stack.poll_timer()
    }

    /// As [`poll_timer`](Engine::poll_timer), and when a link next has something of its own accord.
    /// Links that somebody is at are left out: [`Environment::wake`] is told of them afterwards.
    pub fn poll_deadline(&self) -> Option<Instant> {
        let link = match self.links.try_lock() {
            Ok(links) => links.poll_timeout(),
            Err(TryLockError::Poisoned(p)) => p.into_inner().poll_timeout(),
            Err(TryLockError::WouldBlock) => None,
        };
        link.into_iter().chain(self.poll_timer()).min()
    }

    /// Calls `f` with copies of the descriptors that [`poll`](Engine::poll) waits for, each with
    /// whether room to write is waited for, too. They may be waited for after this has returned; one
    /// that nobody else holds any more is that of a link which broke. An error is that of copying.
    pub fn with_sources<R>(
        &self,
        f: impl FnOnce(&mut dyn Iterator<Item = io::Result<(&Arc<OwnedFd>, bool)>>) -> R,
    ) -> R {
        let result = f(&mut self.links().sources());
        // Whoever came while we held the links relies on us.
        if self.dirty.load(Ordering::Acquire) {
            self.flush();
        }
        result
    }

    /// Takes the error of a link that broke. Its interface is removed, and what used it is told.
    pub fn take_link_failure(&self) -> Option<io::Error> {
        let (iface, error) = self.links().take_failure()?;
        self.call(|core, now| core.stack.remove_interface(iface, now));
        Some(error)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.environment.now()
    }

    // ---- for sockets ---------------------------------------------------------------------------

    /// One call of an application: protocol work under the lock, then wakers and output outside
    /// of it.
    pub(crate) fn call<R>(&self, f: impl FnOnce(&mut Core, Instant) -> R) -> R {
        let now = self.environment.now();
        let result = self.with_core(|core| f(core, now));
        self.flush();
        result
    }

    /// As [`call`](Engine::call) for what queues no output and moves no deadline.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&mut Core, Instant) -> R) -> R {
        let now = self.environment.now();
        self.with_core(|core| f(core, now))
    }

    /// Takes a socket out of the table; all who wait on it are woken.
    pub(crate) fn close(&self, id: SocketId, f: impl FnOnce(&mut Stack, Instant)) {
        self.call(|core, now| {
            f(&mut core.stack, now);
            core.waiters.remove(id, &mut core.woken);
        });
    }

    /// Carries output to the links, unless whoever holds them will.
    fn flush(&self) {
        self.dirty.store(true, Ordering::Release);
        let link = loop {
            let mut links = match self.links.try_lock() {
                Ok(links) => links,
                Err(TryLockError::Poisoned(p)) => p.into_inner(),
                // They look at `dirty` after they let go.
                Err(TryLockError::WouldBlock) => return,
            };
            self.transmit(&mut links);
            // What was carried to a link with a clock of its own has moved its deadline; and a
            // link that refused the rest is one to wait for.
            let link = links.poll_timeout();
            drop(links);
            if !self.dirty.load(Ordering::Acquire) {
                break link;
            }
        };
        self.environment
            .wake(link.into_iter().chain(self.poll_timer()).min());
    }

    fn transmit(&self, links: &mut Links) {
        loop {
            self.dirty.store(false, Ordering::Release);
            links.transmit(&|| self.environment.now(), |work| {
                self.with_core(|core| work(core))
            });
            if links.is_blocked() || !self.dirty.load(Ordering::Acquire) {
                break;
            }
        }
    }

    /// Works under the stack's lock, then wakes whom that concerns.
    fn with_core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core();
        let result = f(&mut core);
        core.collect();
        if core.woken.is_empty() {
            return result;
        }
        let mut woken = std::mem::take(&mut core.woken);
        drop(core);
        woken.drain(..).for_each(Waker::wake);
        // The list goes back, so that it is not allocated anew each time.
        let mut core = self.core();
        if core.woken.capacity() < woken.capacity() && core.woken.is_empty() {
            core.woken = woken;
        }
        result
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Waits on a socket: `waker` is called when something happens that `interest` waits for.
    pub(crate) fn wait(&mut self, id: SocketId, interest: Interest, waker: &Waker) {
        self.waiters.wait(id, interest, waker);
    }

    /// Collects what has happened: tasks to be woken, events to be told.
    fn collect(&mut self) {
        while let Some((id, happened)) = self.stack.poll_event() {
            self.waiters.take(id, happened, &mut self.woken);
        }
        if let Some(sink) = &mut self.trace {
            while let Some(event) = self.stack.poll_trace() {
                sink(event);
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
