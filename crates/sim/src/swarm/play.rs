//! A scenario, played.

use super::report::{self, ConnectionReport, Report, Verdict};
use super::scenario::{Plan, Scenario};
use crate::transfer::{Death, EndReport, Role, Transfer};
use crate::{Handle, Host, Link, Sim};
use handfast::base::{Duration, Instant};
use handfast::stack::StackConfig;
use handfast::{Config, Net, TcpConnector, TcpListener};
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Virtual time after which a run is stuck.
const HORIZON: Instant = Instant::from_secs(3 * 24 * 60 * 60);
/// Which hosts the links join.
const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];
/// The servers' ports begin here, one for each connection.
const SERVER_PORT: u16 = 1000;
/// The clients' begin here where the stack does not choose them.
const CLIENT_PORT: u16 = 500;

impl Scenario {
    /// Plays it in a simulation of its own.
    pub fn play(&self) -> Report {
        self.play_on(&Sim::new(self.seed))
    }

    /// Plays it on an empty simulation, which may be recorded.
    pub fn play_on(&self, sim: &Sim) -> Report {
        let (hosts, links) = self.build(sim);
        for outage in &self.outages {
            let link = links[outage.link].clone();
            let again = link.clone();
            sim.at(outage.at, move || link.take_down());
            if let Some(time) = outage.time {
                sim.at(outage.at + time, move || again.bring_up());
            }
        }
        for shrinking in &self.shrinkings {
            let (link, mtu) = (links[shrinking.link].clone(), shrinking.mtu);
            let (a, b) = PAIRS[shrinking.link];
            let hosts = [hosts[a].clone(), hosts[b].clone()];
            sim.at(shrinking.at, move || {
                for host in &hosts {
                    let iface = link.interface(host);
                    let set = host
                        .net()
                        .with_stack(|stack, now| stack.set_mtu(iface, mtu, now));
                    set.expect("an MTU that fits");
                }
            });
        }
        let ends: Vec<Ends> = self
            .connections
            .iter()
            .enumerate()
            .map(|(n, plan)| {
                let hosts = [&hosts[plan.client], &hosts[plan.server]];
                self.open(sim, plan, n, hosts)
            })
            .collect();

        sim.set_horizon(HORIZON);
        let mut faults = Vec::new();
        // Somebody may be accepted when all others are done.
        let ended = sim.run().and_then(|()| {
            let is_at_rest = sim.run_to_rest();
            sim.run()?;
            if !is_at_rest {
                faults.push(format!("the network comes to no rest before {HORIZON:?}"));
            }
            Ok(())
        });
        match ended {
            Err(stuck) => faults.push(stuck.to_string()),
            Ok(()) if faults.is_empty() => faults.extend(hosts.iter().filter_map(left_behind)),
            Ok(()) => {}
        }
        let mut retransmissions = 0;
        let mut damaged = 0;
        let mut timed_out = Vec::new();
        for host in &hosts {
            host.net().engine().inspect(|stack| {
                retransmissions += stack.metrics().tcp.retransmissions;
                damaged += report::damaged(stack.metrics());
                timed_out.push(stack.metrics().tcp.connections_timed_out > 0);
            });
        }
        let connections = self.connections.iter().zip(ends);
        Report {
            seed: self.seed,
            at: sim.now(),
            trace_hash: sim.trace_hash(),
            traffic: sim.traffic(),
            retransmissions,
            damaged,
            connections: connections
                .map(|(plan, ends)| ends.report(self, plan, &timed_out))
                .collect(),
            faults,
        }
    }

    fn build(&self, sim: &Sim) -> (Vec<Host>, Vec<Link>) {
        // Hosts 0, 1 and 2; the networks between them carry both numbers.
        let hosts: Vec<Host> = (0..self.hosts)
            .map(|host| {
                let others = (0..self.hosts).filter(|other| *other != host);
                let addresses: Vec<String> = others
                    .map(|other| {
                        let prefix = if self.is_v6 { 64 } else { 24 };
                        format!("{}/{prefix}", self.address(host, other))
                    })
                    .collect();
                let addresses: Vec<&str> = addresses.iter().map(|a| &**a).collect();
                let config = StackConfig {
                    memory: self.memory,
                    ..StackConfig::default()
                };
                sim.host_with(["a", "b", "c"][host], &addresses, config)
            })
            .collect();
        let links = PAIRS.iter().zip(&self.links);
        let links = links.map(|((a, b), config)| sim.connect(&hosts[*a], &hosts[*b], *config));
        let links = links.collect();
        (hosts, links)
    }

    /// The address of `host` on its link to `other`.
    fn address(&self, host: usize, other: usize) -> IpAddr {
        let link = Scenario::link_between(host, other) as u16;
        match self.is_v6 {
            true => [0xfd00, 0, 0, link, 0, 0, 0, 1 + host as u16].into(),
            false => [10, 0, link as u8, 1 + host as u8].into(),
        }
    }

