//! Signatures against published vectors, and each rule of when they are good.

mod rules;
mod vectors;

use super::*;
use crate::authentication::traffic_key::TrafficKey;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Discard, SeqNumber};
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;
use vectors::{VECTORS, Vector, text};

fn octets(hex: &str) -> Vec<u8> {
    let digits: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn ends(is_v4: bool, client_port: u16) -> [SocketAddr; 2] {
    let (client, server): (IpAddr, IpAddr) = match is_v4 {
        true => ([10, 11, 12, 13].into(), [172, 27, 28, 29].into()),
        false => (
            [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(),
            [0xfd00, 0, 0, 0, 0, 0, 0, 2].into(),
        ),
    };
    [
        SocketAddr::new(client, client_port),
        SocketAddr::new(server, 179),
    ]
}

/// Both ends of the connection of a vector.
fn sessions(v: &Vector, [client, server]: [SocketAddr; 2]) -> [Session; 2] {
    let [iss, irs] = v.isns.map(SeqNumber);
    let ring = |peer: SocketAddr, send, receive| {
        let key = MasterKey::new(peer.ip(), send, receive, v.algorithm, b"testvector");
        let key = key.expect("a key");
        let mut ring = KeyRing::new();
        let key = if v.covers_options {
            key
        } else {
            key.without_options()
        };
        ring.add(key).expect("the first key");
        ring
    };
    [
        ring(server, 61, 84).session(client, server, iss),
        ring(client, 84, 61).session_for_syn(server, client, irs, iss),
    ]
    .map(|session| session.expect("a key matches"))
}

fn parsed(header: &[u8]) -> TcpHeader {
    TcpHeader::parse(header).expect("a header").0
}

#[test]
fn every_vector_of_rfc_9235_verifies() {
    for v in &VECTORS {
        let port = parsed(&octets(v.headers[0])).source_port;
        let [client, server] = ends(v.is_v4, port);
        let [mut ours, mut theirs] = sessions(v, [client, server]);
        for (i, hex) in v.headers.iter().enumerate() {
            let is_client = i % 2 == 0;
            let header = octets(hex);
            let text = match i {
                0 | 1 => Bytes::new(),
                _ => Bytes::from(text(v.is_v4, is_client)),
            };
            let (from, to, receiver) = match is_client {
                true => (client, server, &mut theirs),
                false => (server, client, &mut ours),
            };
            let text = [text];
            let segment = SignedSegment::new(from, to, &header, &text);
            let result = receiver.verify(&parsed(&header), &segment);
            assert_eq!(result, Ok(()), "{} segment {i}", v.section);
        }
    }
}

#[test]
fn traffic_keys_are_those_of_rfc_9235() {
    for v in &VECTORS {
        let port = parsed(&octets(v.headers[0])).source_port;
        let [client, server] = ends(v.is_v4, port);
        let [ours, _] = sessions(v, [client, server]);
        let master = ours.master_keys().next().expect("a key");
        let [iss, irs] = v.isns.map(SeqNumber);
        let zero = SeqNumber(0);
        let contexts = [
            (client, server, [iss, zero]),
            (server, client, [irs, iss]),
            (client, server, [iss, irs]),
            (server, client, [irs, iss]),
        ];
        for ((from, to, isns), key) in contexts.into_iter().zip(v.keys) {
            let derived = match TrafficKey::derive(master, from, to, isns) {
                TrafficKey::HmacSha1(key) => key.to_vec(),
                TrafficKey::Aes128Cmac(key) => key.to_vec(),
            };
            assert_eq!(derived, octets(key), "{}", v.section);
        }
    }
}

#[test]
fn a_change_of_any_octet_but_those_left_out_is_found() {
    for v in &VECTORS {
        let header = octets(v.headers[2]);
        let port = parsed(&header).source_port;
        let [client, server] = ends(v.is_v4, port);
        let text = [Bytes::from(text(v.is_v4, true))];
        let fresh = || {
            let [_, mut theirs] = sessions(v, [client, server]);
            let syn = octets(v.headers[0]);
            let segment = SignedSegment::new(client, server, &syn, &[]);
            theirs.verify(&parsed(&syn), &segment).expect("genuine");
            theirs
        };
        for at in 0..header.len() {
            // Two NOPs, kind and length of the timestamps: others than these hide what follows.
            if !v.covers_options && (20..24).contains(&at) {
                continue;
            }
            let mut changed = header.clone();
            changed[at] ^= 1;
            let Ok((parsed, len)) = TcpHeader::parse(&changed) else {
                continue;
            };
            if len != header.len() {
                continue;
            }
            let segment = SignedSegment::new(client, server, &changed, &text);
            let result = fresh().verify(&parsed, &segment);
            // The checksum counts as zero; timestamps, where options are left out, are anybody's.
            let is_free = (16..18).contains(&at) || !v.covers_options && (24..32).contains(&at);
            assert_eq!(result.is_ok(), is_free, "{} octet {at}", v.section);
        }
        let segment = SignedSegment::new(client, server, &header, &[]);
        let result = fresh().verify(&parsed(&header), &segment);
        assert_eq!(result, Err(Discard::TcpSignature), "text is missing");
    }
}

#[test]
fn secrets_are_not_printed() {
    let v = &VECTORS[0];
    let [ours, _] = sessions(v, ends(true, 1));
    let told = format!("{ours:?} {:?}", vec![ours.clone()]);
    let secret = format!("{:?}", b"testvector");
    assert!(!told.contains("testvector") && !told.contains(secret.trim_matches(['[', ']'])));
}
