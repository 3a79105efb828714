//! What flags of `handfast run` take that is more than a number with its unit.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use handfast_base::Duration;

use super::units;

/// Which connections are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first few, and a few of those with losses.
    Auto,
    /// So many, the first ones.
    First(usize),
    /// Those to a destination: its name or address, if any, and its port, if any.
    To(Option<String>, Option<u16>),
}

/// Where metrics go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsTo {
    /// Into a file, at the end.
    File(PathBuf),
    /// To whoever asks at this address, meanwhile.
    Served(SocketAddr),
}

/// The most connections that can be drawn.
const MOST_LADDERS: usize = 1_000;

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Which, String> {
        let number = || text.parse::<usize>();
        match text {
            "" => Err("write a number, all, or a destination".to_owned()),
            "auto" => Ok(Which::Auto),
            "all" => Ok(Which::First(MOST_LADDERS)),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => match number() {
                Ok(n @ 1..=MOST_LADDERS) => Ok(Which::First(n)),
                _ => Err(format!("it must lie between 1 and {MOST_LADDERS}")),
            },
            _ => Ok(destination(text)?),
        }
    }
}

fn destination(text: &str) -> Result<Which, String> {
    let port = |port: &str| port.parse().map_err(|_| format!("{port} is no port"));
    let owned = |host: &str| Some(host.trim_end_matches('.').to_ascii_lowercase());
    let bare = |host: &str| host.parse::<IpAddr>().is_ok();
    if bare(text) {
        return Ok(Which::To(owned(text), None));
    }
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        let rest = rest.strip_prefix(':').map(port).transpose()?;
        return Ok(Which::To(owned(host), rest));
    }
    match text.rsplit_once(':') {
        Some(("", number)) => Ok(Which::To(None, Some(port(number)?))),
        Some((host, number)) => Ok(Which::To(owned(host), Some(port(number)?))),
        None => Ok(Which::To(owned(text), None)),
    }
}

impl FromStr for MetricsTo {
    type Err = String;

    fn from_str(text: &str) -> Result<MetricsTo, String> {
        if let Some(port) = text.strip_prefix(':').or(text.strip_prefix("localhost:")) {
            let port = port.parse().map_err(|_| format!("{port} is no port"))?;
            return Ok(MetricsTo::Served(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        Ok(match text.parse() {
            Ok(address) => MetricsTo::Served(address),
            Err(_) => MetricsTo::File(PathBuf::from(text)),
        })
    }
}

/// A duration that is not zero.
pub(super) fn positive(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// Octets of a buffer: at least one, at most 1 GiB.
pub(super) fn buffer(text: &str) -> Result<u32, String> {
    match u32::try_from(units::octets(text)?) {
        Ok(octets @ 1..) => Ok(octets),
        _ => Err("it must hold at least 1B".to_owned()),
    }
}

/// Name and value of a variable.
pub(super) fn variable(text: &str) -> Result<(OsString, OsString), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
            Ok((name.into(), value.into()))
        }
        _ => Err("write it like NAME=VALUE".to_owned()),
    }
}

/// Path below `/proc/sys/net` and value.
pub(super) fn sysctl(text: &str) -> Result<(String, String), String> {
    const HOW: &str = "write it like net.ipv4.tcp_sack=0";
    let (name, value) = text.split_once('=').ok_or(HOW)?;
    let path = name.replace('.', "/");
    let path = path.strip_prefix("net/").ok_or(HOW)?;
    let fair = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_name = |part: &str| !part.is_empty() && part.chars().all(fair);
    match path.split('/').all(is_name) {
        true => Ok((path.to_owned(), value.trim().to_owned())),
        false => Err(HOW.to_owned()),
    }
}
