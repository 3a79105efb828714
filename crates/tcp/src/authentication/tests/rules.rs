//! When a signature is good, key by key.

use super::super::session::KeyIds;
use super::*;
use handfast_wire::Payload;
use handfast_wire::tcp::TcpFlags;

const ISS: SeqNumber = SeqNumber(1000);
const IRS: SeqNumber = SeqNumber(5000);

/// The keys of two ends: the client's, the server's.
type Rings = fn([SocketAddr; 2]) -> [KeyRing; 2];

/// A connection over which segments are carried from one session to the other.
struct Pair {
    ends: [SocketAddr; 2],
    sessions: [Session; 2],
}

fn key(peer: SocketAddr, send: u8, receive: u8, secret: &[u8]) -> MasterKey {
    MasterKey::new(peer.ip(), send, receive, Algorithm::default(), secret).expect("a key")
}

fn md5(peer: SocketAddr, secret: &[u8]) -> KeyRing {
    let mut ring = KeyRing::new();
    let key = Md5Key::new(peer.ip(), secret).expect("a key");
    ring.add_md5(key).expect("the first key");
    ring
}

fn ao(keys: impl IntoIterator<Item = MasterKey>) -> KeyRing {
    let mut ring = KeyRing::new();
    for key in keys {
        ring.add(key).expect("IDs of its own");
    }
    ring
}

impl Pair {
    /// The client's ring, and the server's.
    fn new(of: impl Fn([SocketAddr; 2]) -> [KeyRing; 2]) -> Pair {
        let ends = ends(true, 1024);
        let [client, server] = of(ends);
        let sessions = [
            client.session(ends[0], ends[1], ISS).expect("a key"),
            server
                .session_for_syn(ends[1], ends[0], IRS, ISS)
                .expect("a key"),
        ];
        Pair { ends, sessions }
    }

    /// Signs as `from` (0: the client) and verifies at the other end.
    fn carry(&mut self, from: usize, flags: TcpFlags, seq: SeqNumber) -> Result<(), Discard> {
        let signed = self.sign(from, flags, seq);
        self.arrive(from, &signed)
    }

    fn sign(&mut self, from: usize, flags: TcpFlags, seq: SeqNumber) -> TcpHeader {
        let mut header = TcpHeader {
            seq,
            flags,
            ..TcpHeader::default()
        };
        self.sessions[from].sign(&mut header, &self.text());
        header
    }

    fn arrive(&mut self, from: usize, header: &TcpHeader) -> Result<(), Discard> {
        let mut out = [0; TcpHeader::MAX_LEN];
        let len = header.emit(&mut out);
        let text = self.text();
        let (source, destination) = (self.ends[from], self.ends[1 - from]);
        let segment = SignedSegment::new(source, destination, &out[..len], text.slices());
        self.sessions[1 - from].verify(header, &segment)
    }

    fn text(&self) -> Payload {
        Payload::from(Bytes::from_static(b"text"))
    }

    fn open(&mut self) {
        assert_eq!(self.carry(0, TcpFlags::SYN, ISS), Ok(()));
        let syn_ack = TcpFlags::SYN | TcpFlags::ACK;
        assert_eq!(self.carry(1, syn_ack, IRS), Ok(()));
        assert_eq!(self.carry(0, TcpFlags::ACK, ISS + 1), Ok(()));
    }
}

#[test]
fn md5_signs_and_verifies_in_both_directions() {
    let mut pair = Pair::new(|[a, b]| [md5(b, b"secret"), md5(a, b"secret")]);
    pair.open();
    assert_eq!(pair.carry(1, TcpFlags::ACK, IRS + 1), Ok(()));
    assert_eq!(pair.carry(0, TcpFlags::RST, ISS + 5), Ok(()));
}

