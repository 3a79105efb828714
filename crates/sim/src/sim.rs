use crate::executor::{Executor, JoinHandle};
use crate::link::{Link, LinkConfig};
use crate::stuck::{Stuck, StuckTask, Why};
use crate::wire_log::{Traffic, WireLog};
use crate::{Clock, Elapsed, Host, Sleep};
use handfast::Interest;
use handfast::base::{Duration, Instant, Rng};
use handfast::stack::address::AddressPrefix;
use handfast::stack::{IfaceId, SocketId, SocketKind, StackConfig};
use handfast::trace::Recorder;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

/// A simulated network on virtual time: hosts, links between them, and the tasks that use their
/// sockets. One thread, one seed, no clock of this world: the same seed gives the same packets at
/// the same nanosecond.
///
/// Tasks get a [`Handle`], to which a `Sim` derefs. When a `Sim` is dropped, so are its tasks.
///
/// # Panics
/// Whatever drives time panics when a stack breaks its contract: holds more than its limits
/// allow, has a timer or output that nobody was told of, or wants to be polled again and again
/// without a packet moving.
pub struct Sim {
    handle: Handle,
    hosts: RefCell<Vec<Host>>,
    seeds: RefCell<Seeds>,
    horizon: Cell<Instant>,
}

/// What tasks of a simulation need of it; cheap to clone.
#[derive(Clone)]
pub struct Handle(Rc<Shared>);

struct Shared {
    clock: Clock,
    executor: Executor,
    log: WireLog,
}

/// One generator for each purpose, so that one host more does not change all links.
struct Seeds {
    hosts: Rng,
    links: Rng,
    apps: Rng,
}

