use crate::Clock;
use crate::link::SharedEnd;
use crate::wire_log::WireLog;
use handfast::base::Instant;
use handfast::link::Link as LinkTrait;
use handfast::stack::address::AddressPrefix;
use handfast::stack::route::Route;
use handfast::stack::{IfaceId, Stack, StackConfig, Usage};
use handfast::{Engine, Environment, Net};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

/// A host of a simulation: a stack of its own. A handle; cheap to clone.
#[derive(Clone)]
pub struct Host(Rc<Inner>);

struct Inner {
    number: usize,
    name: String,
    net: Net,
    desk: Arc<Desk>,
    limits: StackConfig,
    addresses: Vec<AddressPrefix>,
    ends: RefCell<Vec<SharedEnd>>,
    interfaces: RefCell<Vec<IfaceId>>,
    /// There are links that are no [`SharedEnd`]; only the engine knows their deadlines.
    has_foreign_links: Cell<bool>,
    link_deadline: Cell<Option<Instant>>,
    is_blocked: Cell<bool>,
    effort: Cell<Effort>,
    peak: Cell<Option<Usage>>,
}

/// Where a host's engine and its links leave word.
struct Desk {
    clock: Clock,
    /// When the engine's next timer is due, in nanoseconds; `u64::MAX`: never.
    timer: AtomicU64,
    /// Something about a link has changed.
    links_moved: AtomicBool,
}

impl Wake for Desk {
    fn wake(self: Arc<Self>) {
        self.links_moved.store(true, Ordering::Relaxed);
    }
}

struct DeskEnvironment(Arc<Desk>);

impl Environment for DeskEnvironment {
    fn now(&self) -> Instant {
        self.0.clock.now()
    }

    fn wake(&self, deadline: Option<Instant>) {
        self.0.set_timer(deadline);
    }
}

impl Desk {
    fn set_timer(&self, deadline: Option<Instant>) {
        let at = deadline.unwrap_or(Instant::FAR_FUTURE);
        self.timer.store(at.as_nanos(), Ordering::Relaxed);
    }

    fn timer(&self) -> Option<Instant> {
        let at = Instant::from_nanos(self.timer.load(Ordering::Relaxed));
        (at != Instant::FAR_FUTURE).then_some(at)
    }
}

/// What it took to get through one instant of virtual time.
#[derive(Clone, Copy, Default)]
struct Effort {
    at: Instant,
    polls: u32,
    /// Polls in a row in which no packet moved, though more was asked for.
    vain: u32,
    packets: u64,
}

/// Polls of one host at one instant; even a link without delay does not need so many.
const MAX_POLLS: u32 = 1_000_000;
/// Polls in a row that move no packet and still want to be repeated at once.
const MAX_VAIN_POLLS: u32 = 8;

impl Host {
    /// By which sockets are made.
    pub fn net(&self) -> &Net {
        &self.0.net
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its first address.
    ///
    /// # Panics
    /// If it has none.
    pub fn ip(&self) -> IpAddr {
        self.addresses()[0].address()
    }

    /// Its addresses, in the order in which they were given.
    pub fn addresses(&self) -> &[AddressPrefix] {
        &self.0.addresses
    }

    /// The most that its stack has held of each at any time.
    pub fn peak_usage(&self) -> Usage {
        let now = self.net().engine().inspect(Stack::usage);
        self.0.peak.get().unwrap_or(now)
    }

    /// Adds a route by the interface `iface`: see [`Link::interface`](crate::Link::interface).
    ///
    /// # Panics
    /// If the prefix is malformed or the stack refuses the route.
    pub fn add_route(&self, prefix: &str, gateway: Option<IpAddr>, iface: IfaceId) {
        let route = Route::new(parse(prefix), gateway, iface);
        let added = self
            .net()
            .with_stack(|stack, now| stack.add_route(route, now));
        added.unwrap_or_else(|e| panic!("{self:?}: route {prefix}: {e}"));
    }

    /// Attaches any link, with these addresses beside those of the host: the one end of a
    /// `handfast::link::memory` pair, say, whose other end a test holds.
    ///
    /// # Panics
    /// If an address is malformed or the stack refuses the interface.
    pub fn attach(&self, link: Box<dyn LinkTrait>, addresses: &[&str]) -> IfaceId {
        self.0.has_foreign_links.set(true);
        let addresses: Vec<_> = addresses.iter().map(|a| parse(a)).collect();
        self.attach_link(link, &addresses)
    }

    pub(crate) fn new(
        number: usize,
        name: &str,
        addresses: &[&str],
        config: StackConfig,
        seed: [u8; 32],
        clock: &Clock,
        log: &WireLog,
    ) -> Host {
        let desk = Arc::new(Desk {
            clock: clock.clone(),
            timer: AtomicU64::new(u64::MAX),
            links_moved: AtomicBool::new(false),
        });
        let limits = config.clone();
        let environment = Box::new(DeskEnvironment(Arc::clone(&desk)));
        let engine = Engine::new(Stack::new(config, seed), environment);
        let log = log.clone();
        engine.set_trace(Some(Box::new(move |event| log.on_event(number, &event))));
        Host(Rc::new(Inner {
            number,
            name: name.to_owned(),
            net: Net::new(Arc::new(engine)),
            desk,
            limits,
            addresses: addresses.iter().map(|a| parse(a)).collect(),
            ends: RefCell::default(),
            interfaces: RefCell::default(),
            has_foreign_links: Cell::new(false),
            link_deadline: Cell::new(None),
            is_blocked: Cell::new(false),
            effort: Cell::default(),
            peak: Cell::new(None),
        }))
    }

    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    pub(crate) fn attach_end(&self, end: &SharedEnd, addresses: &[AddressPrefix]) -> IfaceId {
        self.0.ends.borrow_mut().push(end.clone());
        self.attach_link(Box::new(end.clone()), addresses)
    }

    fn attach_link(&self, mut link: Box<dyn LinkTrait>, addresses: &[AddressPrefix]) -> IfaceId {
        link.set_waker(&Waker::from(Arc::clone(&self.0.desk)));
        let attached = self.net().engine().attach(link, addresses);
        let id = attached.unwrap_or_else(|e| panic!("{self:?}: {e}"));
        self.0.interfaces.borrow_mut().push(id);
        self.0.desk.links_moved.store(true, Ordering::Relaxed);
        id
    }

    /// When its engine is to be polled next; `Instant::ZERO` is as soon as possible.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let host = &*self.0;
        if host.desk.links_moved.swap(false, Ordering::Relaxed) {
            let now = host.has_foreign_links.get() || host.is_blocked.get();
            let deadline = match now {
                true => Some(Instant::ZERO),
                false => self.ends_deadline(),
            };
            host.link_deadline.set(deadline);
        }
        let times = [host.desk.timer(), host.link_deadline.get()];
        times.into_iter().flatten().min()
    }

