//! The path MTU, as one connection finds it (RFC 1191, 8201, 5927, 4821).

use super::bench::*;
use crate::recovery::Phase;
use crate::{Config, IcmpError, MtuProbing, Path, TcpInfo};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use handfast_base::Duration;
use handfast_wire::SendReason;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A path of one round trip of 10 ms that carries so much and no more, and a peer that acknowledges
/// what arrives, with blocks.
struct Way {
    b: Bench,
    carries: u32,
    /// A router says so, with this MTU.
    tells: bool,
    /// Which octets of our stream have arrived.
    arrived: Vec<bool>,
    una: usize,
    /// How much of the log has left.
    seen: usize,
    queued: usize,
    sack: bool,
}

fn probing(mtu_probing: MtuProbing) -> Config {
    Config {
        mtu_probing,
        nodelay: false,
        ..prompt()
    }
}

impl Way {
    fn new(config: Config, carries: u32) -> Way {
        Way::on(config, PATH, carries, "mss=65535 sackok ws=7")
    }

    fn on(config: Config, path: Path, carries: u32, more: &str) -> Way {
        let sack = more.contains("sackok");
        let mut b = Bench::on(
            Config {
                window_scaling: true,
                ..config
            },
            path,
            ISS,
        );
        b.drain();
        b.advance(10 * MS);
        b.arrive(&format!("SYN ACK seq=-1 {more}"));
        let seen = b.log.len();
        Way {
            b,
            carries,
            tells: false,
            arrived: Vec::new(),
            una: 0,
            seen,
            queued: 0,
            sack,
        }
    }

    fn send(&mut self, len: usize) {
        self.queued += len;
        self.arrived.resize(self.queued, false);
        self.b.send(len);
    }

    /// What has left crosses the path, and what arrives is acknowledged, a round trip later.
    fn turn(&mut self) {
        let ip_header = u32::from(self.b.c.path().ip_header);
        let new: Vec<Sent> = self.b.log[self.seen..].to_vec();
        self.seen = self.b.log.len();
        self.b.advance(10 * MS);
        for sent in new {
            let start = sent.header.seq.distance(self.b.ours) as usize;
            let size = match sent.gso_size {
                0 => sent.text.len(),
                size => usize::from(size),
            };
            let mut at = 0;
            while at < sent.text.len() {
                let len = size.min(sent.text.len() - at);
                let packet = ip_header + sent.header.header_len() as u32 + len as u32;
                if packet > self.carries {
                    if self.tells {
                        let quoted = sent.header.seq + at as u32;
                        let mtu = self.carries;
                        self.b
                            .c
                            .icmp_error(IcmpError::TooBig { mtu }, quoted, self.b.now);
                        self.b.drain();
                    }
                } else {
                    self.arrived[start + at..start + at + len].fill(true);
                    let ack = self.acknowledgment();
                    self.b.arrive(&ack);
                }
                at += len;
            }
        }
    }

    fn acknowledgment(&mut self) -> String {
        let more = self.arrived[self.una..].iter().position(|a| !a);
        self.una = more.map_or(self.queued, |more| self.una + more);
        let una = self.una;
        let mut text = format!("ACK ack={una}");
        let mut at = una;
        let mut blocks = 0;
        while self.sack && blocks < 3 && at < self.queued {
            let Some(left) = self.arrived[at..].iter().position(|a| *a) else {
                break;
            };
            let left = at + left;
            let len = self.arrived[left..].iter().position(|a| !a);
            let right = len.map_or(self.queued, |len| left + len);
            text += &format!(" sack={left}..{right}");
            at = right;
            blocks += 1;
        }
        text
    }

    /// Runs until all has arrived, and returns how long that took.
    fn transfer(&mut self, len: usize) -> Duration {
        let began = self.b.now;
        self.send(len);
        for _ in 0..20_000 {
            self.turn();
            if self.b.c.tcb.snd_una == self.b.ours + self.queued as u32 {
                return self.b.now.since(began);
            }
        }
        panic!("stuck: {:?}", self.b.c);
    }

    fn info(&self) -> TcpInfo {
        self.b.c.info(self.b.now)
    }