/// Trace events that may wait in a stack between two looks.
const TRACE: usize = 65_536;
/// Tasks that run at one instant without a packet moving: beyond that, one of them spins.
const MAX_RUNS: u32 = 2_000_000;
/// Beyond that a run is called stuck, unless told otherwise.
const HORIZON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Sim {
    /// An empty network at time zero, whose whole future `seed` and its tasks decide.
    pub fn new(seed: u64) -> Sim {
        let mut seed = Rng::new(seed);
        Sim {
            handle: Handle(Rc::new(Shared {
                clock: Clock::default(),
                executor: Executor::default(),
                log: WireLog::default(),
            })),
            hosts: RefCell::default(),
            seeds: RefCell::new(Seeds {
                hosts: seed.fork(),
                links: seed.fork(),
                apps: seed.fork(),
            }),
            horizon: Cell::new(Instant::ZERO + HORIZON),
        }
    }

    // ---- topology ----------------------------------------------------------------------------

    /// A host with these addresses, `10.0.0.1/24` or `fd00::1/64`. Each works on the link to a
    /// host that has an address in the same network.
    ///
    /// # Panics
    /// If an address is malformed.
    pub fn host(&self, name: &str, addresses: &[&str]) -> Host {
        self.host_with(name, addresses, StackConfig::default())
    }

    /// As [`host`](Sim::host), with limits and defaults of its stack.
    ///
    /// # Panics
    /// If an address is malformed.
    pub fn host_with(&self, name: &str, addresses: &[&str], config: StackConfig) -> Host {
        let mut seed = [0; 32];
        self.seeds.borrow_mut().hosts.fork().fill(&mut seed);
        let trace = config.trace.max(TRACE);
        let config = StackConfig { trace, ..config };
        let number = self.hosts.borrow().len();
        let (clock, log) = (&self.handle.0.clock, &self.handle.0.log);
        let host = Host::new(number, name, addresses, config, seed, clock, log);
        self.hosts.borrow_mut().push(host.clone());
        host
    }

    /// A point-to-point link from `a` to `b`. Each end is an interface of its host, with those of
    /// the host's addresses that share a network with one of the other host.
    ///
    /// # Panics
    /// If there are no such addresses, or a stack refuses the interface: an MTU too small for
    /// IPv6, or a second link in the same network.
    pub fn connect(&self, a: &Host, b: &Host, config: LinkConfig) -> Link {
        let seed = self.seeds.borrow_mut().links.next_u64();
        let log = Box::new(self.handle.0.log.clone());
        let [first, second] = Link::ends(&config, seed, log);
        let attach = |host: &Host, end, other: &Host| {
            let addresses = common(host.addresses(), other.addresses());
            assert!(!addresses.is_empty(), "{a:?} and {b:?} share no network");
            host.attach_end(end, &addresses)
        };
        let ids: [IfaceId; 2] = [attach(a, &first, b), attach(b, &second, a)];
        Link::new([(a.number(), ids[0], first), (b.number(), ids[1], second)])
    }

    // ---- running -----------------------------------------------------------------------------

    /// Runs until all tasks in the foreground have ended.
    ///
    /// # Errors
    /// [`Stuck`] if that will never be, or not before the [horizon](Sim::set_horizon).
    pub fn run(&self) -> Result<(), Stuck> {
        let executor = &self.handle.0.executor;
        self.drive(self.horizon.get(), || !executor.has_unfinished())
            .map_err(|why| self.stuck(why))
    }

    /// Runs `future`, and all else, until it is done.
    ///
    /// # Errors
    /// As [`run`](Sim::run).
    #[track_caller]
    pub fn block_on<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Result<T, Stuck> {
        let (clock, result) = (self.horizon.get(), Rc::new(Cell::new(None)));
        let task = self.handle.spawn(future);
        let done = || {
            result.set(task.take());
            let value = result.take();
            let is_done = value.is_some();
            result.set(value);
            is_done
        };
        let driven = self.drive(clock, done);
        driven.map_err(|why| self.stuck(why))?;
        result.take().ok_or_else(|| self.stuck(Why::Deadlock))
    }

    /// Runs all there is until `at`, and stops the clock there.
    pub fn run_until(&self, at: Instant) {
        // To be over without being done is what was asked for.
        let _ = self.drive(at, || false);
        self.handle.0.clock.advance(at);
        while self.turn() {}
    }

    /// Runs all there is for so long.
    pub fn run_for(&self, duration: Duration) {
        self.run_until(self.now() + duration);
    }

    /// Runs until nothing is left to happen: no packet under way, no timer armed. Tasks may wait
    /// still. True if it came to that before the [horizon](Sim::set_horizon).
    pub fn run_to_rest(&self) -> bool {
        self.drive(self.horizon.get(), || false) == Err(Why::Deadlock)
    }

    /// When to call it stuck if it is not done; 30 days of virtual time at first.
    pub fn set_horizon(&self, at: Instant) {
        self.horizon.set(at);
    }

    // ---- looking -----------------------------------------------------------------------------

    /// One number for every packet and every state of every connection so far. The same seed and
    /// the same tasks give the same number.
    pub fn trace_hash(&self) -> u64 {
        self.handle.0.log.hash()
    }

    /// Has all packets and states recorded from now on, for ladders and captures. It changes
    /// nothing else.
    pub fn record(&self) -> Recorder {
        self.handle.0.log.record()
    }

    /// A generator for the use of tasks; each call gives another.
    pub fn rng(&self) -> Rng {
        self.seeds.borrow_mut().apps.fork()
    }

    /// A handle for tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    // ---- inside ------------------------------------------------------------------------------

    /// Runs until `done`, or until `limit` and all that happens then.
    fn drive(&self, limit: Instant, done: impl Fn() -> bool) -> Result<(), Why> {
        let clock = &self.handle.0.clock;
        loop {
            loop {
                if done() {
                    return Ok(());
                }
                if !self.turn() {
                    break;
                }
            }
            let hosts = self.hosts.borrow();
            hosts.iter().for_each(Host::check_at_rest);
            let deadlines = hosts.iter().map(Host::deadline);
            let next = deadlines.chain([clock.next_deadline()]).flatten().min();
            drop(hosts);
            match next {
                None => return Err(Why::Deadlock),
                Some(at) if at > limit => return Err(Why::Horizon),
                Some(at) => clock.advance(at),
            }
        }
    }

    /// Lets everybody run who wants to at this instant, once; false when nobody does.
    fn turn(&self) -> bool {
        let mut runs = 0;
        while let Some(number) = self.handle.0.executor.run_one() {
            runs += 1;
            assert!(
                runs < MAX_RUNS,
                "task {number} spins.\n{}",
                self.stuck(Why::Deadlock)
            );
        }
        let now = self.now();
        let mut polled = false;
        for host in &*self.hosts.borrow() {
            if host.deadline().is_some_and(|at| at <= now) {
                host.poll();
                polled = true;
            }
        }
        polled || runs > 0
    }

    fn stuck(&self, why: Why) -> Stuck {
        let mut tasks = Vec::new();
        self.handle.0.executor.for_each(|task| {
            tasks.push(StuckTask {
                name: task.name,
                is_foreground: task.is_foreground,
                awaits: self.awaits(&task.waker),
            });
        });
        tasks.sort_by_key(|task| (!task.is_foreground, task.name.number));
        let at = self.now();
        Stuck { at, why, tasks }
    }

    /// What the task with this waker waits for.
    fn awaits(&self, waker: &Waker) -> Vec<String> {
        let shared = &self.handle.0;
        let mut found: Vec<String> = Vec::new();
        for host in &*self.hosts.borrow() {
            for (id, interest) in host.net().engine().awaited_by(waker) {
                found.push(describe(host, id, interest));
            }
        }
        if let Some(at) = shared.clock.deadline_of(waker) {
            found.push(format!("{at:?}"));
        }
        shared.executor.for_each(|other| {
            let joiner = other.joiner.borrow();
            if joiner.as_ref().is_some_and(|w| w.will_wake(waker)) {
                found.push(format!("the end of {}", other.name));
            }
        });
        found
    }
}

