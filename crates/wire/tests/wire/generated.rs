//! Generators of valid values.

use bytes::Bytes;
use core::net::IpAddr;
use handfast_wire::icmp::{
    Echo, Icmpv4, Icmpv6, ParameterProblemV4, ParameterProblemV6, RedirectCode, TimeExceeded,
    UnreachableV4, UnreachableV6,
};
use handfast_wire::ip::Fragment;
use handfast_wire::tcp::{
    AccurateEcn, Authentication, FastOpenCookie, SackBlock, SackBlocks, TcpFlags, TcpHeader,
    TcpOptions, Timestamps,
};
use handfast_wire::{IpHeader, Payload, Protocol, SeqNumber};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(s, d)| (s.into(), d.into())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(s, d)| (s.into(), d.into())),
    ]
}

/// A whole datagram's header. In IPv6 the protocol is none that starts an extension header.
pub(crate) fn ip_header(protocol: Protocol) -> impl Strategy<Value = IpHeader> {
    (addresses(), any::<(u8, u8, u16, bool)>(), 0u32..1 << 20).prop_map(
        move |((source, destination), (ttl, tc, id, df), flow)| {
            let v4 = source.is_ipv4();
            IpHeader {
                hop_limit: ttl,
                traffic_class: tc,
                flow_label: if v4 { 0 } else { flow },
                identification: if v4 { id.into() } else { 0 },
                dont_fragment: df || !v4,
                ..IpHeader::new(source, destination, protocol)
            }
        },
    )
}

pub(crate) fn fragment() -> impl Strategy<Value = Fragment> {
    (0u16..1 << 13, any::<bool>())
        .prop_filter("a whole datagram", |(offset, more)| *offset > 0 || *more)
        .prop_map(|(offset, more)| Fragment {
            offset: offset << 3,
            more,
        })
}

fn sack_blocks() -> impl Strategy<Value = SackBlocks> {
    vec(any::<(u32, u32)>(), 0..=4).prop_map(|pairs| {
        let mut blocks = SackBlocks::NONE;
        for (left, right) in pairs {
            assert!(blocks.push(SackBlock {
                left: SeqNumber(left),
                right: SeqNumber(right),
            }));
        }
        blocks
    })
}

fn cookie() -> impl Strategy<Value = FastOpenCookie> {
    (any::<[u8; 16]>(), select(vec![0, 4, 6, 8, 10, 12, 14, 16]))
        .prop_map(|(octets, len): (_, usize)| FastOpenCookie::new(&octets[..len]).unwrap())
}

fn authentication() -> impl Strategy<Value = Authentication> {
    (any::<(u8, u8, [u8; 16])>(), 0usize..=16)
        .prop_map(|((k, n, mac), len)| Authentication::new(k, n, &mac[..len]).unwrap())
}

fn accurate_ecn() -> impl Strategy<Value = AccurateEcn> {
    (any::<bool>(), vec(0u32..1 << 24, 0..=3)).prop_map(|(order_1, fields)| {
        let mut counters = [None; 3];
        fields
            .iter()
            .enumerate()
            .for_each(|(i, f)| counters[i] = Some(*f));
        AccurateEcn { order_1, counters }
    })
}

/// Any options, whether they fit a header together or not.
pub(crate) fn tcp_options() -> impl Strategy<Value = TcpOptions> {
    let rare = |p| proptest::bool::weighted(p);
    (
        of(any::<u16>()),
        of(any::<u8>()),
        any::<bool>(),
        of(any::<(u32, u32)>()),
        sack_blocks(),
        (rare(0.2), any::<u16>()),
        (rare(0.2), cookie()),
        (rare(0.1), any::<[u8; 16]>()),
        (rare(0.1), authentication()),
        (rare(0.3), accurate_ecn()),
    )
        .prop_map(
            |(mss, window_scale, sack_permitted, ts, sack, uto, tfo, md5, ao, ecn)| TcpOptions {
                mss,
                window_scale,
                sack_permitted,
                timestamps: ts.map(|(value, echo)| Timestamps { value, echo }),
                sack,
                user_timeout: uto.0.then_some(uto.1),
                fast_open: tfo.0.then_some(tfo.1),
                md5: md5.0.then_some(md5.1),
                // Never both (RFC 5925, 2.2).
                authentication: (ao.0 && !md5.0).then_some(ao.1),
                accurate_ecn: ecn.0.then_some(ecn.1),
            },
        )
}

pub(crate) fn tcp_header() -> impl Strategy<Value = TcpHeader> {
    let options = prop_oneof![
        Just(TcpOptions::default()),
        any::<(u32, u32)>().prop_map(|(value, echo)| TcpOptions {
            timestamps: Some(Timestamps { value, echo }),
            ..TcpOptions::default()
        }),
        tcp_options(),
    ];
    (
        any::<(u16, u16, u32, u32, u16, u16)>(),
        0u16..0x200,
        options,
    )
        .prop_map(
            |((sport, dport, seq, ack, window, urgent), flags, options)| TcpHeader {
                source_port: sport,
                destination_port: dport,
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                flags: TcpFlags::from_bits(flags).unwrap(),
                window,
                urgent_pointer: urgent,
                options,
            },
        )
}

fn echo() -> impl Strategy<Value = Echo> {
    any::<(u16, u16)>().prop_map(|(identifier, sequence)| Echo {
        identifier,
        sequence,
    })
}

pub(crate) fn icmpv4() -> impl Strategy<Value = Icmpv4> {
    prop_oneof![
        echo().prop_map(Icmpv4::EchoRequest),
        echo().prop_map(Icmpv4::EchoReply),
        select(UnreachableV4::ALL).prop_map(Icmpv4::DestinationUnreachable),
        any::<u16>().prop_map(|mtu| Icmpv4::FragmentationNeeded { mtu }),
        Just(Icmpv4::SourceQuench),
        (select(RedirectCode::ALL), any::<[u8; 4]>()).prop_map(|(code, gateway)| {
            Icmpv4::Redirect {
                code,
                gateway: gateway.into(),
            }
        }),
        select(TimeExceeded::ALL).prop_map(Icmpv4::TimeExceeded),
        (select(ParameterProblemV4::ALL), any::<u8>())
            .prop_map(|(code, pointer)| Icmpv4::ParameterProblem { code, pointer }),
    ]
}

pub(crate) fn icmpv6() -> impl Strategy<Value = Icmpv6> {
    prop_oneof![
        echo().prop_map(Icmpv6::EchoRequest),
        echo().prop_map(Icmpv6::EchoReply),
        select(UnreachableV6::ALL).prop_map(Icmpv6::DestinationUnreachable),
        any::<u32>().prop_map(|mtu| Icmpv6::PacketTooBig { mtu }),
        select(TimeExceeded::ALL).prop_map(Icmpv6::TimeExceeded),
        (select(ParameterProblemV6::ALL), any::<u32>())
            .prop_map(|(code, pointer)| Icmpv6::ParameterProblem { code, pointer }),
    ]
}

/// Up to six slices of up to `most` octets each.
pub(crate) fn payload(most: usize) -> impl Strategy<Value = Payload> {
    vec(vec(any::<u8>(), 0..=most), 0..=6).prop_map(|slices| {
        let mut payload = Payload::new();
        for slice in slices {
            payload.push(Bytes::from(slice));
        }
        payload
    })
}
