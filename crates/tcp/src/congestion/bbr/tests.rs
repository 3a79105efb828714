//! Each state and each transition, by the draft's own sections. The path is 1,000,000 octets a
//! second and 100 ms: 100 segments of 1,000 octets.

use super::probe_bw::AckPhase;
use super::*;
use handfast_wire::SeqNumber;
use std::vec::Vec;

const MSS: u32 = 1_000;
const BW: u64 = 1_000_000;
const BDP: u32 = 100_000;
const RTT: Duration = Duration::from_millis(100);
const SEQ: SeqNumber = SeqNumber(77);

struct Bench {
    bbr: Bbr,
    w: CongestionWindow,
    now: Instant,
    delivered: u64,
    /// C.delivered when the round under way began.
    round: u64,
    in_flight: u32,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            bbr: Bbr::default(),
            w: CongestionWindow {
                cwnd: 10_000,
                ssthresh: u32::MAX,
                mss: MSS,
            },
            now: Instant::from_secs(100),
            delivered: 1,
            round: 1,
            in_flight: 10_000,
        }
    }

    /// What `change` leaves of the sample of a round trip in which `rate` was delivered.
    fn round(&mut self, rate: u64, change: impl FnOnce(&mut RateSample)) {
        self.now += RTT;
        let octets = rate / 10;
        let prior = core::mem::replace(&mut self.round, self.delivered + octets);
        self.delivered += octets;
        self.sample(octets, prior, change);
    }

    /// An acknowledgment of one segment amid a round trip.
    fn ack(&mut self, change: impl FnOnce(&mut RateSample)) {
        self.delivered += u64::from(MSS);
        self.sample(u64::from(MSS), 0, change);
    }

    fn sample(&mut self, octets: u64, prior: u64, change: impl FnOnce(&mut RateSample)) {
        let mut sample = RateSample {
            now: self.now,
            newly_acked: octets as u32,
            delivered: self.delivered,
            in_flight: self.in_flight,
            rtt: Some(RTT),
            min_rtt: RTT,
            cwnd_limited: false,
            app_limited: false,
            in_recovery: false,
            selective: true,
            snd_nxt: SEQ,
            delivery: Some(Delivery {
                octets,
                interval: RTT,
                prior_delivered: prior,
                tx_in_flight: self.in_flight,
                lost: 0,
                app_limited: false,
            }),
        };
        change(&mut sample);
        self.bbr.on_sample(&mut self.w, &sample);
    }

    fn rounds(&mut self, count: usize, rate: u64) {
        (0..count).for_each(|_| self.round(rate, |_| {}));
    }

    /// A segment is lost of which `lost` octets were lost in its round trip, itself included.
    fn lose(&mut self, at: u32, lost: u32, tx_in_flight: u32) {
        let packet = LostPacket {
            start: SEQ + at,
            end: SEQ + at + MSS,
            tx_in_flight,
            lost,
            prior_delivered: self.round,
            delivered: self.delivered,
            app_limited: false,
        };
        self.bbr.on_packet_lost(&self.w, &packet, self.now);
    }

    /// In Drain, with the whole path filled.
    fn full() -> Bench {
        let mut b = Bench::new();
        for rate in [100_000, 200_000, 400_000, 800_000] {
            b.round(rate, |_| {});
        }
        b.in_flight = 2 * BDP;
        b.rounds(4, BW);
        assert_eq!(b.bbr.state, State::Drain);
        b
    }

    /// In ProbeBW_DOWN.
    fn down() -> Bench {
        let mut b = Bench::full();
        b.rounds(4, BW);
        assert_eq!(b.bbr.state, State::Down);
        b
    }

    /// In ProbeBW_CRUISE.
    fn cruising() -> Bench {
        let mut b = Bench::down();
        b.in_flight = BDP - MSS;
        b.ack(|_| {});
        assert_eq!(b.bbr.state, State::Cruise);
        b
    }

    /// In ProbeBW_UP.
    fn up() -> Bench {
        let mut b = Bench::cruising();
        b.until(State::Up);
        b
    }

    fn until(&mut self, state: State) {
        for _ in 0..100 {
            if self.bbr.state == state {
                return;
            }
            let in_flight = self.in_flight.min(self.w.cwnd);
            self.round(BW, |s| s.in_flight = in_flight);
        }
        panic!("{:?} for ever", self.bbr.state);
    }

    fn pacing_rate(&self) -> u64 {
        self.bbr.pacing_rate(&self.w, RTT).unwrap()
    }
}

