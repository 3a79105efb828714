//! Namespaces for real: as root, without any privilege, with each obstacle in the way, and what is
//! left of them afterwards. Obstacles are set up in mount and user namespaces of the tests' own,
//! so that nothing has to be put back.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod command;
mod program;
mod resolver;
mod terminal;
mod trial;
mod veth;

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use handfast_cli::kernel_peer::{Command as Ask, HttpRequest, RequestBody, Seeded, Side, site};
use handfast_cli::namespace::{Backend, Namespace, NamespaceConfig, Step};
use handfast_link::tun::sys::Offload;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process_group};

use support::place::{Helper, Place, bind};
use support::{NOBODY, apart, built, is_gone, may_unshare, skipped, within};

#[test]
fn a_namespace_is_as_configured_and_quiet() {
    let config = NamespaceConfig {
        mtu: 1400,
        sysctls: vec![("ipv4/tcp_congestion_control".into(), "reno".into())],
        ..config(built())
    };
    let Some(mut namespace) = create_or_skip(&config) else {
        return;
    };
    let root = rustix::process::geteuid().is_root();
    let expected = if root {
        Backend::Root
    } else {
        Backend::UserNamespace
    };
    assert_eq!(namespace.backend(), expected);
    let tun = namespace.take_tun().expect("the first time");
    assert!(namespace.take_tun().is_none());

    // Let it speak before it is spoken to: it must not.
    thread::sleep(Duration::from_millis(200));
    let mut buffer = vec![0; 70_000];
    let unasked = rustix::io::read(&tun, &mut buffer);
    assert_eq!(unasked, Err(rustix::io::Errno::AGAIN));

    let inside =
        |file: &str| fs::read_to_string(format!("/proc/{}/net/{file}", namespace.pid())).unwrap();
    let interface = namespace.interface();
    let default = |line: &str| line.starts_with(&format!("{interface}\t00000000\t00000000\t"));
    assert!(inside("route").lines().any(default), "{}", inside("route"));
    let v6: Vec<_> = inside("if_inet6").lines().map(str::to_owned).collect();
    let address = "20010db8000000000000000000000001";
    // Prefix length 64, scope global, and permanent without duplicate address detection.
    let ours = v6
        .iter()
        .find(|l| l.starts_with(address))
        .expect("the address");
    let columns: Vec<_> = ours.split_whitespace().collect();
    assert_eq!(
        (columns[2], columns[3], columns[4], columns[5]),
        ("40", "00", "82", interface)
    );
    assert_eq!(
        v6.iter().filter(|l| l.ends_with(interface)).count(),
        1,
        "{v6:?}"
    );

    // A connection attempt leaves through the TUN, to any destination, with the MTU's MSS.
    for (to, header, mss) in [
        ("198.51.100.7:80", 20, 1360),
        ("[2001:db8:1::7]:80", 40, 1340),
    ] {
        let to: SocketAddr = to.parse().unwrap();
        let request = HttpRequest::new(to, "/", RequestBody::None);
        let pending = namespace.peer().start(Ask::Http(request)).unwrap();
        let n = read_within(&tun, &mut buffer, Duration::from_secs(5));
        let packet = &buffer[10..n];
        assert_eq!(packet[0] >> 4, if to.is_ipv4() { 4 } else { 6 });
        let tcp = &packet[header..];
        assert_eq!(u16::from_be_bytes([tcp[2], tcp[3]]), 80);
        assert_eq!(tcp[13], 0x02, "SYN alone");
        assert_eq!(tcp[20..22], [2, 4], "MSS is the first option");
        assert_eq!(u16::from_be_bytes([tcp[22], tcp[23]]), mss);
        let local = match &packet[..header] {
            v4 if header == 20 => {
                SocketAddr::from((<[u8; 4]>::try_from(&v4[12..16]).unwrap(), port(tcp)))
            }
            v6 => SocketAddr::from((<[u8; 16]>::try_from(&v6[8..24]).unwrap(), port(tcp))),
        };
        let state = namespace
            .peer()
            .tcp_state(local, to)
            .unwrap()
            .expect("it is trying");
        assert_eq!(state.state, "SYN-SENT");
        assert_eq!(state.congestion.as_deref(), Some("reno"));
        drop(pending);
    }
    assert!(
        namespace.offload().contains(Offload::TCP),
        "{:?}",
        namespace.offload()
    );
}

#[test]
fn the_kernel_inside_serves_itself_over_loopback() {
    let Some(namespace) = create_or_skip(&config(built())) else {
        return;
    };
    over_loopback(&namespace);
}

