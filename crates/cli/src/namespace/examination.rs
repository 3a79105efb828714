//! Every step towards a namespace with a program in it, tried for real in a throw-away one.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::backend::{Backend, Kind};
use super::error::{Failure, NamespaceError, diagnose};
use super::steps::{Outcome, Step};
use super::worker::Attempt;
use super::{IDLE_SUBCOMMAND, Namespace, NamespaceConfig, Program, StartError, Status};

/// What became of a backend.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Which one.
    pub backend: Backend,
    /// Every step that it takes, in order.
    pub findings: Vec<Finding>,
    /// How long set-up took inside the worker, as far as it came.
    pub setup_time: Duration,
}

/// What became of a step.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The step.
    pub step: Step,
    /// What became of it.
    pub verdict: Verdict,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As it should.
    Good,
    /// It failed, and programs can mostly do without.
    Limited(NamespaceError),
    /// It failed, and the backend with it.
    Bad(NamespaceError),
    /// A step before it failed.
    NotTried,
}

impl Examination {
    /// Whether a program can be started by this backend.
    pub fn works(&self) -> bool {
        let stands = |f: &Finding| matches!(f.verdict, Verdict::Good | Verdict::Limited(_));
        self.findings.iter().all(stands)
    }
}

/// Tries `backend` with `config`, from the start of a worker to the end of a program.
pub fn examine(config: &NamespaceConfig, backend: Backend) -> Examination {
    let mut found = Found::default();
    let mut config = config.clone();
    let setup_time = loop {
        match Attempt::make(&config, backend) {
            Ok(attempt) => {
                let families = config.addresses.len();
                config
                    .addresses
                    .retain(|a| a.address.is_ipv4() || !lacks_ipv6(&attempt.outcome));
                // The machine may be without IPv6.
                if config.addresses.len() < families && !config.addresses.is_empty() {
                    found.limit(attempt.outcome.result.err());
                    continue;
                }
                let time = attempt.outcome.time();
                found.good.extend(&attempt.outcome.taken);
                found
                    .limited
                    .extend(attempt.outcome.shortfalls.iter().map(diagnose));
                match Namespace::over(attempt, &config, backend) {
                    Ok(namespace) => found.use_it(namespace),
                    Err(error) => found.bad = Some(error),
                }
                break time;
            }
            Err(error) => {
                found.bad = Some(error);
                break Duration::ZERO;
            }
        }
    };
    Examination {
        backend,
        findings: found.in_order(backend),
        setup_time,
    }
}

fn lacks_ipv6<T>(outcome: &Outcome<T>) -> bool {
    let failure = outcome.result.as_ref().err();
    failure.is_some_and(|f| f.step == Step::Address && f.detail.contains(':'))
}

/// The steps of a backend. Where there is no name service to hide, that one is left out.
fn steps(backend: Backend) -> Vec<Step> {
    use Step::*;
    let entry: &[Step] = match backend.by_root() {
        true => &[],
        false => &[UserNamespace, IdentityMap],
    };
    let device: &[Step] = match backend.kind() {
        Kind::Tun => &[OpenTun, AttachTun, VnetHeader, Offload],
        Kind::Veth => &[Veth, PacketSocket],
    };
    [
        &[Spawn],
        entry,
        &[NetworkNamespace, MountNamespace, ResolvConf, NameService],
        device,
        &[Loopback, TxQueue, Interface, Address, Route, PingGroup],
        &[SockDiag, PidNamespace, Proc, Execute],
    ]
    .concat()
}

#[derive(Default)]
struct Found {
    good: Vec<Step>,
    limited: Vec<NamespaceError>,
    bad: Option<NamespaceError>,
}

impl Found {
    fn limit(&mut self, failure: Option<Failure>) {
        self.limited.extend(failure.as_ref().map(diagnose));
    }

    /// Looks at a connection that does not exist, and runs a program that does nothing.
    fn use_it(&mut self, mut namespace: Namespace) {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        match namespace.peer().tcp_state(nowhere, nowhere) {
            Ok(_) => self.good.push(Step::SockDiag),
            Err(e) => {
                let error = std::io::Error::other(e.to_string());
                self.limit(Some(Failure::new(Step::SockDiag, &error, e.to_string())));
            }
        }
        let program = Program {
            argv: vec!["/proc/self/exe".into(), IDLE_SUBCOMMAND.into()],
            ..Program::default()
        };
        let failed = |why: String, errno: Option<i32>| {
            let error = errno.map_or_else(
                || std::io::Error::other(why.clone()),
                std::io::Error::from_raw_os_error,
            );
            Some(diagnose(&Failure::new(Step::Execute, &error, why)))
        };
        match namespace.start(&program, None) {
            Ok(running) => {
                let refusal = running.shortfall().cloned();
                let refused_at = refusal.as_ref().map(|e| e.step);
                let steps = [Step::PidNamespace, Step::Proc];
                let good = steps.into_iter().take_while(|s| Some(*s) != refused_at);
                self.good.extend(good);
                self.limited.extend(refusal);
                match running.wait().status {
                    Status::Code(0) => self.good.push(Step::Execute),
                    other => self.bad = failed(format!("it ended with {other:?}"), None),
                }
            }
            Err(StartError::NotExecutable { program, errno }) => {
                self.bad = failed(program, Some(errno));
            }
            Err(other) => self.bad = failed(other.to_string(), None),
        }
    }

    fn in_order(self, backend: Backend) -> Vec<Finding> {
        let verdict = |step: Step| {
            let limited = || self.limited.iter().find(|e| e.step == step).cloned();
            let bad = self.bad.as_ref().filter(|e| e.step == step).cloned();
            match (bad, limited()) {
                (Some(error), _) => Verdict::Bad(error),
                (None, Some(error)) => Verdict::Limited(error),
                (None, None) if self.good.contains(&step) => Verdict::Good,
                (None, None) => Verdict::NotTried,
            }
        };
        let mut findings: Vec<_> = steps(backend)
            .into_iter()
            .map(|step| Finding {
                step,
                verdict: verdict(step),
            })
            .collect();
        self.settle(&mut findings);
        findings
    }

    /// Deals with what is neither good nor bad in itself.
    fn settle(&self, findings: &mut Vec<Finding>) {
        let spawned = !self.good.is_empty();
        let pid_refused = self.limited.iter().find(|e| e.step == Step::PidNamespace);
        findings.retain_mut(|finding| match (finding.step, &finding.verdict) {
            (Step::Spawn, Verdict::NotTried) if spawned => {
                finding.verdict = Verdict::Good;
                true
            }
            // There was nothing to hide.
            (Step::NameService, Verdict::NotTried) => false,
            // There is nothing to mount a /proc of.
            (Step::Proc, Verdict::NotTried) => pid_refused.is_none(),
            _ => true,
        });
        // A failure at a step that is not on the list, such as talking to the worker.
        if let Some(error) = &self.bad
            && !findings.iter().any(|f| f.step == error.step)
        {
            findings.push(Finding {
                step: error.step,
                verdict: Verdict::Bad(error.clone()),
            });
        }
    }
}
