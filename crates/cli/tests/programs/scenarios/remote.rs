//! Other machines: ssh, telnet, git.

use std::fs;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use handfast_cli::kernel_peer::Seeded;

use super::{Scenario, web};
use crate::support::within;
use crate::world::{SERVER, Server, Service, World, ZONE, servers};

const SSH: &[(&str, &str)] = &[
    ("sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
];
const GIT: (&str, &str) = ("git", "git");
const NGINX: (&str, &str) = ("nginx", "nginx-light");
const TELNET: &[(&str, &str)] = &[
    ("telnet", "inetutils-telnet"),
    ("telnetd", "inetutils-telnetd"),
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("ssh_copies_100_mib_each_way", SSH, ssh_copies),
    Scenario::new("ssh_has_a_terminal_and_forwards_ports", SSH, ssh_forwards),
    Scenario::new("telnet_to_a_shell", TELNET, telnet),
    Scenario::new("git_clones_over_its_own_protocol", &[GIT], git_protocol),
    Scenario::new("git_clones_over_http", &[GIT, NGINX], git_http),
];

/// sshd by the user of the programs, with keys made for it.
struct Sshd {
    _server: Server,
    /// `ssh` and what it needs to log in.
    client: Vec<String>,
}

const SSH_PORT: u16 = 2222;

impl Sshd {
    fn start(world: &World) -> Sshd {
        let [host_key, key] = ["host_key", "key"].map(|name| {
            let path = world.path(name);
            let made = world
                .command_by_user("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&path)
                .status();
            assert!(made.unwrap().success());
            path
        });
        let public = |key: &str| fs::read_to_string(world.path(&format!("{key}.pub"))).unwrap();
        world.write("authorized", public("key"));
        let host = format!("[{SERVER}]:{SSH_PORT} {}", public("host_key"));
        let known = world.write("known_hosts", host);
        let configuration = format!(
            "ListenAddress {SERVER}:{SSH_PORT}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n",
            host_key.display(),
            world.path("authorized").display(),
        );
        let file = world.write("sshd_config", configuration);
        // It starts itself anew for every connection, and wants its whole path for that.
        let sshd = crate::world::find("sshd").unwrap();
        let mut command = world.command_by_user(sshd.to_str().unwrap());
        command.args(["-D", "-e", "-f"]).arg(file);
        let known_hosts = format!("UserKnownHostsFile={}", known.display());
        let client = [
            "ssh",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            &known_hosts,
            "-i",
        ];
        let client = client.into_iter().map(str::to_owned).chain([
            key.to_str().unwrap().to_owned(),
            "-p".to_owned(),
            SSH_PORT.to_string(),
            SERVER.to_string(),
        ]);
        Sshd {
            _server: world.serve(command, (SERVER, SSH_PORT).into()),
            client: client.collect(),
        }
    }

    fn with<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let all = self.client.iter().map(String::as_str);
        all.chain(more.iter().copied()).collect()
    }
}

fn ssh_copies(world: &World) {
    const OCTETS: u64 = 100 << 20;
    let sshd = Sshd::start(world);
    let mut blob = fs::File::create(world.path("blob")).unwrap();
    io::copy(&mut Seeded::new(3, OCTETS), &mut blob).unwrap();
    let hash = Seeded::new(3, OCTETS).sha256();
    let limit = Duration::from_secs(300);

    let up = world
        .run(&sshd.with(&["cat > copy"]))
        .input_file("blob")
        .finish(limit);
    super::rate("up by ssh", OCTETS, up.took);
    up.good();
    let line = sshd
        .with(&["cat copy"])
        .iter()
        .map(|word| format!("'{word}' "))
        .collect::<String>();
    let down = world
        .run(&["sh", "-c", &(line + "| sha256sum")])
        .finish(limit);
    super::rate("down by ssh", OCTETS, down.took);
    assert!(down.good().starts_with(&hash));
}

fn ssh_forwards(world: &World) {
    let sshd = Sshd::start(world);
    // A command and its exit code; a terminal; standard input until its end.
    let run = world.run(&sshd.with(&["echo $((6*7)); exit 3"]));
    assert_eq!(run.finish(Duration::from_secs(60)).ended(3).output, "42\n");
    let run = world.run(&sshd.with(&["wc -c"])).input_file("known_hosts");
    let length = fs::metadata(world.path("known_hosts")).unwrap().len();
    assert_eq!(run.output().trim(), length.to_string());
    // `ssh -W` is a connection within the connection.
    let _service = Service::start(servers(7007)[0], |mut connection| {
        io::Write::write_all(&mut connection, b"through\n")
    });
    let through = format!("{SERVER}:7007");
    let mut argv = sshd.with(&[]);
    argv.splice(1..1, ["-W", &through]);
    assert_eq!(world.run(&argv).output(), "through\n");
}

fn telnet(world: &World) {
    let shell = world.path("login");
    fs::write(&shell, "#!/bin/sh\nexec /bin/sh\n").unwrap();
    fs::set_permissions(&shell, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.own(&shell);
    // As inetd would: the connection is its input and output.
    let mark = world.command("telnetd");
    let environment: Vec<_> = mark
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let _inetd = Service::start(servers(23)[0], move |connection| {
        let output = connection.try_clone()?;
        std::process::Command::new(crate::world::find("telnetd").unwrap())
            .arg(format!("--exec-login={}", shell.display()))
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(std::os::fd::OwnedFd::from(connection))
            .stdout(std::os::fd::OwnedFd::from(output))
            .stderr(Stdio::null())
            .status()?;
        Ok(())
    });
    let run = world
        .run(&["telnet", &SERVER.to_string()])
        .input(Stdio::piped());
    let mut session = run.start();
    let limit = Duration::from_secs(60);
    session.expect("Connected to", limit);
    session.type_in("echo $((6*7)) is it\n");
    session.expect("42 is it", limit);
    session.type_in("seq 20000\n");
    session.expect("\n20000", limit);
    session.type_in("exit\n");
    let end = session.finish(limit);
    assert!(
        end.errors.contains("closed by foreign host") || end.output.contains("closed"),
        "{end:?}"
    );
}

/// A repository of some MiB with a history.
fn repository(world: &World) -> String {
    let path = world.outside("repository.git");
    let work = world.outside("work");
    fs::create_dir(&work).unwrap();
    let git = |arguments: &[&str]| {
        let out = world
            .command("git")
            .args([
                "-c",
                "user.name=N",
                "-c",
                "user.email=n@world.test",
                "-c",
                "gc.auto=0",
                "-C",
            ])
            .arg(&work)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    for n in 0..20 {
        let mut file = fs::File::create(work.join(format!("{n}"))).unwrap();
        io::copy(&mut Seeded::new(n, 500_000), &mut file).unwrap();
        git(&["add", "."]);
        git(&["commit", "-q", "-m", &format!("{n}")]);
    }
    git(&["clone", "-q", "--bare", ".", path.to_str().unwrap()]);
    git(&["-C", path.to_str().unwrap(), "update-server-info"]);
    git(&["rev-parse", "HEAD"])
}

fn clone_and_compare(world: &World, url: &str, head: &str) {
    world.run(&["git", "clone", "-q", url, "copy"]).output();
    let verify = "git -C copy fsck --full >&2 && git -C copy rev-parse HEAD";
    let out = world
        .command_by_user("sh")
        .args(["-c", verify])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), head);
}

fn git_protocol(world: &World) {
    let head = repository(world);
    let mut command = world.command("git");
    command
        .args(["daemon", "--export-all", "--listen=198.51.100.10"])
        .arg(format!("--base-path={}", world.outside("").display()));
    let _daemon = world.serve(command, (SERVER, 9418).into());
    clone_and_compare(world, &format!("git://git.{ZONE}/repository.git"), &head);
}

fn git_http(world: &World) {
    let head = repository(world);
    let _site = web::Site::start(world);
    let www = world.outside("www/repository.git");
    within(Duration::from_secs(1), "the repository to move", || {
        fs::rename(world.outside("repository.git"), &www).is_ok()
    });
    clone_and_compare(world, &format!("http://git.{ZONE}/repository.git"), &head);
}
