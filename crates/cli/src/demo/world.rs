//! The two ends and what joins them.

use std::net::{IpAddr, SocketAddr};

use handfast::stack::address::AddressPrefix;
use handfast::{Host, Net};
use handfast_link::tun::Tun;
use handfast_link::{Link, memory};

use super::recording::Recording;
use super::transfer::End;
use super::{client, site};
use crate::arguments::Backend;
use crate::kernel_peer::{Command, HttpReply, HttpRequest, Peer, Reply, TcpState};
use crate::namespace::{Namespace, NamespaceConfig, NamespaceError, Step};
use crate::netlink::{Family, InterfaceAddress};

/// Largest IP packet.
pub(super) const MTU: u32 = 1500;
/// Where both ends serve.
const PORT: u16 = 80;

/// The two ends, joined.
pub(super) struct World {
    /// First to be dropped, for it holds the TUN.
    near: Host,
    far: Far,
    /// What does not work here, in one line with its fix.
    pub(super) obstacle: Option<String>,
    pub(super) families: Vec<Family>,
    /// Largest super-segment in octets, 0 = none.
    pub(super) gso: u32,
}

/// What stands at the other end.
pub(super) enum Far {
    Kernel(Namespace),
    Handfast(Host),
}

impl World {
    /// Joins our stack with the kernel's, or with a second one of our own, and lets both ends serve.
    ///
    /// # Errors
    /// Why not, in one line with a fix.
    pub(super) async fn create(
        families: &[Family],
        backend: Backend,
        recording: &Recording,
    ) -> Result<World, String> {
        let mut obstacle = None;
        if backend != Backend::Memory {
            match kernel(families) {
                Ok((namespace, told)) => {
                    let families = match &told {
                        Some(_) => vec![Family::V4],
                        None => families.to_vec(),
                    };
                    let told = told.map(|e| e.to_string());
                    return World::with_kernel(namespace, &families, told, recording).await;
                }
                Err(e) if backend == Backend::Tun => return Err(e.to_string()),
                Err(e) => obstacle = Some(e.to_string()),
            }
        }
        World::in_memory(families, obstacle, recording).await
    }

    async fn with_kernel(
        mut namespace: Namespace,
        families: &[Family],
        obstacle: Option<String>,
        recording: &Recording,
    ) -> Result<World, String> {
        let tun = namespace.take_tun().ok_or("the namespace has no TUN")?;
        let tun = Tun::from_fd(tun, MTU).map_err(|e| format!("cannot use the TUN: {e}"))?;
        let gso = tun.capabilities().gso_tcp;
        let near = host(recording.watch(tun), End::Near, families, recording)?;
        let world = World {
            near,
            far: Far::Kernel(namespace),
            obstacle,
            families: families.to_vec(),
            gso,
        };
        world.listen(&world.near.net(), End::Near).await?;
        let addresses: Vec<_> = families.iter().map(|f| address(End::Far, *f)).collect();
        let peer = world.kernel().map(Namespace::peer).cloned();
        if let Some(peer) = peer {
            ask(&peer, Command::Listen(addresses)).await?;
        }
        Ok(world)
    }

    async fn in_memory(
        families: &[Family],
        obstacle: Option<String>,
        recording: &Recording,
    ) -> Result<World, String> {
        let mut config = memory::Config::default();
        config.capabilities.mtu = MTU;
        config.capabilities.gso_tcp = 65_535;
        let gso = config.capabilities.gso_tcp;
        let (one, other) = memory::pair(&config);
        let near = host(recording.watch(one), End::Near, families, recording)?;
        let far = host(other, End::Far, families, recording)?;
        let (near_net, far_net) = (near.net(), far.net());
        let world = World {
            near,
            far: Far::Handfast(far),
            obstacle,
            families: families.to_vec(),
            gso,
        };
        world.listen(&near_net, End::Near).await?;
        world.listen(&far_net, End::Far).await?;
        Ok(world)
    }

    async fn listen(&self, net: &Net, end: End) -> Result<(), String> {
        for family in &self.families {
            let local = address(end, *family);
            let served = site::serve(net, local).await;
            served.map_err(|e| format!("cannot listen on {local}: {e}"))?;
        }
        Ok(())
    }

    /// The namespace in which the kernel is the other end, if it is.
    pub(super) fn kernel(&self) -> Option<&Namespace> {
        match &self.far {
            Far::Kernel(namespace) => Some(namespace),
            Far::Handfast(_) => None,
        }
    }

