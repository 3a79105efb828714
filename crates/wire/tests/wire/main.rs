//! Formats against generated values, arbitrary octets and known vectors; containers against a
//! model.

mod any_octets;
mod batch;
mod generated;
mod icmp;
mod ip;
mod payload;
mod segmentation;
mod seq;
mod tcp;
mod tcp_flow;
mod transport;
mod udp;
mod virtio_net;

/// The Internet checksum in its plainest form (RFC 1071, section 1), to compare with. 0xffff over
/// octets that include their checksum.
fn plain_sum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0)));
    let mut sum: u32 = 0;
    for word in words {
        sum += word;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// `"45 00"` or `"4500"` to octets.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| (b as char).to_digit(16).expect("hexadecimal") as u8)
        .collect();
    assert_eq!(digits.len() % 2, 0);
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}
