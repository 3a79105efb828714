//! A program behind a relay: one host is the program's, the other the gateway, joined in memory;
//! the destinations are the machine's own loopback under another name.

use handfast::link::memory;
use handfast::{Config, Host, Net};
use handfast_relay::{Policy, Refusal, Relay, RelayBuilder, RelayEvent, RelayObserver, TcpReport};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// What the program calls the loopback of the machine, in both families.
pub(crate) const OUTSIDE: [(&str, &str); 2] = [
    ("10.77.0.254", "127.0.0.1"),
    ("fd68:616e:6466:1::fe", "::1"),
];

/// The program's addresses.
pub(crate) const PROGRAM: [&str; 2] = ["10.77.0.2", "fd68:616e:6466:1::2"];

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
            RelayEvent::TcpClosed(report) => Some((**report).clone()),
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
        World::try_with(change).await.unwrap()
    }

    pub(crate) async fn try_with(
        change: impl FnOnce(RelayBuilder) -> RelayBuilder,
    ) -> io::Result<World> {
        let (near, far) = memory::pair(&memory::Config::default());
        let addresses = |last: u8| {
            [
                format!("10.77.0.{last}/24").parse().unwrap(),
                format!("fd68:616e:6466:1::{last}/64").parse().unwrap(),
            ]
        };
        // The default routes of a TUN: straight into the link.
        let straight = ["0.0.0.0", "::"].map(|all| all.parse::<IpAddr>().unwrap());
        let host = |link, last| {
            Host::builder()
                .link(link, addresses(last))
                .gateway(straight[0])
                .gateway(straight[1])
                .tcp(Config {
                    // So that very many connections find ports.
                    time_wait: Duration::from_millis(500),
                    ..Config::default()
                })
                .start()
                .unwrap()
        };
        let (program, gateway) = (host(near, 2), host(far, 1));
        let events = Arc::<Events>::default();
        let mut policy = Policy::default();
        policy.allow_host_loopback();
        let mut builder = Relay::builder(&gateway.net())
            .policy(policy)
            .program(PROGRAM.map(|address| address.parse().unwrap()))
            .observer(events.clone());
        for (inside, outside) in OUTSIDE {
            builder = builder.substitute(inside.parse().unwrap(), outside.parse().unwrap());
        }
        Ok(World {
            relay: Some(change(builder).start().await?),
            program,
            gateway,
            events,
        })
    }

    /// Where the machine listens for what leads to the program.
    pub(crate) fn published(&self) -> Vec<SocketAddr> {
        let relay = self.relay.as_ref().unwrap();
        relay.published().iter().map(|&(_, at)| at).collect()
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

/// A listener that takes no connection until it is opened: what a dead host is like.
pub(crate) struct Blackhole {
    listener: tokio::net::TcpListener,
    /// Those who wait in its queue.
    queued: Vec<tokio::net::TcpStream>,
}

/// A destination that is silent, and what the program calls it.
pub(crate) async fn blackhole(family: usize) -> (Blackhole, SocketAddr) {
    let (inside, outside) = OUTSIDE[family];
    let outside = SocketAddr::new(outside.parse().unwrap(), 0);
    let socket = match outside {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
    }
    .unwrap();
    socket.bind(outside).unwrap();
    let listener = socket.listen(0).unwrap();
    let at = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(stream) = tokio::time::timeout(patience, tokio::net::TcpStream::connect(at)).await
    {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue never fills");
    }
    let at = SocketAddr::new(inside.parse().unwrap(), at.port());
    (Blackhole { listener, queued }, at)
}

impl Blackhole {
    /// From now on it takes whoever comes.
    pub(crate) async fn open(mut self) {
        self.queued.clear();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = self.listener.accept().await {
                kept.push(stream);
            }
        });
    }
}