fn with(sample: &mut RateSample, change: impl FnOnce(&mut Delivery)) {
    change(sample.delivery.as_mut().unwrap());
}

// ---- 5.3.1 Startup --------------------------------------------------------------------------

#[test]
fn s5_6_2_the_first_flight_is_paced_at_2_77_windows_a_round_trip() {
    let b = Bench::new();
    assert_eq!(b.pacing_rate(), 277_000);
    assert_eq!(b.bbr.pacing_rate(&b.w, Duration::ZERO), Some(27_700_000));
}

#[test]
fn s5_3_1_startup_paces_at_2_77_and_has_twice_the_product_in_flight() {
    let mut b = Bench::new();
    b.rounds(1, 400_000);
    assert_eq!(b.bbr.state, State::Startup);
    assert_eq!(b.pacing_rate(), 400_000 * 277 / 100 * 99 / 100);
    // The window grows by what is acknowledged, until it is beyond what the model asks for.
    assert_eq!(b.w.cwnd, 50_000);
    b.rounds(1, 400_000);
    assert_eq!(b.w.cwnd, 90_000);
    b.ack(|_| {});
    assert!(b.w.cwnd <= 91_000 + 40_000, "{}", b.w.cwnd);
}

#[test]
fn s5_3_1_2_three_rounds_without_a_quarter_more_mean_a_full_pipe() {
    let mut b = Bench::new();
    b.rounds(1, 400_000);
    b.rounds(2, 490_000);
    // Enough more: counting begins again.
    b.rounds(1, 500_000);
    b.rounds(2, 600_000);
    assert_eq!(b.bbr.state, State::Startup);
    // What the application limits says nothing.
    for _ in 0..5 {
        b.round(300_000, |s| with(s, |d| d.app_limited = true));
    }
    assert_eq!(b.bbr.state, State::Startup);
    b.in_flight = 2 * BDP;
    b.rounds(1, 600_000);
    assert!(b.bbr.full.reached);
    assert_eq!(b.bbr.state, State::Drain);
}

#[test]
fn s5_3_1_3_six_ranges_and_two_hundredths_lost_in_a_round_of_recovery_end_startup() {
    for (ranges, lost, ends) in [(6, 6_000, true), (5, 6_000, false), (6, 2_000, false)] {
        let mut b = Bench::new();
        for rate in [100_000, 200_000, 400_000, 800_000] {
            b.round(rate, |_| {});
        }
        b.in_flight = BDP;
        for i in 0..ranges {
            b.lose(i * 3 * MSS, lost, BDP);
        }
        // Neighbours are one range.
        b.lose((ranges - 1) * 3 * MSS + MSS, lost, BDP);
        b.round(1_000_000, |s| {
            s.in_recovery = true;
            with(s, |d| d.lost = lost);
        });
        assert_eq!(b.bbr.state == State::Drain, ends, "{ranges} {lost}");
        if ends {
            assert_eq!(b.bbr.inflight_longterm, 100_000);
            // 5.5.11: unless it was none.
            let before = b.w;
            b.bbr.on_spurious_loss(&mut b.w, &before);
            assert_eq!(b.bbr.state, State::Startup);
            assert_eq!(b.bbr.inflight_longterm, INFINITE);
        }
    }
}

// ---- 5.3.2 Drain ----------------------------------------------------------------------------

