//! Amounts of octets as people write and read them.

#[cfg(test)]
mod tests;

/// Units and their octets, the longer name first where one ends in another.
const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// The most that is accepted.
const MOST: u64 = 1 << 40;

/// Octets from `64MiB`, `1.5 GB`, `1000`: a number and, unless it is octets, its unit.
///
/// # Errors
/// In words: what is not understood, or more than 1 TiB, or nothing.
pub fn parse(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(name, _)| text.ends_with(name));
    let (number, factor) = unit.map_or((text, 1), |(name, factor)| {
        (&text[..text.len() - name.len()], *factor)
    });
    let example = "write it like 64MiB, 1.5GB or 4096";
    let number: f64 = number.trim().parse().map_err(|_| example.to_owned())?;
    let octets = (number * factor as f64).round();
    if !(1.0..=MOST as f64).contains(&octets) {
        return Err("it must lie between 1 octet and 1 TiB".to_owned());
    }
    Ok(octets as u64)
}

/// `940 B`, `11.4 KiB`, `64 MiB`: short, and never more exact than it looks.
pub fn format(octets: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| octets >> shift > 0) {
        Some((shift, unit)) => {
            let number = format!("{:.1}", octets as f64 / (1u64 << shift) as f64);
            format!("{} {unit}", number.trim_end_matches(".0"))
        }
        None => format!("{octets} B"),
    }
}

/// Octets in so many seconds, in decimal units: `1.21 GB/s`, `942 MB/s`.
pub fn rate(octets: u64, seconds: f64) -> String {
    let rate = octets as f64 / seconds.max(1e-9);
    match rate {
        1e9.. => format!("{:.2} GB/s", rate / 1e9),
        1e6.. => format!("{:.0} MB/s", rate / 1e6),
        _ => format!("{:.0} kB/s", rate / 1e3),
    }
}
