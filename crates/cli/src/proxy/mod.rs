//! `handfast proxy`: what this machine routes to a TUN interface is carried on, by way of our own
//! TCP, through a SOCKS5 proxy or another interface.

mod arguments;
mod interface;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use handfast::Host;
use handfast_relay::{
    Direct, Limits, Outbound, Policy, Relay, RelayEvent, RelayObserver, raise_descriptor_limit,
};

pub use arguments::ProxyArguments;

use crate::signals::Signals;
use crate::size;
use crate::terminal::Terminal;

/// The whole of `handfast proxy`: returns when a signal asks for it.
pub fn run(arguments: &ProxyArguments, terminal: Terminal) -> ExitCode {
    match carry(arguments, terminal) {
        Ok(signal) => ExitCode::from(128 + signal as u8),
        Err(why) => {
            eprintln!("handfast: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Carries until a signal comes, and returns its number.
fn carry(arguments: &ProxyArguments, terminal: Terminal) -> Result<i32, String> {
    let outbound = outbound(arguments)?;
    // Fewer connections at once are better than none.
    let _ = raise_descriptor_limit();
    let (tun, name) = interface::open(arguments)?;
    let host = Host::builder()
        .link(tun, [])
        .gateway(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        .gateway(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .start()
        .map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start threads: {e}"))?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(|e| format!("cannot wait for signals: {e}"))?;
        let journal = Arc::new(Journal(Mutex::new(terminal)));
        let way = way(&outbound);
        let relay = Relay::builder(&host.net())
            .policy(policy(arguments))
            .outbound(outbound)
            .limits(Limits::default())
            .observer(journal.clone())
            .start()
            .await
            .map_err(|e| format!("cannot carry on: {e}"))?;
        journal.line(&format!(
            "What is routed to interface {name} is carried on {way}. Ctrl-C ends it."
        ));
        let signal = signals.next().await;
        relay.close().await;
        Ok(signal)
    })
}

/// By which way connections are carried on.
///
/// # Errors
/// When they would come straight back, in one line with a fix.
fn outbound(arguments: &ProxyArguments) -> Result<Outbound, String> {
    let mut own = Direct::default();
    own.bind_interface.clone_from(&arguments.interface);
    own.mark = arguments.mark;
    let bypasses = own != Direct::default();
    match &arguments.socks5 {
        Some(Outbound::Socks5 { proxy, auth, .. }) => {
            if !bypasses && interface::leads_back(&arguments.routes, proxy.ip()) {
                return Err(format!(
                    "the way to the proxy {proxy} would lead through itself; fix: add \
                     --interface NAME or --mark NUMBER, or route less"
                ));
            }
            Ok(Outbound::Socks5 {
                proxy: *proxy,
                auth: auth.clone(),
                direct: own,
            })
        }
        _ if bypasses => Ok(Outbound::Direct(own)),
        _ => Err(
            "what is carried on would come straight back; fix: say by which way it leaves, with \
             --socks5 ADDRESS:PORT, --interface NAME or --mark NUMBER"
                .to_owned(),
        ),
    }
}

fn policy(arguments: &ProxyArguments) -> Policy {
    let mut policy = Policy::default();
    for rule in &arguments.allow {
        policy.allow(rule.clone());
    }
    for rule in &arguments.deny {
        policy.deny(rule.clone());
    }
    policy
}

/// The way in words.
fn way(outbound: &Outbound) -> String {
    let (through, direct) = match outbound {
        Outbound::Socks5 { proxy, direct, .. } => (Some(proxy), direct),
        Outbound::Direct(direct) => (None, direct),
        _ => return "elsewhere".to_owned(),
    };
    let through = through.map(|proxy| format!("through the SOCKS5 proxy {proxy}"));
    let interface = direct.bind_interface.as_ref();
    let interface = interface.map(|name| format!("out of interface {name}"));
    let mark = direct.mark.map(|mark| format!("with the mark {mark}"));
    let all: Vec<String> = [through, interface, mark].into_iter().flatten().collect();
    all.join(" ")
}

/// Says of every connection how it went, when asked to.
struct Journal(Mutex<Terminal>);

impl Journal {
    fn line(&self, text: &str) {
        self.terminal().line(text);
    }

    fn terminal(&self) -> std::sync::MutexGuard<'_, Terminal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayObserver for Journal {
    fn on_event(&self, event: &RelayEvent) {
        let mut terminal = self.terminal();
        if let RelayEvent::PingUnavailable(why) = event {
            terminal.line(why);
        }
        if !terminal.is_verbose() {
            return;
        }
        match event {
            RelayEvent::TcpAsked {
                id,
                program,
                destination,
            } => terminal.line(&format!("#{id} {program} asks for {destination}")),
            RelayEvent::TcpAnswered { id, after } => {
                let after = after.as_secs_f64() * 1e3;
                terminal.line(&format!("#{id} answered after {after:.1} ms"));
            }
            RelayEvent::TcpRefused { id, why } => terminal.line(&format!("#{id} {why}")),
            RelayEvent::TcpClosed(report) => terminal.line(&format!(
                "#{} {}; {} up, {} down in {:.3} s",
                report.id,
                report.end,
                size::format(report.octets_up),
                size::format(report.octets_down),
                report.lasted.as_secs_f64()
            )),
            _ => {}
        }
    }
}
