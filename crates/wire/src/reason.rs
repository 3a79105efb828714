use core::fmt;

/// Why the stack sent a packet: what a reader of a ladder asks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SendReason {
    /// Not known: the packet came from elsewhere.
    #[default]
    Unknown,
    /// Active open (RFC 9293, 3.10.1).
    Syn,
    /// Answer to a SYN (RFC 9293, 3.10.7.2).
    SynAck,
    /// The peer's SYN came again, so our answer to it was lost (RFC 9293, 3.10.7.4).
    SynAckAgain,
    /// New data the windows allow.
    Data,
    /// Our direction is closed (RFC 9293, 3.10.4).
    Fin,
    /// Acknowledgment due at once.
    Ack,
    /// Acknowledgment whose delay ran out (RFC 9293, 3.8.6.3).
    DelayedAck,
    /// An out-of-order segment arrived (RFC 5681, 4.2).
    DuplicateAck,
    /// The application made room (RFC 9293, 3.8.6.2.2).
    WindowUpdate,
    /// The peer's window is closed (RFC 9293, 3.8.6.1).
    WindowProbe,
    /// The connection was idle (RFC 9293, 3.8.4).
    KeepAlive,
    /// A suspicious segment is answered by what we know (RFC 5961).
    ChallengeAck,
    /// Retransmission: the timer ran out, for the nth time in a row (RFC 6298).
    RetransmissionTimeout(u8),
    /// Retransmission: duplicate acknowledgments (RFC 5681, 3.2).
    FastRetransmit,
    /// Retransmission: a partial acknowledgment in recovery (RFC 6582).
    PartialAck,
    /// Retransmission: a segment sent later has arrived, and this one is overdue (RFC 8985, 6).
    RackLoss,
    /// Retransmission: it was too big for a router on the way (RFC 8201, 5.4).
    TooBig,
    /// Retransmission: what was in flight when the connection moved here counts as lost.
    Moved,
    /// Probe for a lost tail: new data, or the last segment again (RFC 8985, 7).
    LossProbe,
    /// New data in a segment larger than is known to fit the path (RFC 4821, 7).
    MtuProbe,
    /// New data let out by one of the first two duplicate acknowledgments (RFC 3042).
    LimitedTransmit,
    /// Reset: nobody is there (RFC 9293, 3.5.2).
    ResetClosed,
    /// Reset: the application decided against a connection that was asked for.
    ResetRefused,
    /// Reset: the application aborted, or closed with data unread.
    ResetAborted,
    /// Echo reply (RFC 792, RFC 4443).
    EchoReply,
    /// An ICMP error.
    IcmpError,
    /// A datagram of the application.
    Datagram,
}

impl SendReason {
    /// Whether the packet repeats octets that were sent before.
    pub fn is_retransmission(self) -> bool {
        matches!(
            self,
            SendReason::SynAckAgain
                | SendReason::RetransmissionTimeout(_)
                | SendReason::FastRetransmit
                | SendReason::PartialAck
                | SendReason::RackLoss
                | SendReason::TooBig
                | SendReason::Moved
        )
    }
}

impl fmt::Display for SendReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendReason::Unknown => "unknown",
            SendReason::Syn => "active open",
            SendReason::SynAck => "answers SYN",
            SendReason::SynAckAgain => "SYN came again",
            SendReason::Data => "new data",
            SendReason::Fin => "close",
            SendReason::Ack => "ack",
            SendReason::DelayedAck => "delayed ack",
            SendReason::DuplicateAck => "duplicate ack",
            SendReason::WindowUpdate => "window update",
            SendReason::WindowProbe => "window probe",
            SendReason::KeepAlive => "keep-alive",
            SendReason::ChallengeAck => "challenge ack",
            SendReason::RetransmissionTimeout(n) => return write!(f, "RTO {n}"),
            SendReason::FastRetransmit => "fast retransmit",
            SendReason::PartialAck => "partial ack",
            SendReason::RackLoss => "RACK",
            SendReason::TooBig => "too big",
            SendReason::Moved => "moved",
            SendReason::LossProbe => "tail loss probe",
            SendReason::MtuProbe => "path MTU probe",
            SendReason::LimitedTransmit => "limited transmit",
            SendReason::ResetClosed => "nobody here",
            SendReason::ResetRefused => "refused",
            SendReason::ResetAborted => "abort",
            SendReason::EchoReply => "echo reply",
            SendReason::IcmpError => "icmp error",
            SendReason::Datagram => "datagram",
        })
    }
}
