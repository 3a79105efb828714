//! A scenario, played.

use super::report::{self, ConnectionReport, Report, Verdict};
use super::scenario::{Plan, Scenario};
use crate::transfer::{Death, EndReport, Role};
use crate::{Handle, Host, Link, Sim};
use handfast::base::{Duration, Instant};
use handfast::stack::StackConfig;
use handfast::{TcpConnector, TcpListener};
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Virtual time after which a run is stuck.
const HORIZON: Instant = Instant::from_secs(3 * 24 * 60 * 60);
/// The servers' ports begin here, one for each connection.
const PORT: u16 = 1000;

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
        let pairs = [(0, 1), (0, 2), (1, 2)];
        let links = pairs.iter().zip(&self.links);
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
        let address = self.address(plan.server, plan.client);
        let server_addr = SocketAddr::new(address, PORT + n as u16);
        let ends = Ends {
            server_addr,
            shared: Rc::default(),
        };
        let (handle, net) = (sim.handle(), server.net().clone());
        let (shared, plan_) = (Rc::clone(&ends.shared), plan.clone());
        sim.spawn_background(async move {
            let builder = TcpListener::builder().config(plan_.server_config.clone());
            let listener = builder.bind(&net, server_addr).expect("a listener");
            handle.sleep_until(plan_.at + plan_.accept_after).await;
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            drop(listener);
            let of = handle.clone();
            handle.spawn(async move {
                let end = plan_.transfer.run(Role::Server, &of, stream).await;
                shared.borrow_mut().server = Some(end);
            });
        });
        let (handle, net) = (sim.handle(), client.net().clone());
        let (shared, plan) = (Rc::clone(&ends.shared), plan.clone());
        sim.spawn(async move {
            handle.sleep_until(plan.at).await;
            let end = connect(&handle, &net, server_addr, &plan, &shared).await;
            shared.borrow_mut().client = Some(end);
        });
        ends
    }
}

async fn connect(
    handle: &Handle,
    net: &handfast::Net,
    server: SocketAddr,
    plan: &Plan,
    shared: &RefCell<Shared>,
) -> Result<EndReport, Death> {
    let connector = TcpConnector::new().config(plan.client_config.clone());
    let stream = connector.connect(net, server).await.map_err(|e| Death {
        kind: e.kind(),
        at: handle.now(),
        silence: Duration::ZERO,
        stall: Duration::ZERO,
        lost: 0,
    })?;
    shared.borrow_mut().client_addr = stream.local_addr().ok();
    Ok(plan.transfer.run(Role::Client, handle, stream).await)
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
