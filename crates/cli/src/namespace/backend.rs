//! The ways to a namespace.

use std::fmt;

use serde::{Deserialize, Serialize};

/// By which right the namespace exists, and what joins it with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Backend {
    /// A user namespace of the caller's own: no privilege is needed, but for `/dev/net/tun` to be
    /// open to all, as it mostly is.
    UserNamespace,
    /// The same without `/dev/net/tun`: a veth pair, and a packet socket on our end of it.
    UserNamespaceVeth,
    /// The caller is root.
    Root,
    /// The caller is root, and there is no `/dev/net/tun`.
    RootVeth,
}

/// What joins the namespace with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tun,
    Veth,
}

impl Backend {
    /// What may work for this process, best first. (Root of a container may lack the rights of root
    /// and still be granted a user namespace.)
    pub fn candidates() -> Vec<Backend> {
        use Backend::{Root, RootVeth, UserNamespace, UserNamespaceVeth};
        match rustix::process::geteuid().is_root() {
            true => vec![Root, RootVeth, UserNamespace, UserNamespaceVeth],
            false => vec![UserNamespace, UserNamespaceVeth],
        }
    }

    /// Those of [`Backend::candidates`] that have a TUN.
    pub fn with_tun() -> Vec<Backend> {
        let mut candidates = Backend::candidates();
        candidates.retain(|backend| backend.kind() == Kind::Tun);
        candidates
    }

    /// Whether it takes root, and so a program inside can be given another identity.
    pub fn by_root(self) -> bool {
        matches!(self, Backend::Root | Backend::RootVeth)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Backend::UserNamespace | Backend::Root => Kind::Tun,
            Backend::UserNamespaceVeth | Backend::RootVeth => Kind::Veth,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::UserNamespace => "user namespace + TUN",
            Backend::UserNamespaceVeth => "user namespace + veth + AF_PACKET",
            Backend::Root => "root + TUN",
            Backend::RootVeth => "root + veth + AF_PACKET",
        })
    }
}
