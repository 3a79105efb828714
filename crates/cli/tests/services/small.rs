//! The small services.
