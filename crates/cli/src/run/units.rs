//! Quantities of a command line: a decimal number and its unit, read exactly.
//!
//! A unit is required, for a bare `20` could be milliseconds to one reader and seconds to another;
//! only zero needs none.

#[cfg(test)]
mod tests;

use handfast_base::Duration;
use handfast_link::impaired::Hop;

/// Names of a unit, and what one of it is in the smallest one.
type Unit = (&'static str, u128);

const TIMES: [Unit; 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("h", 3_600_000_000_000),
];
const RATES: [Unit; 5] = [
    ("kbit", 1_000),
    ("mbit", 1_000_000),
    ("gbit", 1_000_000_000),
    ("tbit", 1_000_000_000_000),
    ("bit", 1),
];
const OCTETS: [Unit; 7] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

/// The longest time that is accepted: a day.
const LONGEST: u128 = 24 * 3_600_000_000_000;
/// The highest rate that is accepted, in bits a second.
const FASTEST: u128 = 1_000_000_000_000;
/// The most octets that are accepted: 1 GiB.
const MOST: u128 = 1 << 30;
/// The most packets that are accepted.
const MOST_PACKETS: u128 = 1_000_000;

/// What every hop carries (RFC 791, section 3.2), and the most that there can be, in octets.
const LEAST_HOP: u128 = 68;
const LARGEST_HOP: u128 = 65_535;

/// Percentages are read in units of 10^-10, which an `f64` holds exactly up to the whole.
const PARTS: u128 = 10_000_000_000;

/// What may wait in front of a bottleneck, before it is known how much a bandwidth-delay product
/// is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueueLength {
    /// Packets.
    Packets(u32),
    /// Octets.
    Octets(u64),
    /// Bandwidth-delay products.
    BandwidthDelay(f64),
}

/// A delay, and by how much it varies either way if that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// One way.
    pub delay: Duration,
    /// Either way.
    pub jitter: Option<Duration>,
}

/// A probability from `2%`, `0.01%`.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn probability(text: &str) -> Result<f64, String> {
    const EXAMPLE: &str = "write it like 2% or 0.01%";
    let Some(number) = text.strip_suffix('%') else {
        return match text.parse::<f64>() {
            Ok(0.0) => Ok(0.0),
            Ok(_) => Err(format!("it has no unit; {EXAMPLE}")),
            Err(_) => Err(format!("it is no share of packets; {EXAMPLE}")),
        };
    };
    let parts = decimal(number.trim_end(), PARTS / 100, EXAMPLE)?;
    match parts {
        0..=PARTS => Ok(parts as f64 / PARTS as f64),
        _ => Err("it must lie between 0% and 100%".to_owned()),
    }
}

/// A duration from `20ms`, `1.5s`, `250us`; at most a day.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let example = "write it like 20ms, 1.5s or 250us";
    let nanos = amount(text, &TIMES, example)?;
    match nanos {
        0..=LONGEST => Ok(Duration::from_nanos(nanos as u64)),
        _ => Err("it must not be longer than 24h".to_owned()),
    }
}

/// A delay from `50ms`, `50ms±10ms` or, where that sign is hard to type, `50ms+-10ms`.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn delay(text: &str) -> Result<Delay, String> {
    let parts = text.split_once('±').or_else(|| text.split_once("+-"));
    let (delay, jitter) = match parts {
        Some((delay, jitter)) => (delay.trim_end(), Some(jitter.trim_start())),
        None => (text, None),
    };
    Ok(Delay {
        delay: duration(delay)?,
        jitter: jitter.map(duration).transpose()?,
    })
}

/// Bits a second from `10mbit`, `56kbit`, `1Gbit/s`; at least 1 bit and at most 1 Tbit.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn rate(text: &str) -> Result<u64, String> {
    const EXAMPLE: &str = "write it like 10mbit or 1.5gbit";
    let lower = text.to_ascii_lowercase();
    if lower.ends_with("bps") {
        let why = "bps is bits a second to some and bytes a second to others";
        return Err(format!("{why}; {EXAMPLE}"));
    }
    let bits = amount(lower.strip_suffix("/s").unwrap_or(&lower), &RATES, EXAMPLE)?;
    match bits {
        0 => Err("nothing would ever arrive; to lose all packets write --loss 100%".to_owned()),
        1..=FASTEST => Ok(bits as u64),
        _ => Err("it must not be more than 1tbit".to_owned()),
    }
}

