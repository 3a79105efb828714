//! Entering new namespaces: as they are for root, within a user namespace of the caller's own
//! otherwise.

use std::fs;

use nix::sched::{CloneFlags, unshare};

use super::error::Failure;
use super::steps::{Progress, Step};

/// Enters a user namespace in which the caller is who it was, with all capabilities until it
/// executes something.
pub(super) fn user_namespace(progress: &mut Progress) -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let entered = unshare(CloneFlags::CLONE_NEWUSER);
    progress.step(Step::UserNamespace, "", entered)?;
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    for (file, text) in [
        // The kernel takes an unprivileged group map only once setgroups is denied.
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ] {
        let written = fs::write(format!("/proc/self/{file}"), text);
        progress.step(Step::IdentityMap, file, written)?;
    }
    Ok(())
}

/// Enters a network and a mount namespace.
pub(super) fn network_and_mounts(progress: &mut Progress) -> Result<(), Failure> {
    let entered = unshare(CloneFlags::CLONE_NEWNET);
    progress.step(Step::NetworkNamespace, "", entered)?;
    let entered = unshare(CloneFlags::CLONE_NEWNS);
    progress.step(Step::MountNamespace, "", entered)
}
