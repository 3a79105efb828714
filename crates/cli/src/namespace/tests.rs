use nix::errno::Errno;

use super::error::{Failure, Surroundings, explain};
use super::steps::Step;

fn line(step: Step, errno: Errno, surroundings: Surroundings) -> String {
    let failure = Failure {
        step,
        errno: Some(errno as i32),
        detail: "hf0".to_owned(),
    };
    explain(&failure, &surroundings).to_string()
}

#[test]
fn each_known_obstacle_has_its_cause_and_its_fix() {
    let here = Surroundings {
        uid: 4242,
        max_user_namespaces: Some(0),
        max_net_namespaces: Some(0),
        max_mnt_namespaces: Some(0),
        tun_mode: Some(0o600),
        ..Surroundings::default()
    };
    let debian = Surroundings {
        clone_disabled: true,
        ..here.clone()
    };
    let ubuntu = Surroundings {
        apparmor_restricts: true,
        ..here.clone()
    };
    let container = Surroundings {
        seccomp: true,
        ..here.clone()
    };
    let cases = [
        (
            Step::UserNamespace,
            Errno::ENOSPC,
            &here,
            "user.max_user_namespaces is 0",
            "sudo sysctl -w user.max_user_namespaces=16384",
        ),
        (
            Step::NetworkNamespace,
            Errno::ENOSPC,
            &here,
            "user.max_net_namespaces is 0",
            "sudo sysctl -w user.max_net_namespaces=16384",
        ),
        (
            Step::UserNamespace,
            Errno::EPERM,
            &here,
            "chroot",
            "outside the chroot",
        ),
        (
            Step::UserNamespace,
            Errno::EPERM,
            &debian,
            "unprivileged_userns_clone is 0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            Step::UserNamespace,
            Errno::EPERM,
            &container,
            "seccomp",
            "--security-opt seccomp=unconfined",
        ),
        (
            Step::UserNamespace,
            Errno::EINVAL,
            &here,
            "no user namespaces",
            "CONFIG_USER_NS",
        ),
        (
            Step::IdentityMap,
            Errno::EPERM,
            &ubuntu,
            "AppArmor",
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (
            Step::NetworkNamespace,
            Errno::EPERM,
            &ubuntu,
            "AppArmor",
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (
            Step::AttachTun,
            Errno::EPERM,
            &ubuntu,
            "AppArmor",
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (
            Step::AttachTun,
            Errno::EPERM,
            &here,
            "CAP_NET_ADMIN",
            "sudo",
        ),
        (
            Step::OpenTun,
            Errno::EACCES,
            &here,
            "its mode is 0600 and the user is 4242",
            "sudo chmod 0666 /dev/net/tun",
        ),
        (
            Step::OpenTun,
            Errno::EPERM,
            &here,
            "container",
            "--device /dev/net/tun",
        ),
        (
            Step::OpenTun,
            Errno::ENOENT,
            &here,
            "does not exist",
            "modprobe tun",
        ),
        (
            Step::OpenTun,
            Errno::ENODEV,
            &here,
            "no driver",
            "modprobe tun",
        ),
        (
            Step::MountNamespace,
            Errno::ENOSPC,
            &here,
            "user.max_mnt_namespaces is 0",
            "user.max_mnt_namespaces=16384",
        ),
        (
            Step::PidNamespace,
            Errno::ENOSPC,
            &here,
            "the limit user.max_pid_namespaces is reached",
            "user.max_pid_namespaces=16384",
        ),
        (
            Step::PidNamespace,
            Errno::EPERM,
            &container,
            "seccomp filter",
            "seccomp=unconfined",
        ),
        (
            Step::Veth,
            Errno::EPERM,
            &ubuntu,
            "no capability in it",
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (
            Step::PacketSocket,
            Errno::EPERM,
            &here,
            "CAP_NET_RAW",
            "sudo",
        ),
        (
            Step::Veth,
            Errno::EOPNOTSUPP,
            &here,
            "no veth",
            "modprobe veth",
        ),
        (
            Step::ResolvConf,
            Errno::EPERM,
            &here,
            "no /etc/resolv.conf",
            "touch /etc/resolv.conf",
        ),
        (
            Step::Proc,
            Errno::EPERM,
            &here,
            "parts of /proc are covered",
            "systempaths=unconfined",
        ),
        (
            Step::PingGroup,
            Errno::EROFS,
            &here,
            "/proc/sys cannot be written",
            "--privileged",
        ),
        (Step::SockDiag, Errno::ENOENT, &here, "module", "tcp_diag"),
        (
            Step::AttachTun,
            Errno::EBUSY,
            &here,
            "hf0 is taken",
            "another",
        ),
        (
            Step::Address,
            Errno::EACCES,
            &here,
            "IPv6, which is disabled",
            "disable_ipv6=0",
        ),
        (
            Step::Sysctl,
            Errno::EROFS,
            &here,
            "cannot be written",
            "--privileged",
        ),
        (
            Step::Offload,
            Errno::EINVAL,
            &here,
            "the kernel refused it (hf0)",
            "sudo",
        ),
    ];
    for (step, errno, surroundings, cause, fix) in cases {
        let line = line(step, errno, surroundings.clone());
        let (before, after) = line.split_once("; fix: ").expect("a fix");
        assert!(
            before.starts_with(&format!("cannot {}", step.purpose())),
            "{line}"
        );
        assert!(before.contains(&format!("{errno:?}")), "{line}");
        assert!(before.contains(cause), "{line}");
        assert!(after.contains(fix), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn a_worker_that_cannot_be_started_is_an_error_in_words() {
    let config = super::NamespaceConfig {
        executable: "/nonexistent/handfast".into(),
        ..Default::default()
    };
    let error = super::Namespace::create(&config).expect_err("there is no such program");
    assert_eq!(error.step, Step::Spawn);
    assert_eq!(error.errno, Some(Errno::ENOENT as i32));
}

#[test]
fn a_worker_that_ends_at_once_is_an_error_in_words() {
    let config = super::NamespaceConfig {
        executable: "/bin/true".into(),
        ..Default::default()
    };
    let error = super::Namespace::create(&config).expect_err("it does not answer");
    assert_eq!(error.step, Step::Control);
    assert!(!error.to_string().contains('\n'));
}
