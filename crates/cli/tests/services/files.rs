//! `handfast serve DIR`, as its user sees it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use handfast_cli::kernel_peer::Seeded;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, Signal, kill_process};

use crate::kernel::{curl, curl_text, status, try_curl};
use crate::support::place::Place;
use crate::support::{NOBODY, apart, built, may_unshare};
use crate::web::{BROWSER, assert_html, field};

const BASES: [&str; 2] = ["http://10.78.0.1", "http://[fd68:616e:6466:2::1]"];

/// A directory with files of known content, which goes with it.
struct Site(PathBuf);

/// The day that HTTP's dates are explained with.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

impl Site {
    fn new() -> Site {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-site-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Site(path)
    }

    fn write(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(content).unwrap();
        file.set_modified(then()).unwrap();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The command at work. It ends with this.
struct Serving {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    said: String,
}

impl Serving {
    fn start(command: &mut Command) -> Serving {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert!(said.starts_with("Serving "), "{said:?}");
        Serving {
            child,
            output,
            said,
        }
    }

    fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `test` in a network namespace of its own, in which what is below a path of `site` is served
/// with these flags.
fn serving(
    site: Site,
    below: &'static str,
    flags: &'static [&str],
    test: impl FnOnce(Serving, &Site) + Send + 'static,
) {
    if may_unshare() {
        apart(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let mut command = Command::new(built());
            test(
                Serving::start(command.arg("serve").arg(site.0.join(below)).args(flags)),
                &site,
            );
        });
    }
}

#[test]
fn files_are_served_whole_and_in_part_over_both_families() {
    let site = Site::new();
    let mut large = Vec::new();
    Seeded::new(5, 40 << 20).read_to_end(&mut large).unwrap();
    site.write("large.bin", &large);
    site.write("small.txt", b"0123456789");
    site.write("empty", b"");
    serving(site, "", &[], move |serving, _| {
        for base in BASES {
            assert!(
                serving.said.contains(&format!("{base}/")),
                "{}",
                serving.said
            );
            let url = format!("{base}/large.bin");
            assert!(curl(&[&url]) == large);
            for (range, from, to) in [
                ("0-0", 0, 1),
                ("262143-262144", 262_143, 262_145),
                ("1000000-30000000", 1_000_000, 30_000_001),
                ("-1", (40 << 20) - 1, 40 << 20),
            ] {
                assert!(curl(&["-r", range, &url]) == large[from..to], "{range}");
            }
            assert_eq!(curl(&[&format!("{base}/empty")]), b"");
            let said = curl_text(&["-i", "-r", "3-5", &format!("{base}/small.txt")]);
            assert!(said.starts_with("HTTP/1.1 206 "), "{said}");
            assert!(said.ends_with("\r\n\r\n345"), "{said}");
            assert_eq!(field(&said, "content-range"), Some("bytes 3-5/10"));
            assert_eq!(field(&said, "content-length"), Some("3"));
            assert_eq!(
                field(&said, "content-type"),
                Some("text/plain; charset=utf-8")
            );
        }
    });
}

#[test]
fn several_ranges_come_in_several_parts() {
    let site = Site::new();
    site.write("small.txt", b"0123456789");
    serving(site, "", &[], |_, _| {
        let url = format!("{}/small.txt", BASES[0]);
        let said = curl_text(&["-i", "-r", "0-1,4-4,-2", &url]);
        let kind = field(&said, "content-type").unwrap().to_owned();
        let boundary = kind
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let part = |range: &str, octets: &str| {
            format!(
                "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Range: bytes {range}/10\r\n\r\n{octets}\r\n"
            )
        };
        let parts = [part("0-1", "01"), part("4-4", "4"), part("8-9", "89")];
        let body = format!("{}--{boundary}--\r\n", parts.concat());
        assert_eq!(said.split_once("\r\n\r\n").unwrap().1, body);
        assert_eq!(
            field(&said, "content-length"),
            Some(&*body.len().to_string())
        );
        // More than there is, in pieces, is not worth it.
        let whole = curl_text(&["-i", "-r", "0-7,2-9", &url]);
        assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
        let none = curl_text(&["-i", "-r", "10-", &url]);
        assert!(none.starts_with("HTTP/1.1 416 "), "{none}");
        assert_eq!(field(&none, "content-range"), Some("bytes */10"));
    });
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let site = Site::new();
    site.write("page.html", b"<p>hello");
    serving(site, "", &[], |_, site| {
        let url = format!("{}/page.html", BASES[0]);
        let head = curl_text(&["-I", &url]);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(field(&head, "content-length"), Some("8"));
        assert_eq!(
            field(&head, "content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(field(&head, "accept-ranges"), Some("bytes"));
        let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(field(&head, "last-modified"), Some(modified));
        let tag = field(&head, "etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        for (line, answer) in [
            (format!("If-None-Match: {tag}"), "304"),
            (format!("If-None-Match: W/{tag}, \"x\""), "304"),
            ("If-None-Match: \"x\"".to_owned(), "200"),
            (format!("If-Modified-Since: {modified}"), "304"),
            (
                "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT".to_owned(),
                "200",
            ),
            (
                "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".to_owned(),
                "412",
            ),
            (format!("If-Match: {tag}"), "200"),
            ("If-Match: \"x\"".to_owned(), "412"),
        ] {
            assert_eq!(status(&["-H", &line, &url]), answer, "{line}");
        }
        let known = curl_text(&["-i", "-H", &format!("If-None-Match: {tag}"), &url]);
        assert_eq!(field(&known, "etag"), Some(&*tag));
        assert!(known.ends_with("\r\n\r\n"), "{known}");
        for (line, answer) in [
            (format!("If-Range: {tag}"), "206"),
            (format!("If-Range: {modified}"), "206"),
            ("If-Range: \"x\"".to_owned(), "200"),
        ] {
            assert_eq!(status(&["-r", "0-1", "-H", &line, &url]), answer, "{line}");
        }
        // Another content is another version, though it is as long.
        fs::write(site.0.join("page.html"), "<p>HELLO").unwrap();
        assert_eq!(
            status(&["-H", &format!("If-None-Match: {tag}"), &url]),
            "200"
        );
        let said = curl_text(&["-r", "0-1", "-H", &format!("If-Range: {tag}"), &url]);
        assert_eq!(said, "<p>HELLO");
    });
}

#[test]
fn names_of_any_kind_are_listed_and_found() {
    let site = Site::new();
    let strange = [
        "a b.txt",
        "100%.txt",
        "<script>alert(1)",
        "\"quoted' & more",
        "ü€.txt",
        "a:b",
        "?query#fragment",
        "line\nfeed\x1b[31m",
        "%2e%2e",
    ];
    for name in strange {
        site.write(name, name.as_bytes());
    }
    let not_utf8 = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    site.write(not_utf8, b"not UTF-8");
    site.write("dir/inner.txt", b"inner");
    serving(site, "", &[], move |_, _| {
        let base = BASES[0];
        let html = curl_text(&["-i", "-H", BROWSER, &format!("{base}/")]);
        assert_html(&html);
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains('\x1b'), "{html}");
        assert!(html.contains("<th scope=\"col\">Name</th>"), "{html}");
        assert!(html.contains("<caption>11 entries"), "{html}");
        // Every link leads to the file whose name it shows.
        let links: Vec<_> = html
            .split("<a href=\"./")
            .skip(1)
            .map(|rest| rest.split_once('"').unwrap().0.to_owned())
            .collect();
        assert_eq!(links.len(), strange.len() + 2, "{links:?}");
        let found: Vec<_> = links[1..]
            .iter()
            .map(|link| curl_text(&[&format!("{base}/{link}")]))
            .collect();
        for name in strange.into_iter().chain(["not UTF-8"]) {
            assert!(found.iter().any(|content| content == name), "{name}");
        }
        // Directories first, then by name.
        assert_eq!(links[0], "dir/");
        assert_eq!(links[1], "%22quoted%27%20%26%20more");
        let text = curl_text(&[&format!("{base}/")]);
        assert!(
            text.lines()
                .any(|line| line.trim_start().starts_with("dir/")),
            "{text}"
        );
        assert!(text.contains("06 Nov 1994 08:49"), "{text}");
        assert!(
            !text.contains('\x1b') && text.contains("line\u{fffd}feed"),
            "{text}"
        );
        let inner = curl_text(&[&format!("{base}/dir/")]);
        assert!(
            inner.contains("inner.txt") && inner.contains("../"),
            "{inner}"
        );
    });
}

#[test]
fn no_request_leads_out_of_the_directory() {
    let outer = Site::new();
    outer.write("secret", b"secret");
    outer.write("root/open", b"open");
    symlink("../secret", outer.0.join("root/link")).unwrap();
    symlink("open", outer.0.join("root/inside")).unwrap();
    symlink(&outer.0, outer.0.join("root/up")).unwrap();
    serving(outer, "root", &[], |_, _| {
        let base = BASES[0];
        for target in [
            "/../secret",
            "/%2e%2e/secret",
            "/%2E./secret",
            "/..%2fsecret",
            "/%2e%2e%2fsecret",
            "/.//../secret",
            "/open/../../secret",
            "/link",
            "/up/secret",
            "/up/",
            "//etc/passwd/..",
            "/%00",
            "/open%00.txt",
            "/open/",
            "/open/x",
            "/absent",
        ] {
            let said = curl_text(&["-i", "--path-as-is", "--request-target", target, base]);
            let refused = said.starts_with("HTTP/1.1 404 ") || said.starts_with("HTTP/1.1 403 ");
            assert!(
                refused && !said.ends_with("\r\n\r\nsecret"),
                "{target}: {said}"
            );
        }
        assert_eq!(curl_text(&[&format!("{base}/inside")]), "open");
        // What is not served is not listed.
        let list = curl_text(&[&format!("{base}/")]);
        assert!(list.contains("inside"), "{list}");
        assert!(!list.contains("link") && !list.contains("up"), "{list}");
        // No redirect to another host by two slashes.
        let said = curl_text(&[
            "-i",
            "--path-as-is",
            "--request-target",
            "//example.com/..",
            base,
        ]);
        assert!(field(&said, "location").is_none(), "{said}");
    });
}

#[test]
fn links_are_followed_where_that_is_asked_for() {
    let outer = Site::new();
    outer.write("outside", b"outside");
    fs::create_dir(outer.0.join("root")).unwrap();
    symlink(outer.0.join("outside"), outer.0.join("root/link")).unwrap();
    serving(
        outer,
        "root",
        &[
            "--follow-links",
            "--address",
            "10.99.0.9/24",
            "--port",
            "8080",
        ],
        move |serving, _| {
            assert!(
                serving.said.contains(" http://10.99.0.9:8080/ "),
                "{}",
                serving.said
            );
            assert_eq!(curl_text(&["http://10.99.0.9:8080/link"]), "outside");
            assert!(curl_text(&["http://10.99.0.9:8080/"]).contains("link"));
        },
    );
}

#[test]
fn directories_have_an_index_or_a_list_and_end_in_a_slash() {
    let site = Site::new();
    site.write("with/index.html", b"<p>index");
    site.write("without/x", b"x");
    serving(site, "", &[], |_, _| {
        let base = BASES[0];
        let said = curl_text(&["-i", &format!("{base}/with/")]);
        assert!(said.ends_with("<p>index"), "{said}");
        assert_eq!(
            field(&said, "content-type"),
            Some("text/html; charset=utf-8")
        );
        for (target, location) in [
            ("/with", "/with/"),
            ("/without?a=b", "/without/?a=b"),
            // However many slashes, it is the same directory of the same host.
            ("//without", "/without/"),
        ] {
            let said = curl_text(&["-i", "--path-as-is", "--request-target", target, base]);
            assert!(said.starts_with("HTTP/1.1 301 "), "{target}: {said}");
            assert_eq!(field(&said, "location"), Some(location), "{target}");
        }
        let said = curl_text(&["-i", "-X", "POST", "-d", "x", &format!("{base}/without/x")]);
        assert!(said.starts_with("HTTP/1.1 405 "), "{said}");
        assert_eq!(field(&said, "allow"), Some("GET, HEAD"));
    });
}

#[test]
fn a_file_that_shrinks_is_broken_off_and_not_made_up() {
    let site = Site::new();
    site.write("shrinks", &vec![b'x'; 64 << 20]);
    serving(site, "", &[], |_, site| {
        let url = format!("{}/shrinks", BASES[0]);
        let mut child = Command::new("curl")
            .args(["--silent", "--globoff", "--limit-rate", "1M", &url])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 100]).unwrap();
        let file = File::options().write(true).open(site.0.join("shrinks"));
        file.unwrap().set_len(0).unwrap();
        // The rest is what was on its way; then the connection breaks off.
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        assert!(rest.len() < 64 << 20);
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(18 | 56)), "{code:?}");
        assert_eq!(status(&[&url]), "200", "others are served");
    });
}