#[test]
fn an_md5_digest_is_the_one_of_its_rfc() {
    // RFC 2385, 2.0, computed by other means: MD5 of pseudo-header, header, text and key.
    let pair = Pair::new(|[a, b]| [md5(b, b"secret"), md5(a, b"secret")]);
    let header = octets("04 00 00 b3 00 00 03 e8 00 00 00 00 a0 02 00 00 00 00 00 00");
    let text = [Bytes::from_static(b"text")];
    let segment = SignedSegment::new(pair.ends[0], pair.ends[1], &header, &text);
    let digest = Md5Key::new(pair.ends[1].ip(), b"secret")
        .expect("a key")
        .digest(&segment);
    assert_eq!(digest.to_vec(), octets(MD5_BY_OTHER_MEANS));
}

const MD5_BY_OTHER_MEANS: &str = "62b209de28816a77fcca7ffbb25e6b9f";

#[test]
fn a_wrong_key_no_signature_and_the_other_kind_are_turned_away() {
    let table: [(&str, Rings, Discard); 6] = [
        (
            "another MD5 key",
            |[a, b]| [md5(b, b"one"), md5(a, b"two")],
            Discard::TcpSignature,
        ),
        (
            "another master key",
            |[a, b]| [ao([key(b, 1, 2, b"one")]), ao([key(a, 2, 1, b"two")])],
            Discard::TcpSignature,
        ),
        (
            "another KeyID",
            |[a, b]| [ao([key(b, 1, 2, b"one")]), ao([key(a, 2, 3, b"one")])],
            Discard::TcpSignature,
        ),
        (
            "another algorithm",
            |[a, b]| {
                let aes = Algorithm::Aes128Cmac;
                let other = MasterKey::new(a.ip(), 2, 1, aes, b"one").expect("a key");
                [ao([key(b, 1, 2, b"one")]), ao([other])]
            },
            Discard::TcpSignature,
        ),
        (
            "MD5 where TCP-AO is asked for",
            |[a, b]| [md5(b, b"one"), ao([key(a, 2, 1, b"one")])],
            Discard::TcpUnsigned,
        ),
        (
            "TCP-AO where MD5 is asked for",
            |[a, b]| [ao([key(b, 1, 2, b"one")]), md5(a, b"one")],
            Discard::TcpUnsigned,
        ),
    ];
    for (what, rings, why) in table {
        let mut pair = Pair::new(rings);
        assert_eq!(pair.carry(0, TcpFlags::SYN, ISS), Err(why), "{what}");
        let mut bare = pair.sign(0, TcpFlags::SYN, ISS);
        (bare.options.md5, bare.options.authentication) = (None, None);
        assert_eq!(pair.arrive(0, &bare), Err(Discard::TcpUnsigned), "{what}");
    }
}

#[test]
fn a_segment_of_four_gib_ago_is_not_genuine_again() {
    let keys = |[a, b]: [SocketAddr; 2]| [ao([key(b, 1, 2, b"one")]), ao([key(a, 2, 1, b"one")])];
    let mut pair = Pair::new(keys);
    pair.open();
    let old = pair.sign(0, TcpFlags::ACK, ISS + 1);
    // As often as a connection of 4 GiB goes on, a gigabyte at a time.
    for step in 1..=4u32 {
        let seq = ISS + 1 + step.wrapping_mul(1 << 30);
        assert_eq!(pair.carry(0, TcpFlags::ACK, seq), Ok(()), "step {step}");
    }
    // The sequence number is the same again, the extension is not.
    let new = pair.sign(0, TcpFlags::ACK, ISS + 1);
    assert_ne!(old.options.authentication, new.options.authentication);
    assert_eq!(pair.arrive(0, &old), Err(Discard::TcpSignature));
    assert_eq!(pair.arrive(0, &new), Ok(()));
}

#[test]
fn the_extension_is_that_of_the_segment_around_the_wrap() {
    let keys = |[a, b]: [SocketAddr; 2]| [ao([key(b, 1, 2, b"one")]), ao([key(a, 2, 1, b"one")])];
    let mut pair = Pair::new(keys);
    pair.open();
    for step in 1..4u32 {
        let seq = ISS + 1 + step.wrapping_mul(1 << 30);
        assert_eq!(pair.carry(0, TcpFlags::ACK, seq), Ok(()));
    }
    let before = SeqNumber(u32::MAX - 10);
    assert_eq!(pair.carry(0, TcpFlags::ACK, before), Ok(()));
    let lost = pair.sign(0, TcpFlags::ACK, before + 5);
    assert_eq!(pair.carry(0, TcpFlags::ACK, SeqNumber(20)), Ok(()));
    // Late, and sent again: of before the wrap both times.
    assert_eq!(pair.arrive(0, &lost), Ok(()));
    assert_eq!(pair.carry(0, TcpFlags::ACK, before + 5), Ok(()));
}