    fn open(&self, sim: &Sim, plan: &Plan, n: usize, [client, server]: [&Host; 2]) -> Ends {
        let server_addr = SocketAddr::new(
            self.address(plan.server, plan.client),
            SERVER_PORT + n as u16,
        );
        let client_addr = plan.is_simultaneous.then(|| {
            let address = self.address(plan.client, plan.server);
            SocketAddr::new(address, CLIENT_PORT + n as u16)
        });
        let ends = Ends {
            server_addr,
            shared: Rc::default(),
        };
        let client = Caller {
            role: Role::Client,
            handle: sim.handle(),
            net: client.net().clone(),
            local: client_addr,
            remote: server_addr,
            config: plan.client_config.clone(),
            fast_open: plan.fast_open && !plan.is_simultaneous,
            at: plan.at,
            transfer: plan.transfer.clone(),
        };
        let shared = Rc::clone(&ends.shared);
        match client_addr {
            Some(client_addr) => {
                let caller = Caller {
                    role: Role::Server,
                    net: server.net().clone(),
                    local: Some(server_addr),
                    remote: client_addr,
                    config: plan.server_config.clone(),
                    ..client.clone()
                };
                sim.spawn(async move {
                    let end = caller.call(&shared).await;
                    shared.borrow_mut().server = end.ok();
                });
            }
            None => {
                let (handle, net) = (sim.handle(), server.net().clone());
                let listening = listen(handle, net, plan.clone(), server_addr, shared);
                drop(sim.spawn_background(listening));
            }
        }
        let shared = Rc::clone(&ends.shared);
        sim.spawn(async move {
            let end = client.call(&shared).await;
            shared.borrow_mut().client = Some(end);
        });
        ends
    }
}

/// An end that connects.
#[derive(Clone)]
struct Caller {
    role: Role,
    handle: Handle,
    net: Net,
    /// `None`: the stack chooses.
    local: Option<SocketAddr>,
    remote: SocketAddr,
    config: Config,
    fast_open: bool,
    at: Instant,
    transfer: Transfer,
}

impl Caller {
    async fn call(self, shared: &RefCell<Shared>) -> Result<EndReport, Death> {
        self.handle.sleep_until(self.at).await;
        let mut connector = TcpConnector::new().config(self.config);
        connector = connector.fast_open(self.fast_open);
        if let Some(local) = self.local {
            connector = connector.local(local);
        }
        let stream = connector.connect(&self.net, self.remote).await;
        let stream = stream.map_err(|e| Death {
            kind: e.kind(),
            at: self.handle.now(),
            silence: Duration::ZERO,
            stall: Duration::ZERO,
            lost: 0,
        })?;
        if self.role == Role::Client {
            shared.borrow_mut().client_addr = stream.local_addr().ok();
        }
        Ok(self.transfer.run(self.role, &self.handle, stream).await)
    }
}

/// The end that accepts.
async fn listen(
    handle: Handle,
    net: Net,
    plan: Plan,
    local: SocketAddr,
    shared: Rc<RefCell<Shared>>,
) {
    let builder = TcpListener::builder()
        .config(plan.server_config)
        .fast_open(if plan.fast_open { 16 } else { 0 })
        .syn_cookies(plan.syn_cookies)
        .backlog(plan.backlog);
    let listener = builder.bind(&net, local).expect("a listener");
    handle.sleep_until(plan.at + plan.accept_after).await;
    let Ok((stream, _)) = listener.accept().await else {
        return;
    };
    drop(listener);
    let of = handle.clone();
    // From here on it matters to the end.
    handle.spawn(async move {
        let end = plan.transfer.run(Role::Server, &of, stream).await;
        shared.borrow_mut().server = Some(end);
    });
}

/// Where the ends of a connection leave word.
struct Ends {
    server_addr: SocketAddr,
    shared: Rc<RefCell<Shared>>,
}

#[derive(Default)]
struct Shared {
    client_addr: Option<SocketAddr>,
    client: Option<Result<EndReport, Death>>,
    server: Option<EndReport>,
}

impl Ends {
    fn report(self, scenario: &Scenario, plan: &Plan, timed_out: &[bool]) -> ConnectionReport {
        let Shared {
            client_addr,
            client,
            server,
        } = self.shared.take();
        let verdict: Verdict =
            report::judge(scenario, plan, client.as_ref(), server.as_ref(), timed_out);
        ConnectionReport {
            client_addr,
            server_addr: self.server_addr,
            client,
            server,
            is_cut: scenario.is_cut(plan),
            verdict,
        }
    }
}

/// What a stack still holds when nobody needs anything any more.
fn left_behind(host: &Host) -> Option<String> {
    let usage = host.net().engine().inspect(|stack| stack.usage());
    let all = [
        usage.memory,
        usage.connections,
        usage.half_open,
        usage.time_wait,
        usage.timers,
    ];
    all.iter()
        .any(|&n| n > 0)
        .then(|| format!("{host:?} holds something at rest: {usage:?}"))
}