    /// Transfers until the search has ended.
    fn search(&mut self) {
        for _ in 0..30 {
            self.transfer(50_000);
            if !self.info().mtu_searching {
                return;
            }
            self.b.advance(20 * SECOND);
        }
        panic!("no end of it: {:?} {:?}", self.probes(), self.b.c);
    }

    fn probes(&self) -> Vec<usize> {
        let probes = self.b.log.iter();
        let probes = probes.filter(|s| s.reason == SendReason::MtuProbe);
        probes.map(|s| s.text.len() + 40).collect()
    }

    fn largest_since(&self, from: usize) -> usize {
        let sent = self.b.log[from..].iter();
        let wire = |s: &Sent| match s.gso_size {
            0 => s.text.len(),
            size => usize::from(size),
        };
        sent.map(wire).max().unwrap_or(0) + 40
    }
}

// ---- routers that speak ----------------------------------------------------------------------

#[test]
fn a_routers_word_is_taken_at_once_while_nothing_as_large_has_arrived() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_280);
    way.tells = true;
    way.transfer(200_000);
    let info = way.info();
    assert_eq!((info.path_mtu, info.timeouts), (1_280, 0));
    assert_eq!(info.ssthresh, u32::MAX, "no congestion (RFC 8201, 5.4)");
    assert_eq!(
        info.announced_mss, 1_460,
        "what we receive is another matter"
    );
}

/// RFC 5927, 7.3.4: the attack on a connection that makes progress.
#[test]
fn a_claim_about_what_has_arrived_is_ignored_while_there_is_progress() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_500);
    way.transfer(100_000);
    way.send(100_000);
    for mtu in [68, 296, 576, 1_280, 1_499] {
        let quoted = way.b.c.tcb.snd_una;
        let c = &mut way.b.c;
        assert!(c.icmp_error(IcmpError::TooBig { mtu }, quoted, way.b.now));
    }
    way.b.drain();
    way.transfer(100_000);
    let info = way.info();
    assert_eq!((info.path_mtu, info.retransmissions), (1_500, 0));
}

#[test]
fn a_claim_that_the_timer_confirms_is_true_and_no_congestion() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_500);
    way.transfer(100_000);
    let before = way.info();
    way.carries = 1_400;
    way.tells = true;
    way.transfer(100_000);
    let info = way.info();
    assert_eq!((info.path_mtu, info.timeouts), (1_400, 1));
    assert_eq!(info.ssthresh, before.ssthresh);
}

#[test]
fn a_claim_of_hardly_any_path_waits_for_the_timer_even_at_first() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 296);
    way.tells = true;
    way.send(1_400);
    way.turn();
    assert_eq!(way.info().path_mtu, 1_500);
    way.transfer(20_000);
    assert_eq!(way.info().path_mtu, 296);
    assert_eq!(way.largest_since(way.b.log.len() - 10), 296);
}

#[test]
fn a_claim_about_a_packet_that_would_have_fit_is_ignored() {
    let mut b = Bench::established(probing(MtuProbing::Off), "mss=1460");
    b.send(100);
    b.c.icmp_error(IcmpError::TooBig { mtu: 1_400 }, b.ours, b.now);
    assert_eq!(b.c.path().pmtu(), 1_500);
}

/// RFC 1191, 6.4: several messages for one burst repeat it once.
#[test]
fn a_burst_that_was_too_big_goes_out_again_once() {
    let mut b = Bench::established(probing(MtuProbing::Off), "mss=1460");
    b.send(14_000);
    b.sent();
    for n in 0..9 {
        b.c.icmp_error(IcmpError::TooBig { mtu: 1_280 }, b.ours + n * 1_460, b.now);
        b.drain();
    }
    let text: usize = b.log[3..].iter().map(|s| s.text.len()).sum();
    assert!(text <= 28_000 + 1_460, "{text}");
    let repeated = b.log.iter().filter(|s| s.reason.is_retransmission());
    let reasons: Vec<_> = repeated.map(|s| s.reason).collect();
    assert!(reasons.len() > 5, "{reasons:?}");
    assert!(
        reasons.iter().all(|&r| r == SendReason::TooBig),
        "{reasons:?}"
    );
}

// ---- what has become old ---------------------------------------------------------------------

