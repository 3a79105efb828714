//! What a network is tested with: iperf3, ping, names, datagrams.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::Scenario;
use crate::world::{Datagrams, NOWHERE, SERVER, SERVER6, Server, World, ZONE, servers};

const IPERF: &[(&str, &str)] = &[("iperf3", "iperf3")];
const PING: &[(&str, &str)] = &[("ping", "iputils-ping")];
const DIG: &[(&str, &str)] = &[("dig", "bind9-dnsutils")];
const PYTHON: &[(&str, &str)] = &[("python3", "python3")];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("iperf3_eight_streams_each_way", IPERF, eight_streams),
    Scenario::new("iperf3_both_ways_at_once", IPERF, both_ways),
    Scenario::new("iperf3_datagrams_each_way", IPERF, iperf_datagrams),
    Scenario::new("ping_and_ping_6", PING, ping),
    Scenario::new("ping_sizes_and_silence", PING, ping_sizes),
    Scenario::new("names_getent", &[("getent", "libc-bin")], getent),
    Scenario::new("names_dig", DIG, dig),
    Scenario::new("datagrams_of_every_size_come_back", PYTHON, echo),
    Scenario::new(
        "datagrams_from_a_thousand_sockets",
        PYTHON,
        thousand_sockets,
    ),
    Scenario::new(
        "datagrams_to_a_closed_port_are_refused",
        PYTHON,
        closed_port,
    ),
];

fn iperf_server(world: &World) -> Server {
    let mut command = world.command("iperf3");
    command.args(["--server", "--forceflush"]);
    let server = world.serve(command, servers(5201)[0]);
    // It takes the connection by which we knew that it listens for a test that was given up.
    std::thread::sleep(Duration::from_millis(200));
    server
}

fn iperf(world: &World, more: &[&str]) -> Value {
    let host = format!("web.{ZONE}");
    let argv = [&["iperf3", "--json", "-t", "2", "--client", &host], more].concat();
    let output = world.run(&argv).output();
    serde_json::from_str(&output).unwrap()
}

fn sum(report: &Value, which: &str) -> u64 {
    report["end"][which]["bytes"]
        .as_u64()
        .unwrap_or_else(|| panic!("{report}"))
}

