//! Two stacks, back to back in memory, on virtual time; each test for both families.

mod addresses;
mod authentication;
mod close;
mod connect;
mod fast_open;
mod foreign;
mod harness;
mod icmp;
mod limits;
mod linger;
mod listener;
mod loopback;
mod lossy;
mod orphans;
mod pending;
mod ping;
mod requirements;
mod snapshot;
mod syn_cookies;
mod time_wait;
mod trace;
mod udp;
