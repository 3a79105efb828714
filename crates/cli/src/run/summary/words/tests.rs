use super::*;

#[test]
fn numbers_are_as_exact_as_they_look() {
    let micros = |n| duration(Duration::from_micros(n));
    let said = [0, 7, 310, 999, 1_000, 41_234, 412_345, 1_000_000, 1_423_000].map(micros);
    let wanted = [
        "0 ms", "7 µs", "310 µs", "999 µs", "1 ms", "41.2 ms", "412 ms", "1 s", "1.42 s",
    ];
    assert_eq!(said, wanted);
    let seconds = |n| duration(Duration::from_secs(n));
    assert_eq!(
        [99, 125, 7_260].map(seconds),
        ["99 s", "2 min 5 s", "2 h 1 min"]
    );
    assert_eq!(duration(Duration::from_nanos(999_700)), "1 ms");
    assert_eq!(duration(Duration::from_nanos(999_900_000)), "1 s");
    assert_eq!(
        [0.02, 0.0191, 1.0, 0.0001, 0.123].map(percent),
        ["2%", "1.91%", "100%", "0.01%", "12.3%"]
    );
    assert_eq!(
        [9_600, 768_000, 1_600_000, 10_000_000, 2_500_000_000].map(rate),
        ["9.6 kbit", "768 kbit", "1.6 mbit", "10 mbit", "2.5 gbit"]
    );
    assert_eq!(
        [1, 999, 1_000, 1_234_567].map(grouped),
        ["1", "999", "1,000", "1,234,567"]
    );
    assert_eq!(
        [count(1, "flow"), count(2_000, "flow")],
        ["1 flow", "2,000 flows"]
    );
    assert_eq!([signal(9), signal(40)], ["signal 9 (SIGKILL)", "signal 40"]);
    assert_eq!(fitted("abcdef", 4), "abc…");
    assert_eq!(printable("a\x1b[2Jb\n"), "a?[2Jb?");
}
