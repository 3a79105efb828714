//! Relays the TCP, UDP and ping of a handfast stack to the sockets of the machine it runs on.
//!
//! Whoever talks to the stack reaches the world through it: every connection is terminated by the
//! stack's own TCP and carried on by a socket of the machine's, accepted only once the destination
//! has answered.
#![forbid(unsafe_code)]