#[test]
fn requests_are_shown_when_asked_for_and_signals_end_it() {
    let site = Site::new();
    site.write("a b", b"12345");
    serving(site, "", &["-v"], |serving, _| {
        let base = BASES[0];
        curl(&[&format!("{base}/a%20b")]);
        curl(&["-r", "1-2", &format!("{base}/a%20b")]);
        curl(&["-I", &format!("{base}/absent")]);
        let begin = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        assert!(begin.contains("handfast0:"), "{begin}");
        let (status, said) = serving.end(Signal::INT);
        assert_eq!(status.code(), Some(130), "{said}");
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines[0], "10.78.0.2 GET /a%20b 200 5");
        assert_eq!(lines[1], "10.78.0.2 GET /a%20b 206 2");
        assert!(
            lines[2].starts_with("10.78.0.2 HEAD /absent 404 "),
            "{said}"
        );
        assert_eq!(lines.len(), 3, "{said}");
        let end = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        assert!(!end.contains("handfast0:"), "nothing is left: {end}");
    });
}

/// What the command says on standard error when it fails.
fn failure(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("handfast: ") && said.contains("fix: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn what_cannot_be_served_is_said_with_a_fix() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let serve = || {
            let mut command = Command::new(built());
            command.arg("serve");
            command
        };
        let said = failure(serve().arg("/absent"));
        assert!(
            said.contains("/absent") && said.contains("No such file"),
            "{said}"
        );
        let said = failure(serve().args(["/", "--address", "10.0.0.1/32"]));
        assert!(said.contains("10.0.0.1/24"), "{said}");
        let site = Site::new();
        let _first = Serving::start(serve().arg(&site.0));
        // The same addresses again lead to the first.
        let said = failure(serve().arg(&site.0));
        assert!(said.contains("another interface already"), "{said}");
        let said = failure(serve().arg(&site.0).args(["--tun", "handfast0"]));
        assert!(said.contains("--tun"), "{said}");
        let other = ["--address", "10.79.0.1/24"];
        let _other = Serving::start(serve().arg(&site.0).args(other));
        assert_eq!(status(&["http://10.79.0.1/"]), "200");
        assert_eq!(status(&["http://10.78.0.1/"]), "200");
    });
}

