//! Where octets wait: to be sent or acknowledged, to be read, to be put in order.

pub(crate) mod assembler;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod size;
#[cfg(test)]
mod tests;
