use handfast_base::Rng;

use super::*;

#[test]
fn attributes_are_padded_and_nested_as_the_kernel_reads_them() {
    let message = Message::new(RTM_NEWLINK, 0)
        .octets(&[0xee; 16])
        .attribute(IFLA_MTU, &1400u32.to_ne_bytes())
        .nested(26, |m| m.attribute(10, &[1]));
    let octets = &message.0;
    assert_eq!(u16_at(octets, 4), Some(RTM_NEWLINK));
    assert_eq!(octets.len(), 16 + 16 + 8 + 4 + 8);
    let found: Vec<_> = attributes(&octets[32..]).collect();
    assert_eq!(found[0], (IFLA_MTU, &1400u32.to_ne_bytes()[..]));
    assert_eq!(found[1].0, 26);
    let inner: Vec<_> = attributes(found[1].1).collect();
    assert_eq!(inner, [(10, &[1][..])]);
    assert_eq!(found.len(), 2);
}

#[test]
fn malformed_attributes_end_the_list() {
    let attribute = |length: u16, rest: &[u8]| {
        let mut octets = length.to_ne_bytes().to_vec();
        octets.extend_from_slice(rest);
        octets
    };
    for (octets, count) in [
        (attribute(0, &[1, 0, 0, 0]), 0),
        (attribute(3, &[1, 0, 0, 0]), 0),
        (attribute(4, &[1, 0]), 1),
        (attribute(9, &[1, 0, 0, 0, 0, 0]), 0),
        (attribute(5, &[1, 0, 7]), 1),
        (vec![1, 2, 3], 0),
        (Vec::new(), 0),
    ] {
        assert_eq!(attributes(&octets).count(), count, "{octets:?}");
    }
    let mut rng = Rng::new(1);
    for _ in 0..10_000 {
        let mut octets = vec![0; rng.below(64) as usize];
        rng.fill(&mut octets);
        octets.chunks_mut(4).for_each(|c| c[0] &= 31);
        assert!(attributes(&octets).count() <= 16);
    }
}

#[test]
fn the_kernel_answers_with_its_error_number() {
    let mut route = Socket::route().unwrap();
    // Whoever asks: there is no such interface, or no right to change it.
    let error = route
        .set_up(i32::MAX as u32)
        .expect_err("no such interface");
    let known = [Errno::NODEV, Errno::PERM].map(|e| Some(e.raw_os_error()));
    assert!(known.contains(&error.raw_os_error()), "{error}");
    assert!(interface_index("lo").unwrap() > 0);
    let error = interface_index("no-such-one").expect_err("no such interface");
    assert_eq!(error.raw_os_error(), Some(Errno::NODEV.raw_os_error()));
}
