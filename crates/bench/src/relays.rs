//! What carries the client's packets to the server outside: `handfast run`, pasta, slirp4netns,
//! the kernel's own veth, or nothing at all. All run as an ordinary user, in a network namespace
//! that this benchmark made.

use crate::load::SERVER;
use crate::namespace::ip;
use crate::processor;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Nobody: every relay is started as this user.
const USER: u32 = 65534;
/// A file system of our own, in our mount namespace: programs that [`USER`] may execute.
const PLACE: &str = "/mnt";
/// The word after the program's name that makes it the client.
pub const CLIENT: &str = "client-inside";
const START_WITHIN: Duration = Duration::from_secs(15);

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// `handfast run`.
    Handfast,
    /// pasta of the passt project.
    Pasta,
    /// slirp4netns.
    Slirp4netns,
    /// A pair of virtual Ethernet devices of the kernel, which needs root.
    Veth,
    /// Nothing: the client runs in the server's namespace.
    Direct,
}

/// The commands to measure: paths, or names to be looked up.
#[derive(Clone, Debug)]
pub struct Programs {
    /// handfast; it is copied to where any user may execute it.
    pub handfast: PathBuf,
    /// pasta.
    pub pasta: PathBuf,
    /// slirp4netns.
    pub slirp4netns: PathBuf,
}

/// The namespace outside, with everything that the relays need.
#[derive(Debug)]
pub struct Outside {
    congestion: String,
    programs: Programs,
}

impl Outside {
    /// Sets the namespace of this process up. The server's address is one of the namespace's own
    /// that is not 127.0.0.1, which pasta would treat specially.
    ///
    /// # Errors
    /// What the system refused.
    pub fn new(congestion: &str, programs: &Programs) -> io::Result<Self> {
        ip(&["link", "set", "lo", "up"])?;
        ip(&["addr", "add", &format!("{SERVER}/32"), "dev", "lo"])?;
        // A device with a default route, as a machine has one: pasta insists on it.
        ip(&[
            "link", "add", "uplink", "type", "veth", "peer", "name", "void",
        ])?;
        ip(&["link", "set", "void", "up"])?;
        ip(&["addr", "add", "192.0.2.1/24", "dev", "uplink"])?;
        ip(&["link", "set", "uplink", "up"])?;
        ip(&["route", "add", "default", "via", "192.0.2.254"])?;
        let ipv4 = Path::new("/proc/sys/net/ipv4");
        fs::write(ipv4.join("tcp_congestion_control"), congestion)?;
        // Thousands of connections a second would otherwise use up the ports.
        fs::write(ipv4.join("ip_local_port_range"), "1024 65535")?;
        fs::write(ipv4.join("tcp_tw_reuse"), "1")?;
        command("mount", &["-t", "tmpfs", "-o", "mode=755", "bench", PLACE])?;
        let place = Path::new(PLACE);
        fs::copy("/proc/self/exe", place.join("client"))?;
        let mut programs = programs.clone();
        if programs.handfast.exists() {
            let copy = place.join("handfast");
            fs::copy(&programs.handfast, &copy)?;
            programs.handfast = copy;
        }
        // Some machines give the TUN device to root alone.
        command("mknod", &["-m", "666", "/mnt/tun", "c", "10", "200"])?;
        command("mount", &["--bind", "/mnt/tun", "/dev/net/tun"])?;
        Ok(Self {
            congestion: congestion.into(),
            programs,
        })
    }
}

impl Relay {
    /// Every relay, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::Handfast,
        Self::Pasta,
        Self::Slirp4netns,
        Self::Veth,
        Self::Direct,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handfast => "handfast run",
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
            Self::Veth => "veth (root)",
            Self::Direct => "none",
        }
    }

    /// The first line of what it says about its version, or why it cannot be measured.
    ///
    /// # Errors
    /// It is not there; the text says how to get it.
    pub fn version(self, outside: &Outside) -> Result<String, String> {
        let programs = &outside.programs;
        let (program, remedy) = match self {
            Self::Handfast => (
                &programs.handfast,
                "not built: cargo build --release -p handfast-cli",
            ),
            Self::Pasta => (&programs.pasta, "not installed: apt install passt"),
            Self::Slirp4netns => (
                &programs.slirp4netns,
                "not installed: apt install slirp4netns",
            ),
            Self::Veth | Self::Direct => return Ok("the kernel's".into()),
        };
        // Some write it to a log unless they are told otherwise.
        let log = Path::new(PLACE).join("version");
        let file = || File::create(&log).map_err(|e| e.to_string());
        let out = Command::new(program)
            .arg("--version")
            .stderr(file()?)
            .output();
        let out = out.map_err(|_| remedy.to_owned())?;
        let said = [out.stdout, fs::read(&log).unwrap_or_default()].concat();
        let text = String::from_utf8_lossy(&said).into_owned();
        let mut lines = text.lines().filter(|line| !line.contains("syslog"));
        Ok(lines.next().unwrap_or("version unknown").to_owned())
    }

    /// Starts it with a client inside; returns when the client has read an octet of the server.
    ///
    /// # Errors
    /// It did not start in time; the text is its last word.
    pub fn start(self, outside: &Outside, mtu: u32) -> io::Result<Running> {
        let mut words: Vec<String> = Vec::new();
        let mut say = |text: &str| words.extend(text.split_whitespace().map(String::from));
        match self {
            Self::Handfast => say(&format!("{PLACE}/handfast run --quiet -4 --mtu {mtu} --")),
            Self::Pasta => say(&format!(
                "{} --config-net -q -f -4 -m {mtu} -a 10.77.0.2 -n 24 -g 10.77.0.1 -t none \
                 -u none -T none -U none --",
                outside.programs.pasta.display()
            )),
            Self::Slirp4netns | Self::Veth => say("unshare --user --map-root-user --net"),
            Self::Direct => {}
        }
        say(&format!("{PLACE}/client {CLIENT} {}", outside.congestion));
        let log = Path::new(PLACE).join("log");
        let start = Instant::now();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .uid(USER)
            .gid(USER)
            .current_dir(PLACE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped");
        };
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut running = Running {
            child,
            helper: None,
            stdin: Some(stdin),
            lines,
            log,
            set_up: Duration::ZERO,
        };
        running.expect("here")?;
        match self {
            Self::Slirp4netns => {
                running.helper = Some(slirp4netns(outside, running.child.id(), mtu)?)
            }
            Self::Veth => veth(running.child.id(), mtu)?,
            _ => {}
        }
        running.say("go")?;
        running.expect("ready")?;
        running.set_up = start.elapsed();
        Ok(running)
    }
}

