//! Port 80.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use handfast_cli::kernel_peer::{Seeded, hexadecimal};
use sha2::{Digest, Sha256};

use crate::kernel::{V4, V6, curl, curl_text, inside, status, try_curl};

const BASES: [&str; 2] = ["http://10.77.0.1", "http://[fd68:616e:6466:1::1]"];
pub(crate) const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";

/// The value of a header field in what `curl -i` or `-I` says.
pub(crate) fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let head = said.split("\r\n\r\n").next()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

pub(crate) fn assert_html(html: &str) {
    assert_eq!(
        field(html, "content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        html.contains("<!doctype html>\n<html lang=\"en\">"),
        "{html}"
    );
    assert_eq!(html.matches("<h1>").count(), 1, "{html}");
    assert!(
        html.contains("<title>") && html.contains("<main>"),
        "{html}"
    );
    for name in [
        "p", "ul", "li", "table", "tr", "form", "main", "body", "pre", "h2",
    ] {
        let (opened, closed) = (format!("<{name}"), format!("</{name}>"));
        let opened = html.matches(&format!("{opened}>")).count()
            + html.matches(&format!("{opened} ")).count();
        assert_eq!(opened, html.matches(&closed).count(), "{name} in {html}");
    }
}

#[test]
fn every_page_is_text_for_curl_and_html_for_browsers() {
    inside(None, |_| {
        for base in BASES {
            for (page, says) in [
                ("/", "/you"),
                ("/login", "curl -d"),
                ("/nothing", "404 Not Found"),
                ("/echo", "405 Method Not Allowed"),
                ("/bytes/much", "400 Bad Request"),
                ("/slow?ms=60001", "400 Bad Request"),
                ("/you", "ESTABLISHED"),
            ] {
                let url = format!("{base}{page}");
                let text = curl_text(&["-i", &url]);
                let kind = field(&text, "content-type");
                assert_eq!(kind, Some("text/plain; charset=utf-8"), "{text}");
                assert!(text.contains(says), "{text}");
                assert!(!text.contains('<') || page == "/you", "{text}");
                let html = curl_text(&["-i", "-H", BROWSER, &url]);
                assert_html(&html);
                assert!(html.contains(says), "{html}");
            }
        }
    });
}

#[test]
fn methods_that_a_page_does_not_have_are_named() {
    inside(None, |_| {
        let base = BASES[0];
        for (method, page, allowed) in [
            ("POST", "/", "GET, HEAD"),
            ("PUT", "/you", "GET, HEAD"),
            ("DELETE", "/bytes/1", "GET, HEAD"),
            ("POST", "/slow", "GET, HEAD"),
            ("POST", "/sha256/1", "GET, HEAD"),
            ("GET", "/echo", "POST, PUT"),
            ("PUT", "/login", "GET, HEAD, POST"),
        ] {
            let said = curl_text(&["-i", "-X", method, &format!("{base}{page}")]);
            assert!(said.starts_with("HTTP/1.1 405 "), "{method} {page}: {said}");
            assert_eq!(field(&said, "allow"), Some(allowed), "{method} {page}");
        }
        // No directory was given.
        assert_eq!(status(&[&format!("{base}/files/")]), "404");
        assert_eq!(
            status(&["-X", "OPTIONS", "--request-target", "*", base]),
            "404"
        );
    });
}

