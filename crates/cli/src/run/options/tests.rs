use super::*;
use crate::run::presets::Preset;
use clap::{Parser, ValueEnum};
use handfast_base::Duration;
use handfast_link::impaired::{Queue, Rate};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    run: RunArguments,
}

/// The options of `handfast run LINE true`.
fn options(line: &str) -> Result<Options, String> {
    let words = ["run"]
        .into_iter()
        .chain(line.split_whitespace())
        .chain(["true"]);
    let line = Line::try_parse_from(words).map_err(|e| e.to_string())?;
    Options::new(&line.run, Detail::Normal, false, 42)
}

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn without_flags_nothing_is_impaired_and_nothing_is_recorded() {
    let options = options("").unwrap();
    assert!(!options.is_impaired() && !options.needs_packets());
    assert_eq!((options.mtu, options.seed), (65_520, 42));
    assert_eq!(options.families, [Family::V4, Family::V6]);
    assert!(
        options.tcp.nodelay,
        "what is relayed does not wait for more"
    );
    assert_eq!(options.command, ["true"]);
}

#[test]
fn a_flag_of_one_direction_is_stronger_than_one_of_both_and_that_than_a_preset() {
    let options =
        options("--link dsl --delay 10ms --up-loss 2% --loss 1% --down-rate 5mbit").unwrap();
    let [up, down] = Preset::Dsl.quantities();
    assert_eq!(up.rate.zip(down.rate), Some((384_000, 1_500_000)));
    assert_eq!((options.up.loss, options.down.loss), (0.02, 0.01));
    assert_eq!(
        (options.up.delay, options.down.delay),
        (10 * MILLI, 10 * MILLI)
    );
    let rates = [options.up, options.down].map(|one| one.rate.unwrap().bits_per_second);
    assert_eq!(rates, [384_000, 5_000_000]);
    // One product of what is in force: 20 ms at that rate.
    assert_eq!(options.up.rate.unwrap().queue, Queue::Octets(960));
    assert_eq!(options.mtu, 1_500);
    assert!(options.is_impaired());
}

#[test]
fn a_delay_names_its_variation_unless_that_is_said_apart() {
    let one = options("--delay 50ms±10ms").unwrap();
    assert_eq!((one.up.delay, one.up.jitter), (50 * MILLI, 10 * MILLI));
    assert_eq!(one.up, one.down);
    let other = options("--delay 50ms±10ms --jitter 5ms --down-jitter 0").unwrap();
    assert_eq!(
        (other.up.jitter, other.down.jitter),
        (5 * MILLI, Duration::ZERO)
    );
    // A delay without one keeps that of the preset.
    let wifi = options("--link lossy-wifi --delay 9ms").unwrap();
    assert_eq!((wifi.up.delay, wifi.up.jitter), (9 * MILLI, 2 * MILLI));
}

#[test]
fn a_queue_has_a_fitting_default() {
    let rate = |line| options(line).unwrap().up.rate.unwrap();
    let bound = |bits_per_second, queue| Rate {
        bits_per_second,
        queue,
    };
    assert_eq!(
        rate("--rate 10mbit"),
        bound(10_000_000, Queue::Octets(125_000))
    );
    assert_eq!(rate("--rate 56kbit"), bound(56_000, Queue::Octets(15_000)));
    let asked = rate("--rate 10mbit --queue 7p");
    assert_eq!(asked, bound(10_000_000, Queue::Packets(7)));
    let product = rate("--rate 8mbit --queue 2bdp --up-delay 30ms --down-delay 20ms");
    assert_eq!(product, bound(8_000_000, Queue::Octets(100_000)));
}