/// A relay with a client inside, ended when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    helper: Option<Child>,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
    /// From the start of the first program to the first octet of the server.
    pub set_up: Duration,
}

impl Running {
    /// Gives the client a command; the figures of its answer.
    ///
    /// # Errors
    /// The client reported a failure, or nothing within the time.
    pub fn ask(&mut self, command: &str, within: Duration) -> io::Result<Vec<f64>> {
        self.say(command)?;
        let line = self.line(within)?;
        match line.strip_prefix("ok ") {
            Some(figures) => Ok(figures.split(' ').filter_map(|f| f.parse().ok()).collect()),
            None => Err(Error::other(format!("{command}: {line}"))),
        }
    }

    /// The processes of the relay, without the client.
    pub fn processes(&self) -> Vec<u32> {
        // `unshare` has become the client; pasta, handfast and slirp4netns stay.
        let roots = [Some(&self.child), self.helper.as_ref()];
        let trees = roots.into_iter().flatten();
        trees
            .flat_map(|root| {
                processor::tree(root.id(), |line| {
                    line.split('\0').any(|w| w == CLIENT)
                        && line.starts_with(&format!("{PLACE}/client"))
                })
            })
            .collect()
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{line}").map_err(|e| self.complain(&e.to_string()))
    }

    fn line(&mut self, within: Duration) -> io::Result<String> {
        let line = self.lines.recv_timeout(within);
        line.map_err(|e| self.complain(&format!("no answer of the client: {e}")))
    }

    fn expect(&mut self, word: &str) -> io::Result<()> {
        let line = self.line(START_WITHIN)?;
        if line == word {
            Ok(())
        } else {
            Err(self.complain(&format!("expected {word}, heard {line}")))
        }
    }

    /// An error with the last line that the relay wrote to its standard error.
    fn complain(&self, what: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().rev().find(|l| !l.contains("syslog"));
        Error::other(match last {
            Some(last) => format!("{what}; it said: {last}"),
            None => what.to_owned(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The client ends with its standard input, and the relay with the client.
        drop(self.stdin.take());
        let end = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        for child in [Some(&mut self.child), self.helper.as_mut()]
            .into_iter()
            .flatten()
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts slirp4netns for the namespace of a process; returns when the device is configured.
fn slirp4netns(outside: &Outside, target: u32, mtu: u32) -> io::Result<Child> {
    let (mut ready, writer) = io::pipe()?;
    let child = Command::new(&outside.programs.slirp4netns)
        .args(["--configure", "--disable-dns", "--ready-fd=0"])
        .args([&format!("--mtu={mtu}"), &target.to_string(), "tap0"])
        .uid(USER)
        .gid(USER)
        .stdin(writer)
        .stdout(Stdio::null())
        .stderr(File::create(Path::new(PLACE).join("log"))?)
        .spawn()?;
    // Ends at once when slirp4netns ends, since nobody else holds the other end.
    ready.read_exact(&mut [0])?;
    Ok(child)
}

/// Joins the namespace of a process to this one with a pair of devices.
fn veth(target: u32, mtu: u32) -> io::Result<()> {
    let (mtu, target) = (mtu.to_string(), target.to_string());
    let peer = ["peer", "name", "inside", "mtu", &mtu, "netns", &target];
    ip(&[
        &["link", "add", "outside", "mtu", &mtu, "type", "veth"],
        &peer[..],
    ]
    .concat())?;
    ip(&["addr", "add", "10.76.0.1/24", "dev", "outside"])?;
    ip(&["link", "set", "outside", "up"])?;
    for words in [
        "addr add 10.76.0.2/24 dev inside",
        "link set inside up",
        "route add default via 10.76.0.1",
    ] {
        let enter = ["-t", &target, "-n", "ip"];
        command(
            "nsenter",
            &[&enter, &words.split(' ').collect::<Vec<_>>()[..]].concat(),
        )?;
    }
    Ok(())
}

fn command(program: &str, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new(program).args(arguments).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::other(format!(
            "{program} {} failed",
            arguments.join(" ")
        )))
    }
}
