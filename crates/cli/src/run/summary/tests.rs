use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use clap::Parser;
use handfast::{Host, TcpInfo, TcpListener, TcpStream};
use handfast_link::memory;
use handfast_trace::ladder::{LadderOptions, RowKind};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::run::arguments::RunArguments;
use crate::run::ledger::{ConnectionLine, Ending, Opened};
use crate::terminal::Style;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    run: RunArguments,
}

fn options(line: &str, detail: Detail) -> Options {
    let words = ["run"].into_iter().chain(line.split_whitespace());
    let line = Line::try_parse_from(words.chain(["/usr/bin/curl", "-s"])).unwrap();
    Options::new(&line.run, detail, true, 42).unwrap()
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn outcome() -> Outcome {
    Outcome {
        ended: Ended::Code(0),
        lasted: Duration::from_millis(1_420),
        backend: "user namespace + TUN".to_owned(),
        left_behind: 0,
    }
}

/// What is written at the end, and what went wrong.
fn concluded(
    options: &Options,
    outcome: &Outcome,
    ledger: &Ledger,
    recording: Recording,
) -> (String, Vec<String>) {
    let page = Page::default();
    let style = Style {
        width: 120,
        ascii: true,
        colour: false,
        live: false,
    };
    let mut terminal = Terminal::new(page.clone(), style, options.report.detail);
    let faults = conclude(options, outcome, ledger, recording, &[], &mut terminal);
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    (text, faults)
}

fn line(n: u16) -> ConnectionLine {
    ConnectionLine {
        opened: Opened::ByProgram,
        program: SocketAddr::from(([10, 77, 0, 2], 40_000 + n)),
        destination: SocketAddr::from(([192, 0, 2, 1], 443)),
        name: Some("example.com".to_owned()),
        octets_up: 517,
        octets_down: 12_000 + u64::from(n),
        answered: Some(Duration::from_millis(3)),
        lasted: Duration::from_millis(412),
        info: None,
        end: Ending::Closed,
    }
}

fn said(line_: &str, detail: Detail, outcome: &Outcome, ledger: &Ledger) -> String {
    let options = options(line_, detail);
    let recording = Recording::new(&options).unwrap();
    let (text, faults) = concluded(&options, outcome, ledger, recording);
    assert_eq!(faults, [""; 0]);
    text
}

#[test]
fn a_plain_run_takes_one_line_and_a_quiet_one_none() {
    let ledger = Ledger::new();
    let none = said("", Detail::Normal, &outcome(), &ledger);
    assert_eq!(
        none,
        "handfast: no outside connections, 1.42 s (user namespace + TUN)\n"
    );
    ledger.connection(line(1));
    ledger.udp_flow([1, 1], [60, 100]);
    let one = said("", Detail::Normal, &outcome(), &ledger);
    let wanted = "handfast: 1 connection, 577 B up, 11.8 KiB down, 1.42 s (user namespace + TUN)\n";
    assert_eq!(one, wanted);
    assert_eq!(said("--loss 1%", Detail::Quiet, &outcome(), &ledger), "");
    ledger.connection(ConnectionLine {
        end: Ending::Refused("no route".to_owned()),
        ..line(2)
    });
    let outcome = Outcome {
        left_behind: 2,
        ..outcome()
    };
    let trouble = said("", Detail::Normal, &outcome, &ledger);
    let wanted = "(user namespace + TUN); 1 failed attempt; 2 processes left behind were ended\n";
    assert!(
        trouble.ends_with(wanted) && trouble.lines().count() == 1,
        "{trouble}"
    );
}

#[test]
fn the_table_says_it_all_and_stays_short() {
    let ledger = Ledger::new();
    for n in 0..400 {
        ledger.connection(line(n));
    }
    ledger.connection(ConnectionLine {
        name: None,
        end: Ending::Failed("timed out \x1b[31m".to_owned()),
        ..line(400)
    });
    ledger.udp_flow([12, 10], [800, 9_000]);
    ledger.pings(4, 3);
    let ended = Outcome {
        ended: Ended::Signal(15),
        left_behind: 1,
        ..outcome()
    };
    let text = said(
        "--delay 20ms±5ms --down-loss 2% --seed 7",
        Detail::Normal,
        &ended,
        &ledger,
    );
    assert!(text.lines().count() < 40, "{text}");
    for words in [
        "handfast: curl, 1.42 s, ended by signal 15 (SIGTERM)\n",
        "  backend   user namespace + TUN, MTU 1500\n",
        "  example.com:443 ",
        "  ... 385 more; -v shows them\n",
        "  192.0.2.1:443 ",
        "  401 connections ",
        "1 broken off\n",
        "  udp       1 flow; up 12 datagrams (800 B), down 10 datagrams (8.8 KiB)\n",
        "  ping      4 requests, 3 answers\n",
        "  ended     1 process that the program left behind\n",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    assert!(
        !text.contains('\x1b'),
        "what others say is no command to a terminal"
    );
    let all = said("--delay 20ms", Detail::Verbose, &ended, &ledger);
    assert_eq!(all.matches("  example.com:443 ").count(), 400);
}

#[test]
fn reports_name_their_sizes_and_faults_are_told() {
    let place = std::env::temp_dir().join(format!("handfast-summary-{}", std::process::id()));
    std::fs::create_dir(&place).unwrap();
    let path = |name: &str| place.join(name).display().to_string();
    let ledger = Ledger::new();
    ledger.connection(line(1));
    let (json, metrics) = (path("r.json"), path("m.txt"));
    let files = format!("--json {json} --metrics {metrics}");
    let text = said(&files, Detail::Normal, &outcome(), &ledger);
    assert!(text.contains(&format!("  report    {json}: ")), "{text}");
    assert!(text.contains(&format!("  metrics   {metrics}: ")), "{text}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["command"][0], "/usr/bin/curl");
    assert_eq!(report["link"], Value::Null);
    let connection = &report["tcp"]["connections"][0];
    assert_eq!(connection["name"], "example.com");
    assert_eq!(connection["lasted_ns"], 412_000_000);
    assert_eq!(
        (&connection["end"], &connection["ours"]),
        (&"closed".into(), &Value::Null)
    );
    let exposed = std::fs::read_to_string(&metrics).unwrap();
    let counted = "handfast_relay_connections_total{outcome=\"complete\"} 1\n";
    assert!(
        exposed.contains(counted) && exposed.ends_with("# EOF\n"),
        "{exposed}"
    );
    let again = Recording::new(&options(&files, Detail::Normal))
        .err()
        .unwrap();
    assert!(again.contains("exists; fix:"), "{again}");
    std::fs::remove_dir_all(place).unwrap();

    let options = options("--json /dev/full", Detail::Quiet);
    let recording = Recording::new(&options).unwrap();
    let (_, faults) = concluded(&options, &outcome(), &ledger, recording);
    assert!(
        faults.len() == 1 && faults[0].contains("/dev/full is incomplete"),
        "{faults:?}"
    );
}

/// Carries octets from us to a program over an impaired link, and back as many; returns what was
/// seen of it, the ends, and our connection's own account.
fn transfer(options: &Options, octets: usize) -> (Recording, Host, [SocketAddr; 2], TcpInfo) {
    let mut config = memory::Config::default();
    config.capabilities.mtu = options.mtu;
    config.capabilities.gso_tcp = 65_535;
    let (ours, program) = memory::pair(&config);
    let mut recording = Recording::new(options).unwrap();
    let link = recording.watch(ours, options);
    let address = |host: u8| format!("10.77.0.{host}/24").parse().unwrap();
    let ours = Host::builder()
        .tcp(Arc::clone(&options.tcp))
        .link(link, [address(1)])
        .trace(recording.sink())
        .start()
        .unwrap();
    recording.start(ours.net().now()).unwrap();
    let program = Host::builder().link(program, [address(2)]).start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (ends, info) = runtime.block_on(async {
        let at = SocketAddr::from(([10, 77, 0, 1], 80));
        let listener = TcpListener::bind(&ours.net(), at).await.unwrap();
        let client = async {
            let mut stream = TcpStream::connect(&program.net(), at).await.unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.unwrap();
            assert_eq!(got.len(), octets);
            stream.write_all(&got).await.unwrap();
            stream.shutdown().await.unwrap();
            // Until the other side has closed and so has taken in everything.
            drop(stream);
        };
        let server = async {
            let (mut stream, peer) = listener.accept().await.unwrap();
            stream.write_all(&vec![7; octets]).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).await.unwrap();
            assert_eq!(back.len(), octets);
            ([peer, at], stream.info().unwrap())
        };
        let ((), outcome) = tokio::join!(client, server);
        outcome
    });
    drop(program);
    (recording, ours, ends, info)
}

#[test]
fn what_is_lost_is_drawn_counted_and_repaired_before_the_eyes() {
    let options = options(
        "--loss 8% --delay 1ms --seed 11 --ladder=all --send-buffer 256kB",
        Detail::Normal,
    );
    let (recording, host, [program, ours], info) = transfer(&options, 400_000);
    drop(host);
    let connections = recording.connections();
    assert_eq!(connections.len(), 1);
    let seen = &connections[0];
    assert_eq!((seen.left, seen.right), (program, ours));

    // Three accounts of the same packets: the counts, the log, the link itself.
    let flow = recording.flow(program, ours, 0).unwrap();
    let [up, down] = recording.counters().unwrap();
    assert_eq!([flow.received.lost, flow.sent.lost], seen.lost);
    assert_eq!([flow.received.lost, flow.sent.lost], [up.lost, down.lost]);
    assert_eq!([flow.received.segments, flow.sent.segments], seen.segments);
    let again = [flow.received.retransmissions, flow.sent.retransmissions];
    assert_eq!(again, seen.retransmissions);
    assert!(again.iter().all(|&n| n > 0), "{again:?}");
    assert!(u64::from(info.retransmissions) <= again[1]);
    let causes = flow.causes;
    assert_eq!(
        causes.handshake + causes.timeout + causes.fast + causes.recovery,
        again[1]
    );

    // In the picture, with every row: each lost segment, and each repetition of ours with its cause.
    let every = LadderOptions {
        band_at_least: usize::MAX,
        max_rows: usize::MAX,
        ..LadderOptions::default()
    };
    let ladder = recording.ladder(seen, &every).unwrap();
    let segments = ladder.rows.iter().filter_map(|row| match &row.kind {
        RowKind::Segment(s) => Some((row, s)),
        _ => None,
    });
    let (mut lost, mut repeated) = (0, 0);
    let (mut holes, mut arrived) = (Vec::new(), Vec::new());
    for (row, s) in segments {
        if s.is_lost() {
            lost += 1;
            let said = row
                .notes
                .iter()
                .any(|n| n.important && n.text == "lost: random");
            assert!(said, "{row:?}");
            // What had arrived before was repeated without need.
            let is_there =
                |(from, at): &(_, std::ops::Range<i64>)| *from == s.from && at.contains(&s.seq);
            if s.len > 0 && !arrived.iter().any(is_there) {
                holes.push((s.from, s.seq));
            }
        }
        if let Some(why) = s.retransmission {
            repeated += 1;
            assert_ne!(why, handfast::wire::SendReason::Unknown, "{row:?}");
        }
        if !s.is_lost() {
            arrived.push((s.from, s.seq..s.end()));
            holes.retain(|&(from, seq)| from != s.from || !(s.seq..s.end()).contains(&seq));
        }
    }
    assert_eq!(lost, seen.lost.iter().sum::<u64>());
    assert_eq!(repeated, seen.retransmissions.iter().sum::<u64>());
    assert_eq!(holes, [], "every hole was filled, and drawn");

    // To our own address: the packets tell, for no relay does.
    assert_eq!(flow.sent.octets, 400_000);
    assert_eq!(flow.received.octets, 400_000);
    let ledger = Ledger::new();
    let (text, faults) = concluded(&options, &outcome(), &ledger, recording);
    assert_eq!(faults, [""; 0]);
    for words in [
        " curl 10.77.0.2:",
        " handfast.internal 10.77.0.1:80\n",
        "  handfast.internal:80 ",
        "R RACK: ",
        "lost: random\n",
        "  seed      11 (--seed 11 repeats it)\n",
        "  up        asked     loss 8%, delay 1 ms\n",
        " lost (",
        "; ours again: ",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 160), "{text}");
}

#[test]
fn where_nothing_needs_packets_nothing_is_recorded() {
    let plain = options("", Detail::Normal);
    let (recording, host, [program, ours], info) = transfer(&plain, 50_000);
    drop(host);
    assert!(recording.connections().is_empty() && recording.discards().is_empty());
    assert_eq!(recording.flow(program, ours, 0), None);
    assert!(recording.counters().is_none() && info.octets_received >= 50_000);
    // Impairments are counted by the link, without a look into its packets.
    let impaired = options("--delay 1ms", Detail::Normal);
    let (recording, host, ends, _) = transfer(&impaired, 50_000);
    drop(host);
    assert_eq!(recording.flow(ends[0], ends[1], 0), None);
    let [up, down] = recording.counters().unwrap();
    assert!(up.sent > 30 && down.sent > 30);
}

#[test]
fn a_capture_holds_every_packet_that_was_seen() {
    let place = std::env::temp_dir().join(format!("handfast-capture-{}", std::process::id()));
    std::fs::create_dir(&place).unwrap();
    let path = place.join("out.pcapng");
    let line_ = format!("--loss 5% --seed 3 --pcap {}", path.display());
    let options = options(&line_, Detail::Normal);
    let (recording, host, ..) = transfer(&options, 100_000);
    drop(host);
    let (text, faults) = concluded(&options, &outcome(), &Ledger::new(), recording);
    assert_eq!(faults, [""; 0]);
    let file = std::fs::File::open(&path).unwrap();
    let packets = handfast_trace::pcapng::Reader::new(file).unwrap().count();
    assert!(packets > 100);
    let size = std::fs::metadata(&path).unwrap().len();
    let words = format!(
        "out.pcapng: {} packets, {}\n",
        words::grouped(packets as u64),
        size::format(size)
    );
    assert!(text.contains(&words), "{words} in\n{text}");
    std::fs::remove_dir_all(place).unwrap();
}
