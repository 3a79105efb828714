use crate::ack::delayed_ack;
use crate::statistics::Waits;
use crate::tcb::Flags;
use crate::{Connection, EcnMode, State, mss, user_timeout, window};
use handfast_base::{Duration, Instant};

/// A snapshot of one connection (STATUS, RFC 9293, 3.10.6), in the spirit of Linux's `tcp_info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TcpInfo {
    /// The state.
    pub state: State,
    /// Octets of text in a full segment we send.
    pub snd_mss: u16,
    /// Largest segment that has arrived, in octets of text.
    pub rcv_mss: u16,
    /// Octets of text and options in a segment, as we told the peer.
    pub announced_mss: u16,
    /// Largest IP packet on the path, in octets, as far as is known.
    pub path_mtu: u32,
    /// Whether larger packets are to be tried (RFC 4821).
    pub mtu_searching: bool,
    /// Segments sent to find out whether larger ones fit, and of them those that did not arrive.
    pub mtu_probes: (u32, u32),
    /// Whether timestamps are in use (RFC 7323).
    pub timestamps: bool,
    /// Whether selective acknowledgments are in use (RFC 2018).
    pub sack: bool,
    /// Shifts of the windows we are told and we tell; `None` when scaling is not in use.
    pub window_scale: Option<(u8, u8)>,
    /// What was agreed about Explicit Congestion Notification.
    pub ecn: EcnMode,
    /// Octets sent and not acknowledged.
    pub in_flight: u32,
    /// Transmissions not acknowledged; a super-segment counts once.
    pub unacknowledged: u32,
    /// Of what is in flight, octets that the peer has reported beyond its acknowledgment (RFC 2018).
    pub sacked: u32,
    /// Of what is in flight, octets believed lost and not sent again yet.
    pub lost: u32,
    /// Whether segments have arrived at the peer out of order (RFC 8985, 6.2).
    pub reordering: bool,
    /// Octets queued and never sent.
    pub unsent: u32,
    /// Octets received in order and not read.
    pub unread: u32,
    /// Congestion window, in octets.
    pub cwnd: u32,
    /// Slow-start threshold, in octets; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// The peer's window, in octets.
    pub snd_wnd: u32,
    /// The window we offer, in octets.
    pub rcv_wnd: u32,
    /// The buffers as far as they have grown, in octets: to send, and to receive.
    pub buffers: (u32, u32),
    /// Smoothed round-trip time; zero before the first sample.
    pub rtt: Duration,
    /// Round-trip variance.
    pub rtt_variance: Duration,
    /// Smallest round trip.
    pub min_rtt: Duration,
    /// Retransmission timeout, back-off included.
    pub rto: Duration,
    /// How long an acknowledgment may wait for data to ride on.
    pub ack_timeout: Duration,
    /// The peer's user timeout, as it told it (RFC 5482).
    pub peer_user_timeout: Option<Duration>,
    /// Timer expirations in a row.
    pub backoff: u8,
    /// The last delivery-rate sample, in octets a second; 0 when there is none.
    pub delivery_rate: u64,
    /// Octets a second at which congestion control paces; `None` when it does not.
    pub pacing_rate: Option<u64>,
    /// The algorithm of congestion control; `None` while nothing has moved for some time.
    pub congestion: Option<&'static str>,
    /// Whether the application, and no window, sets the pace: all that is queued has been sent.
    pub app_limited: bool,
    /// Time with something unacknowledged or unsent.
    pub busy_time: Duration,
    /// The part of it in which the peer's window held a segment back.
    pub receive_window_limited: Duration,
    /// The part of it in which all was in flight, and the send buffer full.
    pub send_buffer_limited: Duration,
    /// Octets of text sent, those sent again included.
    pub octets_sent: u64,
    /// Octets of text sent again.
    pub octets_retransmitted: u64,
    /// Octets acknowledged by the peer (SYN and FIN counted).
    pub octets_acked: u64,
    /// Octets of text received in order.
    pub octets_received: u64,
    /// Segments received.
    pub segments_in: u32,
    /// Segments sent; a super-segment counts once.
    pub segments_out: u32,
    /// Segments with text received, as they crossed the wire.
    pub data_segments_in: u32,
    /// Segments with text sent, as they cross the wire.
    pub data_segments_out: u32,
    /// Segments whose text had arrived before, or began with such.
    pub duplicate_segments_in: u32,
    /// Segments sent again.
    pub retransmissions: u32,
    /// Retransmission timeouts.
    pub timeouts: u32,
    /// Duplicate acknowledgments received.
    pub duplicate_acks_in: u32,
    /// Segments that arrived out of order.
    pub out_of_order_in: u32,
    /// Segments that arrived marked (CE), as far as ECN was agreed.
    pub ce_in: u32,
    /// Acknowledgments that told of marks on what we sent (ECE).
    pub ece_in: u32,
    /// Times the congestion window was reduced for that.
    pub ecn_reductions: u32,
    /// Time since text was last sent; `None` before the first.
    pub last_data_sent: Option<Duration>,
    /// Time since text last arrived; `None` before the first.
    pub last_data_received: Option<Duration>,
    /// Time since an acknowledgment last arrived, new or not; `None` before the first.
    pub last_ack_received: Option<Duration>,
    /// Time since the peer was last heard.
    pub last_heard: Duration,
}

