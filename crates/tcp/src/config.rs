use crate::Buffer;
use crate::Ecn;
use crate::MtuProbing;
use crate::congestion::Congestion;
use handfast_base::Duration;

/// The options of one connection. Every field has the default that [`Config::default`] gives;
/// connections share one value until one of them changes it.
#[derive(Clone, Debug)]
pub struct Config {
    /// Nagle's algorithm off: small segments leave at once (RFC 9293, 3.7.4, MUST-17).
    /// Default off, that is, Nagle is on.
    pub nodelay: bool,
    /// How long an acknowledgment may wait for data to ride on; cut to under 500 ms
    /// (RFC 9293, 3.8.6.3, MUST-40). Default 40 ms; zero acknowledges at once.
    pub delayed_ack: Duration,
    /// What fills no segment waits for more, at most 200 ms, as with Linux's `TCP_CORK`. Stronger
    /// than [`nodelay`](Config::nodelay). Default off.
    pub cork: bool,
    /// When text is acknowledged at once, whatever [`delayed_ack`](Config::delayed_ack) says.
    /// Default [`QuickAck::Start`].
    pub quick_ack: QuickAck,
    /// Keep-alive probes; default none (RFC 9293, 3.8.4, MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// How long data may stay unacknowledged, or stuck behind a closed window, before the
    /// connection is given up. `None`, the default: [`retransmission_limit`](Config::retransmission_limit)
    /// alone, which a peer that keeps answering window probes never reaches.
    pub user_timeout: Option<Duration>,
    /// Tell the peer of our user timeout, and adapt to its (RFC 5482). Default off.
    pub user_timeout_option: Option<UserTimeoutOption>,
    /// R2 for data (RFC 9293, 3.8.3; MUST-21): how long the oldest unacknowledged octet may wait.
    /// It starts anew when acknowledgments advance, not with duplicate ones; behind a closed
    /// window every sign of the peer starts it anew (MUST-37). Default 5 minutes (SHLD-11).
    pub retransmission_limit: Duration,
    /// R2 for a SYN, and for a SYN,ACK (MUST-23: at least 3 minutes). Default 3 minutes.
    pub syn_limit: Duration,
    /// How often a SYN or SYN,ACK is sent again at most. `None`, the default: as often as
    /// [`syn_limit`](Config::syn_limit) lets.
    pub syn_retries: Option<u8>,
    /// Octets that may wait unsent or unacknowledged. Default: two congestion windows, 64 KiB at
    /// least and 32 MiB at most.
    pub send_buffer: Buffer,
    /// Octets that may wait unread, and so the largest window we offer. Default: twice what the
    /// application reads within a round trip, 64 KiB at least and 32 MiB at most.
    pub receive_buffer: Buffer,
    /// The application may write only while fewer octets than this wait unsent, so that what it
    /// writes is fresh when it leaves; then at least a segment. Default `None`: as much as the send
    /// buffer takes.
    pub notsent_lowat: Option<u32>,
    /// Cap on the MSS we announce and send, in octets of text and options; `None`: the route's.
    pub mss: Option<u16>,
    /// Octets of options that whoever writes the segments adds to each, a signature for one: text
    /// leaves room for them, and no super-segment is made. Set by
    /// [`Connection::reserve_options`](crate::Connection::reserve_options); default 0.
    pub option_room: u8,
    /// Whether larger segments are tried to find out what the path carries (RFC 4821). Default
    /// [`MtuProbing::BlackHole`].
    pub mtu_probing: MtuProbing,
    /// The packet size, in octets, that is taken for safe where the path's is not known. Default
    /// 1024 (RFC 4821, 7.2); 1280 at least with IPv6.
    pub base_mtu: u16,
    /// How long an estimate of the path MTU below the first link's stands before larger sizes are
    /// tried. Default 10 minutes, never less than 5 (RFC 8201, 4); [`Duration::MAX`]: for ever.
    pub mtu_lifetime: Duration,
    /// 2 MSL: how long TIME-WAIT lasts. Default 60 s.
    pub time_wait: Duration,
    /// How long a connection that the application has let go may stay in FIN-WAIT-2.
    /// Default 60 s.
    pub fin_wait_2: Duration,
    /// Offer and accept timestamps (RFC 7323). Default on.
    pub timestamps: bool,
    /// Offer and accept window scaling (RFC 7323). Default on.
    pub window_scaling: bool,
    /// Offer and accept selective acknowledgments (RFC 2018). Default on.
    pub sack: bool,
    /// Lower bound of the variance term of the retransmission timeout. RFC 6298, 2.4, asks for an
    /// RTO of at least 1 s; here RTO >= SRTT + this, default 200 ms, as deployed stacks have it.
    pub rto_min: Duration,
    /// Upper bound of the retransmission timeout; at least 60 s is honoured (RFC 6298, 2.5).
    pub rto_max: Duration,
    /// Initial window in segments (RFC 6928). Default 10.
    pub initial_window: u8,
    /// The congestion control of this connection. Default CUBIC.
    pub congestion: Congestion,
    /// Explicit Congestion Notification (RFC 3168). Default: when the peer asks for it.
    pub ecn: Ecn,
    /// The usual segments go a shorter way, in and out. Default on; off, all go the long way, with
    /// the same result.
    pub fast_path: bool,
}

/// When text that has arrived is acknowledged without delay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum QuickAck {
    /// The first 16 segments of a connection, for the peer is in slow start; but not those of less
    /// than 536 octets, nor any once we have answered.
    #[default]
    Start,
    /// All.
    Always,
    /// None.
    Never,
}

