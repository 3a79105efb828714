//! A program behind a relay: one host is the program's, the other the gateway, joined in memory;
//! the destinations are the machine's own loopback under another name.

use handfast::link::memory;
use handfast::{Host, Net};
use handfast_relay::{Policy, Refusal, Relay, RelayBuilder, RelayEvent, RelayObserver, TcpReport};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// What the program calls the loopback of the machine, in both families.
pub(crate) const OUTSIDE: [(&str, &str); 2] = [
    ("10.77.0.254", "127.0.0.1"),
    ("fd68:616e:6466:1::fe", "::1"),
];

pub(crate) struct World {
    pub(crate) program: Host,
    pub(crate) gateway: Host,
    relay: Option<Relay>,
    pub(crate) events: Arc<Events>,
}

/// What the relay has told.
#[derive(Default)]
pub(crate) struct Events {
    told: Mutex<Vec<RelayEvent>>,
    more: Notify,
}

impl RelayObserver for Events {
    fn on_event(&self, event: &RelayEvent) {
        self.told.lock().unwrap().push(event.clone());
        self.more.notify_waiters();
    }
}

impl Events {
    pub(crate) fn all(&self) -> Vec<RelayEvent> {
        self.told.lock().unwrap().clone()
    }

    /// Waits for what `pick` finds among all that was told.
    pub(crate) async fn find<T>(&self, mut pick: impl FnMut(&RelayEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(found) = self.told.lock().unwrap().iter().find_map(&mut pick) {
                    return found;
                }
                more.await;
            }
        };
        soon(search).await
    }

    pub(crate) async fn report(&self) -> TcpReport {
        self.find(|event| match event {
            RelayEvent::TcpClosed(report) => Some(report.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refusal(&self) -> Refusal {
        self.find(|event| match event {
            RelayEvent::TcpRefused { why, .. } => Some(why.clone()),
            _ => None,
        })
        .await
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(RelayBuilder) -> RelayBuilder) -> World {
        World::over(&memory::Config::default(), change).await
    }

    pub(crate) async fn over(
        link: &memory::Config,
        change: impl FnOnce(RelayBuilder) -> RelayBuilder,
    ) -> World {
        let (near, far) = memory::pair(link);
        let addresses = |last: u8| {
            [
                format!("10.77.0.{last}/24").parse().unwrap(),
                format!("fd68:616e:6466:1::{last}/64").parse().unwrap(),
            ]
        };
        let program = Host::builder()
            .link(near, addresses(2))
            .gateway("0.0.0.0".parse().unwrap())
            .gateway("::".parse().unwrap())
            .start()
            .unwrap();
        let gateway = Host::builder().link(far, addresses(1)).start().unwrap();
        let events = Arc::<Events>::default();
        let mut policy = Policy::default();
        policy.allow_host_loopback();
        let mut builder = Relay::builder(&gateway.net())
            .policy(policy)
            .observer(events.clone());
        for (inside, outside) in OUTSIDE {
            builder = builder.substitute(inside.parse().unwrap(), outside.parse().unwrap());
        }
        let relay = change(builder).start().await.unwrap();
        World {
            program,
            gateway,
            relay: Some(relay),
            events,
        }
    }

    pub(crate) fn net(&self) -> Net {
        self.program.net()
    }

    pub(crate) async fn close(&mut self) {
        if let Some(relay) = self.relay.take() {
            soon(relay.close()).await;
        }
    }
}

/// A listener of the machine, and what the program calls it.
pub(crate) async fn listen(family: usize) -> (tokio::net::TcpListener, SocketAddr) {
    let (inside, outside) = OUTSIDE[family];
    let outside: IpAddr = outside.parse().unwrap();
    let listener = tokio::net::TcpListener::bind((outside, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, SocketAddr::new(inside.parse().unwrap(), port))
}

/// Ends a test in which something never comes.
pub(crate) async fn soon<T>(wait: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, wait)
        .await
        .expect("within a minute")
}
