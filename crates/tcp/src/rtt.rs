use handfast_base::Duration;

/// Smoothed round-trip time (RFC 6298, section 2), in microseconds.
///
/// Samples saturate before any arithmetic, so that zero or absurd ones do no harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RttEstimator {
    /// SRTT in eighths of a microsecond; 0 before the first sample.
    srtt_8: u32,
    /// RTTVAR in quarters of a microsecond.
    rttvar_4: u32,
    /// Smallest sample; 0 before the first.
    min: u32,
}

/// Samples beyond this many microseconds are cut: no path takes longer than RTO's maximum.
const SAMPLE_LIMIT: u64 = 120_000_000;

impl RttEstimator {
    /// As another one had it; its smallest sample is not known.
    pub(crate) fn restored(smoothed: Duration, variance: Duration) -> RttEstimator {
        let micros = |d: Duration| d.as_micros().min(u128::from(SAMPLE_LIMIT)) as u32;
        let srtt = micros(smoothed).max(1);
        RttEstimator {
            srtt_8: srtt << 3,
            rttvar_4: micros(variance) << 2,
            min: srtt,
        }
    }

    pub(crate) fn sample(&mut self, rtt: Duration) {
        let r = rtt.as_micros().min(u128::from(SAMPLE_LIMIT)).max(1) as u32;
        self.min = if self.min == 0 { r } else { self.min.min(r) };
        if self.srtt_8 == 0 {
            // (2.2) SRTT <- R, RTTVAR <- R/2
            self.srtt_8 = r << 3;
            self.rttvar_4 = r << 1;
        } else {
            // (2.3) RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R|, then SRTT <- 7/8 SRTT + 1/8 R
            let error = (self.srtt_8 >> 3).abs_diff(r);
            self.rttvar_4 = self.rttvar_4 - (self.rttvar_4 >> 2) + error;
            self.srtt_8 = self.srtt_8 - (self.srtt_8 >> 3) + r;
        }
    }

    /// The sample that made this of `before`; `None`: there was none.
    pub(crate) fn sample_since(&self, before: &RttEstimator) -> Option<Duration> {
        if self == before || !self.has_sample() {
            return None;
        }
        let was = before.srtt_8;
        let sample = match was {
            0 => self.srtt_8 >> 3,
            _ => self.srtt_8.wrapping_sub(was - (was >> 3)),
        };
        Some(Duration::from_micros(sample.into()))
    }

    pub(crate) fn has_sample(&self) -> bool {
        self.srtt_8 != 0
    }

    pub(crate) fn smoothed(&self) -> Duration {
        Duration::from_micros(u64::from(self.srtt_8 >> 3))
    }

    pub(crate) fn variance(&self) -> Duration {
        Duration::from_micros(u64::from(self.rttvar_4 >> 2))
    }

    pub(crate) fn min(&self) -> Duration {
        Duration::from_micros(u64::from(self.min))
    }
}
