//! DCTCP (RFC 8257): the window shrinks by as much as was marked.

use super::reno::Reno;
use super::{AckEvent, CongestionControl, CongestionWindow, Feedback, LossEvent, LossKind};
use handfast_wire::SeqNumber;

/// One, in the unit of alpha.
const ONE: u32 = 1 << 20;
/// g = 1/16, the weight of the newest window (4.2).
const G: u32 = 16;

/// DCTCP: grows as Reno does, and for marks gives up half of the share that is marked.
#[derive(Debug)]
pub struct Dctcp {
    reno: Reno,
    /// DCTCP.Alpha: the smoothed share of octets marked, in parts of [`ONE`].
    alpha: u32,
    /// DCTCP.BytesAcked and DCTCP.BytesMarked of this observation window.
    acked: u64,
    marked: u64,
    /// DCTCP.WindowEnd.
    window_end: Option<SeqNumber>,
}

impl Default for Dctcp {
    fn default() -> Dctcp {
        Dctcp {
            reno: Reno::default(),
            // Conservative until something is known (3.3).
            alpha: ONE,
            acked: 0,
            marked: 0,
            window_end: None,
        }
    }
}

impl CongestionControl for Dctcp {
    fn name(&self) -> &'static str {
        "dctcp"
    }

    fn on_ack(&mut self, w: &mut CongestionWindow, ack: &AckEvent) {
        self.reno.on_ack(w, ack);
    }

    fn on_feedback(&mut self, _w: &mut CongestionWindow, f: &Feedback) {
        self.acked += u64::from(f.acked);
        self.marked += u64::from(f.marked.min(f.acked));
        let end = *self.window_end.get_or_insert(f.snd_nxt);
        if !f.snd_una.after(end) {
            return;
        }
        // 3.3: alpha = alpha (1 - g) + g M, with M the share of this window.
        let share = self.marked * u64::from(ONE) / self.acked.max(1);
        self.alpha = self.alpha - self.alpha.div_ceil(G) + share as u32 / G;
        self.alpha = self.alpha.min(ONE);
        (self.acked, self.marked) = (0, 0);
        self.window_end = Some(f.snd_nxt);
    }

    fn on_loss(&mut self, w: &mut CongestionWindow, loss: &LossEvent) {
        if loss.kind != LossKind::Ecn {
            // 3.4: losses as any other TCP.
            return self.reno.on_loss(w, loss);
        }
        // 3.3: cwnd = cwnd (1 - alpha / 2).
        let cut = u64::from(w.cwnd) * u64::from(self.alpha) / u64::from(2 * ONE);
        let rest = (w.cwnd - cut as u32).max(2 * w.mss);
        w.cwnd = w.cwnd.min(rest);
        w.ssthresh = rest;
    }

    fn on_recovery_exit(&mut self, w: &mut CongestionWindow, in_flight: u32) {
        self.reno.on_recovery_exit(w, in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_base::Instant;

    fn play(shares: &[u32]) -> (Dctcp, CongestionWindow) {
        let mut w = CongestionWindow {
            cwnd: 100_000,
            ssthresh: 100_000,
            mss: 1_000,
        };
        let mut dctcp = Dctcp::default();
        let mut una = SeqNumber(0);
        for marked in shares {
            // A window of 100 segments, of which the last `marked` came marked.
            for i in 0..100 {
                una += 1_000;
                let feedback = Feedback {
                    acked: 1_000,
                    marked: if i >= 100 - marked { 1_000 } else { 0 },
                    snd_una: una,
                    snd_nxt: una + 100_000,
                };
                dctcp.on_feedback(&mut w, &feedback);
            }
        }
        (dctcp, w)
    }

    fn mark(dctcp: &mut Dctcp, w: &mut CongestionWindow) {
        let loss = LossEvent {
            now: Instant::from_secs(1),
            in_flight: w.cwnd,
            kind: LossKind::Ecn,
        };
        dctcp.on_loss(w, &loss);
    }

    #[test]
    fn before_anything_is_known_a_mark_halves() {
        let (mut dctcp, mut w) = play(&[]);
        mark(&mut dctcp, &mut w);
        assert_eq!((w.cwnd, w.ssthresh), (50_000, 50_000));
    }

    #[test]
    fn the_window_shrinks_by_half_of_the_share_that_is_marked() {
        for (share, least, most) in [
            (0, 99_990, 100_000),
            (10, 94_500, 95_500),
            (40, 79_500, 80_500),
            (100, 50_000, 50_100),
        ] {
            let (mut dctcp, mut w) = play(&[share; 200]);
            mark(&mut dctcp, &mut w);
            assert!((least..=most).contains(&w.cwnd), "{share}: {}", w.cwnd);
        }
    }

    #[test]
    fn alpha_forgets_a_sixteenth_each_window() {
        let (dctcp, _) = play(&[0; 12]);
        // The first windows to end do so one segment late.
        let expected = (0..11).fold(1.0, |alpha, _| alpha * 15.0 / 16.0);
        let alpha = f64::from(dctcp.alpha) / f64::from(ONE);
        assert!((alpha - expected).abs() < 0.001, "{alpha} {expected}");
    }

    #[test]
    fn a_loss_halves_whatever_was_marked() {
        let (mut dctcp, mut w) = play(&[0; 100]);
        let loss = LossEvent {
            now: Instant::from_secs(1),
            in_flight: 100_000,
            kind: LossKind::FastRetransmit,
        };
        dctcp.on_loss(&mut w, &loss);
        assert_eq!(w.cwnd, 50_000);
    }

    #[test]
    fn marks_leave_two_segments() {
        let (mut dctcp, mut w) = play(&[100; 3]);
        for _ in 0..50 {
            mark(&mut dctcp, &mut w);
        }
        assert_eq!(w.cwnd, 2_000);
    }
}
