//! A network of a test's own: a machine, and behind its router what cannot be reached.

use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Addresses behind the router, and the router's own.
pub(crate) struct Routed {
    pub(crate) router: IpAddr,
    /// Too far for a hop limit of one.
    pub(crate) far: IpAddr,
    /// To which the router has no way.
    pub(crate) unreachable: IpAddr,
    /// To which it lets nobody.
    pub(crate) prohibited: IpAddr,
}

pub(crate) fn routed() -> [Routed; 2] {
    [
        ["10.9.0.2", "198.51.100.3", "198.51.100.1", "198.51.100.2"],
        ["fd09::2", "2001:db8:9::3", "2001:db8:9::1", "2001:db8:9::2"],
    ]
    .map(|all| {
        let [router, far, unreachable, prohibited] = all.map(|ip| ip.parse().unwrap());
        Routed {
            router,
            far,
            unreachable,
            prohibited,
        }
    })
}

/// Runs a test on a machine whose `net.ipv4.ping_group_range` is this, or says loudly why it
/// cannot. The test's thread is in a namespace of its own, and so are all sockets made in it.
pub(crate) fn in_place<F: Future<Output = ()>>(
    ping_group_range: &str,
    test: impl FnOnce() -> F + Send,
) {
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| {
            if let Err(why) = unshare(CloneFlags::CLONE_NEWNET) {
                eprintln!(
                    "SKIPPED: a network namespace needs privileges this test has not got: {why}"
                );
                return;
            }
            let _router = match Router::new() {
                Ok(router) => router,
                Err(why) => {
                    eprintln!("SKIPPED: {why}");
                    return;
                }
            };
            fs::write("/proc/sys/net/ipv4/ping_group_range", ping_group_range).unwrap();
            run(test());
        });
        if let Err(panic) = ran.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Runs a future on a reactor of this thread's own.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// A namespace that forwards, kept by a process that ends with this one at the latest.
struct Router(Child);

impl Router {
    fn new() -> Result<Router, String> {
        let child = Command::new("unshare")
            .args(["-n", "cat"])
            .stdin(Stdio::piped())
            .spawn();
        let router = Router(child.map_err(|e| format!("unshare: {e}"))?);
        let pid = router.0.id();
        let ours = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let limit = Instant::now() + Duration::from_secs(30);
        while fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs == ours) {
            assert!(Instant::now() < limit, "unshare takes for ever");
            std::thread::sleep(Duration::from_millis(1));
        }
        shell(&format!(
            "ip link set lo up
             ip link add here type veth peer name there netns {pid}
             ip addr add 10.9.0.1/24 dev here
             ip addr add fd09::1/64 dev here nodad
             ip link set here up
             ip route add 198.51.100.0/24 via 10.9.0.2
             nsenter -t {pid} -n sh -e <<'END'
             ip link set lo up
             ip addr add 10.9.0.2/24 dev there
             ip addr add fd09::2/64 dev there nodad
             ip link set there up
             echo 1 >/proc/sys/net/ipv4/ip_forward
             echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
             ip route add unreachable 198.51.100.1
             ip route add prohibit 198.51.100.2
             ip route add 198.51.100.3 dev there
             ip route add unreachable 2001:db8:9::1
             ip route add prohibit 2001:db8:9::2
             ip route add 2001:db8:9::3 dev there
END
             ip route add 2001:db8:9::/48 via fd09::2"
        ))?;
        Ok(router)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script of the shell; what it complains of is the error.
pub(crate) fn shell(script: &str) -> Result<(), String> {
    let output = Command::new("sh").args(["-e", "-c", script]).output();
    let output = output.map_err(|e| format!("sh: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