#[test]
fn bytes_are_exact_and_the_same_every_time() {
    inside(None, |_| {
        for base in BASES {
            for (amount, len) in [("0", 0), ("1", 1), ("64KiB", 65_536), ("1.5MB", 1_500_000)] {
                let octets = curl(&[&format!("{base}/bytes/{amount}")]);
                assert_eq!(octets.len(), len, "{amount}");
                let sum = hexadecimal(&Sha256::digest(&octets));
                let told = curl_text(&[&format!("{base}/sha256/{amount}")]);
                assert_eq!(told, format!("{sum}  -\n"));
                let head = curl_text(&["-I", &format!("{base}/bytes/{amount}")]);
                assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                assert_eq!(field(&head, "content-length"), Some(&*len.to_string()));
                assert_eq!(field(&head, "accept-ranges"), Some("bytes"));
            }
            // More than any buffer on the way holds.
            let long = format!("{base}/bytes/256MiB");
            let mut child = Command::new("curl")
                .args(["--silent", "--globoff", &long])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut hash = Sha256::new();
            let mut piece = vec![0; 1 << 16];
            let mut output = child.stdout.take().unwrap();
            while let n @ 1.. = output.read(&mut piece).unwrap() {
                hash.update(&piece[..n]);
            }
            assert!(child.wait().unwrap().success());
            let told = curl_text(&[&format!("{base}/sha256/256MiB")]);
            assert_eq!(told, format!("{}  -\n", hexadecimal(&hash.finalize())));
        }
        assert_eq!(status(&[&format!("{}/sha256/17GiB", BASES[0])]), "400");
        // As much as an exabyte is as near as its head.
        let head = curl_text(&["-I", &format!("{}/bytes/1024GiB", BASES[0])]);
        assert_eq!(field(&head, "content-length"), Some("1099511627776"));
        assert_eq!(status(&[&format!("{}/bytes/1025GiB", BASES[0])]), "400");
    });
}

#[test]
fn a_range_of_bytes_is_that_range_exactly() {
    inside(None, |_| {
        let url = format!("{}/bytes/3MB", BASES[0]);
        let all = curl(&[&url]);
        for (range, from, to) in [
            ("0-0", 0, 1),
            ("1000-1999", 1000, 2000),
            ("2999999-", 2_999_999, 3_000_000),
            ("-7", 2_999_993, 3_000_000),
            ("1048570-1048580", 1_048_570, 1_048_581),
            ("5-9999999", 5, 3_000_000),
        ] {
            let said = curl(&["-i", "-r", range, &url]);
            let split = said.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
            let head = String::from_utf8_lossy(&said[..split]).into_owned();
            assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
            let expected = format!("bytes {from}-{}/3000000", to - 1);
            assert_eq!(field(&head, "content-range"), Some(&*expected));
            assert_eq!(
                field(&head, "content-length"),
                Some(&*(to - from).to_string())
            );
            assert!(said[split + 4..] == all[from..to], "{range}");
        }
        let said = curl_text(&["-i", "-r", "3000000-", &url]);
        assert!(said.starts_with("HTTP/1.1 416 "), "{said}");
        assert_eq!(field(&said, "content-range"), Some("bytes */3000000"));
        // A tag that is not of this content gets all of it.
        let other = status(&["-r", "0-9", "-H", "If-Range: \"bytes-1\"", &url]);
        let same = status(&["-r", "0-9", "-H", "If-Range: \"bytes-3000000\"", &url]);
        assert_eq!((&*other, &*same), ("200", "206"));
        let known = status(&["-H", "If-None-Match: \"bytes-3000000\"", &url]);
        assert_eq!(known, "304");
    });
}

#[test]
fn echo_carries_64_mib_both_ways_at_once() {
    inside(None, |_| {
        let path = std::env::temp_dir().join(format!("handfast-echo-{}", std::process::id()));
        let mut octets = Vec::new();
        Seeded::new(3, 64 << 20).read_to_end(&mut octets).unwrap();
        fs::write(&path, &octets).unwrap();
        let file = path.to_str().unwrap();
        for (base, how) in [(BASES[0], "-T"), (BASES[1], "--data-binary")] {
            let at = format!("@{file}");
            let file = if how == "-T" { file } else { &at };
            let back = curl(&[how, file, &format!("{base}/echo")]);
            assert!(back == octets, "{} octets came back", back.len());
            // Without a length that is known before.
            let chunked = ["-H", "Transfer-Encoding: chunked", how, file];
            let back = curl(&[&chunked[..], &[&format!("{base}/echo")]].concat());
            assert!(back == octets, "{} octets came back in chunks", back.len());
        }
        fs::remove_file(&path).unwrap();
        let kind = ["-i", "-H", "Content-Type: text/x-own", "-d", "a<b"];
        let said = curl_text(&[&kind[..], &[&format!("{}/echo", BASES[0])]].concat());
        assert_eq!(field(&said, "content-type"), Some("text/x-own"));
        assert_eq!(field(&said, "content-length"), Some("3"));
        assert!(said.ends_with("\r\n\r\na<b"), "{said}");
        let empty = ["-i", "-X", "POST", "-H", "Content-Length: 0"];
        let said = curl_text(&[&empty[..], &[&format!("{}/echo", BASES[0])]].concat());
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    });
}