#[test]
fn what_does_not_fit_together_is_said_in_one_line_with_a_fix() {
    for (line, words) in [
        (
            "--queue 5p",
            "--queue is the room in front of a bottleneck, and there is none; fix: add --rate",
        ),
        ("--up-queue 5p", "fix: add --up-rate"),
        (
            "--rate 1mbit --queue 1bdp",
            "--queue in bandwidth-delay products needs a delay; fix",
        ),
        (
            "--burst 3",
            "--burst groups losses, and none are asked for; fix: add --loss",
        ),
        ("--down-burst 3 --up-loss 1%", "fix: add --down-loss"),
        (
            "--mtu 1000",
            "IPv6 needs an MTU of 1280 octets at least; fix: add -4",
        ),
        (
            "--ecn-mark 30kB",
            "--ecn-mark marks what waits for a bottleneck, and there is none; fix: add --rate",
        ),
        (
            "--down-ecn-mark 30kB --up-rate 1mbit",
            "fix: add --down-rate",
        ),
        (
            "--hop-mtu 1500",
            "a hop of 1500 octets carries all that the link does, whose MTU is 1500; fix",
        ),
        (
            "--hop-mtu 1000,silent",
            "IPv6 knows no hop below 1280 octets; fix: add -4",
        ),
        ("--decisions -", "standard output is the program's; fix"),
        ("--pcap -", "standard output is the program's; fix"),
        ("--json -", "standard output is the program's; fix"),
        ("--metrics -", "standard output is the program's; fix"),
    ] {
        let said = options(line).expect_err(line);
        assert!(said.contains(words), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(options("--mtu 1000 -4").is_ok());
    assert!(options("--hop-mtu 1000 -4").is_ok());
    assert!(options("--hop-mtu 1500 --mtu 9000").is_ok());
    assert!(options("--up-burst 3 --loss 1%").is_ok());
}

#[test]
fn the_program_sends_up() {
    use handfast::wire::{Batch, Packet};
    use handfast_link::memory;
    let options = options("--up-loss 100%").unwrap();
    let (ours, mut program) = memory::pair(&memory::Config::default());
    let mut ours = options.impair(ours);
    let mut batch = Batch::new(8);
    batch
        .push(Packet::from_bytes(vec![0x45; 40].into()))
        .unwrap();
    let now = handfast_base::Instant::ZERO;
    ours.transmit(now, &mut batch).unwrap();
    assert_eq!(
        program.receive(now, &mut batch).unwrap(),
        1,
        "down is whole"
    );
    program.transmit(now, &mut batch).unwrap();
    assert_eq!(ours.receive(now, &mut batch).unwrap(), 0, "up is lost");
}

#[test]
fn every_preset_is_active_both_ways_and_is_what_its_help_says() {
    for preset in Preset::value_variants() {
        let name = preset.to_possible_value().unwrap();
        let help = name.get_help().unwrap().to_string();
        let options = options(&format!("--link {}", name.get_name())).unwrap();
        for (way, one) in [("up", options.up), ("down", options.down)] {
            assert!(one.is_active(), "{help}");
            let kilobits = one.rate.unwrap().bits_per_second / 1_000;
            let rate = match kilobits {
                1_000.. => format!("{} mbit {way}", kilobits as f64 / 1e3),
                _ => format!("{kilobits} kbit {way}"),
            };
            assert!(help.contains(&rate), "{rate}: {help}");
            let delay = format!("{} ms", one.delay.as_millis());
            assert!(help.contains(&delay), "{delay}: {help}");
            let loss = one.loss > 0.0;
            assert_eq!(loss, help.contains("lost"), "{help}");
        }
    }
}

#[test]
fn our_side_has_the_options_that_are_asked_for() {
    let line = "--nagle --no-timestamps --no-window-scaling --delayed-ack 0 --send-buffer 64kB \
                --receive-buffer 1MiB --initial-window 4 --mss 1200 --keep-alive 30s \
                --user-timeout 10s --rto-min 50ms --congestion reno --ecn accurate --mtu-probing always";
    let tcp = options(line).unwrap().tcp;
    assert!(!tcp.nodelay && !tcp.timestamps && !tcp.window_scaling);
    assert_eq!(tcp.delayed_ack, Duration::ZERO);
    assert_eq!(tcp.send_buffer, Buffer::Fixed(64_000));
    assert_eq!(tcp.receive_buffer, Buffer::Fixed(1 << 20));
    assert_eq!((tcp.initial_window, tcp.mss), (4, Some(1200)));
    assert_eq!(tcp.keep_alive.unwrap().idle, Duration::from_secs(30));
    assert_eq!(tcp.user_timeout, Some(Duration::from_secs(10)));
    assert_eq!(tcp.rto_min, 50 * MILLI);
    assert_eq!(tcp.congestion.name(), "reno");
    assert_eq!(tcp.ecn, handfast::Ecn::Accurate);
    assert_eq!(tcp.mtu_probing, handfast::MtuProbing::Always);
    let default = Config {
        nodelay: true,
        ..Config::default()
    };
    let tcp = options("").unwrap().tcp;
    assert_eq!(tcp.congestion.name(), "cubic");
    assert_eq!(
        (tcp.ecn, tcp.mtu_probing),
        (default.ecn, default.mtu_probing)
    );
    for known in ["cubic", "reno", "cubic-paced", "bbr", "dctcp"] {
        let tcp = options(&format!("--congestion {known}")).unwrap().tcp;
        assert_eq!(tcp.congestion.name(), known);
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for line in [
        "--send-buffer 0B",
        "--mss 10",
        "--mtu 70000",
        "--initial-window 0",
        "--keep-alive 0",
        "--env =x",
        "--env novalue",
        "--sysctl kernel.hostname=x",
        "--sysctl net.../../x=1",
        "--metrics :99999",
        "--ladder=0",
        "--ladder=5000",
        "--ladder=a:b",
        "--link adsl",
        "--allow a..b:x",
        "--publish 80",
        "--socks5 proxy:1080",
        "--socks5 socks5://user@127.0.0.1:1080",
    ] {
        assert!(options(line).is_err(), "{line}");
    }
}

#[test]
fn a_proxy_is_an_address_and_may_want_a_password() {
    let way = |line: &str| match options(line).unwrap().outbound {
        Outbound::Socks5 { proxy, auth, .. } => (proxy.to_string(), auth.map(|a| a.password)),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        way("--socks5 127.0.0.1:1080"),
        ("127.0.0.1:1080".into(), None)
    );
    let asked = way("--socks5 socks5://me:p:@w@[::1]:1080/");
    assert_eq!(asked, ("[::1]:1080".into(), Some("p:@w".into())));
    assert_eq!(options("").unwrap().outbound, Outbound::default());
}

#[test]
fn names_of_ladders_and_places_of_metrics_are_told_apart() {
    let which = |line: &str| options(line).unwrap().report.ladder;
    let to = |host: &str, port| Some(Which::To(Some(host.to_owned()), port));
    assert_eq!(which(""), None);
    assert_eq!(which("--ladder"), Some(Which::Auto));
    assert_eq!(which("--ladder=7"), Some(Which::First(7)));
    assert_eq!(which("--ladder=:443"), Some(Which::To(None, Some(443))));
    assert_eq!(which("--ladder=Example.com."), to("example.com", None));
    assert_eq!(
        which("--ladder=example.com:80"),
        to("example.com", Some(80))
    );
    assert_eq!(which("--ladder=192.0.2.1"), to("192.0.2.1", None));
    assert_eq!(which("--ladder=2001:db8::1"), to("2001:db8::1", None));
    assert_eq!(
        which("--ladder=[2001:db8::1]:80"),
        to("2001:db8::1", Some(80))
    );
    let metrics = |line: &str| options(line).unwrap().report.metrics.unwrap();
    let served = |text: &str| MetricsTo::Served(text.parse().unwrap());
    assert_eq!(metrics("--metrics :9100"), served("127.0.0.1:9100"));
    assert_eq!(metrics("--metrics localhost:0"), served("127.0.0.1:0"));
    assert_eq!(metrics("--metrics [::1]:9100"), served("[::1]:9100"));
    assert_eq!(metrics("--metrics m.txt"), MetricsTo::File("m.txt".into()));
    assert_eq!(
        options("--sysctl net.ipv4.tcp_sack=0").unwrap().sysctls,
        [("ipv4/tcp_sack".to_owned(), "0".to_owned())]
    );
}

#[test]
fn a_hop_and_marks_are_of_both_ways_or_of_one() {
    use handfast_link::impaired::Hop;
    let hop = |mtu, tells| Some(Hop { mtu, tells });
    let both = options("--hop-mtu 1280 --down-hop-mtu 1400,silent").unwrap();
    assert_eq!(
        (both.up.hop, both.down.hop),
        (hop(1280, true), hop(1400, false))
    );
    assert!(both.is_impaired() && !both.marks());
    assert_eq!(both.mtu, 1_500);
    let one = options("--rate 10mbit --up-ecn-mark 30kB").unwrap();
    assert_eq!((one.up.ecn_mark, one.down.ecn_mark), (Some(30_000), None));
    assert!(one.marks());
}
