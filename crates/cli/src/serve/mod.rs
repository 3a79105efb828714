//! `handfast serve DIR`: files over HTTP, over our own TCP.

pub(crate) mod files;
pub(crate) mod http;
mod listing;
pub(crate) mod tree;
