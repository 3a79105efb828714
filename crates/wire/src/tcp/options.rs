//! The kinds of option, one by one (MUST-4).

use super::{
    AccurateEcn, Authentication, FastOpenCookie, SackBlock, SackBlocks, TcpOptions, Timestamps,
};
use crate::{Discard, SeqNumber};

/// Room for options: data offset 15 less the fixed header.
const ROOM: usize = 40;

mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(super) const MD5: u8 = 19;
    pub(super) const USER_TIMEOUT: u8 = 28;
    pub(super) const AUTHENTICATION: u8 = 29;
    pub(super) const FAST_OPEN: u8 = 34;
    pub(super) const ACCURATE_ECN_0: u8 = 172;
    pub(super) const ACCURATE_ECN_1: u8 = 174;
    pub(super) const EXPERIMENTAL: u8 = 254;
}

impl TcpOptions {
    /// As [`parse`](TcpOptions::parse), without its short cuts: options of any segment (MUST-5), at
    /// any octet (MUST-64), the unknown ones passed over by their length (MUST-6), and an impossible
    /// length found out (MUST-7).
    #[inline(never)]
    pub(super) fn parse_each(mut octets: &[u8]) -> Result<TcpOptions, Discard> {
        let mut options = TcpOptions::default();
        loop {
            match *octets {
                [] | [kind::END, ..] => {
                    // RFC 5925, 2.2: not both.
                    let both = options.md5.is_some() && options.authentication.is_some();
                    return if both {
                        Err(Discard::TcpOption)
                    } else {
                        Ok(options)
                    };
                }
                [kind::NOP, ref rest @ ..] => octets = rest,
                [kind, len, ..] if len >= 2 => {
                    let Some((option, rest)) = octets.split_at_checked(usize::from(len)) else {
                        return Err(Discard::TcpOption);
                    };
                    // RFC 5925, 2.2: once, and not shorter than its IDs.
                    let again = options.authentication.is_some() || len < 4;
                    if kind == kind::AUTHENTICATION && again {
                        return Err(Discard::TcpOption);
                    }
                    options.take(kind, &option[2..]);
                    octets = rest;
                }
                _ => return Err(Discard::TcpOption),
            }
        }
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (kind::MSS, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes([e, f, g, h]),
                });
            }
            (kind::SACK, blocks) => {
                let (blocks, []) = blocks.as_chunks::<8>() else {
                    return;
                };
                self.sack = SackBlocks::NONE;
                for &[a, b, c, d, e, f, g, h] in blocks {
                    self.sack.push(SackBlock {
                        left: SeqNumber(u32::from_be_bytes([a, b, c, d])),
                        right: SeqNumber(u32::from_be_bytes([e, f, g, h])),
                    });
                }
            }
            (kind::MD5, digest) => self.md5 = digest.try_into().ok().or(self.md5),
            (kind::USER_TIMEOUT, &[a, b]) => self.user_timeout = Some(u16::from_be_bytes([a, b])),
            (kind::AUTHENTICATION, &[key_id, next_key_id, ref mac @ ..]) => {
                self.authentication =
                    Authentication::new(key_id, next_key_id, mac).or(self.authentication);
            }
            (kind::FAST_OPEN, cookie) | (kind::EXPERIMENTAL, [0xf9, 0x89, cookie @ ..]) => {
                self.fast_open = FastOpenCookie::new(cookie).or(self.fast_open);
            }
            (kind::ACCURATE_ECN_0 | kind::ACCURATE_ECN_1, fields) => {
                if let (fields @ ([] | [_] | [_, _] | [_, _, _]), []) = fields.as_chunks::<3>() {
                    let mut counters = [None; 3];
                    for (counter, &[a, b, c]) in counters.iter_mut().zip(fields) {
                        *counter = Some(u32::from_be_bytes([0, a, b, c]));
                    }
                    self.accurate_ecn = Some(AccurateEcn {
                        order_1: kind == kind::ACCURATE_ECN_1,
                        counters,
                    });
                }
            }
            _ => {}
        }
    }

    /// The options as they go onto the wire, each with its length (MUST-68), zero-padded to a multiple
    /// of 4 (MUST-69), and their length.
    #[inline(never)]
    pub(super) fn to_octets(self) -> ([u8; ROOM], usize) {
        let mut w = Writer {
            octets: [0; ROOM],
            len: 0,
        };
        if let Some(a) = &self.authentication {
            let len = 4 + a.mac().len() as u8;
            w.put(&[
                &[kind::AUTHENTICATION, len, a.key_id, a.next_key_id],
                a.mac(),
            ]);
        }
        if let Some(digest) = &self.md5 {
            w.put(&[&[kind::NOP, kind::NOP, kind::MD5, 18], digest]);
        }
        if let Some(mss) = self.mss {
            w.put(&[&[kind::MSS, 4], &mss.to_be_bytes()]);
        }
        if self.sack_permitted || self.timestamps.is_some() {
            let lead = match self.sack_permitted {
                true => [kind::SACK_PERMITTED, 2],
                false => [kind::NOP, kind::NOP],
            };
            let fits = self.timestamps.is_some_and(|t| {
                w.put(&[
                    &lead,
                    &[kind::TIMESTAMPS, 10],
                    &t.value.to_be_bytes(),
                    &t.echo.to_be_bytes(),
                ])
            });
            if !fits && self.sack_permitted {
                w.put(&[&[kind::NOP, kind::NOP], &lead]);
            }
        }
        if let Some(shift) = self.window_scale {
            w.put(&[&[kind::NOP, kind::WINDOW_SCALE, 3, shift]]);
        }
        if let Some(cookie) = &self.fast_open {
            let cookie = cookie.as_slice();
            w.put(&[&[kind::FAST_OPEN, 2 + cookie.len() as u8], cookie]);
        }
        if let Some(timeout) = self.user_timeout {
            w.put(&[&[kind::USER_TIMEOUT, 4], &timeout.to_be_bytes()]);
        }
        if let Some(a) = &self.accurate_ecn {
            w.put_accurate_ecn(a);
        }
        if !self.sack.is_empty() {
            w.put_sack(self.sack.as_slice());
        }
        (w.octets, w.len.next_multiple_of(4))
    }
}