/// Octets from `64kB`, `4MiB`, `1460B`; at most 1 GiB.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn octets(text: &str) -> Result<u64, String> {
    let octets = amount(
        &text.to_ascii_lowercase(),
        &OCTETS,
        "write it like 64kB or 4MiB",
    )?;
    match octets {
        0..=MOST => Ok(octets as u64),
        _ => Err("it must not be more than 1GiB".to_owned()),
    }
}

/// A queue's length from `100p` (packets), `64kB` (octets) or `1bdp` (bandwidth-delay products).
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn queue(text: &str) -> Result<QueueLength, String> {
    const EXAMPLE: &str = "write it like 100p (packets), 64kB (octets) or 1bdp (bandwidth-delay \
                           products)";
    let lower = text.to_ascii_lowercase();
    if let Some(number) = lower.strip_suffix("bdp") {
        let thousandths = decimal(number.trim_end(), 1_000, EXAMPLE)?;
        return match thousandths {
            1..=100_000 => Ok(QueueLength::BandwidthDelay(thousandths as f64 / 1e3)),
            _ => Err("it must lie between 0.001bdp and 100bdp".to_owned()),
        };
    }
    if let Some(number) = lower.strip_suffix('p') {
        return match decimal(number.trim_end(), 1, EXAMPLE)? {
            packets @ 0..=MOST_PACKETS => Ok(QueueLength::Packets(packets as u32)),
            _ => Err("it must not be more than 1000000p".to_owned()),
        };
    }
    let octets = amount(&lower, &OCTETS, EXAMPLE)?;
    match octets {
        0..=MOST => Ok(QueueLength::Octets(octets as u64)),
        _ => Err("it must not be more than 1GiB".to_owned()),
    }
}

/// The mean length of a run of losses, in packets: `3`, `2.5`, or `3p`.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn burst(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('p').unwrap_or(text);
    let thousandths = decimal(number, 1_000, "write it like 3, the mean number of packets")?;
    match thousandths {
        1_000..=10_000_000 => Ok(thousandths as f64 / 1e3),
        _ => Err("it must lie between 1 and 10000 packets".to_owned()),
    }
}

/// A hop from the octets of the largest IP packet that it carries, `1280`, and whether it is silent
/// about larger ones: `1280,silent`.
///
/// # Errors
/// In words: what is wrong, and how to write it.
pub fn hop(text: &str) -> Result<Hop, String> {
    const EXAMPLE: &str = "write it like 1280 or 1280,silent";
    let (number, tells) = match text.split_once(',') {
        None => (text, true),
        Some((number, "silent")) => (number, false),
        Some(_) => return Err(EXAMPLE.to_owned()),
    };
    match decimal(number, 1, EXAMPLE)? {
        mtu @ LEAST_HOP..=LARGEST_HOP => Ok(Hop {
            mtu: mtu as u32,
            tells,
        }),
        _ => Err(format!(
            "it must lie between {LEAST_HOP} and {LARGEST_HOP} octets"
        )),
    }
}

/// The number before one of `units`, in the smallest of them.
fn amount(text: &str, units: &[Unit], example: &str) -> Result<u128, String> {
    let found = units.iter().find_map(|(name, factor)| {
        let number = text.strip_suffix(name)?.trim_end();
        number
            .ends_with(|c: char| c.is_ascii_digit())
            .then_some((number, *factor))
    });
    match found {
        Some((number, factor)) => decimal(number, factor, example),
        None => match text.trim().parse::<f64>() {
            Ok(0.0) => Ok(0),
            Ok(_) => Err(format!("it has no unit; {example}")),
            Err(_) => Err(example.to_owned()),
        },
    }
}

/// A decimal number times `factor`: exact, or an error.
fn decimal(text: &str, factor: u128, example: &str) -> Result<u128, String> {
    const LARGE: &str = "it is too large";
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.is_empty() || text.ends_with('.') {
        return Err(example.to_owned());
    }
    let fraction = fraction.trim_end_matches('0');
    let whole: u128 = whole.parse().map_err(|_| LARGE.to_owned())?;
    let whole = whole.checked_mul(factor).ok_or(LARGE)?;
    if fraction.is_empty() {
        return Ok(whole);
    }
    let fine = || "it has more digits than can be told apart".to_owned();
    let power = u32::try_from(fraction.len())
        .ok()
        .and_then(|n| 10u128.checked_pow(n));
    let power = power.ok_or_else(fine)?;
    let part: u128 = fraction.parse().map_err(|_| fine())?;
    let part = part.checked_mul(factor).ok_or_else(fine)?;
    match part % power {
        0 => whole
            .checked_add(part / power)
            .ok_or_else(|| LARGE.to_owned()),
        _ => Err(fine()),
    }
}
