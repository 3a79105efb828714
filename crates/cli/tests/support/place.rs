//! Where obstacles are set up, and the process that meets them.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process};

use super::{NOBODY, built};

pub(crate) fn bind(from: &Path, to: &Path, more: MsFlags) {
    mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | more,
        None::<&str>,
    )
    .unwrap();
}

pub(crate) fn mount_tmpfs(path: &Path, options: &str) {
    let flags = MsFlags::empty();
    mount(None::<&str>, path, Some("tmpfs"), flags, Some(options)).unwrap();
}

/// A directory in a mount namespace of this thread's own, which whatever it starts inherits, with
/// the programs in it where any user reaches them.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-namespace-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        mount_tmpfs(&path, "mode=755");
        let place = Place { path };
        let this = std::env::current_exe().unwrap();
        for (from, to) in [
            (built(), place.program()),
            (this, place.path.join("helper")),
        ] {
            // A copy could not be executed while another test's child, just forked, still holds
            // the descriptor that wrote it.
            fs::write(&to, "").unwrap();
            bind(&from, &to, MsFlags::empty());
        }
        place
    }

    /// The program under test.
    pub(crate) fn program(&self) -> PathBuf {
        self.path.join("handfast")
    }

    /// Covers `/dev/net` with a directory that has a TUN device of that mode, or none.
    pub(crate) fn put_tun(&self, mode: Option<u32>) {
        let net = self.path.join("net");
        fs::create_dir(&net).unwrap();
        if let Some(mode) = mode {
            let tun = net.join("tun");
            let device = rustix::fs::makedev(10, 200);
            let kind = rustix::fs::FileType::CharacterDevice;
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &tun,
                kind,
                rustix::fs::Mode::empty(),
                device,
            )
            .unwrap();
            fs::set_permissions(&tun, Permissions::from_mode(mode)).unwrap();
        }
        bind(&net, Path::new("/dev/net"), MsFlags::empty());
    }

    pub(crate) fn helper(&self) -> Helper {
        Helper(self.helper_after(Command::new(self.path.join("helper"))))
    }

    fn helper_after(&self, mut command: Command) -> Command {
        command
            .args(["--exact", "helper", "--ignored", "--nocapture"])
            .env("NAMESPACE_HELPER", self.program());
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Outside of the thread's mount namespace the directory is empty; there it is removed.
        let path = self.path.clone();
        let _ = nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(path);
    }
}

/// The test function `helper`, about to be a process.
pub(crate) struct Helper(pub(crate) Command);

impl Helper {
    pub(crate) fn by_nobody(mut self) -> Helper {
        self.0.uid(NOBODY).gid(NOBODY);
        self
    }

    /// In a user namespace that allows none of what `limit` limits.
    pub(crate) fn limited(self, unshare: &[&str], limit: &str) -> Helper {
        let script = format!("echo 0 > /proc/sys/user/{limit} && exec \"$0\" \"$@\"");
        let mut command = Command::new("unshare");
        command.args(unshare).args(["sh", "-c", &script]);
        self.behind(command)
    }

    pub(crate) fn within(self, root: &Path) -> Helper {
        let mut command = Command::new("chroot");
        command
            .arg(format!("--userspec={NOBODY}:{NOBODY}"))
            .arg(root);
        self.behind(command)
    }

    /// Ends at Ctrl-C even where the tests themselves run in the background, deaf to it.
    pub(crate) fn hearing_signals(self) -> Helper {
        let mut command = Command::new("env");
        command.arg("--default-signal=INT,QUIT,HUP");
        self.behind(command)
    }

    /// With `command` in front, which is to execute its further arguments.
    fn behind(self, mut command: Command) -> Helper {
        command.arg(self.0.get_program()).args(self.0.get_args());
        for (name, value) in self.0.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        Helper(command)
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self
            .0
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            input: child.stdin.take(),
            output: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }
}

/// The helper at work.
pub(crate) struct Running {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStderr>,
}

impl Running {
    /// What the helper's next line says of `topic`.
    pub(crate) fn expect(&mut self, topic: &str) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let said = line.trim_end().strip_prefix(&format!("{topic}: "));
        match said {
            Some(said) => said.to_owned(),
            None => {
                let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
                self.output.read_to_string(&mut line).unwrap();
                panic!("expected {topic}, got: {line}");
            }
        }
    }

    pub(crate) fn release(&mut self) {
        self.input = None;
    }
}
