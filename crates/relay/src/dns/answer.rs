//! What is answered here, and what is learnt from the answers of others.

use super::{DnsConfig, Names};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use std::net::IpAddr;
use std::time::Duration;

/// The fixed part of a message (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
/// For how long our own answers hold, in seconds.
const TTL: u32 = 60;
/// What we take by UDP, as we say to who uses EDNS (RFC 6891, section 6.2.3).
const PAYLOAD: u16 = 1232;
/// Names that one answer may lead by: no longer chain is followed.
const CHAIN: usize = 16;

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is answered so.
    Answer(Vec<u8>),
    /// It is passed on.
    PassOn(Query),
    /// It is no question.
    Ignore,
}

impl DnsConfig {
    /// Looks at a message to us.
    pub(super) fn judge(&self, message: &[u8]) -> Verdict {
        if message.len() < HEADER || message[2] & 0x80 != 0 {
            return Verdict::Ignore;
        }
        if message[2] >> 3 & 0xf != u8::from(OpCode::Query) {
            return Verdict::Answer(bare(message, ResponseCode::NotImp));
        }
        let Some(query) = question(message) else {
            return Verdict::Answer(bare(message, ResponseCode::FormErr));
        };
        if query.query_class == DNSClass::IN
            && let Some((code, records)) = self.own(&query)
        {
            return Verdict::Answer(reply(message, &query, code, records));
        }
        if (self.denied)(&text(&query.name)) {
            return Verdict::Answer(reply(message, &query, ResponseCode::NXDomain, Vec::new()));
        }
        Verdict::PassOn(query)
    }

    /// What we ourselves know.
    fn own(&self, query: &Query) -> Option<(ResponseCode, Vec<Record>)> {
        let kind = query.query_type;
        let wants = |wanted| kind == wanted || kind == RecordType::ANY;
        let mut is_below = false;
        for (name, addresses) in &self.own {
            let Ok(mut name) = Name::from_ascii(name) else {
                continue;
            };
            name.set_fqdn(true);
            if name == query.name {
                let records = addresses.iter().filter_map(|address| match *address {
                    IpAddr::V4(ip) if wants(RecordType::A) => Some(RData::A(A(ip))),
                    IpAddr::V6(ip) if wants(RecordType::AAAA) => Some(RData::AAAA(AAAA(ip))),
                    _ => None,
                });
                let record = |data| Record::from_rdata(query.name.clone(), TTL, data);
                return Some((ResponseCode::NoError, records.map(record).collect()));
            }
            is_below |= name.zone_of(&query.name);
            if addresses.iter().any(|ip| arpa(*ip) == query.name) {
                let data = wants(RecordType::PTR).then_some(RData::PTR(PTR(name)));
                let record = |data| Record::from_rdata(query.name.clone(), TTL, data);
                let records = data.into_iter().map(record).collect();
                return Some((ResponseCode::NoError, records));
            }
        }
        is_below.then(|| (ResponseCode::NXDomain, Vec::new()))
    }
}

/// The answer when nobody else has one.
pub(super) fn failure(message: &[u8], query: &Query) -> Vec<u8> {
    reply(message, query, ResponseCode::ServFail, Vec::new())
}

/// Remembers which names an answer gives to which addresses: the one asked for, and those that it
/// stands for.
pub(super) fn learn(answer: &[u8], names: &Names) {
    let Ok(answer) = Message::from_vec(answer) else {
        return;
    };
    let Some(asked) = answer.queries.first() else {
        return;
    };
    let mut chain = vec![&asked.name];
    while chain.len() < CHAIN {
        let last = chain[chain.len() - 1];
        let next = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(to) if record.name == *last => Some(&to.0),
            _ => None,
        });
        match next {
            Some(next) if !chain.contains(&next) => chain.push(next),
            _ => break,
        }
    }
    for record in &answer.answers {
        let address = match &record.data {
            RData::A(A(ip)) => IpAddr::V4(*ip),
            RData::AAAA(AAAA(ip)) => IpAddr::V6(*ip),
            _ => continue,
        };
        let ttl = Duration::from_secs(record.ttl.into());
        if let Some(at) = chain.iter().position(|name| **name == record.name) {
            // The one asked for comes last, because that one is told.
            for name in chain[..=at].iter().rev() {
                names.note(address, &text(name), ttl);
            }
        }
    }
}

/// The only question of a message; the rest of it is none of our business.
fn question(message: &[u8]) -> Option<Query> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let mut decoder = BinDecoder::new(message);
    decoder.read_slice(HEADER).ok()?;
    let mut query = Query::read(&mut decoder).ok()?;
    query.name.set_fqdn(true);
    Some(query)
}

/// An answer of ours.
fn reply(message: &[u8], query: &Query, code: ResponseCode, answers: Vec<Record>) -> Vec<u8> {
    let id = u16::from_be_bytes([message[0], message[1]]);
    let mut reply = Message::new(id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = message[2] & 1 != 0;
    reply.metadata.recursion_available = true;
    reply.metadata.authoritative = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    reply.metadata.response_code = code;
    reply.add_query(query.clone());
    reply.add_answers(answers);
    // Who uses it is answered with it (RFC 6891, section 6.1.1).
    if Message::from_vec(message).is_ok_and(|asked| asked.edns.is_some()) {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        reply.set_edns(edns);
    }
    reply
        .to_vec()
        .unwrap_or_else(|_| bare(message, ResponseCode::ServFail))
}

/// An answer that says nothing but its code, to what was not understood.
fn bare(message: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&message[..2]);
    header[2] = 0x80 | message[2] & 0x79;
    header[3] = 0x80 | code.low();
    header.to_vec()
}

fn arpa(ip: IpAddr) -> Name {
    let mut name = Name::from(ip);
    name.set_fqdn(true);
    name
}

/// A name in lower case, without a dot at the end.
fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').into()
}
