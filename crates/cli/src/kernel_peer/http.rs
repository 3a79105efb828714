//! The messages of HTTP/1.1 (RFC 9112), as far as one client and one server of our own need them.

use std::io::{self, BufRead, Read};

/// The longest head that is taken, in octets.
const HEAD_LIMIT: u64 = 16 * 1024;

/// A start line and the header fields after it (RFC 9112 section 2.1).
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) start: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a head up to its empty line; `None` when the stream ends before its first octet.
    ///
    /// # Errors
    /// `InvalidData` for what is no head, or one too long; `UnexpectedEof` in the middle.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
        let mut reader = reader.take(HEAD_LIMIT);
        let Some(start) = line(&mut reader)? else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        loop {
            let field = line(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if field.is_empty() {
                return Ok(Some(Head { start, fields }));
            }
            let (name, value) = field
                .split_once(':')
                .ok_or_else(|| invalid("a header field"))?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The value of the first field of that name; the case of names does not matter.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let named = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a field that is a list of words has `word`.
    pub(super) fn has(&self, name: &str, word: &str) -> bool {
        let words = self.field(name).unwrap_or("").split(',');
        words.map(str::trim).any(|w| w.eq_ignore_ascii_case(word))
    }

    /// How long the body is (RFC 9112 section 6.3); `otherwise` where the head does not say.
    ///
    /// # Errors
    /// `InvalidData` for a length or a transfer coding that cannot be read.
    pub(super) fn framing(&self, otherwise: Framing) -> io::Result<Framing> {
        if self.field("Transfer-Encoding").is_some() {
            return match self.has("Transfer-Encoding", "chunked") {
                true => Ok(Framing::Chunked),
                false => Err(invalid("a transfer coding")),
            };
        }
        match self.field("Content-Length") {
            None => Ok(otherwise),
            Some(n) if n.bytes().all(|c| c.is_ascii_digit()) => {
                let n = n.parse().map_err(|_| invalid("a content length"))?;
                Ok(Framing::Length(n))
            }
            Some(_) => Err(invalid("a content length")),
        }
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many octets.
    Length(u64),
    /// After the last chunk (RFC 9112 section 7.1).
    Chunked,
    /// With the connection.
    UntilEnd,
}

/// Reads a whole body and hands its pieces to `sink`; returns its length.
///
/// # Errors
/// `UnexpectedEof` when the connection ends first, whatever reading gives, and that of `sink`.
pub(super) fn read_body(
    reader: &mut impl BufRead,
    framing: Framing,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut total = 0;
    match framing {
        Framing::Length(n) => exactly(reader, n, &mut total, &mut sink)?,
        Framing::UntilEnd => loop {
            let piece = fill(reader)?;
            if piece.is_empty() {
                break;
            }
            let n = piece.len();
            total += n as u64;
            sink(piece)?;
            reader.consume(n);
        },
        Framing::Chunked => loop {
            let size = line(&mut reader.take(HEAD_LIMIT))?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = size.split(';').next().unwrap_or("").trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| invalid("a chunk size"))?;
            if size > 0 {
                exactly(reader, size, &mut total, &mut sink)?;
            }
            // After the data of a chunk an empty line; after the last chunk, trailers up to one.
            let mut trailers = reader.take(HEAD_LIMIT);
            while !line(&mut trailers)?
                .ok_or(io::ErrorKind::UnexpectedEof)?
                .is_empty()
            {
                if size > 0 {
                    return Err(invalid("a chunk"));
                }
            }
            if size == 0 {
                break;
            }
        },
    }
    Ok(total)
}

/// Encodes a form (`application/x-www-form-urlencoded`).
pub fn encode_form(fields: &[(String, String)]) -> String {
    let encode = |text: &str| -> String {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"*-._".contains(&c);
        text.bytes()
            .map(|c| match c {
                b' ' => "+".to_owned(),
                c if plain(c) => char::from(c).to_string(),
                c => format!("%{c:02X}"),
            })
            .collect()
    };
    let pairs = fields.iter().map(|(k, v)| encode(k) + "=" + &encode(v));
    pairs.collect::<Vec<_>>().join("&")
}

/// Decodes a form; what is not valid in it stays as it is.
pub fn decode_form(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let mut octets = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            let digits = tail.get(..2).and_then(|d| str::from_utf8(d).ok());
            let decoded = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
            match decoded.filter(|_| *first == b'%') {
                Some(octet) => {
                    octets.push(octet);
                    rest = &tail[2..];
                }
                None => {
                    octets.push(*first);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&octets).into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(k, v)| (decode(k), decode(v))).collect()
}

/// An error that names what could not be understood.
pub(super) fn invalid(what: &str) -> io::Error {
    let text = format!("{what} that is not HTTP/1.1");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// A line without its end; `None` at the end of the stream.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    match line.pop() {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(invalid("a line cut off or too long, one")),
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let line = String::from_utf8(line).map_err(|_| invalid("a line"))?;
    Ok(Some(line))
}

fn fill(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    // Twice, for the borrow of the first cannot be returned from within a loop.
    while let Err(e) = reader.fill_buf() {
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
    reader.fill_buf()
}

fn exactly(
    reader: &mut impl BufRead,
    mut left: u64,
    total: &mut u64,
    sink: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    while left > 0 {
        let piece = fill(reader)?;
        let n = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *total += n as u64;
        left -= n as u64;
        sink(&piece[..n])?;
        reader.consume(n);
    }
    Ok(())
}
