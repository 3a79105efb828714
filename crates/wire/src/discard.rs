use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $source:literal, $text:literal;)*) => {
        /// Why a packet was thrown away: one variant per rule, each with its source.
        ///
        /// From the network nothing is an error and nothing panics; a bad packet gives one of
        /// these, which is counted and can be traced.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Discard { $(#[doc = $text] #[doc = concat!("(", $source, ")")] $name,)* }

        impl Discard {
            /// All reasons, in order of their index.
            pub const ALL: &'static [Discard] = &[$(Discard::$name,)*];

            /// The standard and section that says so.
            pub fn source(self) -> &'static str {
                match self { $(Discard::$name => $source,)* }
            }

            /// What was wrong, in plain words.
            pub fn text(self) -> &'static str {
                match self { $(Discard::$name => $text,)* }
            }

            /// A stable name for counters.
            pub fn name(self) -> &'static str {
                match self { $(Discard::$name => stringify!($name),)* }
            }

            /// Position in [`Discard::ALL`].
            #[inline]
            pub fn index(self) -> usize {
                self as usize
            }
        }
    };
}

reasons! {
    // IP
    IpTruncated: "RFC 791 3.1", "shorter than its header or its stated length";
    IpVersion: "RFC 791 3.1", "neither IPv4 nor IPv6";
    IpHeaderLength: "RFC 791 3.1", "IPv4 header length below 20 or beyond the packet";
    IpTotalLength: "RFC 1122 3.2.1", "IP total length below the header or beyond the packet";
    IpChecksum: "RFC 1122 3.2.1.2", "bad IPv4 header checksum";
    IpOption: "RFC 1122 3.2.1.8", "malformed IPv4 option";
    IpSource: "RFC 1122 3.2.1.3", "source address that no packet may carry";
    IpDestination: "RFC 1122 3.2.1.3", "not addressed to us";
    IpFragment: "RFC 791 3.2", "fragment that cannot be right, or of a datagram that was given up";
    IpProtocol: "RFC 1122 3.2.2.1", "protocol that nobody handles";
    IpExtensionHeader: "RFC 8200 4", "malformed or unknown IPv6 extension header";
    // ICMP
    IcmpTruncated: "RFC 792", "ICMP message shorter than its header";
    IcmpChecksum: "RFC 792", "bad ICMP checksum";
    IcmpType: "RFC 1122 3.2.2", "ICMP type that nobody handles";
    IcmpQuote: "RFC 1122 3.2.2", "ICMP error whose quoted packet is cut off or not ours";
    IcmpMtu: "RFC 8201 4", "packet too big with an MTU below what every link carries";
    IcmpSourceQuench: "RFC 6633 3", "source quench, which a host ignores";
    IcmpRedirect: "RFC 1122 3.2.2.2", "redirect, which changes no configured route";
    IcmpNotAnswered: "RFC 1122 3.2.2.6", "echo request to or from more than one host";
    IcmpNotAwaited: "RFC 792", "echo reply that nobody waits for";
    IcmpUnsigned: "RFC 5925 7.8", "hard error about a connection whose segments are signed";
    IcmpRateLimited: "RFC 1812 4.3.2.8", "answer suppressed by a rate limit";
    // UDP
    UdpTruncated: "RFC 768", "UDP length below 8 or beyond the packet";
    UdpChecksum: "RFC 768", "bad UDP checksum";
    UdpZeroChecksumV6: "RFC 8200 8.1", "UDP over IPv6 without a checksum";
    UdpPort: "RFC 1122 4.1.3.1", "no UDP socket at the destination port";
    UdpQueueFull: "RFC 768", "UDP socket's receive queue is full";
    // TCP, as a format
    TcpTruncated: "RFC 9293 3.1", "TCP header cut off or data offset below 5 or beyond the segment";
    TcpChecksum: "RFC 9293 3.1 MUST-3", "bad TCP checksum";
    TcpOption: "RFC 9293 3.1 MUST-7", "TCP option with an impossible length";
    TcpPort: "RFC 9293 3.1", "TCP port zero";
    TcpUnsigned: "RFC 5925 7.3", "no signature where keys ask for one";
    TcpSignature: "RFC 5925 7.3", "signature that is wrong, or by a key that nobody has";
    TcpSignatureUnexpected: "RFC 2385 2.0", "signature where no key is, to verify it";
    // TCP, as an event
    TcpNoConnection: "RFC 9293 3.10.7.1", "no connection and no listener";
    TcpSynAddress: "RFC 9293 3.9.2.3 MUST-57", "SYN to or from a broadcast or multicast address";
    TcpListenAck: "RFC 9293 3.10.7.2", "ACK to a listener";
    TcpListenReset: "RFC 9293 3.10.7.2", "RST to a listener";
    TcpListenOther: "RFC 9293 3.10.7.2", "neither SYN, ACK nor RST to a listener";
    TcpSynCookie: "RFC 4987 3.6", "brings back no SYN cookie of ours, or one too old";
    TcpBacklogFull: "RFC 4987", "SYN queue or accept queue is full";
    TcpUnacceptableAck: "RFC 9293 3.10.7.3", "SYN-SENT: acknowledges what we never sent";
    TcpResetInSynSent: "RFC 9293 3.10.7.3", "SYN-SENT: reset without a valid ACK";
    TcpNoSynNorReset: "RFC 9293 3.10.7.3", "SYN-SENT: neither SYN nor RST";
    TcpOutsideWindow: "RFC 9293 3.10.7.4", "sequence number outside the receive window";
    TcpPaws: "RFC 7323 5.3", "timestamp older than the last one accepted";
    TcpResetNotExact: "RFC 5961 3.2", "reset inside the window but not at RCV.NXT";
    TcpResetOutside: "RFC 9293 3.5.3", "reset outside the receive window";
    TcpSynInConnection: "RFC 5961 4.2", "SYN inside a synchronized connection";
    TcpNoAck: "RFC 9293 3.10.7.4", "segment without ACK in a synchronized state";
    TcpAckOfUnsent: "RFC 9293 3.10.7.4", "acknowledges what we never sent";
    TcpAckTooOld: "RFC 5961 5.2", "acknowledgment older than one maximum window";
    TcpAfterClose: "RFC 9293 3.10.7.4", "data after the application closed";
    TcpOutOfOrderFull: "RFC 9293 3.10.7.4", "out-of-order data beyond the reassembly cap";
    TcpDuplicate: "RFC 9293 3.10.7.4", "nothing but octets that were received before";
    TcpTimeWait: "RFC 9293 3.10.7.4", "old segment for a connection in TIME-WAIT";
    // The stack
    NoRoute: "RFC 1122 3.3.1", "no route to the destination";
    NoMemory: "RFC 9293 3.8.6", "the stack's memory budget is used up";
    Oversized: "RFC 791 3.1", "longer than the link's MTU and not to be cut";
    VirtioHeader: "virtio 1.2 5.1.6", "contradictory virtio-net header";
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.source())
    }
}
