use super::*;
use proptest::prelude::*;

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn what_people_write_is_understood() {
    assert_eq!(probability("2%"), Ok(0.02));
    assert_eq!(probability("0.01%"), Ok(0.0001));
    assert_eq!(probability("100%"), Ok(1.0));
    assert_eq!(probability("0"), Ok(0.0));
    assert_eq!(duration("20ms"), Ok(20 * MILLI));
    assert_eq!(duration("1.5s"), Ok(1500 * MILLI));
    assert_eq!(duration("250us"), Ok(MILLI / 4));
    assert_eq!(duration("250µs"), Ok(MILLI / 4));
    assert_eq!(duration("2 min"), Ok(120_000 * MILLI));
    assert_eq!(duration("0"), Ok(Duration::ZERO));
    assert_eq!(rate("10mbit"), Ok(10_000_000));
    assert_eq!(rate("1.5Gbit/s"), Ok(1_500_000_000));
    assert_eq!(rate("9600bit"), Ok(9_600));
    assert_eq!(octets("64kB"), Ok(64_000));
    assert_eq!(octets("4MiB"), Ok(4 << 20));
    assert_eq!(queue("100p"), Ok(QueueLength::Packets(100)));
    assert_eq!(queue("64kB"), Ok(QueueLength::Octets(64_000)));
    assert_eq!(queue("1.5bdp"), Ok(QueueLength::BandwidthDelay(1.5)));
    assert_eq!(burst("3"), Ok(3.0));
    assert_eq!(burst("2.5p"), Ok(2.5));
    for text in ["50ms±10ms", "50ms+-10ms", "50ms ± 10ms"] {
        let both = Delay {
            delay: 50 * MILLI,
            jitter: Some(10 * MILLI),
        };
        assert_eq!(delay(text), Ok(both), "{text}");
    }
}

#[test]
fn what_could_mean_two_things_is_refused_with_an_example() {
    let refused: [(&str, Result<String, String>, &str); 16] = [
        ("2", shown(probability("2")), "no unit"),
        ("0.02", shown(probability("0.02")), "no unit"),
        ("101%", shown(probability("101%")), "between 0% and 100%"),
        ("-1%", shown(probability("-1%")), "like 2%"),
        ("20", shown(duration("20")), "no unit"),
        ("20ms±5", shown(delay("20ms±5")), "no unit"),
        ("10", shown(rate("10")), "no unit"),
        ("10mbps", shown(rate("10mbps")), "bytes a second to others"),
        ("0mbit", shown(rate("0mbit")), "--loss 100%"),
        ("100", shown(queue("100")), "100p"),
        ("0bdp", shown(queue("0bdp")), "0.001bdp"),
        ("0.5", shown(burst("0.5")), "between 1 and"),
        ("67", shown(hop("67")), "between 68 and 65535"),
        ("70000", shown(hop("70000")), "between 68 and 65535"),
        ("1280,loud", shown(hop("1280,loud")), "1280,silent"),
        ("1.5", shown(hop("1.5")), "more digits"),
    ];
    for (text, outcome, words) in refused {
        let said = outcome.expect_err(text);
        assert!(said.contains(words), "{text}: {said}");
        assert!(!said.contains('\n'), "one line: {said}");
    }
}

fn shown<T: std::fmt::Debug>(of: Result<T, String>) -> Result<String, String> {
    of.map(|value| format!("{value:?}"))
}

