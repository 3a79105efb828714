//! Numbers as people read them.

use handfast_base::Duration;

/// `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `940 B`, `11.4 KiB`, `64.0 MiB`.
pub(crate) fn octets(n: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| n >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", n as f64 / (1u64 << shift) as f64),
        None => format!("{n} B"),
    }
}

/// `37 µs`, `4.2 ms`, `253 ms`, `60 s`, `75.3 s`.
pub(crate) fn duration(d: Duration) -> String {
    let micros = d.as_nanos() as f64 / 1e3;
    match micros {
        ..999.5 => format!("{micros:.0} µs"),
        ..9_950.0 => format!("{:.1} ms", micros / 1e3),
        ..9_999_500.0 => format!("{:.0} ms", micros / 1e3),
        _ => {
            format!("{:.1}", micros / 1e6)
                .trim_end_matches(".0")
                .to_string()
                + " s"
        }
    }
}

/// Milliseconds with this many decimals, without a unit.
pub(crate) fn millis(d: Duration, decimals: usize) -> String {
    format!("{:.decimals$}", d.as_nanos() as f64 / 1e6)
}
