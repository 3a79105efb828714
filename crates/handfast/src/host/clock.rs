use handfast_base::Instant;
use rustix::time::{ClockId, clock_gettime};

/// The monotonic clock: no step of the wall clock fires a timer or delays one.
pub(super) fn now() -> Instant {
    let t = clock_gettime(ClockId::Monotonic);
    Instant::from_nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}
