//! The mount namespace: our resolv.conf over the machine's, and nothing by which a name could be
//! resolved past it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::error::Failure;
use super::steps::{Progress, Step};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where our files are mounted while they are bound to their places. It exists, else we were not
/// here, and nothing in it is to be covered.
const STAGE: &str = "/proc";
/// The sockets of daemons that resolve names for whoever asks. A Unix socket is reached by path,
/// across network namespaces: they would answer for the machine's network.
const NAME_SERVICES: [&str; 6] = [
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
    "/run/avahi-daemon/socket",
    "/run/mdnsd",
];

/// Lets mounts of the machine arrive here, and none of ours there.
pub(super) fn detach_from_machine(progress: &mut Progress) -> Result<(), Failure> {
    let flags = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    let parted = mount(None::<&str>, "/", None::<&str>, flags, None::<&str>);
    progress.step(Step::MountNamespace, "/", parted)
}

/// Puts `text` where resolvers read their configuration: over the file that `/etc/resolv.conf`
/// leads to, or, when it leads nowhere or is absent, into `/etc` by a layer over it, which then is
/// read-only. Then hides the sockets of [`NAME_SERVICES`].
pub(super) fn own_resolver(text: &str, progress: &mut Progress) -> Result<(), Failure> {
    let stage = progress.step(Step::ResolvConf, "a tmpfs", Stage::mount())?;
    let conf = stage.put("etc/resolv.conf", text);
    let conf = progress.step(Step::ResolvConf, "a tmpfs", conf)?;
    let placed = match fs::canonicalize(RESOLV_CONF) {
        Ok(path) => bind(&conf, &path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => lay_over_etc(),
        Err(e) => Err(e),
    };
    progress.step(Step::ResolvConf, RESOLV_CONF, placed)?;
    for socket in NAME_SERVICES {
        // What does not exist, or cannot be reached, answers nobody.
        let Ok(path) = fs::canonicalize(socket) else {
            continue;
        };
        let masked = stage
            .put("masked", "")
            .and_then(|empty| bind(&empty, &path));
        progress.optional(Step::NameService, socket, masked);
    }
    Ok(())
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_BIND;
    Ok(mount(Some(from), to, None::<&str>, flags, None::<&str>)?)
}

fn lay_over_etc() -> io::Result<()> {
    let layers = format!("lowerdir={STAGE}/etc:/etc");
    let (flags, kind) = (MsFlags::MS_RDONLY, Some("overlay"));
    Ok(mount(kind, "/etc", kind, flags, Some(layers.as_str()))?)
}

/// A file system of our own in memory, visible while this exists; what was bound from it stays.
struct Stage;

impl Stage {
    fn mount() -> io::Result<Stage> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let options = Some("mode=0755,size=1m");
        mount(Some("tmpfs"), STAGE, Some("tmpfs"), flags, options)?;
        let stage = Stage;
        let etc = Path::new(STAGE).join("etc");
        fs::create_dir(&etc)?;
        fs::set_permissions(etc, fs::Permissions::from_mode(0o755))?;
        Ok(stage)
    }

    /// A file that anybody may read, whatever the umask.
    fn put(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = Path::new(STAGE).join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        Ok(path)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Its failure would show at once, for everything after this needs /proc.
        let _ = umount2(STAGE, MntFlags::MNT_DETACH);
    }
}
