//! Which octets of a representation are asked for (RFC 9110 section 14).

use std::ops::Range;

/// So many ranges are taken together; who asks for more gets the whole.
const MOST: usize = 16;

/// The meaning of a `Range` field for a representation of some length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: the field is malformed, of another unit, or asks for more octets than there are.
    Whole,
    /// These parts of it, in the order asked for; none is empty.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there (416).
    Nothing,
}

/// What `field` asks for of `len` octets.
pub(super) fn wanted(field: &str, len: u64) -> Wanted {
    match parse(field, len) {
        // A client that limits whatever it asks for finds an empty file no less whole for that.
        _ if len == 0 => Wanted::Whole,
        None => Wanted::Whole,
        Some(parts) if parts.is_empty() => Wanted::Nothing,
        Some(parts) => {
            // Many small or overlapping parts cost more than the whole (section 14.2).
            let total = parts.iter().map(|p| p.end - p.start);
            let total = total.fold(0, u64::saturating_add);
            match parts.len() > MOST || total > len {
                true => Wanted::Whole,
                false => Wanted::Parts(parts),
            }
        }
    }
}

/// The satisfiable ones of a ranges-specifier; `None` if it is none, or not in octets.
fn parse(field: &str, len: u64) -> Option<Vec<Range<u64>>> {
    let (unit, set) = field.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut parts = Vec::new();
    // Empty elements of a list are to be ignored (section 5.6.1.2).
    for range in set.split(',').map(str::trim).filter(|r| !r.is_empty()) {
        let (first, last) = range.split_once('-')?;
        let part = match (first, last) {
            ("", suffix) => len.saturating_sub(number(suffix)?)..len,
            (first, "") => number(first)?..len,
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                first..last.saturating_add(1).min(len)
            }
        };
        if part.start < part.end {
            parts.push(part);
        }
        if parts.len() > MOST {
            break;
        }
    }
    Some(parts)
}

/// Digits alone; one too large for us is larger than whatever there is.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}
