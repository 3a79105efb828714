use handfast_wire::Discard;
use handfast_wire::udp::UdpHeader;
use proptest::prelude::*;

#[test]
fn lengths() {
    let table: &[(u16, u32, Result<u32, Discard>)] = &[
        (8, 8, Ok(8)),
        (8, 100, Ok(8)),
        (100, 100, Ok(100)),
        (101, 100, Err(Discard::UdpTruncated)),
        (7, 100, Err(Discard::UdpTruncated)),
        (0, 100, Err(Discard::UdpTruncated)),
        (0, 65_535, Err(Discard::UdpTruncated)),
        (0, 65_536, Ok(65_536)),
        (65_535, 65_536, Ok(65_535)),
    ];
    for (field, available, expected) in table {
        let [a, b] = field.to_be_bytes();
        let parsed = UdpHeader::parse(&[0, 53, 0xc0, 1, a, b, 9, 9], *available);
        let header = UdpHeader {
            source_port: 53,
            destination_port: 0xc001,
        };
        assert_eq!(
            parsed,
            expected.map(|len| (header, len)),
            "{field} of {available}"
        );
    }
    assert_eq!(UdpHeader::parse(&[0; 7], 100), Err(Discard::UdpTruncated));
}

proptest! {
    #[test]
    fn parse_of_emit_is_the_same(source_port: u16, destination_port: u16, payload in 0u32..200_000) {
        let header = UdpHeader { source_port, destination_port };
        let mut out = [0xa5; 9];
        prop_assert_eq!(header.emit(&mut out, payload), 8);
        prop_assert_eq!(out[8], 0xa5);
        prop_assert_eq!(UdpHeader::parse(&out, payload + 8), Ok((header, payload + 8)));
        prop_assert_eq!(header.emit(&mut out[..7], payload), 0);
    }
}
