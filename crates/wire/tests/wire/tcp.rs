use crate::generated::{tcp_header, tcp_options};
use crate::hex;
use handfast_wire::tcp::{
    AccurateEcn, Authentication, FastOpenCookie, SackBlock, TcpFlags, TcpHeader, TcpOptions,
    Timestamps,
};
use handfast_wire::{Discard, SeqNumber};
use proptest::prelude::*;

fn emitted(header: &TcpHeader) -> Vec<u8> {
    let mut out = [0xa5; TcpHeader::MAX_LEN];
    let len = header.emit(&mut out);
    assert!(out[len..].iter().all(|b| *b == 0xa5));
    out[..len].to_vec()
}

fn with_options(options: TcpOptions) -> TcpHeader {
    TcpHeader {
        options,
        ..TcpHeader::default()
    }
}

/// What the options take at least, unpadded: whether they fit together.
fn least_len(o: &TcpOptions) -> usize {
    let when = |there: bool, len| if there { len } else { 0 };
    when(o.mss.is_some(), 4)
        + when(o.window_scale.is_some(), 4)
        + when(o.sack_permitted || o.timestamps.is_some(), 2)
        + when(o.sack_permitted && o.timestamps.is_none(), 2)
        + when(o.timestamps.is_some(), 10)
        + o.fast_open.map_or(0, |c| 2 + c.as_slice().len())
        + when(o.user_timeout.is_some(), 4)
        + when(o.md5.is_some(), 20)
        + o.authentication.map_or(0, |a| 4 + a.mac().len())
        + o.accurate_ecn
            .map_or(0, |a| 2 + 3 * a.counters.iter().flatten().count())
        + when(!o.sack.is_empty(), 5 + 8 * o.sack.as_slice().len())
}

#[test]
fn syn_of_linux() {
    let octets = hex("9c40 0050 01020304 00000000 a002 fa f0 0000 0000
         0204 05b4 0402 080a 00001234 00000000 01 0303 07");
    let syn = TcpHeader {
        source_port: 40000,
        destination_port: 80,
        seq: SeqNumber(0x0102_0304),
        ack: SeqNumber(0),
        flags: TcpFlags::SYN,
        window: 64240,
        urgent_pointer: 0,
        options: TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps {
                value: 0x1234,
                echo: 0,
            }),
            ..TcpOptions::default()
        },
    };
    assert_eq!(TcpHeader::parse(&octets), Ok((syn, 40)));
    assert_eq!(emitted(&syn), octets);
    assert_eq!(syn.header_len(), 40);
}