#[test]
fn a_machine_without_ipv6_is_served_by_ipv4() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for of in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{of}/disable_ipv6");
            // Without the file there is no IPv6 to begin with.
            if Path::new(&path).exists() {
                fs::write(path, "1").unwrap();
            }
        }
        let site = Site::new();
        site.write("a", b"content");
        let serving = Serving::start(Command::new(built()).arg("serve").arg(&site.0));
        assert!(!serving.said.contains('['), "{}", serving.said);
        assert_eq!(curl_text(&["http://10.78.0.1/a"]), "content");
        drop(serving);
        let mut asked = Command::new(built());
        asked.arg("serve").arg(&site.0);
        let said = failure(asked.args(["--address", "fd00::1/64"]));
        assert!(said.contains("disable_ipv6=0"), "{said}");
    });
}

#[test]
fn an_interface_of_ones_own_needs_no_root() {
    if !may_unshare() {
        return;
    }
    apart(|| {
        let place = Place::new();
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        place.put_tun(Some(0o666));
        let directory = place.path.join("files");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a"), "content").unwrap();
        let serve = |flags: &[&str]| {
            let mut command = Command::new(place.program());
            command.arg("serve").arg(&directory).args(flags);
            command.uid(NOBODY).gid(NOBODY);
            command
        };
        let said = failure(&mut serve(&[]));
        assert!(
            said.contains("ip tuntap add handfast0 mode tun user $USER"),
            "{said}"
        );
        assert!(
            said.contains("ip addr add 10.78.0.2/24 dev handfast0"),
            "{said}"
        );

        let ip = |arguments: &str| {
            let status = Command::new("ip").args(arguments.split(' ')).status();
            assert!(status.unwrap().success(), "ip {arguments}");
        };
        ip(&format!("tuntap add hf0 mode tun user {NOBODY}"));
        let flags = ["--tun", "hf0"];
        let said = failure(&mut serve(&flags));
        let fix = "sudo ip addr add 10.78.0.2/24 dev hf0 && sudo ip link set hf0 up";
        assert!(said.contains(fix), "{said}");
        ip("addr add 10.78.0.2/24 dev hf0");
        ip("link set hf0 up mtu 1400");
        let serving = Serving::start(&mut serve(&flags));
        assert_eq!(curl_text(&["http://10.78.0.1/a"]), "content");
        let (status, _) = serving.end(Signal::TERM);
        assert_eq!(status.code(), Some(143));
        let absent = try_curl(&["--connect-timeout", "1", "http://10.78.0.1/a"]);
        assert!(!absent.status.success());
    });
}