#[test]
fn without_probing_an_old_estimate_gives_way_to_the_first_links() {
    let mut way = Way::new(probing(MtuProbing::Off), 1_280);
    way.tells = true;
    way.transfer(50_000);
    way.b.advance(9 * MINUTE);
    way.transfer(50_000);
    assert_eq!(way.info().path_mtu, 1_280, "no sooner");
    way.carries = 1_500;
    way.b.advance(MINUTE);
    way.transfer(50_000);
    assert_eq!(way.info().path_mtu, 1_500);
    assert_eq!(way.probes(), []);
}

#[test]
fn an_old_estimate_is_raised_by_probes_and_one_is_lost_if_nothing_has_changed() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_280);
    way.transfer(1);
    way.tells = true;
    way.transfer(50_000);
    way.tells = false;
    way.b.advance(10 * MINUTE);
    let before = way.info();
    way.transfer(100_000);
    assert_eq!(
        (way.info().path_mtu, way.info().mtu_probes),
        (1_280, (1, 1))
    );
    assert_eq!(way.info().timeouts, before.timeouts);
    assert_eq!(way.info().ssthresh, before.ssthresh, "no congestion");
    // The path grows; nobody asks for ten minutes.
    way.carries = 1_500;
    way.transfer(100_000);
    assert_eq!(way.info().mtu_probes, (1, 1));
    way.b.advance(10 * MINUTE);
    way.transfer(100_000);
    assert_eq!(way.info().path_mtu, 1_500, "{:?}", way.probes());
}

#[test]
fn an_estimate_may_stand_for_ever() {
    let config = Config {
        mtu_lifetime: Duration::MAX,
        ..probing(MtuProbing::Off)
    };
    let mut way = Way::new(config, 1_280);
    way.tells = true;
    way.transfer(50_000);
    way.carries = 1_500;
    way.b.advance(100_000 * MINUTE);
    way.transfer(50_000);
    assert_eq!(way.info().path_mtu, 1_280);
}

#[test]
fn no_lifetime_is_shorter_than_five_minutes() {
    let config = Config {
        mtu_lifetime: Duration::ZERO,
        ..probing(MtuProbing::Off)
    };
    let mut way = Way::new(config, 1_280);
    way.tells = true;
    way.transfer(50_000);
    way.carries = 1_500;
    way.b.advance(4 * MINUTE);
    way.transfer(50_000);
    assert_eq!(way.info().path_mtu, 1_280);
    way.b.advance(MINUTE);
    way.transfer(50_000);
    assert_eq!(way.info().path_mtu, 1_500);
}

/// The connection that others have told of a path does not take it for older than it is.
#[test]
fn what_others_have_found_out_is_used_from_the_first_segment() {
    let path = Path {
        estimate: 1_280,
        ..PATH
    };
    let mut way = Way::on(
        probing(MtuProbing::BlackHole),
        path,
        1_280,
        "mss=1460 sackok ws=7",
    );
    way.transfer(100_000);
    assert_eq!(
        (way.largest_since(0), way.info().mtu_probes),
        (1_280, (0, 0))
    );
    assert_eq!(way.info().announced_mss, 1_460);
    way.b.advance(11 * MINUTE);
    way.carries = 1_500;
    way.transfer(100_000);
    assert_eq!(way.info().path_mtu, 1_500);
}

// ---- probes ----------------------------------------------------------------------------------

#[test]
fn a_search_from_the_base_finds_what_the_path_carries() {
    for (carries, wanted) in [
        (1_500, 1_500),
        (1_420, 1_420),
        (1_280, 1_280),
        (1_333, 1_320),
    ] {
        for more in ["mss=1460 sackok ws=7", "mss=1460 ws=7"] {
            let config = probing(MtuProbing::Always);
            let mut way = Way::on(config, PATH, carries, more);
            assert_eq!(way.info().path_mtu, 1_024);
            way.search();
            let info = way.info();
            assert!(
                (wanted..=carries).contains(&info.path_mtu),
                "{carries}: {:?}, {info:?}",
                way.probes()
            );
            assert!(!info.mtu_searching);
            assert_eq!(info.timeouts, 0, "{carries} {more}");
            assert_eq!(info.ssthresh, u32::MAX, "a lost probe is no congestion");
        }
    }
}