/// How user timeouts are exchanged (RFC 5482). What is in force is the longer of both, within the
/// limits; [`Config::user_timeout`] overrides it and is then what the peer is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserTimeoutOption {
    /// ADV_UTO: what the peer is told, in steps of a second up to 9 hours, then of a minute.
    /// Default 5 minutes.
    pub advertise: Duration,
    /// L_LIMIT: none shorter is adopted; never less than the RTO. Default 100 s (RFC 1122).
    pub least: Duration,
    /// U_LIMIT: none longer is adopted. Default 1 hour.
    pub most: Duration,
}

impl Default for UserTimeoutOption {
    fn default() -> UserTimeoutOption {
        UserTimeoutOption {
            advertise: Duration::from_secs(300),
            least: Duration::from_secs(100),
            most: Duration::from_secs(60 * 60),
        }
    }
}

/// Keep-alive probes on an idle connection (RFC 9293, 3.8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepAlive {
    /// Idle time before the first probe (MUST-27). Default 2 hours (MUST-28).
    pub idle: Duration,
    /// Time between probes. Default 75 s.
    pub interval: Duration,
    /// Unanswered probes after which the connection is dead. Default 9.
    pub count: u8,
    /// Send one octet of garbage with the probe, for peers that answer nothing else (MAY-6).
    pub garbage_octet: bool,
}

impl Default for KeepAlive {
    fn default() -> KeepAlive {
        KeepAlive {
            idle: Duration::from_secs(2 * 60 * 60),
            interval: Duration::from_secs(75),
            count: 9,
            garbage_octet: false,
        }
    }
}

/// What an untuned buffer may become.
const AUTO: Buffer = Buffer::Auto {
    least: 64 << 10,
    most: 32 << 20,
};

impl Default for Config {
    fn default() -> Config {
        Config {
            nodelay: false,
            delayed_ack: Duration::from_millis(40),
            cork: false,
            quick_ack: QuickAck::Start,
            keep_alive: None,
            user_timeout: None,
            user_timeout_option: None,
            retransmission_limit: Duration::from_secs(300),
            syn_limit: Duration::from_secs(180),
            syn_retries: None,
            send_buffer: AUTO,
            receive_buffer: AUTO,
            notsent_lowat: None,
            option_room: 0,
            mss: None,
            mtu_probing: MtuProbing::BlackHole,
            base_mtu: 1024,
            mtu_lifetime: Duration::from_secs(600),
            time_wait: Duration::from_secs(60),
            fin_wait_2: Duration::from_secs(60),
            timestamps: true,
            window_scaling: true,
            sack: true,
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            initial_window: 10,
            congestion: Congestion::CUBIC,
            ecn: Ecn::Passive,
            fast_path: true,
        }
    }
}

/// What the connection must know of the way to its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Largest IP packet that the first link, or the route, takes, in octets.
    pub mtu: u32,
    /// Largest IP packet that is believed to reach the peer whole, in octets. From
    /// [`mtu`](Path::mtu) upwards: nothing less than that is known.
    pub estimate: u32,
    /// Largest super-segment the link takes, in octets of IP packet; 0: none.
    pub gso_max: u32,
    /// What our MSS option announces at most, in octets; 0: what [`mtu`](Path::mtu) says.
    pub advertised_mss: u16,
    /// Octets of the IP header: 20 or 40.
    pub ip_header: u8,
    /// The estimate is no router's word, nor the end of a search: larger sizes are to be tried.
    pub searching: bool,
}

impl Path {
    /// A path of which only the first link's MTU is known, in octets, as is the length of the IP
    /// header, 20 or 40; without super-segments.
    pub const fn new(mtu: u32, ip_header: u8) -> Path {
        Path {
            mtu,
            estimate: u32::MAX,
            gso_max: 0,
            advertised_mss: 0,
            ip_header,
            searching: false,
        }
    }

    /// The effective path MTU (eff_pmtu of RFC 4821): the largest IP packet to send, in octets
    /// (RFC 1191, 3).
    #[inline]
    pub fn pmtu(&self) -> u32 {
        self.mtu.min(self.estimate)
    }

    /// Octets of TCP header options and text that one packet to the peer can carry
    /// (RFC 9293, 3.7.1).
    #[inline]
    pub(crate) fn mss(&self) -> u16 {
        self.capacity(self.pmtu())
    }

    /// What our MSS option announces, if the user caps it so: MMS_R - 20 (RFC 9293, 3.7.1, MUST-67).
    /// What we can receive has nothing to do with what reaches the peer (RFC 8201, 5.4).
    #[inline]
    pub(crate) fn announced_mss(&self, cap: Option<u16>) -> u16 {
        let route = match self.advertised_mss {
            0 => u16::MAX,
            mss => mss,
        };
        let mss = self.capacity(self.mtu).min(route);
        mss.min(cap.unwrap_or(u16::MAX)).max(1)
    }

    fn capacity(&self, mtu: u32) -> u16 {
        let mss = mtu.saturating_sub(u32::from(self.ip_header) + 20);
        mss.clamp(1, 0xffff) as u16
    }

    /// The smallest MTU a path of this family can have (RFC 791, 3.2; RFC 8200, 5).
    #[inline]
    pub(crate) fn least_mtu(&self) -> u32 {
        if self.ip_header == 20 { 68 } else { 1280 }
    }

    /// The MSS of a peer that names none (RFC 9293, 3.7.1, MUST-15).
    #[inline]
    pub(crate) fn default_mss(&self) -> u16 {
        if self.ip_header == 20 { 536 } else { 1220 }
    }
}