fn eight_streams(world: &World) {
    let _server = iperf_server(world);
    for (direction, flag) in [("up", &[][..]), ("down", &["-R"])] {
        let report = iperf(world, &[&["-P", "8"], flag].concat());
        let streams = report["end"]["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 8);
        for stream in streams {
            let octets = stream["receiver"]["bytes"].as_u64().unwrap();
            assert!(octets > 0, "{direction}: a stream starved: {report}");
        }
        super::rate(
            direction,
            sum(&report, "sum_received"),
            Duration::from_secs(2),
        );
    }
}

fn both_ways(world: &World) {
    let _server = iperf_server(world);
    let report = iperf(world, &["--bidir"]);
    for which in ["sum_received", "sum_received_bidir_reverse"] {
        super::rate(which, sum(&report, which), Duration::from_secs(2));
        assert!(sum(&report, which) > 1 << 20);
    }
}

fn iperf_datagrams(world: &World) {
    let _server = iperf_server(world);
    for flag in [&[][..], &["-R"]] {
        let report = iperf(world, &[&["-u", "-b", "20M", "-l", "1200"], flag].concat());
        let summary = &report["end"]["sum"];
        let (packets, lost) = (&summary["packets"], &summary["lost_packets"]);
        assert!(packets.is_u64() && lost.is_u64(), "{report}");
        eprintln!("{flag:?}: {lost} of {packets} datagrams lost");
        // 2 s of 20 Mbit/s; a machine with much else to do loses some.
        assert!(packets.as_u64().unwrap() > 2_000, "{summary}");
        assert!(
            lost.as_u64().unwrap() < packets.as_u64().unwrap() / 2,
            "{summary}"
        );
    }
}

fn ping(world: &World) {
    for (family, address) in [("-4", IpAddr::from(SERVER)), ("-6", SERVER6.into())] {
        let host = format!("web.{ZONE}");
        let output = world
            .run(&["ping", family, "-n", "-c", "3", "-i", "0.2", &host])
            .output();
        assert!(output.contains("3 received, 0% packet loss"), "{output}");
        let from = format!("bytes from {address}");
        let from_name = format!("({address})");
        assert!(
            output.contains(&from) || output.contains(&from_name),
            "{output}"
        );
    }
}

fn ping_sizes(world: &World) {
    for (address, sizes) in [
        (SERVER.to_string(), ["0", "1400", "9000"]),
        (SERVER6.to_string(), ["8", "1400", "9000"]),
    ] {
        for size in sizes {
            let argv = ["ping", "-n", "-c", "2", "-i", "0.2", "-s", size, &address];
            let output = world.run(&argv).output();
            assert!(output.contains("2 received, 0% packet loss"), "{output}");
        }
    }
    const NO_ANSWER: i32 = 1;
    let run = world.run(&["ping", "-n", "-c", "1", "-W", "1", &NOWHERE.to_string()]);
    run.finish(Duration::from_secs(60)).ended(NO_ANSWER);
}

fn getent(world: &World) {
    let lookup = |database: &str, name: &str| {
        let run = world.run(&["getent", database, name]);
        run.finish(Duration::from_secs(60))
    };
    let output = lookup("hosts", &format!("only4.{ZONE}")).good();
    assert_eq!(
        output.split_whitespace().collect::<Vec<_>>(),
        ["198.51.100.10", "only4.world.test"]
    );
    let output = lookup("ahostsv6", &format!("only6.{ZONE}")).good();
    assert!(output.starts_with(&SERVER6.to_string()), "{output}");
    let output = lookup("ahosts", &format!("web.{ZONE}")).good();
    for address in [SERVER.to_string(), SERVER6.to_string()] {
        assert!(output.contains(&address), "{output}");
    }
    const NOT_FOUND: i32 = 2;
    lookup("hosts", &format!("missing.{ZONE}")).ended(NOT_FOUND);
    // More addresses than fit a datagram of 512 octets.
    let output = lookup("ahostsv4", &format!("many.{ZONE}")).good();
    assert_eq!(output.matches("STREAM").count(), 100, "{output}");
}

fn dig(world: &World) {
    let dig = |arguments: &[&str]| {
        let argv = [&["dig", "+tries=2", "+time=10"], arguments].concat();
        world.run(&argv).output()
    };
    let web = format!("web.{ZONE}");
    assert_eq!(dig(&["+short", &web, "A"]).trim(), SERVER.to_string());
    assert_eq!(dig(&["+short", &web, "AAAA"]).trim(), SERVER6.to_string());
    assert_eq!(
        dig(&["+short", "+tcp", &web, "A"]).trim(),
        SERVER.to_string()
    );
    let missing = dig(&[&format!("missing.{ZONE}")]);
    assert!(missing.contains("status: NXDOMAIN"), "{missing}");
    let many = dig(&["+noedns", &format!("many.{ZONE}"), "A"]);
    assert!(many.contains("ANSWER: 100"), "{many}");
    // A server of the program's own choice.
    assert_eq!(
        dig(&["+short", "@198.51.100.53", &web, "A"]).trim(),
        SERVER.to_string()
    );
    assert_eq!(
        dig(&["+short", "+tcp", "@198.51.100.53", &web, "A"]).trim(),
        SERVER.to_string()
    );
}

fn echo_server() -> [Datagrams; 2] {
    servers(7).map(|address| Datagrams::start(address, |datagram, _| Some(datagram.to_vec())))
}

fn echo(world: &World) {
    let _servers = echo_server();
    for address in servers(7) {
        let (family, ip) = match address {
            v4 if v4.is_ipv4() => ("AF_INET", v4.ip()),
            v6 => ("AF_INET6", v6.ip()),
        };
        let script = format!(
            "import os, socket\n\
             s = socket.socket(socket.{family}, socket.SOCK_DGRAM)\n\
             s.settimeout(20)\n\
             for size in 0, 1, 100, 512, 1232, 1472, 1473, 8972, 30000, 60000, 65000:\n\
             \x20   sent = os.urandom(size)\n\
             \x20   s.sendto(sent, ('{ip}', 7))\n\
             \x20   got, source = s.recvfrom(65536)\n\
             \x20   assert got == sent and source[:2] == ('{ip}', 7), (size, len(got), source)\n\
             \x20   print(size)\n"
        );
        let output = world.run(&["python3", "-c", &script]).output();
        assert_eq!(output.lines().last(), Some("65000"), "{output}");
    }
}

fn thousand_sockets(world: &World) {
    let _servers = echo_server();
    let script = format!(
        "import socket\n\
         sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(1000)]\n\
         for n, s in enumerate(sockets):\n\
         \x20   s.settimeout(20)\n\
         \x20   s.connect(('{SERVER}', 7))\n\
         for turn in range(3):\n\
         \x20   for n, s in enumerate(sockets):\n\
         \x20       s.send(b'%d %d' % (turn, n))\n\
         \x20       if n % 50 == 49:\n\
         \x20           for m in range(n - 49, n + 1):\n\
         \x20               assert sockets[m].recv(100) == b'%d %d' % (turn, m)\n\
         print('all')\n"
    );
    assert_eq!(world.run(&["python3", "-c", &script]).output(), "all\n");
}

fn closed_port(world: &World) {
    for (family, address) in [
        ("AF_INET", SERVER.to_string()),
        ("AF_INET6", SERVER6.to_string()),
    ] {
        let script = format!(
            "import socket\n\
             s = socket.socket(socket.{family}, socket.SOCK_DGRAM)\n\
             s.settimeout(20)\n\
             s.connect(('{address}', 9))\n\
             s.send(b'anyone')\n\
             try: s.recv(100)\n\
             except ConnectionRefusedError: print('refused')\n"
        );
        assert_eq!(world.run(&["python3", "-c", &script]).output(), "refused\n");
    }
}
