//! Deterministic network simulation of the handfast stack on virtual time.