#[test]
fn s5_3_2_drain_ends_when_the_queue_is_gone_or_after_three_rounds() {
    let mut b = Bench::full();
    assert_eq!(b.pacing_rate(), BW / 2 * 99 / 100);
    b.in_flight = BDP + MSS;
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::Drain);
    b.in_flight = BDP;
    b.ack(|_| {});
    // Nothing has queued up, so DOWN is over at once.
    assert_eq!(b.bbr.state, State::Cruise);
    let mut b = Bench::full();
    b.rounds(3, BW);
    assert_eq!(b.bbr.state, State::Drain);
    b.rounds(1, BW);
    assert_eq!(b.bbr.state, State::Down);
}

// ---- 5.3.3 ProbeBW --------------------------------------------------------------------------

#[test]
fn s5_3_3_1_down_ends_with_headroom_and_without_a_queue() {
    let mut b = Bench::down();
    assert_eq!(b.pacing_rate(), 891_000);
    b.bbr.inflight_longterm = 100_000;
    b.in_flight = 85_001;
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::Down);
    b.in_flight = 85_000;
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::Cruise);
    assert_eq!(b.w.cwnd, 85_000);
}

/// Not the draft's: of a queue no more is kept than 60 hundredths of inflight_longterm, nor of the path
/// more than a tenth above the bandwidth-delay product, whichever is more.
#[test]
fn s5_3_3_2_headroom_leaves_the_queue_to_others_but_fills_the_path() {
    for (longterm, kept) in [
        (100_000, 85_000),  // no queue: 15 % is left
        (123_000, 104_550), // nearly the same
        (150_000, 105_000), // a queue of half a product, and nearly all of it
        (210_000, 105_000),
        (240_000, 120_000), // a long one: part of it stays
        (INFINITE, INFINITE),
    ] {
        let mut b = Bench::cruising();
        b.bbr.inflight_longterm = longterm;
        assert_eq!(b.bbr.inflight_with_headroom(&b.w), kept, "{longterm}");
    }
}

#[test]
fn s5_3_3_2_cruise_lasts_two_to_three_seconds_or_as_reno_would() {
    let mut b = Bench::cruising();
    assert_eq!(b.pacing_rate(), 990_000);
    let began = b.now;
    b.until(State::Refill);
    let cruised = b.now.since(began);
    assert!(cruised > Duration::from_secs(2) && cruised <= Duration::from_millis(3_100));
    // A small window: as many rounds as it has segments, or one less.
    let mut b = Bench::cruising();
    b.w.cwnd = 8 * MSS;
    let began = b.now;
    for _ in 0..40 {
        b.round(BW, |s| s.newly_acked = 0);
        if b.bbr.state != State::Cruise {
            break;
        }
        b.w.cwnd = 8 * MSS;
    }
    let rounds = b.now.since(began).as_millis() / 100;
    assert_eq!(b.bbr.state, State::Refill);
    assert!((7..=8).contains(&rounds), "{rounds}");
}

#[test]
fn s5_3_3_3_refill_forgets_the_short_term_and_lasts_one_round() {
    let mut b = Bench::cruising();
    b.bbr.short = ShortTerm {
        bw: BW / 2,
        inflight: 50_000,
    };
    b.until(State::Refill);
    assert_eq!(b.bbr.short, ShortTerm::NONE);
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::Refill);
    b.rounds(1, BW);
    assert_eq!(b.bbr.state, State::Up);
    assert!(b.bbr.probing.is_sample);
    assert_eq!(b.pacing_rate(), 1_237_500);
}

#[test]
fn s5_3_3_4_up_ends_when_no_more_comes_of_it() {
    let mut b = Bench::up();
    b.rounds(2, BW);
    assert_eq!(b.bbr.state, State::Up);
    b.rounds(1, BW);
    assert_eq!(b.bbr.state, State::Down);
    assert!(!b.bbr.probing.too_high);
    // 5.5.6: a round later another cycle of the filter begins.
    b.rounds(1, BW / 2);
    assert_eq!(b.bbr.probing.ack_phase, AckPhase::Init);
    assert_eq!(b.bbr.max_bw.get(), BW);
}