impl TcpInfo {
    pub(crate) fn of(c: &Connection, now: Instant) -> TcpInfo {
        let (t, n) = (&c.tcb, &*c.counters);
        let ecn = c.ecn.as_deref().copied().unwrap_or_default();
        let active = c.active.as_deref();
        let unsent = active.map_or(0, |a| a.send.end().distance(t.snd_nxt).max(0) as u32);
        let since = |at| (at != Instant::FAR_FUTURE).then(|| now.since(at));
        TcpInfo {
            state: t.state,
            snd_mss: t.snd_mss,
            rcv_mss: t.rcv_mss,
            announced_mss: mss::announced(c),
            path_mtu: c.path.pmtu(),
            mtu_searching: c.path.searching,
            mtu_probes: c
                .discovery
                .as_deref()
                .map_or((0, 0), |d| (d.probes, d.probes_lost)),
            timestamps: t.flags.contains(Flags::TIMESTAMPS),
            sack: t.flags.contains(Flags::SACK),
            window_scale: t
                .flags
                .contains(Flags::SCALING)
                .then_some((t.snd_scale, t.rcv_scale)),
            ecn: t.ecn.mode(),
            in_flight: c.flight_size(),
            unacknowledged: active.map_or(0, |a| a.board.transmissions()),
            sacked: active.map_or(0, |a| a.board.sacked()),
            lost: active.map_or(0, |a| a.board.lost()),
            reordering: active.is_some_and(|a| a.recovery.rack.has_seen_reordering()),
            unsent,
            unread: c.active.as_deref().map_or(0, |a| a.receive.len()),
            cwnd: t.cwnd,
            ssthresh: t.ssthresh,
            snd_wnd: t.snd_wnd,
            rcv_wnd: window::receive::rcv_wnd(t),
            buffers: (
                window::autotune::send_capacity(t, &c.config),
                c.receive_capacity(),
            ),
            rtt: t.rtt.smoothed(),
            rtt_variance: t.rtt.variance(),
            min_rtt: t.rtt.min(),
            rto: c.rto(),
            ack_timeout: delayed_ack::timeout(c),
            peer_user_timeout: user_timeout::peers(c),
            backoff: t.rto.backoffs(),
            delivery_rate: active.map_or(0, |a| a.board.rate.last()),
            pacing_rate: active.and_then(|a| {
                a.congestion
                    .pacing_rate(&t.congestion_window(), t.rtt.smoothed())
            }),
            congestion: active.map(|a| a.congestion.name()),
            app_limited: unsent == 0,
            busy_time: n.chronograph.busy(now),
            receive_window_limited: n.chronograph.spent(Waits::PeerWindow, now),
            send_buffer_limited: n.chronograph.spent(Waits::SendBuffer, now),
            octets_sent: n.octets_sent,
            octets_retransmitted: n.octets_retransmitted,
            octets_acked: n.octets_acked,
            octets_received: n.octets_received,
            segments_in: n.segments_in,
            segments_out: n.segments_out,
            data_segments_in: n.data_segments_in,
            data_segments_out: n.data_segments_out,
            duplicate_segments_in: n.duplicate_segments_in,
            retransmissions: n.retransmissions,
            timeouts: n.timeouts,
            duplicate_acks_in: n.duplicate_acks_in,
            out_of_order_in: n.out_of_order_in,
            ce_in: ecn.ce_in,
            ece_in: ecn.ece_in,
            ecn_reductions: ecn.reductions,
            last_data_sent: since(n.last_data_sent),
            last_data_received: since(n.last_data_received),
            last_ack_received: since(n.last_ack_received),
            last_heard: now.since(c.last_heard),
        }
    }
}