struct Writer {
    octets: [u8; ROOM],
    len: usize,
}

impl Writer {
    /// Appends the parts of one option if all of them fit; says whether they did.
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        let total: usize = parts.iter().map(|p| p.len()).sum();
        let fits = total <= ROOM - self.len;
        if fits {
            for part in parts {
                self.octets[self.len..self.len + part.len()].copy_from_slice(part);
                self.len += part.len();
            }
        }
        fits
    }

    /// As many counters as fit: a shorter option is valid (RFC 9768, section 3.2.3).
    fn put_accurate_ecn(&mut self, a: &AccurateEcn) {
        let kind = match a.order_1 {
            true => kind::ACCURATE_ECN_1,
            false => kind::ACCURATE_ECN_0,
        };
        let mut option = [kind, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut len = 2;
        for counter in a.counters.iter().map_while(|c| *c) {
            if len + 3 > ROOM - self.len {
                break;
            }
            option[len..len + 3].copy_from_slice(&counter.to_be_bytes()[1..]);
            len += 3;
        }
        option[1] = len as u8;
        self.put(&[&option[..len]]);
    }

    /// As many blocks as fit, aligned to 4 octets.
    fn put_sack(&mut self, blocks: &[SackBlock]) {
        let padding = 2usize.wrapping_sub(self.len) % 4;
        let room = (ROOM - self.len).saturating_sub(padding + 2) / 8;
        let blocks = &blocks[..blocks.len().min(room)];
        if blocks.is_empty() {
            return;
        }
        self.put(&[&[kind::NOP; 3][..padding]]);
        self.put(&[&[kind::SACK, 2 + 8 * blocks.len() as u8]]);
        for block in blocks {
            self.put(&[&block.left.0.to_be_bytes(), &block.right.0.to_be_bytes()]);
        }
    }
}