#[test]
fn s5_3_3_4_up_raises_inflight_longterm_by_1_2_4_segments_a_round() {
    let mut b = Bench::up();
    b.bbr.inflight_longterm = u64::from(b.w.cwnd) / 2;
    let mut grown = Vec::new();
    for _ in 0..4 {
        let before = b.bbr.inflight_longterm;
        for _ in 0..10 {
            b.delivered += 10_000;
            b.w.cwnd = b.bbr.inflight_longterm as u32;
            b.sample(10_000, 0, |s| s.cwnd_limited = true);
        }
        b.delivered += 1;
        b.round = b.delivered;
        b.round(BW, |s| {
            s.newly_acked = 0;
            s.cwnd_limited = true;
        });
        grown.push((b.bbr.inflight_longterm - before) / u64::from(MSS));
    }
    assert_eq!(b.bbr.state, State::Up);
    assert!(
        grown.windows(2).all(|g| g[1] >= g[0]) && grown[3] >= 4,
        "{grown:?}"
    );
}

#[test]
fn s5_5_10_2_more_than_two_hundredths_lost_while_probing_bound_what_is_in_flight() {
    let mut b = Bench::up();
    b.lose(0, 2_400, 120_000);
    assert_eq!(b.bbr.state, State::Up);
    // Before this segment 119,000 were in flight and 1,900 lost: 2 % are 489 octets away.
    b.lose(MSS, 2_900, 120_000);
    assert_eq!(b.bbr.state, State::Down);
    assert_eq!(b.bbr.inflight_longterm, 119_000 + 480_000 / 980);
    assert!(b.bbr.probing.too_high && !b.bbr.probing.is_sample);
    // Once a probe.
    b.lose(2 * MSS, 50_000, 120_000);
    assert!(b.bbr.inflight_longterm > 119_000);
}

#[test]
fn s5_3_3_5_after_a_probe_too_high_the_next_is_cut_short_and_followed_by_another() {
    let mut b = Bench::up();
    b.lose(0, 5_000, 120_000);
    let longterm = b.bbr.inflight_longterm;
    b.in_flight = 80_000;
    b.until(State::Up);
    b.in_flight = longterm as u32;
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::Down);
    // A round of feedback without loss: again, and now for as long as it takes.
    b.rounds(2, BW);
    assert_eq!(b.bbr.state, State::Refill);
    b.until(State::Up);
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::Up);
}

// ---- Rivals: beyond the draft ---------------------------------------------------------------------

/// In ProbeBW_DOWN, after a probe that lost some, with round trips so long.
fn overflowed(rtt: Duration) -> Bench {
    let mut b = Bench::up();
    b.ack(|s| s.rtt = Some(rtt));
    b.lose(0, 2_500, 120_000);
    b.lose(MSS, 6_000, 120_000);
    assert_eq!(b.bbr.state, State::Down);
    b
}

/// 117 segments: cbrt(117) = 4.9 s, and up to one more. Without a queue two to three, or 63
/// round trips.
#[test]
fn after_a_probe_that_filled_the_queue_a_rival_has_the_time_that_cubic_needs() {
    use super::rival::respite;
    assert_eq!(respite(417), Duration::from_millis(7_471));
    assert_eq!(respite(83), Duration::from_millis(4_362));
    assert_eq!(respite(u64::MAX), Duration::from_secs(10));
    for (rtt, from, to) in [(2 * RTT, 4_890, 5_900), (RTT * 3 / 2, 2_000, 3_000)] {
        let wait = overflowed(rtt).bbr.probing.wait.as_millis();
        assert!((from..=to).contains(&wait), "{rtt:?}: {wait} ms");
    }
}

#[test]
fn a_queue_that_was_longer_is_not_full() {
    let mut b = Bench::up();
    b.ack(|s| s.rtt = Some(RTT * 5 / 2));
    b.ack(|s| s.rtt = Some(2 * RTT));
    b.lose(0, 1_000, 120_000);
    assert_eq!(b.bbr.state, State::Up);
    b.lose(MSS, 6_000, 120_000);
    assert!(b.bbr.state == State::Down && !b.bbr.probing.respite);
    // A burst of Startup's own may have taken a tenth more.
    let mut b = Bench::up();
    b.ack(|s| s.rtt = Some(RTT * 22 / 10));
    b.ack(|s| s.rtt = Some(2 * RTT));
    b.lose(0, 1_000, 120_000);
    assert!(b.bbr.state == State::Down && b.bbr.probing.respite);
}

