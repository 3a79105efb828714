//! The packetdrill shim.
