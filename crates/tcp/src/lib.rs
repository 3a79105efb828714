//! One TCP connection, sans-IO: RFC 9293 and its extensions.