#[test]
fn a_forged_segment_moves_no_extension() {
    let keys = |[a, b]: [SocketAddr; 2]| [ao([key(b, 1, 2, b"one")]), ao([key(a, 2, 1, b"one")])];
    let mut pair = Pair::new(keys);
    pair.open();
    for step in 1..4u32 {
        let mut forged = pair.sign(0, TcpFlags::ACK, ISS + 1);
        forged.seq = ISS + 1 + step.wrapping_mul(1 << 30);
        assert_eq!(pair.arrive(0, &forged), Err(Discard::TcpSignature));
    }
    assert_eq!(pair.carry(0, TcpFlags::ACK, ISS + 2), Ok(()));
}

#[test]
fn keys_roll_when_the_peer_asks_for_another() {
    let keys = |[a, b]: [SocketAddr; 2]| {
        [
            ao([key(b, 1, 2, b"old"), key(b, 11, 12, b"new")]),
            ao([key(a, 2, 1, b"old"), key(a, 12, 11, b"new")]),
        ]
    };
    let mut pair = Pair::new(keys);
    pair.open();
    let ids = |s: &Session| s.key_ids().map(|ids| (ids.send, ids.receive));
    assert_eq!(ids(&pair.sessions[0]), Some((1, 2)));
    // The server wants to hear the new key: the client's next segment has it, and asks for the old
    // one still.
    pair.sessions[1].ask_for(11).expect("known");
    assert_eq!(pair.carry(1, TcpFlags::ACK, IRS + 1), Ok(()));
    assert_eq!(ids(&pair.sessions[0]), Some((11, 2)));
    assert_eq!(pair.carry(0, TcpFlags::ACK, ISS + 2), Ok(()));
    let told = pair.sessions[1].key_ids().expect("TCP-AO");
    let expected = KeyIds {
        send: 2,
        receive: 11,
        heard: Some(11),
        asked: Some(2),
    };
    assert_eq!(told, expected);
    // A key that is in use stays, one that is not may go.
    assert_eq!(pair.sessions[1].remove(2, 1), Err(KeyError::InUse));
    pair.sessions[0].ask_for(12).expect("known");
    assert_eq!(pair.carry(0, TcpFlags::ACK, ISS + 3), Ok(()));
    assert_eq!(pair.sessions[1].remove(2, 1), Ok(()));
    assert_eq!(pair.carry(1, TcpFlags::ACK, IRS + 2), Ok(()));
    assert_eq!(pair.sessions[0].remove(1, 2), Ok(()));
    assert_eq!(pair.carry(0, TcpFlags::ACK, ISS + 4), Ok(()));
}

#[test]
fn a_peer_that_asks_for_a_key_nobody_has_changes_nothing() {
    let keys = |[a, b]: [SocketAddr; 2]| {
        [
            ao([key(b, 1, 2, b"old")]),
            ao([key(a, 2, 1, b"old"), key(a, 12, 11, b"new")]),
        ]
    };
    let mut pair = Pair::new(keys);
    pair.open();
    pair.sessions[1].ask_for(11).expect("known");
    assert_eq!(pair.carry(1, TcpFlags::ACK, IRS + 1), Ok(()));
    assert_eq!(pair.sessions[0].key_ids().map(|k| k.send), Some(1));
    // Until it has it.
    let late = key(pair.ends[1], 11, 12, b"new");
    pair.sessions[0].add(late).expect("IDs of its own");
    assert_eq!(pair.carry(1, TcpFlags::ACK, IRS + 2), Ok(()));
    assert_eq!(pair.sessions[0].key_ids().map(|k| k.send), Some(11));
    assert_eq!(pair.carry(0, TcpFlags::ACK, ISS + 2), Ok(()));
}

