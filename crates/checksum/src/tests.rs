use super::*;

/// RFC 1071 section 1, word for word.
fn definition(data: &[u8]) -> u16 {
    let mut total = 0u32;
    for pair in data.chunks(2) {
        total += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[test]
fn example_of_rfc_1071_section_3() {
    let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(definition(&data), 0xddf2);
    assert_eq!(sum(&data).fold(), 0xddf2);
    assert_eq!(sum(&data).finish(), 0x220d);
}