#[test]
fn creating_takes_milliseconds() {
    let config = config(built());
    if create_or_skip(&config).is_none() {
        return;
    }
    let mut times: Vec<_> = (0..15)
        .map(|_| {
            let namespace = Namespace::create(&config).unwrap();
            (namespace.create_time(), namespace.setup_time())
        })
        .collect();
    times.sort();
    let (create, setup) = times[times.len() / 2];
    eprintln!(
        "create: median {create:?}, of it set-up {setup:?}; worst {:?}",
        times[14].0
    );
    assert!(create < Duration::from_secs(1));
}

#[test]
fn dropping_it_ends_the_worker() {
    let Some(namespace) = create_or_skip(&config(built())) else {
        return;
    };
    let (pid, peer) = (namespace.pid(), namespace.peer().clone());
    assert!(!is_gone(pid));
    drop(namespace);
    assert!(is_gone(pid));
    assert!(peer.listen(&[]).is_err());
}

#[test]
fn nothing_is_left_when_the_parent_is_killed() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        if Command::new("ip").arg("-V").output().is_err() {
            skipped("there is no `ip` to make a witness with");
            return;
        }
        // The witness below needs a namespace outside of the one under test; not the machine's.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let place = Place::new();
        let mut helper = place.helper().start();
        let pid = helper.expect("ready").parse::<u32>().unwrap();
        assert!(!is_gone(pid));
        // One end of a veth disappears when the namespace of the other does.
        let witness = |arguments: &str| {
            let arguments = arguments.split(' ');
            Command::new("ip")
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        assert!(witness(&format!(
            "link add witness type veth peer name inner netns {pid}"
        )));
        assert!(witness("link show witness"));

        helper.child.kill().unwrap();
        helper.child.wait().unwrap();
        within(Duration::from_secs(5), "the worker to end", || is_gone(pid));
        within(Duration::from_secs(30), "the namespace to end", || {
            !witness("link show witness")
        });
        assert!(!fs::exists("/sys/class/net/hf0").unwrap());
    });
}

#[test]
fn ctrl_c_ends_both() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        let mut command = place.helper().hearing_signals();
        command.0.process_group(0);
        let mut helper = command.start();
        let pid = helper.expect("ready").parse::<u32>().unwrap();
        kill_process_group(Pid::from_child(&helper.child), Signal::INT).unwrap();
        assert!(!helper.child.wait().unwrap().success());
        within(Duration::from_secs(5), "the worker to end", || is_gone(pid));
    });
}

#[test]
fn without_privilege_a_readable_device_is_enough() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        place.put_tun(Some(0o666));
        let mut helper = place.helper().by_nobody().start();
        let pid = helper.expect("ready").parse::<u32>().unwrap();
        assert_eq!(helper.expect("backend"), "user namespace + TUN");
        eprintln!("as user {NOBODY}: {}", helper.expect("took"));
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(
            status.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}\t")),
            "{status}"
        );
        helper.release();
        assert_eq!(helper.expect("loopback"), "good");
        assert!(helper.child.wait().unwrap().success());
        assert!(is_gone(pid));
    });
}

#[test]
fn a_closed_device_is_named_with_its_fix() {
    obstacle(
        |place| {
            place.put_tun(Some(0o600));
            place.helper().by_nobody()
        },
        "cannot open /dev/net/tun: Permission denied (EACCES): its mode is 0600 and the user is \
         4242; fix: sudo chmod 0666 /dev/net/tun",
    );
}

#[test]
fn a_missing_device_is_named_with_its_fix() {
    obstacle(
        |place| {
            place.put_tun(None);
            place.helper().by_nobody()
        },
        "cannot open /dev/net/tun: No such file or directory (ENOENT): the device does not exist; \
         fix: sudo modprobe tun, or in a container --device /dev/net/tun",
    );
}

#[test]
fn a_limit_of_no_user_namespaces_is_named_with_its_fix() {
    let unshare = [
        "--user",
        "--map-user=4242",
        "--map-group=4242",
        "--keep-caps",
    ];
    obstacle(
        move |place| place.helper().limited(&unshare, "max_user_namespaces"),
        "cannot create a user namespace: No space left on device (ENOSPC): \
         user.max_user_namespaces is 0; fix: sudo sysctl -w user.max_user_namespaces=16384",
    );
}

#[test]
fn a_limit_of_no_network_namespaces_is_named_with_its_fix() {
    obstacle(
        |place| {
            let unshare = ["--user", "--map-root-user", "--keep-caps"];
            place.helper().limited(&unshare, "max_net_namespaces")
        },
        "cannot create a network namespace: No space left on device (ENOSPC): \
         user.max_net_namespaces is 0; fix: sudo sysctl -w user.max_net_namespaces=16384",
    );
}

