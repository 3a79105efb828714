use core::fmt;

/// The eleven states of a connection (RFC 9293, section 3.3.2, figure 5).
///
/// ```text
///                              CLOSED
///             passive OPEN  /          \  active OPEN
///               rcv SYN    /            \   snd SYN
///                LISTEN --+              +-- SYN-SENT
///                  | snd SYN,ACK       rcv SYN,ACK | snd ACK
///                  v        rcv SYN                v
///            SYN-RECEIVED <--------(both open)  ESTABLISHED
///                  | rcv ACK of SYN ----------> |      |
///        CLOSE     v               CLOSE snd FIN|      | rcv FIN snd ACK
///        snd FIN  FIN-WAIT-1 <------------------+      +-----> CLOSE-WAIT
///     rcv ACK of |     | rcv FIN snd ACK                   CLOSE | snd FIN
///       FIN      v     v                                         v
///         FIN-WAIT-2  CLOSING                                LAST-ACK
///   rcv FIN snd |       | rcv ACK of FIN           rcv ACK of FIN |
///      ACK      v       v                                         v
///              TIME-WAIT --------------- 2MSL -----------------> CLOSED
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// No connection.
    Closed,
    /// Waiting for a SYN from anybody.
    Listen,
    /// Our SYN is out.
    SynSent,
    /// Both SYNs are out, ours is not acknowledged.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We closed; our FIN is not acknowledged, the peer may still send.
    FinWait1,
    /// We closed and that is acknowledged; the peer may still send.
    FinWait2,
    /// The peer closed; we may still send.
    CloseWait,
    /// Both closed at once; our FIN is not acknowledged.
    Closing,
    /// The peer closed first, then we; our FIN is not acknowledged.
    LastAck,
    /// Both closed; waiting until no old segment can be alive (2 MSL).
    TimeWait,
}

impl State {
    /// The name RFC 9293 prints.
    pub const fn name(self) -> &'static str {
        match self {
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        }
    }

    /// Whether the peer's sequence number is known and confirmed (section 3.10.7.4 calls these
    /// and SYN-RECEIVED "synchronized" for most checks).
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, State::Closed | State::Listen | State::SynSent)
    }

    /// Whether the application may still queue data (3.10.2).
    pub const fn may_send(self) -> bool {
        matches!(
            self,
            State::SynSent | State::SynReceived | State::Established | State::CloseWait
        )
    }

    /// Whether the peer may still send text (3.10.7.4, seventh).
    pub const fn may_receive(self) -> bool {
        matches!(
            self,
            State::SynSent
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2
        )
    }

    /// Whether our FIN is, or is to be, part of the send sequence.
    pub const fn is_fin_queued(self) -> bool {
        matches!(self, State::FinWait1 | State::Closing | State::LastAck)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
