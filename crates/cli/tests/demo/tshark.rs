//! A second opinion on captures.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::skipped;

/// What every packet is asked for; an absent field is empty.
const FIELDS: [&str; 8] = [
    "ip.version",
    "ipv6.version",
    "frame.len",
    "tcp.stream",
    "tcp.flags",
    "tcp.checksum.status",
    "http.request.method",
    "http.response.code",
];

/// What no packet may have.
const BAD: [&str; 11] = [
    "_ws.malformed",
    "_ws.short",
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
    "tcp.analysis.lost_segment",
    "tcp.analysis.ack_lost_segment",
    "tcp.analysis.duplicate_ack",
    "tcp.analysis.out_of_order",
    "tcp.analysis.zero_window",
    "icmp.type",
];

/// The answer to "is the checksum right?" that means yes.
const GOOD: &str = "1";

const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;

/// Asserts that tshark, where there is one, finds so many connections in the capture, each from
/// SYN to both FINs, and nothing malformed, wrongly summed or sent again in it.
pub(crate) fn finds_nothing_wrong(capture: &Path, connections: usize) {
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("there is no tshark to look at the capture");
        return;
    }
    let checks = ["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE"];
    let output = Command::new("tshark")
        .args(checks.iter().flat_map(|check| ["-o", check]))
        .args([
            "-T",
            "fields",
            "-E",
            "separator=;",
            "-e",
            "ip.checksum.status",
        ])
        .args(FIELDS.iter().chain(&BAD).flat_map(|field| ["-e", field]))
        .arg("-r")
        .arg(capture)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors = errors.lines().filter(|l| !l.contains("could be dangerous"));
    let errors: Vec<_> = errors.collect();
    assert!(output.status.success() && errors.is_empty(), "{errors:?}");
    let mut streams: BTreeMap<u32, Vec<(u16, String)>> = BTreeMap::new();
    for (n, line) in String::from_utf8_lossy(&output.stdout).lines().enumerate() {
        let columns: Vec<&str> = line.split(';').collect();
        let [
            v4_sum,
            v4,
            v6,
            len,
            stream,
            flags,
            sum,
            method,
            code,
            bad @ ..,
        ] = &columns[..]
        else {
            panic!("packet {}: {line}", n + 1);
        };
        assert!(
            bad.iter().all(|field| field.is_empty()),
            "packet {}: {line}",
            n + 1
        );
        assert!(
            *v4 == "4" && *v4_sum == GOOD || *v6 == "6",
            "packet {}: {line}",
            n + 1
        );
        assert_eq!(*sum, GOOD, "packet {}: {line}", n + 1);
        // Not a super-segment, but what a wire would carry.
        assert!(
            len.parse::<u32>().unwrap() <= 1500,
            "packet {}: {line}",
            n + 1
        );
        let flags = u16::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap();
        let stream = streams.entry(stream.parse().unwrap()).or_default();
        stream.push((flags, format!("{method}{code}")));
    }
    assert_eq!(streams.len(), connections);
    for (stream, packets) in streams {
        let count = |flag: u16| {
            packets
                .iter()
                .filter(|(flags, _)| flags & flag != 0)
                .count()
        };
        assert_eq!(
            (count(SYN), count(FIN), count(RST)),
            (2, 2, 0),
            "{stream}: {packets:?}"
        );
        let said: Vec<_> = packets.iter().map(|(_, said)| said.as_str()).collect();
        let said = said.join(" ");
        let words: Vec<_> = said.split_whitespace().collect();
        assert!(
            matches!(words[..], ["GET" | "POST", "200"]),
            "{stream}: {packets:?}"
        );
    }
}