#[test]
fn a_chroot_is_named_with_its_fix() {
    obstacle(
        |place| {
            let root = place.path.join("root");
            fs::create_dir(&root).unwrap();
            bind(Path::new("/"), &root, MsFlags::MS_REC);
            place.helper().within(&root)
        },
        "cannot create a user namespace: Operation not permitted (EPERM): the process runs in a \
         chroot, or a security module forbids it; fix: run it outside the chroot",
    );
}

#[test]
fn parameters_that_are_wrong_are_named() {
    let bad = |change: &dyn Fn(&mut NamespaceConfig)| {
        let mut config = config(built());
        change(&mut config);
        Namespace::create(&config).expect_err("it is wrong")
    };
    if create_or_skip(&config(built())).is_none() {
        return;
    }
    let error = bad(&|c| c.interface = "a-name-of-16-octets".into());
    assert_eq!(error.step, Step::AttachTun);
    let error = bad(&|c| c.addresses[0].prefix_len = 33);
    assert_eq!(error.step, Step::Address);
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
    let error = bad(&|c| c.mtu = 1_000_000);
    assert_eq!(error.step, Step::Interface);
    assert!(error.to_string().contains("MTU 1000000"), "{error}");
    let error = bad(&|c| c.sysctls = vec![("ipv4/no_such_parameter".into(), "1".into())]);
    assert_eq!(error.step, Step::Sysctl);
}

/// Not a test of its own: the process that the others start, stop and kill. It makes a namespace,
/// says so, waits for the end of its input, and checks the namespace then.
#[test]
#[ignore = "the process that other tests start"]
fn helper() {
    let Some(program) = std::env::var_os("NAMESPACE_HELPER") else {
        skipped("not started by another test");
        return;
    };
    match Namespace::create(&config(program)) {
        Ok(namespace) => {
            eprintln!("ready: {}", namespace.pid());
            eprintln!("backend: {}", namespace.backend());
            eprintln!(
                "took: {:?}, of it set-up {:?}",
                namespace.create_time(),
                namespace.setup_time()
            );
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            over_loopback(&namespace);
            eprintln!("loopback: good");
        }
        Err(e) => eprintln!("failed: {e}"),
    }
}

fn config(program: impl Into<PathBuf>) -> NamespaceConfig {
    NamespaceConfig {
        executable: program.into(),
        ..NamespaceConfig::default()
    }
}

/// A namespace by whatever right this process has; none is no failure without the right.
fn create_or_skip(config: &NamespaceConfig) -> Option<Namespace> {
    match Namespace::create(config) {
        Ok(namespace) => Some(namespace),
        Err(e) if e.step != Step::OpenTun && may_unshare() => panic!("{e}"),
        Err(e) => {
            skipped(&e.to_string());
            None
        }
    }
}

fn over_loopback(namespace: &Namespace) {
    let peer = namespace.peer();
    let any = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    for to in peer.listen(&any).unwrap() {
        let (seed, len) = (7, 3_000_001);
        let hash = Seeded::new(seed, len).sha256();
        let download = peer.download(to, seed, len).unwrap();
        assert_eq!((download.bytes, &download.sha256), (len, &hash));
        let upload = peer.upload(to, seed, len).unwrap();
        assert_eq!(upload.text, site::receipt(&hash, len));
        let page = HttpRequest {
            closes_first: Side::Client,
            ..HttpRequest::new(to, "/", RequestBody::None)
        };
        let page = peer.request(&page).unwrap();
        assert!(page.clean_end);
        // Not the machine's own loopback: there nobody listens.
        assert!(std::net::TcpStream::connect(to).is_err());
    }
}

fn port(tcp: &[u8]) -> u16 {
    u16::from_be_bytes([tcp[0], tcp[1]])
}

fn read_within(fd: impl AsFd, buffer: &mut [u8], limit: Duration) -> usize {
    let mut length = 0;
    within(limit, "a packet", || {
        rustix::io::read(&fd, &mut *buffer)
            .map(|n| length = n)
            .is_ok()
    });
    length
}

/// Starts the helper amid an obstacle and compares what it says.
fn obstacle(set_up: impl FnOnce(&Place) -> Helper + Send + 'static, expected: &'static str) {
    if !may_unshare() {
        return;
    }
    apart(move || {
        let place = Place::new();
        let mut helper = set_up(&place).start();
        assert_eq!(helper.expect("failed"), expected);
        assert!(helper.child.wait().unwrap().success());
    });
}
