//! `handfast run`: any program over our TCP.

pub mod arguments;
pub mod impairment_arguments;
pub mod options;
pub mod presets;
pub mod units;
