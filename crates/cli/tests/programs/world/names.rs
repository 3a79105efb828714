//! The world's name server (RFC 1035): few names, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};

use super::{Datagrams, NOWHERE, SERVER, SERVER6, Service};

/// Every name in it that is not listed otherwise is the server, in both families.
pub(crate) const ZONE: &str = "world.test";

const A: u16 = 1;
const AAAA: u16 = 28;
const NAME_ERROR: u8 = 3;

/// The most an answer over UDP may have (RFC 1035, 4.2.1).
const UDP_LIMIT: usize = 512;

pub(super) fn serve(address: IpAddr) -> (Datagrams, Service) {
    let datagrams = Datagrams::start((address, 53), |query, _| {
        let mut answer = answer(query)?;
        if answer.len() > UDP_LIMIT {
            let question = question_end(query)?;
            answer.truncate(question);
            answer[2] |= 0x02;
            answer[6..8].fill(0);
        }
        Some(answer)
    });
    let service = Service::start((address, 53), |mut connection| {
        let mut length = [0; 2];
        while connection.read_exact(&mut length).is_ok() {
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            connection.read_exact(&mut query)?;
            let Some(answer) = answer(&query) else { break };
            let length = u16::try_from(answer.len()).expect("few names");
            connection.write_all(&[&length.to_be_bytes()[..], &answer].concat())?;
        }
        Ok(())
    });
    (datagrams, service)
}

/// The addresses of a name; none if there is no such name.
fn addresses(name: &str) -> Option<Vec<IpAddr>> {
    let host = name.strip_suffix(ZONE)?.trim_end_matches('.');
    Some(match host {
        "missing" => return None,
        "only4" => vec![SERVER.into()],
        "only6" => vec![SERVER6.into()],
        "nowhere" => vec![NOWHERE.into()],
        // IPv6 first, which nobody answers: programs shall still get through by IPv4.
        "half" => vec![SERVER.into(), "2001:db8:78::1".parse().expect("a literal")],
        "many" => (1..=100)
            .map(|n| Ipv4Addr::new(198, 51, 100, n).into())
            .collect(),
        _ => vec![SERVER.into(), SERVER6.into()],
    })
}

/// Where the first question ends.
fn question_end(query: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        match usize::from(*query.get(at)?) {
            0 => return (at + 5 <= query.len()).then_some(at + 5),
            length => at += 1 + length,
        }
    }
}

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let end = question_end(query)?;
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let next = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..next]).to_ascii_lowercase());
        at = next;
    }
    let kind = u16::from_be_bytes([query[end - 4], query[end - 3]]);
    let found = addresses(&labels.join("."));
    let records: Vec<_> = found
        .iter()
        .flatten()
        .filter(|address| kind == if address.is_ipv4() { A } else { AAAA })
        .collect();
    // An answer with authority, recursion available.
    let code = if found.is_some() { 0 } else { NAME_ERROR };
    let mut out = query[..end].to_vec();
    out[2] = 0x84 | (query[2] & 0x01);
    out[3] = 0x80 | code;
    let count = u16::try_from(records.len()).expect("few");
    out[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    out[6..8].copy_from_slice(&count.to_be_bytes());
    for address in records {
        // The name of the question, class IN, 60 s.
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        let data = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        out.extend_from_slice(&u16::try_from(data.len()).expect("16").to_be_bytes());
        out.extend_from_slice(&data);
    }
    Some(out)
}