#[test]
fn a_search_over_jumbo_frames_and_the_largest_of_packets() {
    for mtu in [9_000, 65_535] {
        let path = Path::new(mtu, 20);
        let config = probing(MtuProbing::Always);
        let mut way = Way::on(config, path, mtu, "mss=65535 sackok ws=7");
        way.transfer(1_000_000);
        assert_eq!(way.info().path_mtu, mtu, "{:?}", way.probes());
    }
}

/// RFC 4821, 7.2: search_high may be limited by what the peer announced.
#[test]
fn nothing_is_tried_that_the_peer_would_not_take() {
    let config = probing(MtuProbing::Always);
    let mut way = Way::on(config, PATH, 1_500, "mss=1360 sackok ws=7");
    way.transfer(1_000_000);
    assert_eq!(way.largest_since(0), 1_400, "{:?}", way.probes());
    assert!(!way.info().mtu_searching);
}

#[test]
fn a_lost_probe_goes_out_again_in_segments_of_the_usual_size_and_the_next_waits() {
    let mut way = Way::new(probing(MtuProbing::Always), 1_024);
    way.send(300_000);
    while way.info().mtu_probes.1 == 0 {
        way.turn();
    }
    let probe = way.b.log.iter().find(|s| s.reason == SendReason::MtuProbe);
    let probe = probe.unwrap().clone();
    assert!(probe.gso_size == 0 && probe.text.len() > 984);
    let again = way.b.log.iter().filter(|s| {
        s.reason != SendReason::MtuProbe
            && s.header
                .seq
                .within(probe.header.seq, probe.text.len() as u32)
    });
    let again: usize = again.map(|s| s.text.len()).sum();
    assert_eq!(again, probe.text.len());
    let info = way.info();
    assert_eq!((info.timeouts, info.ssthresh), (0, u32::MAX));
    let recovery = &way.b.c.active.as_ref().unwrap().recovery;
    assert_eq!(recovery.phase, Phase::Open);
    // As many round trips as there are segments in the window (RFC 4821, 7.6.2).
    let (probes, at) = (way.info().mtu_probes.0, way.b.now);
    let trips = info.cwnd / u32::from(info.snd_mss);
    while way.info().mtu_probes.0 == probes {
        way.turn();
        if way.info().unsent < 100_000 {
            way.send(100_000);
        }
    }
    assert!(way.b.now.since(at) >= 10 * MS * (trips - 2), "{trips}");
}

/// RFC 4821, 7.6.4: then it says nothing about the path, and everything about congestion.
#[test]
fn a_probe_lost_with_others_is_a_loss_like_any_other() {
    let mut way = Way::new(probing(MtuProbing::Always), 1_500);
    way.send(300_000);
    while way.info().mtu_probes.0 == 0 {
        way.turn();
    }
    way.carries = 0;
    way.turn();
    way.carries = 1_500;
    let was = way.info();
    for _ in 0..100 {
        way.turn();
        way.b.advance(10 * MS);
    }
    assert!(way.info().ssthresh < u32::MAX);
    assert_eq!(way.info().mtu_probes.1, 0, "inconclusive: {was:?}");
    way.transfer(600_000);
    assert_eq!(way.info().path_mtu, 1_500);
}

/// RFC 4821, 7.6.2: the message may come before the loss is found.
#[test]
fn a_router_that_refuses_a_probe_names_the_next_and_raises_nothing() {
    let mut way = Way::new(probing(MtuProbing::Always), 1_333);
    way.tells = true;
    way.send(600_000);
    while way.info().mtu_probes.1 == 0 {
        way.turn();
    }
    assert!(way.info().path_mtu < 1_333, "not by its word alone");
    way.search();
    assert_eq!(way.info().path_mtu, 1_333);
    assert_eq!(way.probes().last(), Some(&1_333));
    assert_eq!(way.info().ssthresh, u32::MAX);
}

#[test]
fn a_raise_lets_no_more_octets_out_than_before() {
    let mut way = Way::new(probing(MtuProbing::Always), 1_500);
    way.send(200_000);
    while way.info().path_mtu == 1_024 {
        let before = way.info();
        way.turn();
        let after = way.info();
        let acked = (after.octets_acked - before.octets_acked) as u32;
        assert!(after.cwnd <= before.cwnd + acked, "{before:?} {after:?}");
    }
}