    /// Polls its engine, and checks that this was worth it and kept all limits.
    pub(crate) fn poll(&self) {
        let host = &*self.0;
        let engine = host.net.engine();
        host.desk.links_moved.store(false, Ordering::Relaxed);
        let next = engine.poll();
        if let Some(error) = engine.take_link_failure() {
            panic!("{self:?}: a link failed: {error}");
        }
        host.is_blocked.set(next.blocked);
        host.desk.set_timer(engine.poll_timer());
        host.link_deadline
            .set(match (next.more, host.has_foreign_links.get()) {
                (true, _) => Some(Instant::ZERO),
                (false, true) => next.deadline,
                (false, false) => self.ends_deadline(),
            });
        self.check(next.more);
    }

    fn ends_deadline(&self) -> Option<Instant> {
        let ends = self.0.ends.borrow();
        ends.iter().filter_map(LinkTrait::poll_timeout).min()
    }

    /// What must hold after every poll.
    fn check(&self, more: bool) {
        let host = &*self.0;
        let now = host.desk.clock.now();
        let (usage, packets) = host.net.engine().inspect(|stack| {
            let interfaces = host.interfaces.borrow();
            let metrics = interfaces
                .iter()
                .filter_map(|&i| stack.interface_metrics(i));
            let packets: u64 = metrics.map(|m| m.packets_in + m.packets_out).sum();
            assert_eq!(stack.trace_lost(), 0, "{self:?}: trace events were lost");
            (stack.usage(), packets)
        });
        assert!(
            usage.memory <= usage.memory_limit
                && usage.half_open <= host.limits.max_half_open
                && usage.time_wait <= host.limits.max_time_wait,
            "{self:?} at {now:?}: beyond its limits: {usage:?}"
        );
        let mut peak = host.peak.get().unwrap_or(usage);
        peak.memory = peak.memory.max(usage.memory);
        peak.connections = peak.connections.max(usage.connections);
        peak.half_open = peak.half_open.max(usage.half_open);
        peak.time_wait = peak.time_wait.max(usage.time_wait);
        peak.listeners = peak.listeners.max(usage.listeners);
        peak.timers = peak.timers.max(usage.timers);
        host.peak.set(Some(peak));
        let mut effort = host.effort.get();
        let is_vain = effort.at == now && effort.packets == packets && !more;
        effort = Effort {
            at: now,
            polls: if effort.at == now {
                effort.polls + 1
            } else {
                1
            },
            vain: if is_vain { effort.vain + 1 } else { 0 },
            packets,
        };
        host.effort.set(effort);
        assert!(
            effort.polls <= MAX_POLLS,
            "{self:?} at {now:?}: {MAX_POLLS} polls at one instant"
        );
        if self.deadline().is_some_and(|at| at <= now) {
            assert!(
                effort.vain <= MAX_VAIN_POLLS,
                "{self:?} at {now:?}: a busy loop: polling changes nothing, and its deadline \
                 stays {:?}",
                self.deadline()
            );
        }
    }

    /// What must hold whenever the clock is about to move on.
    pub(crate) fn check_at_rest(&self) {
        let host = &*self.0;
        let told = self.deadline();
        let (timer, wanted) = host
            .net
            .engine()
            .inspect(|s| (s.poll_timer(), s.poll_timeout()));
        assert!(
            timer.is_none_or(|at| told.is_some_and(|told| told <= at)),
            "{self:?}: a timer is due at {timer:?}, and whoever drives it was told {told:?}"
        );
        assert!(
            wanted != Some(Instant::ZERO) || host.is_blocked.get(),
            "{self:?}: it has output, and nobody was told"
        );
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0.name)
    }
}

pub(crate) fn parse(prefix: &str) -> AddressPrefix {
    let parsed = prefix.parse();
    parsed.unwrap_or_else(|e| panic!("{prefix}: {e}"))
}
