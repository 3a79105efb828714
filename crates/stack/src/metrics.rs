use handfast_wire::Discard;

macro_rules! counters {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct $name { $($(#[doc = $doc])* pub $field: u64,)* }

        impl $name {
            /// All counters with their stable names.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }
        }
    };
}

counters! {
    /// What crossed one interface.
    InterfaceMetrics {
        /// Packets received; a super-segment counts once.
        packets_in,
        /// Octets received, IP headers included.
        octets_in,
        /// Packets sent; a super-segment counts once.
        packets_out,
        /// Octets sent, IP headers included.
        octets_out,
        /// Answers (resets, ICMP messages) lost because too many were waiting to leave.
        answers_lost,
    }
}

counters! {
    /// What TCP did, over all interfaces.
    TcpMetrics {
        /// Active opens.
        opens,
        /// SYNs to a listener that made a half-open connection.
        passive_opens,
        /// Handshakes completed on a listener.
        accepts,
        /// SYNs answered without keeping anything of them (RFC 4987, section 3.6).
        syn_cookies_sent,
        /// Handshakes that such an answer completed.
        syn_cookies_accepted,
        /// Acknowledgments that brought back no cookie of ours, or one too old.
        syn_cookies_failed,
        /// Acknowledgments that would have completed a handshake and found the accept queue full.
        accept_overflows,
        /// Connections that text on a SYN, with a good cookie, has made (RFC 7413).
        fast_opens,
        /// SYNs with a cookie that was not good.
        fast_opens_refused,
        /// Active opens whose peer took the text on the SYN.
        fast_opens_taken,
        /// Active opens with text on the SYN that the peer did not take.
        fast_opens_not_taken,
        /// Handshakes that failed on either side.
        open_failures,
        /// Segments received with a valid header.
        segments_in,
        /// Segments sent; a super-segment counts once.
        segments_out,
        /// Segments received that a router had marked: Congestion Experienced (RFC 3168).
        ce_in,
        /// Segments sent that routers may mark: ECN-capable.
        ect_out,
        /// Segments sent again.
        retransmissions,
        /// Segments with RST received.
        resets_in,
        /// Resets for nobody that the rate limit held back.
        resets_suppressed,
        /// Segments with RST sent.
        resets_out,
        /// Connections that a reset ended.
        connections_reset,
        /// Connections that a timeout ended.
        connections_timed_out,
        /// TIME-WAIT records made.
        time_waits,
        /// TIME-WAIT records pushed out by newer ones.
        time_waits_evicted,
        /// Connections that nobody held any more, reset to make room for others of that kind.
        orphans_reset,
        /// TIME-WAIT records whose tuple a new SYN, the peer's or ours, took over (RFC 6191).
        time_waits_reused,
        /// Out-of-order text refused because memory was short.
        memory_refusals,
    }
}

/// Counters of one stack.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// TCP.
    pub tcp: TcpMetrics,
    discards: [u64; Discard::ALL.len()],
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        Metrics {
            tcp: TcpMetrics::default(),
            discards: [0; Discard::ALL.len()],
        }
    }

    /// Packets thrown away for `reason`.
    pub fn discards(&self, reason: Discard) -> u64 {
        self.discards[reason.index()]
    }

    /// Packets thrown away for any reason.
    pub fn all_discards(&self) -> u64 {
        self.discards.iter().sum()
    }

    /// Every reason for which a packet was thrown away, with its count.
    pub fn iter_discards(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        let all = Discard::ALL.iter().copied();
        all.zip(self.discards).filter(|(_, count)| *count > 0)
    }

    #[inline]
    pub(crate) fn discard(&mut self, reason: Discard) {
        self.discards[reason.index()] += 1;
    }
}
