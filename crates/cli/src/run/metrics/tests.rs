use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

fn sample(name: &'static str, kind: Kind, labels: &[(&'static str, &str)]) -> Sample {
    Sample {
        name,
        help: "What \"it\" is\nand \\ more",
        kind,
        labels: labels.iter().map(|(k, v)| (*k, (*v).to_owned())).collect(),
        value: 7.0,
    }
}

#[test]
fn text_is_as_the_format_has_it() {
    let text = exposition(&[
        sample("a_total", Kind::Counter, &[("x", "1"), ("y", "a\"b\\c\nd")]),
        sample("b_bytes", Kind::Gauge, &[]),
        sample("a_total", Kind::Counter, &[("x", "2")]),
        sample("c_seconds_total", Kind::Counter, &[]),
    ]);
    let help = r#"What \"it\" is\nand \\ more"#;
    let wanted = format!(
        "# TYPE a counter\n# HELP a {help}\n\
         a_total{{x=\"1\",y=\"a\\\"b\\\\c\\nd\"}} 7\na_total{{x=\"2\"}} 7\n\
         # TYPE b_bytes gauge\n# UNIT b_bytes bytes\n# HELP b_bytes {help}\nb_bytes 7\n\
         # TYPE c_seconds counter\n# UNIT c_seconds seconds\n# HELP c_seconds {help}\n\
         c_seconds_total 7\n# EOF\n"
    );
    assert_eq!(text, wanted);
}

/// Checks what the format demands: families in one piece, each described before its samples, names
/// and numbers well formed, no line after the end.
fn check(text: &str) {
    let mut families: Vec<(String, String)> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().take_while(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap();
            assert!(
                families.iter().all(|(known, _)| known != family),
                "{family} twice"
            );
            families.push((family.to_owned(), kind.to_owned()));
            continue;
        }
        let (family, kind) = families.last().expect("a type first");
        if let Some(rest) = line.strip_prefix("# ") {
            let about = rest.split(' ').nth(1).unwrap();
            assert_eq!(about, family);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let wanted = match kind.as_str() {
            "counter" => format!("{family}_total"),
            _ => family.clone(),
        };
        assert_eq!(name, wanted);
        let fair = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.chars().all(fair), "{name}");
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
        assert!(!seen.contains(&series.to_owned()), "{series} twice");
        seen.push(series.to_owned());
    }
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[test]
fn every_figure_of_a_run_is_exposed_once() {
    let host = handfast::Host::builder().start().unwrap();
    let totals = Totals {
        connections: 5,
        broken: 2,
        ..Totals::default()
    };
    let counters = Counters {
        sent: 10,
        lost: 3,
        ..Counters::default()
    };
    let stack = host.metrics();
    assert!(stack.len() > 10);
    for metric in &stack {
        assert!(
            HELP.iter().any(|(name, _)| *name == metric.name),
            "{}",
            metric.name
        );
    }
    let text = exposition(&samples(
        &stack,
        &totals,
        Some([counters, Counters::default()]),
    ));
    check(&text);
    for line in [
        "handfast_relay_connections_total{outcome=\"complete\"} 3",
        "handfast_link_packets_total{direction=\"up\",fate=\"lost\"} 3",
        "handfast_tcp_events_total{event=\"retransmissions\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request}\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_are_served_while_they_change_and_no_longer_than_wanted() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    let text = move || {
        let n = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!("asked {n}\n# EOF\n")
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let serving = runtime.block_on(serve(any, text)).unwrap();
    let address = serving.address();
    for n in 0..3 {
        let answer = ask(address, "GET /metrics HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
        assert!(answer.ends_with(&format!("asked {n}\n# EOF\n")), "{answer}");
    }
    assert!(ask(address, "HEAD /metrics HTTP/1.1").ends_with("\r\n\r\n"));
    assert!(ask(address, "GET / HTTP/1.1").starts_with("HTTP/1.1 404"));
    assert!(ask(address, "POST /metrics HTTP/1.1").starts_with("HTTP/1.1 405"));
    let taken = runtime.block_on(serve(address, String::new)).unwrap_err();
    assert!(taken.contains("fix: choose another port"), "{taken}");
    drop(serving);
    runtime.shutdown_timeout(std::time::Duration::from_secs(10));
    assert!(TcpStream::connect(address).is_err());
}