#[test]
fn rings_take_no_keys_that_could_be_mistaken_for_one_another() {
    let [client, server] = ends(true, 1024);
    let all = Peers::new([0, 0, 0, 0].into(), 0).expect("a prefix");
    let wide = MasterKey::new(all, 1, 9, Algorithm::default(), b"wide").expect("a key");
    let mut ring = ao([key(server, 1, 2, b"one")]);
    assert_eq!(ring.add(wide.clone()), Err(KeyError::Overlap));
    assert_eq!(ring.add(key(server, 9, 2, b"x")), Err(KeyError::Overlap));
    assert_eq!(ring.add(key(server, 9, 3, b"x")), Ok(()));
    assert_eq!(ring.add(key(client, 1, 2, b"x")), Ok(()), "another peer");
    // Ports tell connections apart as addresses do.
    let mut ring = ao([key(server, 1, 2, b"one").with_ports(None, Some(179))]);
    let other = wide.clone().with_ports(None, Some(180));
    assert_eq!(ring.add(other), Ok(()));
    let md5 = Md5Key::new(server.ip(), b"md5").expect("a key");
    assert_eq!(ring.add_md5(md5), Err(KeyError::Mixed));
    let mut ring = self::md5(server, b"md5");
    assert_eq!(ring.add(wide), Err(KeyError::Mixed));
    assert_eq!(ring.add(key(client, 1, 2, b"x")), Ok(()), "another peer");
}

#[test]
fn keys_of_no_or_too_many_octets_and_prefixes_beyond_the_address_are_refused() {
    let [client, _] = ends(true, 1024);
    let of = |secret| Md5Key::new(client.ip(), secret).map(|_| ());
    assert_eq!(of(b""), Err(KeyError::Empty));
    assert_eq!(of(&[b'x'; 80]), Ok(()));
    assert_eq!(of(&[b'x'; 81]), Err(KeyError::TooLong));
    assert_eq!(Peers::new(client.ip(), 33), Err(KeyError::PrefixLength));
    assert!(Peers::new(client.ip(), 8).is_ok_and(|p| p.contains([10, 99, 0, 1].into())));
    assert!(Peers::new(client.ip(), 8).is_ok_and(|p| !p.contains([11, 99, 0, 1].into())));
}

#[test]
fn only_what_matches_a_key_is_signed() {
    let [client, server] = ends(true, 1024);
    let ring = ao([key(server, 1, 2, b"one").with_ports(None, Some(179))]);
    assert!(ring.session(client, server, ISS).is_some());
    let mut elsewhere = server;
    elsewhere.set_port(180);
    assert!(ring.session(client, elsewhere, ISS).is_none());
    assert!(ring.session(server, client, ISS).is_none());
    let local = key(server, 1, 2, b"one").with_local(server.ip());
    assert!(ao([local]).session(client, server, ISS).is_none());
}

#[test]
fn of_md5_keys_the_longest_prefix_counts() {
    let mut pair = Pair::new(|[a, b]| {
        let mut ring = md5(a, b"one");
        let all = Peers::new([0, 0, 0, 0].into(), 0).expect("a prefix");
        let wide = Md5Key::new(all, b"all").expect("a key");
        ring.add_md5(wide).expect("another prefix");
        [md5(b, b"one"), ring]
    });
    pair.open();
}

#[test]
fn a_syn_of_an_earlier_connection_does_not_spoil_an_active_open() {
    let keys = |[a, b]: [SocketAddr; 2]| [ao([key(b, 1, 2, b"one")]), ao([key(a, 2, 1, b"one")])];
    let mut pair = Pair::new(keys);
    // Genuine once, with another ISN, and sent again by somebody who has kept it.
    let old = {
        let mut earlier = Pair::new(keys);
        let mut ring = ao([key(earlier.ends[0], 2, 1, b"one")]);
        ring.require(true);
        let session = ring.session(earlier.ends[1], earlier.ends[0], SeqNumber(77));
        earlier.sessions[1] = session.expect("a key");
        earlier.sign(1, TcpFlags::SYN, SeqNumber(77))
    };
    assert_eq!(pair.arrive(1, &old), Ok(()));
    pair.open();
}
