//! A machine for one scenario: a network with addresses outside, its own files in `/etc`, a name
//! server, servers, and the unprivileged user who runs programs in it.

mod names;
mod run;
mod service;

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use names::ZONE;
pub(crate) use run::{Finished, Run, Runner, Running};
pub(crate) use service::{Datagrams, Service};

use crate::support::place::{Place, bind};
use crate::support::{NOBODY, within};

/// Where servers listen (RFC 5737, RFC 3849): addresses of the world that are not its loopback.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
pub(crate) const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x10);

/// From its network (RFC 5737) nobody answers: packets to there vanish.
pub(crate) const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);

/// The other end of `out` throws away what it gets, so that what is for nobody goes unanswered.
const NETWORK: &str = "\
link set lo up
link add out type veth peer name beyond
link set beyond addrgenmode none
link set beyond up
link set out arp off addrgenmode none
link set out up
addr add 198.51.100.1/24 dev out
addr add 198.51.100.10/32 dev out
addr add 198.51.100.53/32 dev out
addr add 2001:db8:77::1/64 dev out nodad
addr add 2001:db8:77::10/128 dev out nodad
route add default via 198.51.100.254 dev out
route add ::/0 via 2001:db8:77::fe dev out
";

/// In the environment of whatever runs in a world; its value names the world.
const MARK: &str = "HANDFAST_TEST_WORLD";

const TMP: &str = "/tmp";

const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Without root, makes this process anew in a user namespace in which it may make worlds.
pub(crate) fn own_user_namespace() {
    let inside = "HANDFAST_TEST_USER_NAMESPACE";
    if is_root() || std::env::var_os(inside).is_some() {
        return;
    }
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    let error = Command::new("unshare")
        .arg(format!("--map-user={}", user.as_raw()))
        .arg(format!("--map-group={}", group.as_raw()))
        .arg("--keep-caps")
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(inside, "1")
        .exec();
    eprintln!("cannot start `unshare`: {error}");
}

/// Whether the user who runs the tests may make worlds; else why not.
pub(crate) fn possible() -> Result<(), String> {
    let attempt = || unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET);
    let outcome = std::thread::spawn(attempt).join().expect("no panic");
    outcome.map_err(|e| format!("no namespaces can be made: {e}"))?;
    find("ip").ok_or("there is no `ip` (Debian: iproute2)")?;
    if !is_root() {
        fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .map_err(|e| format!("/dev/net/tun: {e}"))?;
    }
    Ok(())
}

/// The program of that name, where every user may reach it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    PATH.split(':')
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.exists())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) struct World {
    place: Place,
    mark: String,
    /// Serves names as long as the world lasts.
    _names: (Datagrams, Service),
}

impl World {
    /// Takes this thread, and all that it starts from now on, into a world of its own.
    pub(crate) fn enter() -> World {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let place = Place::new();
        if is_root() {
            place.put_tun(Some(0o666));
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", std::process::id());
        network();
        let names = names::serve(NAME_SERVER.into());
        let world = World {
            place,
            mark,
            _names: names,
        };
        fs::create_dir(world.path("")).unwrap();
        fs::create_dir(world.outside("")).unwrap();
        world.own(&world.path(""));
        world.cover_tmp();
        world.cover_etc();
        world
    }

    /// A path in the user's home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path.join("home").join(name)
    }

