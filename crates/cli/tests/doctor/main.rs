//! `handfast doctor` for real, amid the obstacles that machines have.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use support::place::{Place, bind, mount_tmpfs};
use support::{NOBODY, apart, may_unshare};

/// What the doctor says in a place.
struct Diagnosis {
    json: Value,
    code: Option<i32>,
}

impl Diagnosis {
    fn of(command: &mut Command) -> Diagnosis {
        let output = said(command);
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_str(&text);
        Diagnosis {
            json: json.unwrap_or_else(|e| panic!("{e}: {text}{errors}")),
            code: output.status.code(),
        }
    }

    fn backend(&self, name: &str) -> &Value {
        let backends = self.json["backends"].as_array().unwrap();
        let found = backends.iter().find(|b| b["backend"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    fn step(&self, backend: &str, step: &str) -> &Value {
        let steps = self.backend(backend)["steps"].as_array().unwrap();
        let found = steps.iter().find(|s| s["step"] == step);
        found.unwrap_or_else(|| panic!("no {step} in {}", self.json))
    }

    /// That step failed like this, and those after it were not tried.
    fn fails(&self, backend: &str, step: &str, error: &str, cause: &str, fix: &str) {
        let found = self.step(backend, step);
        assert_eq!(found["verdict"], "failed", "{}", self.json);
        let text = |key: &str| found[key].as_str().unwrap();
        assert!(text("error").contains(error), "{found}");
        assert!(text("cause").contains(cause), "{found}");
        assert!(text("fix").contains(fix), "{found}");
        assert_eq!(self.backend(backend)["works"], false);
        let steps = self.backend(backend)["steps"].as_array().unwrap();
        let after = steps.iter().skip_while(|s| s["step"] != step).skip(1);
        after.for_each(|s| assert_eq!(s["verdict"], "not tried", "{s}"));
    }

    fn works(&self, backend: &str) {
        assert_eq!(self.backend(backend)["works"], true, "{}", self.json);
    }

    fn uses(&self, backend: Option<&str>) {
        assert_eq!(self.json["uses"].as_str(), backend, "{}", self.json);
        assert_eq!(self.code, Some(i32::from(backend.is_none())));
    }
}

fn said(command: &mut Command) -> Output {
    command
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn doctor(place: &Place) -> Command {
    let mut command = Command::new(place.program());
    command.args(["doctor", "--json"]);
    command
}

fn by_nobody(place: &Place) -> Command {
    let mut command = doctor(place);
    command.uid(NOBODY).gid(NOBODY);
    command
}

/// Behind `unshare`, with none of what `limit` limits, as that user inside.
fn limited(place: &Place, user: u32, limit: &str) -> Command {
    let script = format!("echo 0 > /proc/sys/user/{limit} && exec \"$@\"");
    let program = place.program();
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--keep-caps"])
        .args([format!("--map-user={user}"), format!("--map-group={user}")])
        .args(["sh", "-c", &script, "sh"])
        .arg(program)
        .args(["doctor", "--json"]);
    command
}

/// Runs in a place of its own, where there is an open TUN device.
fn in_place(test: impl FnOnce(&Place) + Send + 'static) {
    if may_unshare() {
        apart(|| test(&Place::new()));
    }
}

#[test]
fn without_privilege_all_works_with_an_open_device() {
    in_place(|place| {
        place.put_tun(Some(0o666));
        let found = Diagnosis::of(&mut by_nobody(place));
        found.uses(Some("user-namespace"));
        found.works("user-namespace-veth");
        for step in [
            "sock-diag",
            "pid-namespace",
            "proc",
            "execute",
            "ping-group",
        ] {
            assert_eq!(
                found.step("user-namespace", step)["verdict"],
                "ok",
                "{step}"
            );
        }
        assert_eq!(found.json["uid"], NOBODY);
    });
}

#[test]
fn root_has_four_ways() {
    in_place(|place| {
        place.put_tun(Some(0o600));
        let found = Diagnosis::of(&mut doctor(place));
        found.uses(Some("root"));
        assert_eq!(found.json["backends"].as_array().unwrap().len(), 4);
        found.works("root-veth");
        found.works("user-namespace-veth");
    });
}

#[test]
fn a_device_that_is_closed_or_missing_costs_the_tun_alone() {
    for (mode, error, cause, fix) in [
        (
            Some(0o600),
            "EACCES",
            "mode is 0600",
            "chmod 0666 /dev/net/tun",
        ),
        (None, "ENOENT", "does not exist", "modprobe tun"),
    ] {
        in_place(move |place| {
            place.put_tun(mode);
            let found = Diagnosis::of(&mut by_nobody(place));
            found.fails("user-namespace", "open-tun", error, cause, fix);
            found.uses(Some("user-namespace-veth"));
        });
    }
}

#[test]
fn limits_of_namespaces_are_named() {
    for (limit, step) in [
        ("max_user_namespaces", "user-namespace"),
        ("max_net_namespaces", "network-namespace"),
        ("max_mnt_namespaces", "mount-namespace"),
    ] {
        in_place(move |place| {
            place.put_tun(Some(0o666));
            let found = Diagnosis::of(&mut limited(place, NOBODY, limit));
            let (cause, fix) = (format!("user.{limit} is 0"), format!("user.{limit}=16384"));
            for backend in ["user-namespace", "user-namespace-veth"] {
                found.fails(backend, step, "ENOSPC", &cause, &fix);
            }
            found.uses(None);
        });
    }
}

#[test]
fn without_pid_namespaces_a_program_runs_all_the_same() {
    in_place(|place| {
        place.put_tun(Some(0o666));
        let found = Diagnosis::of(&mut limited(place, NOBODY, "max_pid_namespaces"));
        let step = found.step("user-namespace", "pid-namespace");
        assert_eq!(step["verdict"], "limited", "{step}");
        assert_eq!(step["cause"], "user.max_pid_namespaces is 0");
        assert_eq!(found.step("user-namespace", "execute")["verdict"], "ok");
        found.uses(Some("user-namespace"));
    });
}

#[test]
fn a_chroot_is_named() {
    in_place(|place| {
        place.put_tun(Some(0o666));
        let root = place.path.join("root");
        fs::create_dir(&root).unwrap();
        bind(Path::new("/"), &root, MsFlags::MS_REC);
        let mut command = Command::new("chroot");
        command
            .arg(format!("--userspec={NOBODY}:{NOBODY}"))
            .arg(&root)
            .arg(place.program())
            .args(["doctor", "--json"]);
        let found = Diagnosis::of(&mut command);
        found.fails(
            "user-namespace",
            "user-namespace",
            "EPERM",
            "chroot",
            "outside",
        );
        found.uses(None);
    });
}

#[test]
fn a_container_costs_what_it_costs() {
    in_place(|place| {
        place.put_tun(Some(0o666));
        // Parts of /proc are covered, and /proc/sys cannot be written.
        bind(
            Path::new("/dev/null"),
            Path::new("/proc/meminfo"),
            MsFlags::empty(),
        );
        let sys = Path::new("/proc/sys");
        bind(sys, sys, MsFlags::empty());
        bind(sys, sys, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY);
        let found = Diagnosis::of(&mut by_nobody(place));
        for (step, error) in [("ping-group", "EROFS"), ("proc", "EPERM")] {
            let step = found.step("user-namespace", step);
            assert_eq!(step["verdict"], "limited", "{step}");
            assert!(step["error"].as_str().unwrap().contains(error), "{step}");
            assert!(
                step["fix"].as_str().unwrap().contains("container"),
                "{step}"
            );
        }
        found.uses(Some("user-namespace"));
    });
}

#[test]
fn a_machine_without_ipv6_is_no_obstacle() {
    in_place(|place| {
        // The setting is inherited by namespaces from the one that this thread is in.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let own = Path::new("/proc/thread-self/net");
        assert!(own.exists());
        for which in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
            fs::write(path, "1").unwrap();
        }
        place.put_tun(Some(0o666));
        let found = Diagnosis::of(&mut by_nobody(place));
        found.uses(Some("user-namespace"));
    });
}

#[test]
fn a_resolv_conf_that_is_not_there_is_no_obstacle() {
    in_place(|place| {
        place.put_tun(Some(0o666));
        mount_tmpfs(Path::new("/etc"), "mode=755");
        let found = Diagnosis::of(&mut by_nobody(place));
        assert_eq!(found.step("user-namespace", "resolv-conf")["verdict"], "ok");
        found.uses(Some("user-namespace"));
    });
}

#[test]
fn the_table_names_cause_fix_and_backend() {
    in_place(|place| {
        place.put_tun(Some(0o600));
        let mut command = by_nobody(place);
        let program = command.get_program().to_owned();
        command = Command::new(program);
        command.arg("doctor").uid(NOBODY).gid(NOBODY);
        let output = said(&mut command);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for line in [
            "user namespace + TUN: does not work",
            "  failed     open /dev/net/tun: Permission denied (EACCES)",
            "             cause: its mode is 0600 and the user is 4242",
            "             fix:   sudo chmod 0666 /dev/net/tun",
            "  not tried  create a TUN interface",
            "  ok         open a packet socket",
            "`handfast run` works here. It uses: user namespace + veth + AF_PACKET",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in {text}");
        }
        let longest = text.lines().map(|l| l.chars().count()).max();
        assert!(longest <= Some(100), "{text}");
    });
}
