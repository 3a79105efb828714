//! Handshakes that an application waits for: it has said yes to a request, so that the connection
//! is its own before it is there, and does not wait in an accept queue.

use crate::half_open::HalfOpen;
use crate::{PendingId, SocketId, SocketKind, Stack};
use alloc::sync::Arc;
use core::mem::size_of;
use handfast_base::Instant;
use handfast_tcp::{Config, Readiness};

/// What a handshake that somebody waits for costs, its place in the table included.
const COST: usize = size_of::<Claim>() + 16;

/// How far a handshake has come that [`Stack::tcp_pending_accept`] went on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Handshake {
    /// The peer has not answered yet.
    UnderWay,
    /// The connection is there. It may have ended since.
    Complete(SocketId),
    /// The peer has given up or fallen silent; or the handle was used up before.
    Over,
}

/// An application's claim on the connection to be.
#[derive(Debug)]
pub(crate) struct Claim {
    stage: Stage,
    /// Those of the listener, which may be gone when they are needed.
    config: Arc<Config>,
    pub(crate) events: Readiness,
}

#[derive(Debug)]
enum Stage {
    HalfOpen(u32),
    Complete(SocketId),
    Over,
}

impl Stack {
    /// Goes on with the handshake, for whoever holds the handle that this returns:
    /// [`Readiness::READABLE`] on it says that [`tcp_handshake`](Stack::tcp_handshake) has news.
    /// `None` when the request is no longer there.
    pub fn tcp_pending_accept(&mut self, id: PendingId) -> Option<SocketId> {
        let index = self.undecided(id)?;
        let config = self.half_open_config(index)?;
        let claim = self.handshakes.insert(Claim {
            stage: Stage::HalfOpen(index),
            config,
            events: Readiness::empty(),
        });
        self.budget.charge(COST);
        if let Some(half_open) = self.table.half_open.get_mut(index) {
            half_open.decided = true;
            half_open.claim = Some(claim);
            half_open.syn_ack_due = true;
        }
        self.mark_half_open_dirty(index);
        Some(self.handshake_id(claim))
    }

    /// How far a handshake has come. What is not under way any more is told once, and the handle
    /// ends with it.
    pub fn tcp_handshake(&mut self, id: SocketId) -> Handshake {
        let Some(claim) = self.claim(id) else {
            return Handshake::Over;
        };
        let told = match claim.stage {
            Stage::HalfOpen(_) => return Handshake::UnderWay,
            Stage::Complete(connection) => Handshake::Complete(connection),
            Stage::Over => Handshake::Over,
        };
        self.remove_claim(id.index);
        told
    }

    /// Lets go of a handshake, or of the connection that has come of it: the peer is sent a reset.
    /// False when the handle was used up before.
    pub fn tcp_handshake_abandon(&mut self, id: SocketId, now: Instant) -> bool {
        let Some(claim) = self.claim(id) else {
            return false;
        };
        match claim.stage {
            Stage::HalfOpen(index) => self.reset_half_open(index, now),
            Stage::Complete(connection) => {
                if let Some(mut c) = self.tcp_mut(connection, now) {
                    c.abort();
                }
                self.tcp_close(connection, now);
            }
            Stage::Over => {}
        }
        self.remove_claim(id.index);
        true
    }

    /// The options of the connection that a half-open one would become.
    pub(crate) fn half_open_config(&self, index: u32) -> Option<Arc<Config>> {
        let half_open = self.table.half_open.get(index)?;
        let config = match half_open.claim {
            Some(claim) => &self.handshakes.get(claim)?.config,
            None => &self.listeners.slots.get(half_open.listener)?.config,
        };
        Some(Arc::clone(config))
    }

    /// The handshake that somebody waits for is complete.
    pub(crate) fn complete_claim(&mut self, claim: u32, connection: SocketId) {
        self.tell_claim(claim, Stage::Complete(connection));
    }

    /// A half-open connection has gone, and with it what somebody may have waited for.
    pub(crate) fn end_claim_of(&mut self, half_open: &HalfOpen) {
        if let Some(claim) = half_open.claim {
            self.tell_claim(claim, Stage::Over);
        }
    }

    fn tell_claim(&mut self, index: u32, stage: Stage) {
        let id = self.handshake_id(index);
        if let Some(claim) = self.handshakes.get_mut(index) {
            claim.stage = stage;
            if claim.events.is_empty() {
                self.ready.push_back(id);
            }
            claim.events |= Readiness::READABLE;
        }
    }

    fn remove_claim(&mut self, index: u32) {
        if self.handshakes.remove(index).is_some() {
            self.budget.refund(COST);
        }
    }

    fn claim(&self, id: SocketId) -> Option<&Claim> {
        let is_it =
            id.kind == SocketKind::Handshake && self.handshakes.is_live(id.index, id.generation);
        self.handshakes.get(id.index).filter(|_| is_it)
    }

    fn handshake_id(&self, index: u32) -> SocketId {
        SocketId {
            kind: SocketKind::Handshake,
            index,
            generation: self.handshakes.generation(index),
        }
    }
}