    /// What to call that end.
    pub(super) fn name(&self, end: End) -> &'static str {
        match (end, &self.far) {
            (End::Near, Far::Kernel(_)) => "handfast",
            (End::Far, Far::Kernel(_)) => "kernel",
            (End::Near, Far::Handfast(_)) => "handfast A",
            (End::Far, Far::Handfast(_)) => "handfast B",
        }
    }

    /// What to call that end in a sentence.
    pub(super) fn subject(&self, end: End) -> &'static str {
        match self.name(end) {
            "kernel" => "the kernel",
            name => name,
        }
    }

    /// The time on the clock of our stacks.
    pub(super) fn now(&self) -> handfast_base::Instant {
        self.near.net().now()
    }

    /// How many segments our stacks have sent more than once so far.
    pub(super) fn retransmissions(&self) -> u64 {
        let far = match &self.far {
            Far::Handfast(host) => host.metrics(),
            Far::Kernel(_) => Vec::new(),
        };
        let all = self.near.metrics().into_iter().chain(far);
        let counted = all.filter(|m| {
            let label = m.label.as_ref();
            label.is_some_and(|(_, event)| event == "retransmissions")
        });
        counted.map(|m| m.value).sum()
    }

    /// Lets the client at that end make a request, and close. `while_open` is called with the
    /// client's address when the answer is there and the connection not yet closed; where the
    /// kernel is the client, it is not.
    ///
    /// # Errors
    /// How far it came, in one line.
    pub(super) async fn request(
        &self,
        client: End,
        request: HttpRequest,
        while_open: impl AsyncFnOnce(SocketAddr),
    ) -> Result<HttpReply, String> {
        let net = match (client, &self.far) {
            (End::Near, _) => self.near.net(),
            (End::Far, Far::Handfast(host)) => host.net(),
            (End::Far, Far::Kernel(namespace)) => {
                return match ask(namespace.peer(), Command::Http(request)).await? {
                    Reply::Http(outcome) => outcome.map_err(|e| e.to_string()),
                    other => Err(format!("a reply to something else: {other:?}")),
                };
            }
        };
        let answered = client::perform(&net, &request)
            .await
            .map_err(|e| e.to_string())?;
        while_open(answered.reply.local).await;
        Ok(answered.close().await)
    }

    /// What the kernel says of its end of a connection, where it is an end: `None` when it knows
    /// of none.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub(super) async fn kernel_state(
        &self,
        kernel: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Option<TcpState>, String> {
        let Some(namespace) = self.kernel() else {
            return Ok(None);
        };
        let local = kernel;
        match ask(namespace.peer(), Command::TcpState { local, remote }).await? {
            Reply::TcpState(state) => Ok(state),
            other => Err(format!("a reply to something else: {other:?}")),
        }
    }
}

/// Where that end is, and serves.
pub(super) fn address(end: End, family: Family) -> SocketAddr {
    let host = match end {
        End::Far => 1,
        End::Near => 2,
    };
    let ip: IpAddr = match family {
        // The networks of documentation: RFC 5737, RFC 3849.
        Family::V4 => [192, 0, 2, host].into(),
        Family::V6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)].into(),
    };
    SocketAddr::new(ip, PORT)
}

fn prefix_len(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}

fn host(
    link: impl Link + 'static,
    end: End,
    families: &[Family],
    recording: &Recording,
) -> Result<Host, String> {
    let address = |family: &Family| {
        AddressPrefix::new(address(end, *family).ip(), prefix_len(*family))
            .map_err(|e| format!("cannot use an address: {e}"))
    };
    let addresses: Vec<_> = families.iter().map(address).collect::<Result<_, _>>()?;
    Host::builder()
        .link(link, addresses)
        .trace(recording.sink())
        .start()
        .map_err(|e| e.to_string())
}

/// A namespace with those families; without IPv6, and why, where the machine has none.
fn kernel(families: &[Family]) -> Result<(Namespace, Option<NamespaceError>), NamespaceError> {
    let config = |families: &[Family]| NamespaceConfig {
        mtu: MTU,
        addresses: families
            .iter()
            .map(|family| InterfaceAddress {
                address: address(End::Far, *family).ip(),
                prefix_len: prefix_len(*family),
            })
            .collect(),
        ..NamespaceConfig::default()
    };
    match Namespace::create(&config(families)) {
        Ok(namespace) => Ok((namespace, None)),
        Err(e) if e.step == Step::Address && families.contains(&Family::V4) => {
            let namespace = Namespace::create(&config(&[Family::V4]))?;
            Ok((namespace, Some(e)))
        }
        Err(e) => Err(e),
    }
}

/// Asks the kernel's side for something, without holding up anything else.
async fn ask(peer: &Peer, command: Command) -> Result<Reply, String> {
    let pending = peer.start(command).map_err(|e| e.to_string())?;
    let waiting = tokio::task::spawn_blocking(move || pending.wait());
    let reply = waiting.await.map_err(|e| e.to_string())?;
    reply.map_err(|e| e.to_string())
}
