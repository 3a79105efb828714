//! Numbers as people read them.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// `1 flow`, `2 flows`, `12,345 flows`.
pub(super) fn count(n: u64, one: &str) -> String {
    count_of(n, one, &format!("{one}s"))
}

/// A number and what is counted, for words whose plural is their own.
pub(super) fn count_of(n: u64, one: &str, many: &str) -> String {
    let word = if n == 1 { one } else { many };
    format!("{} {word}", grouped(n))
}

/// `12,345`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `310 µs`, `41.2 ms`, `1.42 s`, `2 min 5 s`: three digits that count.
pub(super) fn duration(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    match seconds {
        3600.0.. => format!("{} h {} min", d.as_secs() / 3600, d.as_secs() / 60 % 60),
        100.0.. => format!("{} min {} s", d.as_secs() / 60, d.as_secs() % 60),
        0.9995.. => format!("{} s", digits(seconds)),
        0.0009995.. => format!("{} ms", digits(seconds * 1e3)),
        0.0000000001.. => format!("{} µs", digits(seconds * 1e6)),
        _ => "0 ms".to_owned(),
    }
}

/// A number of the usual size with three digits that count, without idle zeros.
pub(super) fn digits(x: f64) -> String {
    let decimals = match x {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    let text = format!("{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A share as `2%`, `0.01%`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = match percent {
        0.1.. => digits(percent),
        _ => format!("{percent:.4}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    };
    format!("{text}%")
}

/// Bits a second as `10 mbit`, `1.6 mbit`, `768 kbit`.
pub(super) fn rate(bits: u64) -> String {
    let units = [
        (1_000_000_000, "gbit"),
        (1_000_000, "mbit"),
        (1_000, "kbit"),
    ];
    match units.iter().find(|(unit, _)| bits >= *unit) {
        Some((unit, name)) => format!("{} {name}", digits(bits as f64 / *unit as f64)),
        None => format!("{bits} bit"),
    }
}

/// The name of a signal where it has one, and its number.
pub(super) fn signal(number: i32) -> String {
    const NAMES: [(i32, &str); 9] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (6, "SIGABRT"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
    ];
    match NAMES.iter().find(|(n, _)| *n == number) {
        Some((_, name)) => format!("signal {number} ({name})"),
        None => format!("signal {number}"),
    }
}

/// Text from elsewhere, with nothing in it that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// At most `width` characters, the end cut off if need be.
pub(super) fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