#[test]
fn slow_takes_its_time_and_keeps_nobody_waiting_for_ever() {
    inside(None, |_| {
        let begin = Instant::now();
        let said = curl_text(&[&format!("{}/slow?ms=300", BASES[0])]);
        assert_eq!(said, "300 ms later\n");
        assert!(begin.elapsed() >= Duration::from_millis(300));
        assert_eq!(
            curl_text(&[&format!("{}/slow?ms=0", BASES[0])]),
            "0 ms later\n"
        );
        for ms in ["60001", "-1", "", "x"] {
            assert_eq!(status(&[&format!("{}/slow?ms={ms}", BASES[0])]), "400");
        }
    });
}

#[test]
fn a_form_is_shown_as_it_came() {
    inside(None, |_| {
        let url = format!("{}/login", BASES[0]);
        let form = "user=ada+l&password=%3Cscript%3E%26&empty=";
        let text = curl_text(&["-d", form, &url]);
        assert!(text.contains("\n  user      ada l\n"), "{text}");
        assert!(text.contains("\n  password  <script>&\n"), "{text}");
        let html = curl_text(&["-i", "-H", BROWSER, "-d", form, &url]);
        assert_html(&html);
        assert!(html.contains("<td>&lt;script&gt;&amp;</td>"), "{html}");
        let html = curl_text(&["-i", "-H", BROWSER, &url]);
        assert!(
            html.contains("<form method=\"post\" action=\"/login\">"),
            "{html}"
        );
        assert_eq!(html.matches("<label>").count(), 2);
        assert_eq!(
            status(&["-H", "Content-Type: text/plain", "-d", "x", &url]),
            "415"
        );
        let long = format!("user={}", "x".repeat(100_000));
        let said = curl_text(&["-i", "-d", &long, &url]);
        assert!(said.contains("HTTP/1.1 413 "), "{said}");
    });
}