#[test]
fn with_a_queue_half_a_hundredth_lost_ends_a_probe() {
    for (rtt, state) in [(RTT, State::Up), (2 * RTT, State::Down)] {
        let mut b = Bench::up();
        b.ack(|s| s.rtt = Some(rtt));
        b.lose(0, 600, 120_000);
        assert_eq!(b.bbr.state, State::Up);
        b.lose(MSS, 601, 120_000);
        assert_eq!(b.bbr.state, state);
    }
}

#[test]
fn a_respite_ends_where_losses_leave_the_path_idle() {
    for (lossy, from, to) in [(true, 2_000, 3_100), (false, 4_300, 6_000)] {
        let mut b = overflowed(2 * RTT);
        let began = b.now;
        b.rounds(2, BW);
        b.in_flight = BDP / 4;
        while b.bbr.state != State::Refill {
            b.round(BW / 2, |_| {});
            if lossy {
                b.lose(0, MSS, BDP);
            }
        }
        let waited = b.now.since(began).as_millis();
        assert!((from..=to).contains(&waited), "{lossy}: {waited} ms");
    }
}

/// ProbeRTT in between neither ends a respite nor begins it anew.
#[test]
fn a_respite_outlasts_probe_rtt() {
    let mut b = overflowed(2 * RTT);
    let began = b.now;
    b.in_flight = BDP / 4;
    b.now += Duration::from_millis(2_200);
    while b.bbr.state != State::ProbeRtt {
        b.round(BW / 4, |_| {});
    }
    b.until(State::Cruise);
    b.until(State::Refill);
    let waited = b.now.since(began);
    assert!(waited > Duration::from_millis(4_300) && waited < Duration::from_millis(7_000));
}

/// What was there before it is not what there is now.
#[test]
fn after_such_a_probe_the_bandwidth_is_what_the_probe_found() {
    for (rtt, bandwidth) in [(2 * RTT, BW * 4 / 5), (RTT, BW)] {
        let mut b = Bench::up();
        b.rounds(2, BW * 4 / 5);
        b.ack(|s| s.rtt = Some(rtt));
        b.lose(0, 6_000, 120_000);
        b.rounds(3, BW / 2);
        assert_eq!(b.bbr.max_bw.get(), bandwidth, "{rtt:?}");
    }
}

// ---- 5.3.4 ProbeRTT -------------------------------------------------------------------------

#[test]
fn s5_3_4_every_five_seconds_the_queue_is_drained_for_200_ms_and_a_round() {
    let mut b = Bench::cruising();
    let cwnd = b.w.cwnd;
    b.now += Duration::from_secs(6);
    b.ack(|s| s.rtt = Some(RTT + RTT));
    assert_eq!(b.bbr.state, State::ProbeRtt);
    assert_eq!((b.w.cwnd, b.pacing_rate()), (BDP / 2, 990_000));
    // Not before as little is in flight.
    b.rounds(3, BW / 2);
    assert_eq!(b.bbr.state, State::ProbeRtt);
    b.in_flight = BDP / 2;
    b.rounds(2, BW / 2);
    assert_eq!(b.bbr.state, State::ProbeRtt);
    b.now += Duration::from_millis(1);
    b.rounds(1, BW / 2);
    assert_eq!(b.bbr.state, State::Cruise);
    assert!(b.w.cwnd >= cwnd);
    // Its low rates were of its own making.
    assert_eq!(b.bbr.max_bw.get(), BW);
    // Ten seconds after it was last seen the smallest round trip counts no more.
    assert_eq!(b.bbr.min_rtt.rtt, RTT);
}