#[test]
fn what_is_too_large_or_too_fine_is_an_error_and_never_another_value() {
    let nines = "9".repeat(60);
    for number in [nines.as_str(), "340282366920938463463374607431768211456"] {
        assert!(probability(&format!("{number}%")).is_err());
        assert!(duration(&format!("{number}s")).is_err());
        assert!(duration(&format!("0.{number}s")).is_err());
        assert!(rate(&format!("{number}tbit")).is_err());
        assert!(octets(&format!("{number}GiB")).is_err());
        assert!(burst(number).is_err());
        for unit in ["p", "B", "bdp"] {
            assert!(queue(&format!("{number}{unit}")).is_err());
        }
    }
    assert!(duration("25h").is_err() && duration("24h").is_ok());
    assert!(rate("1tbit").is_ok() && rate("1.000000000001tbit").is_err());
    assert!(octets("1GiB").is_ok() && octets("1073741825B").is_err());
    assert!(duration("0.5ns").is_err());
    assert!(octets("0.5B").is_err());
    for text in [
        "", "%", "ms", ".5s", "5.s", "1e3ms", "+5ms", "5 5ms", "1,5s", "٣ms", "1_000ms",
    ] {
        let all = [
            shown(probability(text)),
            shown(duration(text)),
            shown(rate(text)),
            shown(queue(text)),
        ];
        assert!(all.iter().all(Result::is_err), "{text}: {all:?}");
    }
}

/// A decimal number without idle zeros: `numerator` / 10^`places`.
fn decimal_text(numerator: u64, places: u32) -> String {
    let power = 10u64.pow(places);
    match places {
        0 => numerator.to_string(),
        _ => format!(
            "{}.{:0width$}",
            numerator / power,
            numerator % power,
            width = places as usize
        ),
    }
}

proptest! {
    #[test]
    fn durations_come_back_exactly(nanos in 0..=LONGEST as u64, unit in 0..4usize) {
        let (name, factor, places) =
            [("ns", 1, 0), ("us", 1_000, 3), ("ms", 1_000_000, 6), ("s", 1_000_000_000, 9)][unit];
        let text = decimal_text(nanos, places) + name;
        prop_assert_eq!(duration(&text), Ok(Duration::from_nanos(nanos)), "{} {}", text, factor);
    }

    #[test]
    fn rates_come_back_exactly(bits in 1..=FASTEST as u64, unit in 0..4usize) {
        let (name, places) = [("bit", 0), ("kbit", 3), ("Mbit/s", 6), ("gbit", 9)][unit];
        prop_assert_eq!(rate(&(decimal_text(bits, places) + name)), Ok(bits));
    }

    #[test]
    fn shares_come_back_exactly(parts in 0..=PARTS as u64) {
        let text = decimal_text(parts, 8) + "%";
        prop_assert_eq!(probability(&text), Ok(parts as f64 / PARTS as f64));
    }

    #[test]
    fn queues_come_back_exactly(octets in 0..=MOST as u64, packets in 0..=MOST_PACKETS as u32) {
        prop_assert_eq!(queue(&format!("{octets}B")), Ok(QueueLength::Octets(octets)));
        prop_assert_eq!(
            queue(&(decimal_text(octets, 3) + "kB")),
            Ok(QueueLength::Octets(octets))
        );
        prop_assert_eq!(queue(&format!("{packets}p")), Ok(QueueLength::Packets(packets)));
    }

    #[test]
    fn nothing_that_is_written_panics(text in "\\PC{0,24}") {
        let _ = (probability(&text), delay(&text), rate(&text));
        let _ = (octets(&text), queue(&text), burst(&text));
    }

    #[test]
    fn numbers_with_units_are_in_range_or_refused(text in "[0-9]{1,45}(\\.[0-9]{1,45})?(%|ms|mbit|p|kb|bdp)") {
        if let Ok(p) = probability(&text) {
            prop_assert!((0.0..=1.0).contains(&p));
        }
        if let Ok(d) = duration(&text) {
            prop_assert!(d <= Duration::from_secs(24 * 3600));
        }
        if let Ok(bits) = rate(&text) {
            prop_assert!((1..=1_000_000_000_000).contains(&bits));
        }
        if let Ok(QueueLength::BandwidthDelay(times)) = queue(&text) {
            prop_assert!((0.001..=100.0).contains(&times));
        }
    }
}