#[test]
fn an_answer_survives_what_the_client_still_sends() {
    inside(None, |inside| {
        // 32 MiB that nobody reads, to a page that takes 64 KiB.
        let mut stream = inside.connect(V4, 80);
        let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..32 {
            // The server may have had enough, and then must have said so.
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
    });
}

#[test]
fn you_see_the_segments_of_your_own_connection_and_no_other() {
    inside(None, |inside| {
        for (base, address) in BASES.into_iter().zip([V4, V6]) {
            let text = curl_text(&[&format!("{base}/you")]);
            for told in [
                "SYN-SENT",
                "SYN-RECEIVED",
                "ESTABLISHED",
                "GET /you HTTP/1.1",
            ] {
                assert!(text.contains(told), "{told} in {text}");
            }
            // Two connections at once, and each sees itself.
            let ask = |stream: &mut TcpStream, target: &str| {
                write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                String::from_utf8(answer(stream).1).unwrap()
            };
            let mut one = inside.connect(address, 80);
            let mut other = inside.connect(address, 80);
            ask(&mut other, "/slow?ms=1");
            for (stream, others) in [(&mut one, "/slow"), (&mut other, "/never")] {
                let local = stream.local_addr().unwrap().to_string();
                let text = ask(stream, "/you?format=text");
                assert!(text.contains(&local), "{text}");
                assert!(!text.contains(others), "{text}");
                // The same connection again has more to show.
                let more = ask(stream, "/you?format=text");
                assert!(more.lines().count() > text.lines().count(), "{more}");
                let sentences = ask(stream, "/you?format=sentences");
                assert!(sentences.starts_with("1. At 0.0 ms, you "), "{sentences}");
                let json: serde_json::Value =
                    serde_json::from_str(&ask(stream, "/you?format=json")).unwrap();
                assert_eq!(json["left"]["address"], *local, "{json}");
                assert_eq!(json["left"]["states_derived"], true, "{json}");
                assert_eq!(json["right"]["states_derived"], false, "{json}");
                assert!(ask(stream, "/you?format=ascii").is_ascii());
                assert!(ask(stream, "/you?format=x").contains("400 Bad Request"));
            }
        }
    });
}

/// The head and the body of an answer with a `Content-Length`.
fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "it ended: {head}");
    }
    let length = field(&head, "content-length").expect("a length").parse();
    let mut body = vec![0; length.unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn connections_are_kept_and_requests_answered_in_their_order() {
    inside(None, |inside| {
        let mut stream = inside.connect(V4, 80);
        for n in [1, 10, 100] {
            write!(stream, "GET /bytes/{n} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert_eq!(answer(&mut stream).1.len(), n);
        }
        // All at once, the slow one first.
        let mut all = String::new();
        for target in ["/slow?ms=100", "/bytes/5", "/bytes/0", "/sha256/0"] {
            all += &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        stream.write_all(all.as_bytes()).unwrap();
        for len in [13, 5, 0, 68] {
            assert_eq!(answer(&mut stream).1.len(), len);
        }
        // Until the client asks for the end, or speaks HTTP/1.0.
        for request in [
            "GET /bytes/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET /bytes/3 HTTP/1.0\r\n\r\n",
        ] {
            let mut stream = inside.connect(V4, 80);
            stream.write_all(request.as_bytes()).unwrap();
            assert_eq!(answer(&mut stream).1.len(), 3);
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
        // Who closes its direction has not gone.
        let mut stream = inside.connect(V4, 80);
        stream
            .write_all(b"GET /slow?ms=50 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(answer(&mut stream).1, b"50 ms later\n");
    });
}

#[test]
fn what_is_no_request_is_refused() {
    inside(None, |inside| {
        let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 20));
        for (request, status) in [
            ("BLAH\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nbad header\r\n\r\n", "400"),
            (
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
                "400",
            ),
            (&long, "431"),
        ] {
            let mut stream = inside.connect(V4, 80);
            // What is too long need not be taken to its end.
            let _ = stream.write_all(request.as_bytes());
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let shown = &request[..request.len().min(60)];
            assert!(
                line.starts_with(&format!("HTTP/1.1 {status} ")),
                "{shown}: {line}"
            );
        }
        assert_eq!(status(&[BASES[0]]), "200");
    });
}

#[test]
fn a_thousand_connections_are_kept_at_once() {
    inside(None, |inside| {
        let mut streams: Vec<_> = (0..1000).map(|_| inside.connect(V4, 80)).collect();
        for round in 0..3 {
            for stream in &mut streams {
                let request = format!("GET /bytes/{round}000 HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).unwrap();
            }
            for stream in &mut streams {
                assert_eq!(answer(stream).1.len(), round * 1000);
            }
        }
    });
}

#[test]
fn a_directory_that_is_given_is_at_files() {
    let directory = std::env::temp_dir().join(format!("handfast-files-{}", std::process::id()));
    fs::create_dir_all(directory.join("sub")).unwrap();
    fs::write(directory.join("a.txt"), "content").unwrap();
    let given: PathBuf = directory.clone();
    inside(Some(given), |_| {
        let base = BASES[0];
        assert_eq!(curl_text(&[&format!("{base}/files/a.txt")]), "content");
        assert!(curl_text(&[&format!("{base}/")]).contains("/files/"));
        let list = curl_text(&[&format!("{base}/files/")]);
        assert!(list.contains("a.txt") && list.contains("sub/"), "{list}");
        for (from, to) in [("/files", "/files/"), ("/files/sub?a=b", "/files/sub/?a=b")] {
            let said = curl_text(&["-i", &format!("{base}{from}")]);
            assert!(said.starts_with("HTTP/1.1 301 "), "{said}");
            assert_eq!(field(&said, "location"), Some(to));
        }
        assert!(try_curl(&["-f", &format!("{base}/filesx")]).status.code() == Some(22));
    });
    fs::remove_dir_all(&directory).unwrap();
}
