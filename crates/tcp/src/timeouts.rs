//! Timeouts (RFC 9293, 3.10.8): user, retransmission, and the connection's other timers.
//! TIME-WAIT has a record of its own, [`TimeWait`](crate::TimeWait).

use crate::tcb::Flags;
use crate::timer::Timer;
use crate::window::persist;
use crate::{
    Connection, ConnectionError, NetError, Readiness, State, cork, ecn, hooks, keep_alive,
    path_mtu, recovery, user_timeout, window,
};
use handfast_base::Instant;

pub(crate) fn timeout(c: &mut Connection, now: Instant) {
    if let Some(active) = c.active.as_deref_mut() {
        active.pacer.timeout(now);
    }
    for timer in Timer::ALL {
        if !c.timers.take_due(timer, now) {
            continue;
        }
        match timer {
            Timer::Retransmission => retransmission(c, now),
            Timer::DelayedAck => c.tcb.flags |= Flags::ACK_NOW | Flags::ACK_DELAYED,
            Timer::KeepAlive => keep_alive::timeout(c, now),
            // Nobody holds it, and the peer has not closed: it is forgotten, without a word.
            Timer::FinWait2 => c.enter(State::Closed, now),
            Timer::Idle if c.tcb.flags.contains(Flags::CORKED) => cork::timeout(c),
            Timer::Idle => idle(c),
        }
    }
}

/// The retransmission timer, of data and of a SYN (MUST-22), which is also the probe timer.
fn retransmission(c: &mut Connection, now: Instant) {
    if ecn::released(c) {
        return;
    }
    let probing = persist::is_needed(c);
    if c.flight_size() == 0 && !probing {
        return;
    }
    if now >= user_timeout::deadline(c) || user_timeout::was_asked_enough(c) {
        c.reset(ConnectionError::TimedOut);
        return;
    }
    if !probing && recovery::clock::ran_out(c, now) {
        return;
    }
    let closed = window::send::is_zero(&c.tcb);
    if c.tcb.rto.backoffs() >= user_timeout::R1 - 1
        && !closed
        && !c.tcb.flags.contains(Flags::R1_TOLD)
    {
        // Advice to the layer below and to the application (MUST-20, SHLD-9).
        c.tcb.flags |= Flags::R1_TOLD;
        c.soft_error = Some(NetError::HostUnreachable);
        c.events |= Readiness::ERROR;
    }
    if probing {
        c.tcb.flags |= Flags::PROBE;
    } else if matches!(c.tcb.state, State::SynSent | State::SynReceived) {
        c.tcb.rto.syn_lost();
        let (tcb, active) = c.parts();
        active.board.mark_all_lost();
        tcb.flags |= Flags::FORCE_RETRANSMIT;
    } else if closed {
        // What is in flight is a probe: its silence says nothing about the network.
        recovery::new_reno::retransmit_first(c);
    } else {
        if !path_mtu::timed_out(c, now) {
            recovery::new_reno::timed_out(c, now);
        }
        c.counters.timeouts = c.counters.timeouts.wrapping_add(1);
    }
    c.tcb.rto.back_off();
    hooks::arm_retransmission(c, now);
}

/// Nothing has moved for a while: the buffers go back.
fn idle(c: &mut Connection) {
    if c.is_quiet() {
        c.active = None;
    }
}
