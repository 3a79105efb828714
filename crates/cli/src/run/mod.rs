//! `handfast run`: any program over our TCP.

pub mod arguments;
pub mod impairment_arguments;
pub mod ledger;
pub mod metrics;
pub mod options;
pub mod output_file;
pub mod presets;
pub mod recording;
pub mod summary;
pub mod units;
