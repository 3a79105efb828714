extern crate std;

use std::{vec, vec::Vec};

use proptest::prelude::*;

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

/// Bytes without a period that any loop could share, from a multiplicative generator.
fn noise(len: usize, mut state: u64) -> Vec<u8> {
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        })
        .collect()
}

type SumForm = fn(&[u8]) -> Sum;
type CopyForm = fn(&[u8], &mut [u8]) -> Sum;

/// Every form of the sum, by name.
const SUMS: [(&str, SumForm); 4] = [
    ("inline", |data| scalar::add_short(Sum::ZERO, data)),
    ("scalar", scalar::sum),
    ("simd", simd::sum),
    ("public", sum),
];

/// Every form of the copy, by name.
const COPIES: [(&str, CopyForm); 3] = [
    ("scalar", scalar::sum_copy),
    ("simd", simd::sum_copy),
    ("public", sum_copy),
];

#[test]
fn example_of_rfc_1071_section_3() {
    let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(definition(&data), 0xddf2);
    assert_eq!(sum(&data).fold(), 0xddf2);
    assert_eq!(sum(&data).finish(), 0x220d);
}

#[test]
fn example_of_rfc_1624_section_4() {
    assert_eq!(
        Sum::ZERO.add_u16(0xcd7a).add_u16(0x5555).finish(),
        0xdd2f,
        "the field before"
    );
    assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

/// Says so where the form named `simd` is the scalar one again.
fn tell_if_simd_is_scalar() {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if std::is_x86_feature_detected!("avx2") {
        return;
    }
    std::eprintln!("SKIPPED: the SIMD form, because this build or processor has no AVX2");
}

#[test]
fn every_length_and_alignment_of_the_sum() {
    tell_if_simd_is_scalar();
    let buffer = noise(300 + 32, 1);
    for align in 0..32 {
        for len in 0..=300 {
            let data = &buffer[align..align + len];
            for (name, form) in SUMS {
                let folded = form(data).fold();
                assert_eq!(folded, definition(data), "{name}, {len} at {align}");
            }
        }
    }
}

#[test]
fn every_length_and_both_alignments_of_the_copy() {
    tell_if_simd_is_scalar();
    let src = noise(300 + 32, 2);
    let mut dst = vec![0; 32 + 300 + 32];
    for (name, form) in COPIES {
        for src_align in 0..32 {
            for dst_align in 0..32 {
                // All lengths at the alignments that differ, some at the pairs of them.
                let step = if src_align == 0 || dst_align == 0 {
                    1
                } else {
                    7
                };
                for len in (0..=300).step_by(step) {
                    let data = &src[src_align..src_align + len];
                    dst.fill(0xa5);
                    let copied = form(data, &mut dst[dst_align..dst_align + len]);
                    let at = std::format!("{name}, {len} from {src_align} to {dst_align}");
                    assert_eq!(copied.fold(), definition(data), "{at}");
                    let (before, rest) = dst.split_at(dst_align);
                    let (target, after) = rest.split_at(len);
                    assert_eq!(target, data, "{at}");
                    assert!(before.iter().chain(after).all(|&b| b == 0xa5), "{at}");
                }
            }
        }
    }
}

#[test]
fn copy_of_unequal_lengths_takes_the_shorter() {
    let src = noise(1000, 3);
    for (name, form) in COPIES {
        for (src_len, dst_len) in [
            (1000, 999),
            (999, 1000),
            (0, 1000),
            (1000, 0),
            (50, 9),
            (9, 50),
        ] {
            let len = src_len.min(dst_len);
            let mut dst = vec![0xa5; dst_len];
            let copied = form(&src[..src_len], &mut dst);
            let at = std::format!("{name}, {src_len} to {dst_len}");
            assert_eq!(copied.fold(), definition(&src[..len]), "{at}");
            assert_eq!(dst[..len], src[..len], "{at}");
            assert!(dst[len..].iter().all(|&byte| byte == 0xa5), "{at}");
        }
    }
}

#[test]
fn all_ones_of_any_length_stay_all_ones() {
    // The most carries there can be, at lengths beyond 128 KiB and on both sides of each block.
    let ones = vec![0xff; MAX_BYTES_AND_MORE];
    let mut dst = vec![0; MAX_BYTES_AND_MORE];
    for len in [
        2,
        130,
        65_536,
        131_072,
        131_074,
        1 << 20,
        scalar::MAX_BYTES,
        ones.len(),
    ] {
        for (name, form) in SUMS {
            assert_eq!(form(&ones[..len]).fold(), 0xffff, "{name}, {len}");
            assert_eq!(form(&ones[..len - 1]).fold(), 0xff00, "{name}, {len} - 1");
        }
        for (name, form) in COPIES {
            dst[..len].fill(0);
            let copied = form(&ones[..len - 1], &mut dst[..len - 1]);
            assert_eq!(copied.fold(), 0xff00, "{name}, {len} - 1");
            assert!(
                dst[..len - 1] == ones[..len - 1] && dst[len - 1] == 0,
                "{name}, {len}"
            );
        }
    }
}

const MAX_BYTES_AND_MORE: usize = scalar::MAX_BYTES + 4098;

#[test]
fn noise_longer_than_one_block() {
    let data = noise(MAX_BYTES_AND_MORE, 4);
    let expected = definition(&data);
    for (name, form) in SUMS {
        assert_eq!(form(&data).fold(), expected, "{name}");
    }
    let mut dst = vec![0; data.len()];
    for (name, form) in COPIES {
        dst.fill(0);
        assert_eq!(form(&data, &mut dst).fold(), expected, "{name}");
        assert!(dst == data, "{name}");
    }
}

#[test]
fn only_zeros_sum_to_zero() {
    for len in [0, 1, 2, 19, 128, 1448, 65_536] {
        let mut data = vec![0; len];
        for (name, form) in SUMS {
            assert_eq!(form(&data), Sum::ZERO, "{name}, {len}");
        }
        if len >= 4 {
            // A word and its complement make the other zero of one's complement.
            data[len / 4 * 2..][..2].copy_from_slice(&[0x12, 0x34]);
            data[..2].copy_from_slice(&[0xed, 0xcb]);
            for (name, form) in SUMS {
                assert_eq!(form(&data).fold(), 0xffff, "{name}, {len}");
                assert_ne!(form(&data), Sum::ZERO, "{name}, {len}");
            }
        }
    }
}

#[test]
fn fold_carries_around_at_every_width() {
    for (words, folded) in [
        (0, 0),
        (1, 1),
        (u64::MAX, 0xffff),
        (0xffff, 0xffff),
        (0x1_0000, 1),
        (0xffff_ffff, 0xffff),
        (0x1_0000_0000, 1),
        (0xffff_ffff_0000_0001, 1),
        (0x0001_0000_ffff_ffff, 1),
        (0xffff_0001_0000_0000, 1),
        (0xfffe_ffff_ffff_ffff, 0xfffe),
    ] {
        assert_eq!(Sum(words).fold(), u16::swap_bytes(folded), "{words:#x}");
        let modulo = (words % 0xffff) as u16;
        assert_eq!(
            Sum(words).fold().swap_bytes() % 0xffff,
            modulo,
            "{words:#x}"
        );
    }
    // Carries out of 64 bits come around as well.
    assert_eq!(Sum(u64::MAX).add_u32(0x0100_0000), Sum(1));
    assert_eq!(Sum(u64::MAX).combine(Sum(u64::MAX), true), Sum(u64::MAX));
}

proptest! {
    #[test]
    fn forms_agree(data in prop::collection::vec(any::<u8>(), 0..4096), skip in 0usize..64) {
        let data = &data[skip.min(data.len())..];
        for (name, form) in SUMS {
            prop_assert_eq!(form(data).fold(), definition(data), "{}", name);
        }
        let mut dst = vec![0; data.len()];
        for (name, form) in COPIES {
            dst.fill(0);
            prop_assert_eq!(form(data, &mut dst).fold(), definition(data), "{}", name);
            prop_assert_eq!(&dst[..], data, "{}", name);
        }
    }

    #[test]
    fn forms_agree_beyond_128_kib(len in 131_072usize..400_000, seed: u64) {
        let data = noise(len, seed);
        for (name, form) in SUMS {
            prop_assert_eq!(form(&data).fold(), definition(&data), "{}", name);
        }
    }

    #[test]
    fn pieces_sum_as_the_whole(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
    ) {
        let whole = definition(&pieces.concat());
        prop_assert_eq!(sum_pieces(pieces.iter().map(Vec::as_slice)).fold(), whole);

        // Joined from the back instead: `combine` is associative.
        let mut rear = (Sum::ZERO, false);
        for piece in pieces.iter().rev() {
            let odd = piece.len() % 2 == 1;
            rear = (sum(piece).combine(rear.0, odd), rear.1 ^ odd);
        }
        prop_assert_eq!(rear.0.fold(), whole);
        prop_assert_eq!(rear.1, pieces.concat().len() % 2 == 1);
    }

    #[test]
    fn words_add_as_their_bytes(start: u64, word: u16, words: u32, data: Vec<u8>) {
        let start = Sum(start);
        prop_assert_eq!(start.add_u16(word), start.add_bytes(&word.to_be_bytes()));
        prop_assert_eq!(start.add_u32(words), start.add_bytes(&words.to_be_bytes()));
        prop_assert_eq!(start.add_bytes(&data), start.combine(sum(&data), false));
        prop_assert_eq!(start.finish(), !start.fold());
    }

    #[test]
    fn pseudo_headers_add_as_their_bytes(
        v4: [[u8; 4]; 2], v6: [[u8; 16]; 2], protocol: u8, len: u32,
    ) {
        // RFC 9293 section 3.1 figure 2, whose length has 16 bits.
        let short = len as u16;
        let header = [&v4[0][..], &v4[1], &[0, protocol], &short.to_be_bytes()].concat();
        let pseudo = pseudo_v4(v4[0], v4[1], protocol, short.into());
        prop_assert_eq!(pseudo.fold(), definition(&header));

        // RFC 8200 section 8.1.
        let header = [&v6[0][..], &v6[1], &len.to_be_bytes(), &[0, 0, 0, protocol]].concat();
        let pseudo = pseudo_v6(v6[0], v6[1], protocol, len);
        prop_assert_eq!(pseudo.fold(), definition(&header));

        let long = pseudo_v4(v4[0], v4[1], protocol, len);
        let header = [&v4[0][..], &v4[1], &[0, protocol], &len.to_be_bytes()].concat();
        prop_assert_eq!(long.fold(), definition(&header));
    }

    #[test]
    fn updates_equal_the_checksum_computed_anew(
        mut header: [u8; 20], word in 1usize..10, words in 1usize..9,
        new16: u16, new32: u32,
    ) {
        header[0] = 0x45; // RFC 1624 section 3: at least one non-zero field
        let field = sum(&header).finish();

        let mut changed = header;
        let old = u16::from_be_bytes([header[2 * word], header[2 * word + 1]]);
        changed[2 * word..][..2].copy_from_slice(&new16.to_be_bytes());
        prop_assert_eq!(update_u16(field, old, new16), sum(&changed).finish());

        let mut changed = header;
        let old = u32::from_be_bytes(header[2 * words..][..4].try_into().unwrap());
        changed[2 * words..][..4].copy_from_slice(&new32.to_be_bytes());
        prop_assert_eq!(update_u32(field, old, new32), sum(&changed).finish());
    }
}

#[test]
fn a_time_to_live_counts_down_to_the_checksum_computed_anew() {
    // Every value of the word beside every sum of the rest: the boundary of RFC 1624 is in here.
    for rest in 1..=u16::MAX {
        for ttl in [1, 2, 64, 255u16] {
            let (old, new) = (ttl << 8 | 6, (ttl - 1) << 8 | 6);
            let field = Sum::ZERO.add_u16(rest).add_u16(old).finish();
            let anew = Sum::ZERO.add_u16(rest).add_u16(new).finish();
            assert_eq!(update_u16(field, old, new), anew, "{rest:#x}, {ttl}");
        }
    }
}