#[test]
fn s5_3_4_4_without_a_full_pipe_startup_goes_on() {
    let mut b = Bench::new();
    b.rounds(2, 100_000);
    b.now += Duration::from_secs(6);
    b.in_flight = 1_000;
    b.ack(|_| {});
    assert_eq!(b.bbr.state, State::ProbeRtt);
    b.rounds(4, 100_000);
    assert_eq!(b.bbr.state, State::Startup);
}

// ---- 5.4 Restarting from idle ---------------------------------------------------------------

#[test]
fn s5_4_after_idling_the_window_stays_and_the_rate_is_the_bandwidth() {
    let mut b = Bench::down();
    let cwnd = b.w.cwnd;
    b.now += Duration::from_secs(7);
    b.bbr.on_start(&mut b.w, true, b.now);
    b.bbr.on_idle_restart(&mut b.w, 10_000);
    assert_eq!((b.w.cwnd, b.pacing_rate()), (cwnd, 990_000));
    // The silence was as good as ProbeRTT.
    b.ack(|_| {});
    assert!(b.bbr.state.is_probe_bw());
    // Of a path of which nothing is known the window is old.
    let mut b = Bench::new();
    b.w.cwnd = 50_000;
    b.bbr.on_idle_restart(&mut b.w, 10_000);
    assert_eq!(b.w.cwnd, 10_000);
}

// ---- 5.5 The model --------------------------------------------------------------------------

#[test]
fn s5_5_5_what_the_application_limits_counts_only_if_it_is_more() {
    let mut b = Bench::cruising();
    b.round(BW * 2, |s| with(s, |d| d.app_limited = true));
    assert_eq!(b.bbr.max_bw.get(), BW * 2);
    // A sample of less time than any round trip takes is none.
    b.round(BW * 4, |s| with(s, |d| d.interval = RTT / 2));
    assert_eq!(b.bbr.max_bw.get(), BW * 2);
}

#[test]
fn s5_5_6_a_bandwidth_is_forgotten_after_two_cycles() {
    let mut filter = MaxFilter::<2>::default();
    filter.update(5);
    filter.advance();
    filter.update(3);
    assert_eq!(filter.get(), 5);
    filter.advance();
    assert_eq!(filter.get(), 3);
    let mut b = Bench::up();
    b.rounds(4, BW / 2);
    b.until(State::Refill);
    b.in_flight = BDP / 2;
    for _ in 0..100 {
        b.round(BW / 2, |_| {});
    }
    assert_eq!(b.bbr.max_bw.get(), BW / 2);
}

#[test]
fn s5_5_9_acknowledgments_that_come_in_bunches_widen_the_window() {
    let mut b = Bench::cruising();
    let cwnd = b.w.cwnd;
    b.now += RTT;
    b.delivered += 150_000;
    b.sample(150_000, 0, |_| {});
    b.rounds(1, BW);
    assert!(b.w.cwnd > cwnd + 30_000, "{}", b.w.cwnd);
}

#[test]
fn s5_5_10_3_a_round_with_a_loss_leaves_no_less_than_seven_tenths() {
    let mut b = Bench::cruising();
    b.lose(0, MSS, BDP);
    b.rounds(2, 900_000);
    assert_eq!(b.bbr.short.bw, BW);
    let mut b = Bench::cruising();
    b.rounds(2, 500_000);
    let cwnd = u64::from(b.w.cwnd);
    b.lose(0, MSS, BDP);
    b.rounds(1, 500_000);
    assert_eq!(b.bbr.short.bw, 700_000);
    assert_eq!(b.bbr.short.inflight, cwnd * 7 / 10);
    assert_eq!(b.pacing_rate(), 693_000);
    // Rounds without a loss change nothing.
    b.rounds(2, 500_000);
    assert_eq!(b.bbr.short.bw, 700_000);
}

