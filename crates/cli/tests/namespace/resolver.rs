//! Names inside: resolved by what we say, and by no daemon of the machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use handfast_cli::namespace::{Backend, NamespaceConfig, Program, Supervision};
use nix::mount::MsFlags;

use crate::support::place::{Place, bind, mount_tmpfs};
use crate::support::{apart, built, may_unshare};
use crate::{config, create_or_skip};

const CONF: &str = "nameserver 192.0.2.2\noptions edns0\n";

/// Where `/etc/resolv.conf` leads, as machines have it.
#[derive(Clone, Copy, Debug)]
enum Before {
    File,
    Link,
    Dangling,
    Absent,
}

/// Gives this thread an `/etc` of its own.
fn set_up(place: &Place, before: Before) {
    let etc = place.path.join("etc");
    fs::create_dir(&etc).unwrap();
    for name in ["passwd", "group"] {
        fs::copy(Path::new("/etc").join(name), etc.join(name)).unwrap();
    }
    let conf = etc.join("resolv.conf");
    let target = place.path.join("stub");
    match before {
        Before::File => fs::write(conf, "nameserver 203.0.113.1\n").unwrap(),
        Before::Link => {
            fs::write(&target, "nameserver 203.0.113.1\n").unwrap();
            symlink(target, conf).unwrap();
        }
        Before::Dangling => symlink("../run/nowhere/stub-resolv.conf", conf).unwrap(),
        Before::Absent => {}
    }
    bind(&etc, Path::new("/etc"), MsFlags::empty());
}

#[test]
fn resolv_conf_is_ours_whatever_there_was() {
    if !may_unshare() {
        return;
    }
    for before in [Before::File, Before::Link, Before::Dangling, Before::Absent] {
        apart(move || {
            let place = Place::new();
            set_up(&place, before);
            let machine = fs::read_to_string("/etc/resolv.conf").ok();
            for backend in [Backend::Root, Backend::UserNamespace] {
                let config = NamespaceConfig {
                    backends: vec![backend],
                    resolv_conf: Some(CONF.to_owned()),
                    supervision: Supervision::PidNamespace,
                    ..config(built())
                };
                let Some(mut namespace) = create_or_skip(&config) else {
                    return;
                };
                assert_eq!(namespace.shortfalls(), []);
                let out = place.path.join(format!("{backend:?}"));
                let script = "cat /etc/resolv.conf > $OUT && grep -q ^root: /etc/passwd";
                let program = Program {
                    argv: ["sh", "-c", script].map(Into::into).into(),
                    env: vec![("OUT".into(), out.clone().into())],
                    identity: None,
                };
                let running = namespace.start(&program, None).unwrap();
                assert_eq!(running.wait().code(), 0, "{before:?}, {backend}");
                assert_eq!(
                    fs::read_to_string(out).unwrap(),
                    CONF,
                    "{before:?}, {backend}"
                );
                // The machine's is as it was.
                assert_eq!(fs::read_to_string("/etc/resolv.conf").ok(), machine);
            }
        });
    }
}

#[test]
fn daemons_that_resolve_names_are_out_of_reach() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        let run = Path::new("/run");
        mount_tmpfs(run, "mode=755");
        let sockets = ["nscd/socket", "systemd/resolve/io.systemd.Resolve", "other"];
        let paths = sockets.map(|name| run.join(name));
        let _listeners = paths.clone().map(|path| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            UnixListener::bind(path).unwrap()
        });
        let config = NamespaceConfig {
            resolv_conf: Some(CONF.to_owned()),
            supervision: Supervision::PidNamespace,
            ..config(built())
        };
        let Some(mut namespace) = create_or_skip(&config) else {
            return;
        };
        assert_eq!(namespace.shortfalls(), []);
        let out = place.path.join("kinds");
        let program = Program {
            argv: ["sh", "-c", "shift; stat -c %F \"$@\" > $0"]
                .map(Into::into)
                .into_iter()
                .chain([out.clone().into(), "".into()])
                .chain(paths.clone().map(Into::into))
                .collect(),
            ..Program::default()
        };
        let running = namespace.start(&program, None).unwrap();
        assert_eq!(running.wait().code(), 0);
        let kinds = fs::read_to_string(out).unwrap();
        let kinds: Vec<_> = kinds.lines().collect();
        // What is no socket refuses whoever connects.
        assert_eq!(
            kinds,
            ["regular empty file", "regular empty file", "socket"]
        );
        for path in paths {
            std::os::unix::net::UnixStream::connect(path).expect("outside it is reached");
        }
    });
}
