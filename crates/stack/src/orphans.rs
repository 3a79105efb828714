//! Connections that the application has let go of and that have not ended: they are bounded, and
//! the oldest gives way, so that peers which never close cannot fill the memory.

use crate::Stack;
use alloc::collections::VecDeque;
use handfast_base::Instant;

/// The orphans, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// Index and generation, oldest first; some have ended.
    order: VecDeque<(u32, u32)>,
    pub(crate) live: usize,
}

impl Stack {
    /// The connection has been let go of. If there are too many like it, the oldest is reset.
    pub(crate) fn orphaned(&mut self, index: u32, now: Instant) {
        let Some(socket) = self.table.connections.get_mut(index) else {
            return;
        };
        if socket.has_ended() || socket.orphan {
            return;
        }
        socket.orphan = true;
        self.orphans.live += 1;
        let connections = &self.table.connections;
        let order = &mut self.orphans.order;
        order.push_back((index, connections.generation(index)));
        // Each pass removes at least half, so it costs O(1) an orphan.
        if order.len() > 64 + 2 * self.orphans.live {
            order.retain(|&(index, generation)| {
                connections.is_live(index, generation)
                    && connections.get(index).is_some_and(|s| s.orphan)
            });
            order.shrink_to(2 * order.len());
        }
        while self.orphans.live > self.config.max_orphans {
            let Some((index, generation)) = self.orphans.order.pop_front() else {
                return;
            };
            if self.table.connections.is_live(index, generation)
                && let Some(socket) = self.table.connections.get_mut(index)
                && socket.orphan
            {
                socket.connection.abort();
                self.metrics.tcp.orphans_reset += 1;
                self.mark_dirty(index);
                self.settle(index, now);
            }
        }
    }
}