#[test]
fn plain_data_segment() {
    let octets = hex("0001 0002 00000003 00000004 8018 0005 0000 0009
         0101 080a 00000006 00000007");
    let header = TcpHeader {
        source_port: 1,
        destination_port: 2,
        seq: SeqNumber(3),
        ack: SeqNumber(4),
        flags: TcpFlags::ACK | TcpFlags::PSH,
        window: 5,
        urgent_pointer: 9,
        options: TcpOptions {
            timestamps: Some(Timestamps { value: 6, echo: 7 }),
            ..TcpOptions::default()
        },
    };
    assert_eq!(TcpHeader::parse(&octets), Ok((header, 32)));
    assert_eq!(emitted(&header), octets);
}

#[test]
fn data_with_sack_as_linux_lays_it_out() {
    let octets = hex("0001 0002 00000003 00000004 d110 0005 0000 0000
         0101 080a 00000006 00000007 0101 0512 00000010 00000020 00000030 00000040");
    let (header, len) = TcpHeader::parse(&octets).unwrap();
    assert_eq!(len, 52);
    assert_eq!(header.flags, TcpFlags::ACK | TcpFlags::AE);
    let block = |left, right| SackBlock {
        left: SeqNumber(left),
        right: SeqNumber(right),
    };
    let blocks = [block(0x10, 0x20), block(0x30, 0x40)];
    assert_eq!(header.options.sack.as_slice(), blocks);
    assert_eq!(emitted(&header), octets);
}

#[test]
fn one_option_each() {
    let none = TcpOptions::default();
    let counters = |n: usize| {
        let mut counters = [None; 3];
        (0..n).for_each(|i| counters[i] = Some(0x01_0203 + i as u32 * 0x03_0303));
        counters
    };
    let ecn = |order_1, n| TcpOptions {
        accurate_ecn: Some(AccurateEcn {
            order_1,
            counters: counters(n),
        }),
        ..none
    };
    let cookie = |octets: &[u8]| TcpOptions {
        fast_open: FastOpenCookie::new(octets),
        ..none
    };
    let timestamps = TcpOptions {
        timestamps: Some(Timestamps { value: 1, echo: 2 }),
        ..none
    };
    let table: &[(&str, &str, Result<TcpOptions, Discard>)] = &[
        ("none", "", Ok(none)),
        ("end", "00", Ok(none)),
        ("after the end anything goes", "00 02 00 ff", Ok(none)),
        ("nop", "01 01 01", Ok(none)),
        (
            "mss",
            "0204 05b4",
            Ok(TcpOptions {
                mss: Some(1460),
                ..none
            }),
        ),
        (
            "mss 0",
            "0204 0000",
            Ok(TcpOptions {
                mss: Some(0),
                ..none
            }),
        ),
        (
            "mss twice",
            "0204 0001 0204 0002",
            Ok(TcpOptions {
                mss: Some(2),
                ..none
            }),
        ),
        ("mss of odd length", "0203 05", Ok(none)),
        ("mss too long", "0205 05b400", Ok(none)),
        (
            "scale",
            "0303 0e",
            Ok(TcpOptions {
                window_scale: Some(14),
                ..none
            }),
        ),
        (
            "scale above 14 is kept",
            "0303 ff",
            Ok(TcpOptions {
                window_scale: Some(255),
                ..none
            }),
        ),
        ("scale without shift", "0302", Ok(none)),
        (
            "sack permitted",
            "0402",
            Ok(TcpOptions {
                sack_permitted: true,
                ..none
            }),
        ),
        ("sack permitted with a value", "0403 00", Ok(none)),
        ("timestamps", "080a 00000001 00000002", Ok(timestamps)),
        (
            "timestamps, short cut",
            "0101 080a 00000001 00000002",
            Ok(timestamps),
        ),
        (
            "timestamps, nop behind",
            "080a 00000001 00000002 0101",
            Ok(timestamps),
        ),
        ("timestamps, too short", "0809 000000 01000000", Ok(none)),
        ("sack without blocks", "0502", Ok(none)),
        ("sack of half a block", "0506 00000001", Ok(none)),
        ("md5 too short", "1303 00", Ok(none)),
        (
            "user timeout",
            "1c04 8005",
            Ok(TcpOptions {
                user_timeout: Some(0x8005),
                ..none
            }),
        ),
        (
            "authentication",
            "1d06 0102 aabb",
            Ok(TcpOptions {
                authentication: Authentication::new(1, 2, &[0xaa, 0xbb]),
                ..none
            }),
        ),
        (
            "authentication too short",
            "1d03 01",
            Err(Discard::TcpOption),
        ),
        (
            "authentication twice",
            "1d04 0102 1d04 0102",
            Err(Discard::TcpOption),
        ),
        (
            "authentication and md5",
            "1d04 0102 1312 00000000000000000000000000000000",
            Err(Discard::TcpOption),
        ),
        ("fast open request", "2202", Ok(cookie(&[]))),
        (
            "fast open cookie",
            "2206 01020304",
            Ok(cookie(&[1, 2, 3, 4])),
        ),
        ("fast open, odd", "2207 0102030405", Ok(none)),
        (
            "fast open, experimental",
            "fe08 f989 01020304",
            Ok(cookie(&[1, 2, 3, 4])),
        ),
        (
            "fast open request, experimental",
            "fe04 f989",
            Ok(cookie(&[])),
        ),
        ("another experiment", "fe06 abcd 0102", Ok(none)),
        ("accurate ecn, no counters", "ac02", Ok(ecn(false, 0))),
        ("accurate ecn, one", "ac05 010203", Ok(ecn(false, 1))),
        ("accurate ecn, two", "ae08 010203 040506", Ok(ecn(true, 2))),
        (
            "accurate ecn, three",
            "ae0b 010203 040506 070809",
            Ok(ecn(true, 3)),
        ),
        ("accurate ecn, broken", "ac04 0102", Ok(none)),
        (
            "unknown kinds are skipped",
            "fd04 ffff 0303 02 4d03 00",
            Ok(TcpOptions {
                window_scale: Some(2),
                ..none
            }),
        ),
        ("length 0", "0200 05b4", Err(Discard::TcpOption)),
        ("length 1", "0201 05b4", Err(Discard::TcpOption)),
        ("unknown, length 0", "fd00", Err(Discard::TcpOption)),
        ("unknown, length 1", "fd01", Err(Discard::TcpOption)),
        ("past the end", "0205 0000", Err(Discard::TcpOption)),
        ("length missing", "01 01 01 02", Err(Discard::TcpOption)),
        (
            "far past the end",
            "08ff 00000001 00000002",
            Err(Discard::TcpOption),
        ),
    ];
    for (name, octets, expected) in table {
        assert_eq!(&TcpOptions::parse(&hex(octets)), expected, "{name}");
        if let Ok(options) = expected {
            let header = with_options(*options);
            let octets = emitted(&header);
            assert_eq!(octets.len(), header.header_len(), "{name}");
            assert_eq!(
                TcpHeader::parse(&octets),
                Ok((header, octets.len())),
                "{name}"
            );
        }
    }
}

#[test]
fn sack_gives_way_first_and_from_the_end() {
    let mut options = TcpOptions {
        timestamps: Some(Timestamps { value: 1, echo: 2 }),
        ..TcpOptions::default()
    };
    for n in 0..4 {
        assert!(options.sack.push(SackBlock {
            left: SeqNumber(n),
            right: SeqNumber(n + 1),
        }));
    }
    assert!(!options.sack.push(SackBlock::default()));
    let kept = |options| {
        let octets = emitted(&with_options(options));
        assert_eq!(octets.len(), with_options(options).header_len());
        let parsed = TcpHeader::parse(&octets).unwrap().0.options;
        let kept = parsed.sack.as_slice().len();
        assert_eq!(parsed.sack.as_slice(), &options.sack.as_slice()[..kept]);
        (kept, parsed)
    };
    assert_eq!(
        kept(TcpOptions {
            timestamps: None,
            ..options
        })
        .0,
        4
    );
    assert_eq!(kept(options).0, 3);
    let signed = TcpOptions {
        md5: Some([7; 16]),
        ..options
    };
    let (blocks, parsed) = kept(signed);
    assert_eq!(
        (blocks, parsed.md5, parsed.timestamps),
        (0, signed.md5, signed.timestamps)
    );
}

#[test]
fn lengths_and_offsets() {
    let header = TcpHeader::default();
    let octets = emitted(&header);
    for len in 0..20 {
        assert_eq!(TcpHeader::parse(&octets[..len]), Err(Discard::TcpTruncated));
        assert_eq!(header.emit(&mut [0; 20][..len]), 0);
    }
    for (offset, expected) in [(0, false), (4, false), (5, true), (6, false), (15, false)] {
        let mut octets = octets.clone();
        octets[12] = offset << 4;
        assert_eq!(
            TcpHeader::parse(&octets).is_ok(),
            expected,
            "offset {offset}"
        );
    }
    let mut reserved = octets.clone();
    reserved[12] |= 0x0e;
    assert_eq!(TcpHeader::parse(&reserved), Ok((header, 20)));
}

proptest! {
    #[test]
    fn parse_of_emit_is_the_same(header in tcp_header()) {
        let octets = emitted(&header);
        prop_assert_eq!(octets.len(), header.header_len());
        prop_assert!(octets.len().is_multiple_of(4) && octets.len() <= TcpHeader::MAX_LEN);
        prop_assert_eq!(&octets[16..18], &[0, 0]);
        let (parsed, len) = TcpHeader::parse(&octets).unwrap();
        prop_assert_eq!(len, octets.len());
        if least_len(&header.options) <= 40 {
            prop_assert_eq!(parsed, header);
        } else {
            prop_assert_eq!(TcpHeader { options: header.options, ..parsed }, header);
        }
    }

    #[test]
    fn options_that_do_not_fit_are_left_out_whole(options in tcp_options()) {
        let p = TcpHeader::parse(&emitted(&with_options(options))).unwrap().0.options;
        fn same_or_absent<T: PartialEq>(parsed: Option<T>, given: Option<T>) -> bool {
            parsed.is_none() || parsed == given
        }
        prop_assert!(same_or_absent(p.mss, options.mss));
        prop_assert!(same_or_absent(p.window_scale, options.window_scale));
        prop_assert!(!p.sack_permitted || options.sack_permitted);
        prop_assert!(same_or_absent(p.timestamps, options.timestamps));
        prop_assert!(options.sack.as_slice().starts_with(p.sack.as_slice()));
        prop_assert!(same_or_absent(p.user_timeout, options.user_timeout));
        prop_assert!(same_or_absent(p.fast_open, options.fast_open));
        prop_assert!(same_or_absent(p.md5, options.md5));
        prop_assert!(same_or_absent(p.authentication, options.authentication));
        if let (Some(p), Some(o)) = (p.accurate_ecn, options.accurate_ecn) {
            prop_assert!(p.order_1 == o.order_1);
            prop_assert!(p.counters.iter().zip(o.counters).all(|(p, o)| p.is_none() || *p == o));
        }
    }
}

/// MUST-69: what is left of the last word is zero, and not what was there before.
#[test]
fn behind_the_last_option_are_zeros() {
    let header = with_options(TcpOptions {
        fast_open: FastOpenCookie::new(&[1, 2, 3, 4]),
        ..TcpOptions::default()
    });
    let mut octets = [0xff; 60];
    assert_eq!(header.emit(&mut octets), 28);
    assert_eq!(octets[20..28], [34, 6, 1, 2, 3, 4, 0, 0]);
}
