//! Packet formats of the handfast TCP/IP stack: views and validated values.