/// What was held back by the margin of pacing, or in DOWN, is no finding about the path.
#[test]
fn s5_5_10_3_our_own_restraint_is_not_taken_for_the_path_s() {
    let mut b = Bench::cruising();
    for _ in 0..5 {
        b.rounds(2, 990_000);
        b.lose(0, MSS, BDP);
        b.rounds(1, 990_000);
    }
    assert_eq!(b.bbr.short.bw, BW);
    b.rounds(2, 980_000);
    b.lose(0, MSS, BDP);
    b.rounds(1, 980_000);
    assert_eq!(b.bbr.short.bw, 989_898);
}

#[test]
fn s5_5_11_a_loss_that_was_none_puts_everything_back() {
    let mut b = Bench::up();
    let (before, bounds) = (b.w, b.bbr.short);
    b.lose(0, 5_000, 120_000);
    b.bbr.on_loss(
        &mut b.w,
        &LossEvent {
            now: b.now,
            in_flight: BDP,
            kind: LossKind::FastRetransmit,
        },
    );
    assert_eq!(b.bbr.state, State::Down);
    b.round(BW / 2, |s| s.in_recovery = true);
    b.bbr.on_spurious_loss(&mut b.w, &before);
    assert_eq!((b.w, b.bbr.short), (before, bounds));
    assert_eq!(b.bbr.inflight_longterm, INFINITE);
    assert_eq!(b.bbr.state, State::Refill);
}

// ---- 5.6 Control parameters -----------------------------------------------------------------

#[test]
fn s5_6_4_4_a_timeout_sends_one_segment_and_recovery_restores_the_window() {
    let mut b = Bench::cruising();
    let cwnd = b.w.cwnd;
    let timeout = LossEvent {
        now: b.now,
        in_flight: BDP,
        kind: LossKind::Timeout { repeated: false },
    };
    b.bbr.on_loss(&mut b.w, &timeout);
    assert_eq!(b.w.cwnd, MSS);
    b.in_flight = 0;
    b.ack(|s| s.in_recovery = true);
    assert_eq!(b.w.cwnd, 4 * MSS);
    b.ack(|s| s.in_recovery = true);
    assert_eq!(b.w.cwnd, 5 * MSS);
    b.ack(|_| {});
    assert!(b.w.cwnd >= cwnd && b.w.cwnd <= cwnd + MSS);
}

#[test]
fn s5_6_4_2_the_window_is_no_less_than_three_quanta_and_four_segments() {
    let mut b = Bench::new();
    b.rounds(12, 1_000);
    assert_eq!(b.bbr.max_inflight(&b.w), 6_000);
    b.bbr.pacing_rate = 50_000_000;
    assert_eq!(b.bbr.max_inflight(&b.w), 150_000);
    b.bbr.pacing_rate = 1 << 40;
    assert_eq!(b.bbr.max_inflight(&b.w), 3 << 16);
}

/// What a peer and a path can make it see never makes it overflow, and always leaves a window.
#[test]
fn whatever_it_is_told_it_has_a_window_and_a_rate() {
    for seed in 0..200 {
        let mut dice = handfast_base::Rng::new(seed);
        let mut b = Bench::new();
        for _ in 0..300 {
            let wild = |dice: &mut handfast_base::Rng| dice.next_u64() >> dice.below(64);
            b.now += Duration::from_nanos(wild(&mut dice) >> 16);
            b.in_flight = wild(&mut dice) as u32 >> 2;
            let octets = wild(&mut dice) >> 33;
            b.delivered += octets;
            let prior = b.delivered.saturating_sub(wild(&mut dice) >> 30);
            let (rtt, interval) = (wild(&mut dice) >> 8, wild(&mut dice) >> 8);
            let (lost, flags) = (wild(&mut dice) as u32 >> 1, dice.next_u64());
            b.sample(octets, prior, |s| {
                s.rtt = (flags & 1 == 0).then(|| Duration::from_nanos(rtt));
                s.in_recovery = flags & 2 == 0;
                s.cwnd_limited = flags & 4 == 0;
                s.selective = flags & 8 == 0;
                with(s, |d| {
                    d.interval = Duration::from_nanos(interval);
                    d.lost = lost;
                });
            });
            match dice.below(6) {
                0 => b.lose(octets as u32, lost | MSS, 1 << 20),
                1 => b.bbr.on_start(&mut b.w, flags & 1 == 0, b.now),
                2 => {
                    let before = b.w;
                    b.bbr.on_spurious_loss(&mut b.w, &before);
                }
                _ => {}
            }
            assert!(b.w.cwnd >= 4 * MSS && b.pacing_rate() > 0, "seed {seed}");
            b.w.cwnd = b.w.cwnd.min(1 << 30);
        }
    }
}