    /// A path of the servers, closed to nobody.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.place.path.join("outside").join(name)
    }

    /// Puts a file into the user's home.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        self.own(&path);
        path
    }

    /// The program under test.
    pub(crate) fn handfast(&self) -> PathBuf {
        self.place.program()
    }

    /// Gives a path to the user.
    pub(crate) fn own(&self, path: &Path) {
        if is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Whether servers are started by root.
    pub(crate) fn has_root(&self) -> bool {
        is_root()
    }

    /// What the user of the programs is called.
    pub(crate) fn user(&self) -> String {
        let out = self
            .by_user(Command::new("id"))
            .arg("-un")
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// A command of the servers' side, which ends with this world.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.in_environment(Command::new("setpriv"), &["--pdeathsig", "KILL"], program)
    }

    /// A command by the unprivileged user, without us.
    pub(crate) fn command_by_user(&self, program: &str) -> Command {
        self.by_user(self.command(program))
    }

    /// The program as the user runs it: over us.
    pub(crate) fn run(&self, argv: &[&str]) -> Run<'_> {
        Run::new(self, argv)
    }

    /// Starts a server and waits until it accepts connections at `address`.
    pub(crate) fn serve(&self, mut command: Command, address: SocketAddr) -> Server {
        let name = command.get_args().nth(2).unwrap().to_owned();
        let log = self.outside(&format!(
            "{}.log",
            Path::new(&name).file_name().unwrap().display()
        ));
        let out = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        within(Duration::from_secs(60), "a server to listen", || {
            if let Some(status) = child.try_wait().unwrap() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                panic!("{} ended with {status}: {log}", name.display());
            }
            TcpStream::connect(address).is_ok()
        });
        Server { child }
    }

    /// Processes of this world other than this one: number and command line.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let mark = format!("{MARK}={}", self.mark).into_bytes();
        let marked = |pid: u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            environment
                .split(|octet| *octet == 0)
                .any(|variable| variable == mark)
                .then(|| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
                .map(|line| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(marked)
            .collect()
    }

    /// The interfaces of this world's network.
    pub(crate) fn interfaces(&self) -> Vec<String> {
        // Not /proc/net, which is that of the process's first thread.
        let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let name = |line: &str| line.split_once(':').map(|(name, _)| name.trim().to_owned());
        table.lines().filter_map(name).collect()
    }

    /// A `/tmp` of this world's own, in which the place itself is still where it was.
    fn cover_tmp(&self) {
        let Ok(name) = self.place.path.strip_prefix(TMP) else {
            return;
        };
        let ours = self.place.path.join("tmp");
        fs::create_dir_all(ours.join(name)).unwrap();
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o1777)).unwrap();
        bind(&self.place.path, &ours.join(name), MsFlags::MS_REC);
        bind(&ours, Path::new(TMP), MsFlags::MS_REC);
    }

    /// Files in `/etc` as programs of this world see them.
    fn cover_etc(&self) {
        let user = format!(
            "handfast-test:x:{NOBODY}:{NOBODY}::{}:/bin/sh\n",
            self.path("").display()
        );
        let also = |file: &str, line: &str| fs::read_to_string(file).unwrap_or_default() + line;
        for (file, contents) in [
            ("/etc/resolv.conf", format!("nameserver {NAME_SERVER}\n")),
            ("/etc/nsswitch.conf", "hosts: files dns\n".to_owned()),
            (
                "/etc/hosts",
                "127.0.0.1 localhost\n::1 localhost\n".to_owned(),
            ),
            ("/etc/passwd", also("/etc/passwd", &user)),
            (
                "/etc/group",
                also("/etc/group", &format!("handfast-test:x:{NOBODY}:\n")),
            ),
        ] {
            let ours = self.place.path.join(Path::new(file).file_name().unwrap());
            fs::write(&ours, contents).unwrap();
            if let Ok(target) = fs::canonicalize(file) {
                bind(&ours, &target, MsFlags::empty());
            }
        }
    }

    fn by_user(&self, mut command: Command) -> Command {
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// `front FLAGS PROGRAM` with nothing of our own environment.
    fn in_environment(&self, mut front: Command, flags: &[&str], program: &str) -> Command {
        front
            .args(flags)
            .arg(program)
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.path(""))
            .env("TMPDIR", self.path(""))
            .env("LANG", "C.UTF-8")
            .env(MARK, &self.mark);
        front
    }
}

impl Drop for World {
    fn drop(&mut self) {
        within(
            Duration::from_secs(30),
            "a world's processes to end",
            || {
                let processes = self.processes();
                for &(pid, _) in &processes {
                    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                        let _ = kill_process(pid, Signal::KILL);
                    }
                }
                processes.is_empty()
            },
        );
        if self.place.path.starts_with(TMP) {
            // The place is to be removed from the machine's own.
            let _ = umount2(TMP, MntFlags::MNT_DETACH);
        }
    }
}

/// A server at work; dropping it ends it.
pub(crate) struct Server {
    child: std::process::Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A master takes its workers with it, if it is given the time.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let patience = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's addresses of both families, with a port.
pub(crate) fn servers(port: u16) -> [SocketAddr; 2] {
    [IpAddr::from(SERVER), IpAddr::from(SERVER6)].map(|address| (address, port).into())
}

fn network() {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = ip.stdin.take().unwrap();
    input.write_all(NETWORK.as_bytes()).unwrap();
    drop(input);
    assert!(ip.wait().unwrap().success(), "the world's network");
    let group = match is_root() {
        true => NOBODY,
        false => rustix::process::getgid().as_raw(),
    };
    let range = "/proc/sys/net/ipv4/ping_group_range";
    fs::write(range, format!("{group} {group}")).unwrap();
}
