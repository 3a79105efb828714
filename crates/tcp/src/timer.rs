use handfast_base::Instant;

/// The timers of one connection (RFC 9293, 3.8 and 3.10.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Timer {
    /// Retransmission, or, when nothing may be in flight, window probe. Never both.
    Retransmission,
    /// Delayed acknowledgment.
    DelayedAck,
    /// Keep-alive.
    KeepAlive,
    /// FIN-WAIT-2 of a connection nobody holds any more.
    FinWait2,
    /// Give the buffers of an idle connection back, or, while less than a segment is queued, let
    /// it out although there is a cork. Never both.
    Idle,
}

const COUNT: usize = 5;

impl Timer {
    pub(crate) const ALL: [Timer; COUNT] = [
        Timer::Retransmission,
        Timer::DelayedAck,
        Timer::KeepAlive,
        Timer::FinWait2,
        Timer::Idle,
    ];
}

/// Deadlines, one a timer; a timer that is off stands at [`Instant::FAR_FUTURE`].
#[derive(Clone, Debug)]
pub(crate) struct Timers([Instant; COUNT]);

impl Timers {
    pub(crate) const OFF: Timers = Timers([Instant::FAR_FUTURE; COUNT]);

    #[inline]
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = at;
    }

    #[inline]
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = Instant::FAR_FUTURE;
    }

    #[inline]
    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::FAR_FUTURE
    }

    /// When it runs out; `None`: it is off.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.is_armed(timer).then_some(self.0[timer as usize])
    }

    /// Stops `timer` if it is due, and says whether it was.
    #[inline]
    pub(crate) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.is_armed(timer) && self.0[timer as usize] <= now;
        if due {
            self.stop(timer);
        }
        due
    }

    /// The first deadline; [`Instant::FAR_FUTURE`] when no timer runs.
    #[inline]
    pub(crate) fn next(&self) -> Instant {
        let [first, rest @ ..] = &self.0;
        rest.iter().fold(*first, |next, at| next.min(*at))
    }
}
