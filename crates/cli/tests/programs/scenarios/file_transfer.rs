//! FTP, whose data connections are opened by the client (passive) or by the server (active), and
//! which writes addresses into its control connection (RFC 959, RFC 2428).

use std::fs;
use std::time::Duration;

use handfast_cli::kernel_peer::Seeded;

use super::Scenario;
use crate::world::{SERVER, SERVER6, Server, World, ZONE, servers};

const VSFTPD: (&str, &str) = ("vsftpd", "vsftpd");
const CURL: (&str, &str) = ("curl", "curl");
const LFTP: (&str, &str) = ("lftp", "lftp");
const PYTHON: (&str, &str) = ("python3", "python3");

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("ftp_curl_passive", &[VSFTPD, CURL], |w| {
        curl(w, &SERVER.to_string(), &[])
    }),
    Scenario::new("ftp_curl_passive_by_pasv", &[VSFTPD, CURL], |w| {
        curl(w, &SERVER.to_string(), &["--disable-epsv"]);
    }),
    Scenario::new("ftp_curl_passive_over_ipv6", &[VSFTPD, CURL], |w| {
        curl(w, &format!("[{SERVER6}]"), &[]);
    }),
    Scenario::new("ftp_curl_active", &[VSFTPD, CURL], |w| {
        curl(
            w,
            &SERVER.to_string(),
            &["--ftp-port", "-", "--disable-eprt"],
        );
    }),
    Scenario::new("ftp_curl_active_by_eprt", &[VSFTPD, CURL], |w| {
        curl(w, &SERVER.to_string(), &["--ftp-port", "-"]);
    }),
    Scenario::new("ftp_curl_active_over_ipv6", &[VSFTPD, CURL], |w| {
        curl(w, &format!("[{SERVER6}]"), &["--ftp-port", "-"]);
    }),
    // What the server says once it has connected must not come before the connection.
    Scenario::new("ftp_curl_active_far_away", &[VSFTPD, CURL], |w| {
        let flags = ["--ftp-port", "-", "--disable-eprt"];
        curl_over(w, &["--delay", "100ms"], &SERVER.to_string(), &flags);
    })
    .ours(),
    Scenario::new("ftp_lftp_mirrors", &[VSFTPD, LFTP], lftp),
    Scenario::new("ftp_python_active_and_passive", &[VSFTPD, PYTHON], python),
];

const OCTETS: u64 = 3_000_001;

/// Takes and gives files without asking who it is.
fn vsftpd(world: &World) -> Server {
    let root = world.outside("ftp");
    let upload = root.join("upload");
    fs::create_dir_all(&upload).unwrap();
    let everyone: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&upload, everyone).unwrap();
    fs::create_dir(world.outside("empty")).unwrap();
    for n in 0..3 {
        let mut file = fs::File::create(root.join(format!("file{n}"))).unwrap();
        std::io::copy(&mut Seeded::new(n, OCTETS), &mut file).unwrap();
    }
    // Without root it cannot be anybody else.
    let launching_user = if world.has_root() { "NO" } else { "YES" };
    let configuration = format!(
        "run_as_launching_user={launching_user}\nlisten_ipv6=YES\nbackground=NO\nanonymous_enable=YES\nwrite_enable=YES\n\
         anon_upload_enable=YES\nanon_umask=022\nanon_root={}\nsecure_chroot_dir={}\n\
         no_anon_password=YES\nseccomp_sandbox=NO\nconnect_from_port_20=YES\nftp_username={}\n",
        root.display(),
        world.outside("empty").display(),
        world.user(),
    );
    let file = world.outside("vsftpd.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = world.command("vsftpd");
    command.arg(file);
    world.serve(command, servers(21)[0])
}

fn check(path: std::path::PathBuf, seed: u64) {
    let mut expected = Vec::new();
    std::io::Read::read_to_end(&mut Seeded::new(seed, OCTETS), &mut expected).unwrap();
    let found = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(found == expected, "{} differs", path.display());
}

fn curl(world: &World, host: &str, flags: &[&str]) {
    curl_over(world, &[], host, flags);
}

/// Lists, gets and puts.
fn curl_over(world: &World, link: &[&str], host: &str, flags: &[&str]) {
    let _server = vsftpd(world);
    let transfer = |more: &[&str]| {
        let argv = [&["curl", "-sS", "--max-time", "60"], flags, more].concat();
        world.run(&argv).flags(link).output()
    };
    let names = transfer(&["--list-only", &format!("ftp://{host}/")]);
    assert!(
        names.contains("file0") && names.contains("upload"),
        "{names}"
    );
    transfer(&["-o", "got", &format!("ftp://{host}/file1")]);
    check(world.path("got"), 1);
    transfer(&["-T", "got", &format!("ftp://{host}/upload/put")]);
    check(world.outside("ftp/upload/put"), 1);
}

fn lftp(world: &World) {
    let _server = vsftpd(world);
    for (mode, copy) in [("true", "passive"), ("false", "active")] {
        let script = format!(
            "set ftp:passive-mode {mode}; set net:max-retries 1; set net:timeout 30; \
             open ftp.{ZONE}; mirror --parallel=3 --exclude upload . {copy}; \
             put -O upload {copy}/file2 -o {copy}"
        );
        world.run(&["lftp", "-c", &script]).output();
        for n in 0..3 {
            check(world.path(&format!("{copy}/file{n}")), n);
        }
        check(world.outside(&format!("ftp/upload/{copy}")), 2);
    }
}

fn python(world: &World) {
    let _server = vsftpd(world);
    let script = format!(
        "import ftplib\n\
         for passive in False, True:\n\
         \x20   with ftplib.FTP('ftp.{ZONE}', timeout=60) as ftp:\n\
         \x20       ftp.login()\n\
         \x20       ftp.set_pasv(passive)\n\
         \x20       print(sorted(ftp.nlst()))\n\
         \x20       for n in range(3):\n\
         \x20           ftp.retrbinary(f'RETR file{{n}}', open(f'{{passive}}{{n}}', 'wb').write)\n"
    );
    let run = world.run(&["python3", "-c", &script]);
    let listing = "['file0', 'file1', 'file2', 'upload']\n".repeat(2);
    assert_eq!(run.finish(Duration::from_secs(120)).good(), listing);
    for (passive, n) in [("True", 0), ("False", 1), ("True", 2), ("False", 2)] {
        check(world.path(&format!("{passive}{n}")), n);
    }
}