/// Too little to follow it: its loss would cost a timeout.
#[test]
fn a_short_write_is_never_a_probe() {
    let mut way = Way::new(probing(MtuProbing::Always), 1_500);
    for _ in 0..50 {
        way.transfer(2_500);
    }
    assert_eq!(way.info().mtu_probes, (0, 0));
}

#[test]
fn super_segments_follow_the_size_that_a_search_has_found() {
    let path = Path {
        gso_max: 65_535,
        ..PATH
    };
    let config = probing(MtuProbing::Always);
    let mut way = Way::on(config, path, 1_492, "mss=1460 sackok ws=7");
    way.search();
    assert_eq!(way.info().path_mtu, 1_492);
    let from = way.b.log.len();
    way.transfer(100_000);
    let sizes = way.b.log[from..].iter().map(|s| s.gso_size);
    assert_eq!(sizes.max(), Some(1_452));
    assert_eq!(way.info().timeouts, 0);
}

// ---- black holes -----------------------------------------------------------------------------

#[test]
fn segments_that_vanish_without_a_word_become_smaller_at_the_second_timeout() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_280);
    let time = way.transfer(300_000);
    let info = way.info();
    assert_eq!(
        (info.path_mtu, info.timeouts),
        (1_280, 2),
        "{:?}",
        way.probes()
    );
    assert!(time < 3 * SECOND, "{time:?}");
}

#[test]
fn a_proven_size_is_doubted_at_the_third_timeout_and_tried_first_again() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_500);
    way.transfer(300_000);
    // An outage.
    way.carries = 0;
    way.send(100_000);
    while way.info().timeouts < 3 {
        assert_eq!(way.info().path_mtu, 1_500);
        way.turn();
    }
    assert_eq!(way.info().path_mtu, 1_024);
    way.carries = 1_500;
    way.transfer(300_000);
    assert_eq!(way.info().path_mtu, 1_500);
    assert_eq!(way.probes()[0], 1_500);
}

#[test]
fn a_long_outage_does_not_end_in_segments_of_a_few_octets() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_500);
    way.transfer(100_000);
    way.carries = 0;
    way.send(100_000);
    while way.info().timeouts < 9 {
        way.turn();
    }
    assert_eq!(way.info().path_mtu, 512);
    way.carries = 1_500;
    way.transfer(1_000_000);
    assert_eq!(way.info().path_mtu, 1_500, "{:?}", way.probes());
}

#[test]
fn a_hole_below_the_base_is_got_through_too() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 600);
    way.search();
    assert!(
        (576..=600).contains(&way.info().path_mtu),
        "{:?}",
        way.info()
    );
}

#[test]
fn ipv6_falls_to_1280_and_no_further() {
    let path = Path::new(1_500, 40);
    let config = probing(MtuProbing::BlackHole);
    let mut way = Way::on(config, path, 1_300, "mss=1440 sackok ws=7");
    way.transfer(300_000);
    assert!((1_280..=1_300).contains(&way.info().path_mtu));
    way.carries = 0;
    way.send(100_000);
    while way.info().timeouts < 9 {
        way.turn();
    }
    assert_eq!(way.info().path_mtu, 1_280);
}

#[test]
fn small_segments_that_time_out_say_nothing_about_the_path() {
    let mut b = Bench::established(probing(MtuProbing::BlackHole), "mss=1460");
    b.send(400);
    b.advance(60 * SECOND);
    assert!(b.c.info(b.now).timeouts > 5);
    assert_eq!(b.c.path().pmtu(), 1_500);
}

#[test]
fn who_does_not_want_it_keeps_the_size() {
    let mut b = Bench::established(probing(MtuProbing::Off), "mss=1460");
    b.send(4_000);
    b.advance(60 * SECOND);
    assert_eq!(b.c.path().pmtu(), 1_500);
}

#[test]
fn what_one_connection_finds_out_is_news_once() {
    let mut way = Way::new(probing(MtuProbing::BlackHole), 1_280);
    assert!(!way.b.c.has_path_news());
    way.search();
    let news = way.b.c.take_path_news().unwrap();
    assert_eq!((news.pmtu(), news.searching), (1_280, false));
    assert_eq!(way.b.c.take_path_news(), None);
}
