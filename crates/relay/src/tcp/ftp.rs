//! FTP's active mode (RFC 959, section 3.2): the program tells the server, in the control
//! connection, where to connect to. The address is one that only exists behind the relay, so it is
//! replaced by one of the host's (RFC 2428 for EPRT). Passive mode needs nothing of the kind.

use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port of the control connection.
pub(crate) const CONTROL: u16 = 21;
/// The longest line that may be one of ours: EPRT with the longest address, and spaces.
const LONGEST: usize = 128;

/// Rewrites PORT and EPRT in a control connection.
pub(crate) struct Control<Open> {
    program: IpAddr,
    /// Opens an endpoint of the host that leads to this one of the program; `None`: it cannot.
    open: Open,
    state: State,
    /// The beginning of a line that may be one of ours.
    line: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a line, all of it in `line`, that may still be one of ours.
    Gathering,
    /// In a line that is none of ours.
    Passing,
    /// It is no text any more: TLS has begun, whose records must not wait for an end of line.
    Opaque,
}

impl<Open: FnMut(SocketAddr) -> Option<SocketAddr> + Send> Control<Open> {
    /// For a control connection of the program at `program`.
    pub(crate) fn new(program: IpAddr, open: Open) -> Control<Open> {
        Control {
            program: program.to_canonical(),
            open,
            state: State::Gathering,
            line: Vec::new(),
        }
    }

    /// What becomes of a whole line.
    fn rewritten(&mut self) -> Vec<u8> {
        let line = std::mem::take(&mut self.line);
        let rewritten = parse(&line).and_then(|command| {
            let asked = command.endpoint;
            let is_own = asked.ip().to_canonical() == self.program && asked.port() != 0;
            let outside = is_own.then(|| (self.open)(asked)).flatten()?;
            command.with(outside)
        });
        rewritten.unwrap_or(line)
    }

    /// `slices` have arrived from the program; what is left in them goes on. With `end`, nothing
    /// will follow.
    pub(crate) fn pass(&mut self, slices: &mut Vec<Bytes>, end: bool) {
        if self.state == State::Opaque {
            return;
        }
        let mut out = Vec::with_capacity(slices.len());
        for slice in slices.drain(..) {
            // What goes on as it came goes on by reference: from here.
            let mut kept = 0;
            for (at, &octet) in slice.iter().enumerate() {
                if octet < b' ' && !matches!(octet, b'\r' | b'\n' | b'\t') {
                    self.state = State::Opaque;
                }
                match self.state {
                    State::Opaque => break,
                    State::Passing if octet == b'\n' => {
                        out.push(slice.slice(kept..at + 1));
                        kept = at + 1;
                        self.state = State::Gathering;
                    }
                    State::Passing => {}
                    State::Gathering => {
                        self.line.push(octet);
                        kept = at + 1;
                        if octet == b'\n' {
                            out.push(self.rewritten().into());
                        } else if !may_be_ours(&self.line) {
                            out.push(std::mem::take(&mut self.line).into());
                            self.state = State::Passing;
                        }
                    }
                }
            }
            if self.state == State::Opaque {
                out.push(std::mem::take(&mut self.line).into());
            }
            out.push(slice.slice(kept..));
        }
        if end {
            out.push(std::mem::take(&mut self.line).into());
        }
        out.retain(|bytes| !bytes.is_empty());
        *slices = out;
    }
}

/// A command that names an endpoint.
struct Command {
    endpoint: SocketAddr,
    /// The delimiter of EPRT; `None`: it is PORT.
    delimiter: Option<char>,
}

/// Whether a line that begins so may be one of ours.
fn may_be_ours(line: &[u8]) -> bool {
    let verb = &line[..line.len().min(5)];
    line.len() <= LONGEST
        && [b"PORT ", b"EPRT "]
            .iter()
            .any(|own| own[..verb.len()].eq_ignore_ascii_case(verb))
}

fn parse(line: &[u8]) -> Option<Command> {
    let line = str::from_utf8(line).ok()?;
    let line = line.strip_suffix('\n')?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (verb, argument) = line.split_once(' ')?;
    let argument = argument.trim();
    if verb.eq_ignore_ascii_case("PORT") {
        let mut numbers = argument
            .split(',')
            .map(|number| number.trim().parse::<u8>());
        let mut next = || numbers.next()?.ok();
        let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
        let port = u16::from_be_bytes([next()?, next()?]);
        return numbers.next().is_none().then_some(Command {
            endpoint: (address, port).into(),
            delimiter: None,
        });
    }
    // EPRT<space><d><net-prt><d><net-addr><d><tcp-port><d> (RFC 2428, section 2).
    let delimiter = argument.chars().next().filter(char::is_ascii_graphic)?;
    let mut fields = argument[1..].split(delimiter);
    let (family, address, port) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next() != Some("") || fields.next().is_some() {
        return None;
    }
    let address = match family {
        "1" => IpAddr::V4(address.parse().ok()?),
        "2" => IpAddr::V6(address.parse().ok()?),
        _ => return None,
    };
    Some(Command {
        endpoint: SocketAddr::new(address, port.parse().ok()?),
        delimiter: Some(delimiter),
    })
}

impl Command {
    /// The same command, with this endpoint; `None` when it cannot say it.
    fn with(&self, endpoint: SocketAddr) -> Option<Vec<u8>> {
        let (address, port) = (endpoint.ip(), endpoint.port());
        let text = match (self.delimiter, address) {
            (None, IpAddr::V4(v4)) => {
                let ([a, b, c, d], [high, low]) = (v4.octets(), port.to_be_bytes());
                format!("PORT {a},{b},{c},{d},{high},{low}\r\n")
            }
            (None, IpAddr::V6(_)) => return None,
            (Some(x), address) => {
                let family = if address.is_ipv4() { 1 } else { 2 };
                format!("EPRT {x}{family}{x}{address}{x}{port}{x}\r\n")
            }
        };
        Some(text.into_bytes())
    }
}

#[cfg(test)]
mod tests;
