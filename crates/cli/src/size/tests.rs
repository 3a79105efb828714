use super::{format, parse, rate};

#[test]
fn sizes_are_read_with_and_without_units() {
    for (text, octets) in [
        ("4096", 4096),
        ("1B", 1),
        ("64MiB", 64 << 20),
        ("64 MiB", 64 << 20),
        ("1.5GB", 1_500_000_000),
        ("3kB", 3_000),
        ("0.5KiB", 512),
        ("1024GiB", 1 << 40),
    ] {
        assert_eq!(parse(text), Ok(octets), "{text}");
    }
    for text in [
        "", "MiB", "64 MB/s", "-1", "0", "nan", "inf", "1025GiB", "64mib",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_are_written_short() {
    let written = [0, 1023, 1024, 11_700, 64 << 20, 3 << 29].map(format);
    assert_eq!(
        written,
        ["0 B", "1023 B", "1 KiB", "11.4 KiB", "64 MiB", "1.5 GiB"]
    );
    assert_eq!(rate(64 << 20, 0.05), "1.34 GB/s");
    assert_eq!(rate(64 << 20, 0.5), "134 MB/s");
    assert_eq!(rate(100, 0.01), "10 kB/s");
}