// ---- What holds everywhere --------------------------------------------------------------------

#[test]
fn it_asks_for_the_model_s_events_and_without_sack_any_loss_while_probing_is_too_much() {
    assert!(Bbr::default().models_the_path());
    let too_high = super::loss::is_inflight_too_high;
    assert!(too_high(2_001, 100_000, 20, true) && !too_high(2_000, 100_000, 20, true));
    assert!(too_high(1, 100_000, 20, false) && !too_high(0, 100_000, 20, false));
}

#[test]
fn s5_2_3_the_first_pacing_rate_holds_until_the_pipe_is_full_or_more_is_seen() {
    let mut b = Bench::new();
    b.round(10_000, |_| {});
    assert_eq!(b.pacing_rate(), 277_000);
    b.round(200_000, |_| {});
    let faster = b.pacing_rate();
    assert!(faster > 500_000, "{faster}");
    b.round(20_000, |_| {});
    assert_eq!(b.pacing_rate(), faster);
}

#[test]
fn s5_5_8_while_probing_up_two_segments_more_are_in_flight() {
    let b = Bench::up();
    assert_eq!(b.bbr.inflight(&b.w, 100), u64::from(BDP + 2 * MSS));
    let b = Bench::cruising();
    assert_eq!(b.bbr.inflight(&b.w, 100), u64::from(BDP));
}

#[test]
fn s5_6_4_4_in_recovery_the_largest_window_is_saved_and_else_the_last() {
    let mut b = Bench::cruising();
    b.bbr.save_cwnd(200_000);
    b.bbr.save_cwnd(100_000);
    assert_eq!(b.bbr.prior_cwnd, 100_000);
    b.bbr.in_recovery = true;
    b.bbr.save_cwnd(50_000);
    assert_eq!(b.bbr.prior_cwnd, 100_000);
    b.bbr.save_cwnd(150_000);
    assert_eq!(b.bbr.prior_cwnd, 150_000);
    b.bbr.in_recovery = false;
    b.bbr.state = State::ProbeRtt;
    b.bbr.save_cwnd(50_000);
    assert_eq!(b.bbr.prior_cwnd, 150_000);
}

#[test]
fn s5_5_11_2_a_loss_that_was_none_does_not_end_a_probe_of_the_round_trip() {
    for undo in [State::Up, State::Startup] {
        let mut b = Bench::up();
        let before = b.w;
        b.lose(0, 5_000, 120_000);
        b.bbr.loss.undo_state = Some(undo);
        b.bbr.state = State::ProbeRtt;
        b.bbr.on_spurious_loss(&mut b.w, &before);
        assert_eq!(b.bbr.state, State::ProbeRtt);
        assert_eq!(b.bbr.full.reached, undo == State::Up);
    }
}

#[test]
fn s5_3_3_4_up_ends_for_one_that_the_window_limits_too() {
    let mut b = Bench::up();
    for _ in 0..8 {
        let in_flight = b.in_flight.min(b.w.cwnd);
        b.round(BW, |s| (s.in_flight, s.cwnd_limited) = (in_flight, true));
    }
    assert_ne!(b.bbr.state, State::Up);
}

#[test]
fn s5_5_10_3_what_down_holds_back_is_not_taken_for_the_path_s() {
    let mut b = Bench::down();
    b.in_flight = 2 * BDP;
    b.rounds(2, 891_000);
    b.lose(0, MSS, BDP);
    b.rounds(1, 891_000);
    assert_eq!((b.bbr.state, b.bbr.short.bw), (State::Down, BW));
}
