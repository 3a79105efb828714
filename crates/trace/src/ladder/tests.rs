use super::quantity::{duration, grouped, millis, octets};
use handfast_base::Duration;

#[test]
fn numbers_read_well() {
    let read = [0, 999, 1000, 12_345, 1_234_567].map(grouped);
    assert_eq!(read, ["0", "999", "1,000", "12,345", "1,234,567"]);
    let read = [0, 1023, 1024, 11_680, 64 << 20, 5 << 30].map(octets);
    assert_eq!(
        read,
        [
            "0 B", "1023 B", "1.0 KiB", "11.4 KiB", "64.0 MiB", "5.0 GiB"
        ]
    );
    let micros = [
        0, 37, 999, 1000, 4_240, 9_949, 253_000, 9_999_000, 60_000_000, 75_320_000,
    ];
    let read = micros.map(|n| duration(Duration::from_micros(n)));
    let wanted = [
        "0 µs", "37 µs", "999 µs", "1.0 ms", "4.2 ms", "9.9 ms", "253 ms", "9999 ms", "60 s",
        "75.3 s",
    ];
    assert_eq!(read, wanted);
    assert_eq!(millis(Duration::from_micros(1_234_567), 1), "1234.6");
}