impl Handle {
    /// Has `future` run as a task in the foreground: [`Sim::run`] waits for its end.
    #[track_caller]
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        self.0.executor.spawn(future, true, Location::caller())
    }

    /// As [`spawn`](Handle::spawn), but nobody waits for its end: a server, say.
    #[track_caller]
    pub fn spawn_background<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> JoinHandle<T> {
        self.0.executor.spawn(future, false, Location::caller())
    }

    /// Calls `f` at that instant; never if the simulation ends before.
    #[track_caller]
    pub fn at(&self, at: Instant, f: impl FnOnce() + 'static) {
        let sleep = self.0.clock.sleep_until(at);
        let work = async move {
            sleep.await;
            f();
        };
        drop(self.0.executor.spawn(work, false, Location::caller()));
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// As [`Clock::now`].
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// As [`Clock::sleep`].
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.0.clock.sleep(duration)
    }

    /// As [`Clock::sleep_until`].
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        self.0.clock.sleep_until(deadline)
    }

    /// As [`Clock::timeout`].
    ///
    /// # Errors
    /// [`Elapsed`].
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        self.0.clock.timeout(duration, future).await
    }

    /// What has crossed all links so far.
    pub fn traffic(&self) -> Traffic {
        self.0.log.traffic()
    }

    pub(crate) fn log(&self) -> &WireLog {
        &self.0.log
    }
}

impl Deref for Sim {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Tasks hold handles: else they would hold each other for ever.
        self.handle.0.executor.clear();
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("now", &self.now())
            .field("hosts", &self.hosts.borrow())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

/// Those of `ours` that share a network with one of `theirs`.
fn common(ours: &[AddressPrefix], theirs: &[AddressPrefix]) -> Vec<AddressPrefix> {
    let shared = |a: &&AddressPrefix| theirs.iter().any(|t| a.contains(t.address()));
    ours.iter().filter(shared).copied().collect()
}

fn describe(host: &Host, id: SocketId, interest: Interest) -> String {
    let name = host.name();
    let net = host.net();
    net.engine().inspect(|stack| match (id.kind(), interest) {
        (SocketKind::Listener, _) => match stack.tcp_listener_addr(id) {
            Some(local) => format!("a connection to {name} {local}"),
            None => format!("a listener on {name} that is gone"),
        },
        (SocketKind::Tcp, interest) => {
            let Some(c) = stack.tcp(id) else {
                return format!("a connection on {name} that is gone");
            };
            let what = match interest {
                Interest::Read => "to read from",
                Interest::Write => "to write to",
            };
            let info = c.info(net.now());
            format!(
                "{what} {} on {name} {} ({}, {} unread, {} unsent, {} in flight, window {})",
                c.peer_addr(),
                c.local_addr(),
                info.state,
                info.unread,
                info.unsent,
                info.in_flight,
                info.snd_wnd,
            )
        }
        (kind, _) => format!("a {kind:?} socket on {name}"),
    })
}
