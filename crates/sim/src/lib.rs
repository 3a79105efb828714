//! A network in a box: hosts, links and sockets of the handfast stack on virtual time.
//!
//! A [`Sim`] is single-threaded and deterministic. Its seed decides every chance there is: what a
//! link loses, delays, doubles or damages, and every secret of every stack. Time stands still
//! while anything runs and jumps to whatever happens next, exact to the nanosecond, so that a
//! week of keep-alives passes at once. The stack inside is the shipped one: the same engine, the
//! same sockets, down to the octets on the wire.
//!
//! ```
//! use handfast_sim::handfast::base::Duration;
//! use handfast_sim::handfast::{TcpListener, TcpStream};
//! use handfast_sim::{LinkConfig, Sim};
//!
//! let sim = Sim::new(7);
//! let here = sim.host("here", &["10.0.0.1/24"]);
//! let there = sim.host("there", &["10.0.0.2/24"]);
//! sim.connect(&here, &there, LinkConfig::delay(Duration::from_millis(25)));
//!
//! let net = there.net().clone();
//! sim.spawn(async move {
//!     let listener = TcpListener::bind(&net, "10.0.0.2:80".parse().unwrap()).await?;
//!     let (stream, _) = listener.accept().await?;
//!     stream.write_bytes(&mut "good morning".into()).await
//! });
//! let net = here.net().clone();
//! let read = sim.block_on(async move {
//!     let stream = TcpStream::connect(&net, "10.0.0.2:80".parse().unwrap()).await?;
//!     stream.read_bytes(100).await
//! });
//! assert_eq!(read??, "good morning");
//! assert_eq!(sim.now().as_millis(), 100); // two round trips
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! When something goes wrong, the seed is all that is needed to see it again; [`Sim::record`]
//! then keeps every packet for a ladder or a capture. [`Sim::trace_hash`] tells two runs apart.
//! A run that comes to no end says [who waits for what](Stuck).
#![forbid(unsafe_code)]

mod clock;
pub mod crowd;
mod executor;
mod host;
mod link;
pub mod rivals;
mod sim;
mod stuck;
pub mod swarm;
pub mod transfer;
mod wire_log;

pub use clock::{Clock, Elapsed, Sleep};
pub use executor::{JoinHandle, TaskName};
pub use host::Host;
pub use link::{Link, LinkConfig};
pub use sim::{Handle, Sim};
pub use stuck::{Stuck, StuckTask, Why};
pub use wire_log::Traffic;

pub use handfast;
