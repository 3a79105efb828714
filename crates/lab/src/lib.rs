//! Seeded, repeatable experiments that run the real stack.
