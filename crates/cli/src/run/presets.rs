//! Links that people know, as impairments.
//!
//! Each figure has its source; a delay is half of the round trip that the source gives, so that
//! both ways together make it up.

use clap::ValueEnum;
use handfast_base::Duration;

use super::impairment_arguments::Quantities;
use super::units::QueueLength;

/// A link that people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Mobile, third generation: 1.6 mbit down, 768 kbit up, 150 ms each way
    // WebPageTest's profile "3G": 1.6 Mbps/768 Kbps, 300 ms RTT (www/settings/connectivity.ini).
    #[value(name = "3g")]
    ThirdGeneration,
    /// Early DSL: 1.5 mbit down, 384 kbit up, 25 ms each way
    // WebPageTest's profile "DSL": 1.5 Mbps/384 Kbps, 50 ms RTT (the same file).
    Dsl,
    /// Geostationary satellite: 18 mbit down, 3.4 mbit up, 315 ms each way
    // Viasat's medians of the second quarter of 2021, as Ookla has them: 18.13/3.38 Mbps, 630 ms.
    // Of that, propagation alone takes up to 279 ms each way (RFC 2488, section 2). No loss:
    // forward error correction hides it.
    Satellite,
    /// Wireless LAN at the edge of its reach: 30 mbit down, 15 mbit up, 2 ms ± 2 ms each way, 3 %
    /// lost in runs of 2
    // Rates and delay: the profile "Wi-Fi" of Firefox's network monitor, 30/15 Mbps, 2 ms. That
    // losses come in runs: Carvalho, Angeja and Navarro, IEEE Transactions on Consumer Electronics
    // 51(3), 2005, measured that of 802.11g. How many is our choice for a bad place: what remains
    // when the layer below gives up repeating.
    LossyWifi,
}

impl Preset {
    /// What it does from the program to us, and from us to the program.
    pub fn quantities(self) -> [Quantities; 2] {
        let millis = |n| Some(Duration::from_millis(n));
        let link = |kilobits: u64, delay: u64| Quantities {
            rate: Some(kilobits * 1_000),
            delay: millis(delay),
            queue: Some(QueueLength::BandwidthDelay(1.0)),
            ..Quantities::default()
        };
        let wifi = |kilobits| Quantities {
            jitter: millis(2),
            loss: Some(0.03),
            burst: Some(2.0),
            // A product of so short a delay would be a handful of packets.
            queue: Some(QueueLength::Packets(100)),
            ..link(kilobits, 2)
        };
        match self {
            Preset::ThirdGeneration => [link(768, 150), link(1_600, 150)],
            Preset::Dsl => [link(384, 25), link(1_500, 25)],
            Preset::Satellite => [link(3_400, 315), link(18_000, 315)],
            Preset::LossyWifi => [wifi(15_000), wifi(30_000)],
        }
    }
}
