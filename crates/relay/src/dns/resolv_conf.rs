//! The file that says how to resolve names (resolv.conf(5)).

use std::fmt::Write;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// What a resolv.conf says. What it says of no known kind is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvConf {
    /// The servers, in the order in which they are to be asked.
    pub nameservers: Vec<IpAddr>,
    /// The domains in which a short name is looked for.
    pub search: Vec<String>,
    /// How many dots a name needs to be looked for as it is, first.
    pub ndots: Option<u32>,
    /// How long a server has to answer. Default 5 s, at most 30 s.
    pub timeout: Duration,
    /// How often all servers are asked. Default 2, at most 5.
    pub attempts: u32,
    /// Whether each question begins with another server.
    pub rotate: bool,
    /// Other options that concern the program alone, as they stand there.
    pub others: Vec<String>,
}

impl Default for ResolvConf {
    /// What an empty file means: the server is on this machine.
    fn default() -> ResolvConf {
        ResolvConf::parse("")
    }
}

impl ResolvConf {
    /// Reads a file. One that does not exist is as good as an empty one.
    ///
    /// # Errors
    /// The system's.
    pub fn read(path: impl AsRef<Path>) -> io::Result<ResolvConf> {
        match fs::read(path.as_ref()) {
            Ok(octets) => Ok(ResolvConf::parse(&String::from_utf8_lossy(&octets))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(ResolvConf::default()),
            Err(e) => Err(e),
        }
    }

    /// Understands the text of a file as the system's resolver does: of `search` and `domain` the
    /// last counts, and what makes no sense is passed over.
    pub fn parse(text: &str) -> ResolvConf {
        let mut conf = ResolvConf {
            nameservers: Vec::new(),
            search: Vec::new(),
            ndots: None,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            others: Vec::new(),
        };
        for line in text.lines() {
            let mut words = line
                .split(['#', ';'])
                .next()
                .unwrap_or("")
                .split_whitespace();
            match words.next() {
                Some("nameserver") => conf.nameservers.extend(words.next().and_then(address)),
                Some("search") => conf.search = words.map(String::from).collect(),
                Some("domain") => conf.search = words.take(1).map(String::from).collect(),
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        if conf.nameservers.is_empty() {
            conf.nameservers.push(Ipv4Addr::LOCALHOST.into());
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let value = value.parse::<u32>().ok();
        match (name, value) {
            ("ndots", Some(value)) => self.ndots = Some(value.min(15)),
            ("timeout", Some(value)) => {
                self.timeout = Duration::from_secs(value.clamp(1, 30).into());
            }
            ("attempts", Some(value)) => self.attempts = value.clamp(1, 5),
            ("rotate", _) => self.rotate = true,
            (
                "edns0"
                | "single-request"
                | "single-request-reopen"
                | "no-tld-query"
                | "use-vc"
                | "trust-ad"
                | "no-aaaa",
                _,
            ) => self.others.push(word.into()),
            _ => {}
        }
    }

    /// The servers' addresses, with the port that is theirs.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let servers = self.nameservers.iter();
        servers.map(|ip| SocketAddr::new(*ip, 53)).collect()
    }

    /// The text of a file that leads to `nameservers` and is like this one in all else that
    /// concerns who asks.
    pub fn with_nameservers(&self, nameservers: &[IpAddr]) -> String {
        let mut text = String::new();
        for server in nameservers {
            let _ = writeln!(text, "nameserver {server}");
        }
        if !self.search.is_empty() {
            let _ = writeln!(text, "search {}", self.search.join(" "));
        }
        let mut options = self.others.clone();
        options.extend(self.ndots.map(|n| format!("ndots:{n}")));
        let seconds = self.timeout.as_secs();
        if seconds != 5 {
            options.push(format!("timeout:{seconds}"));
        }
        if self.attempts != 2 {
            options.push(format!("attempts:{}", self.attempts));
        }
        if !options.is_empty() {
            let _ = writeln!(text, "options {}", options.join(" "));
        }
        text
    }
}

/// An address; one with an interface (`fe80::1%eth0`) is passed over.
fn address(word: &str) -> Option<IpAddr> {
    word.parse().ok()
}
