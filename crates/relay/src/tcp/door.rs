//! Endpoints of the host that a server of FTP is told to connect to. What it says once it has
//! connected must not overtake the connection: a client that hears of the end of a transfer before
//! it has begun gives up.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use tokio::net::{TcpListener as HostListener, TcpStream as HostStream};

/// All doors of one control connection.
#[derive(Default)]
pub(super) struct Doors {
    all: Mutex<Vec<Weak<Door>>>,
    /// Waits until nobody stands at any door.
    held: Mutex<Option<Waker>>,
}

/// One endpoint, until the connection that came to it has reached the program, or has failed to.
pub(super) struct Door {
    listener: HostListener,
    /// Whether somebody has come in, and is on the way to the program.
    entered: Mutex<bool>,
    doors: Arc<Doors>,
}

impl Doors {
    pub(super) fn open(self: &Arc<Doors>, listener: HostListener) -> Arc<Door> {
        let door = Arc::new(Door {
            listener,
            entered: Mutex::new(false),
            doors: Arc::clone(self),
        });
        let mut all = lock(&self.all);
        all.retain(|door| door.strong_count() > 0);
        all.push(Arc::downgrade(&door));
        door
    }

    /// Ready when nobody who has come is still on the way to the program.
    pub(super) fn poll_quiet(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Before looking, so that no change is missed.
        *lock(&self.held) = Some(cx.waker().clone());
        let doors: Vec<_> = lock(&self.all).iter().filter_map(Weak::upgrade).collect();
        match doors.iter().any(|door| door.is_busy()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = lock(&self.held).take() {
            waker.wake();
        }
    }
}

impl Door {
    /// Who comes next.
    pub(super) async fn accept(&self) -> io::Result<(HostStream, SocketAddr)> {
        std::future::poll_fn(|cx| {
            // Between leaving the queue and being noted nobody is seen.
            let mut entered = lock(&self.entered);
            let accepted = ready!(self.listener.poll_accept(cx));
            *entered = accepted.is_ok();
            Poll::Ready(accepted)
        })
        .await
    }

    /// Whoever came was the wrong one.
    pub(super) fn turn_away(&self) {
        *lock(&self.entered) = false;
        self.doors.wake();
    }

    fn is_busy(&self) -> bool {
        let entered = lock(&self.entered);
        let mut queue = [PollFd::new(&self.listener, PollFlags::IN)];
        *entered || poll(&mut queue, Some(&Timespec::default())).is_ok_and(|n| n > 0)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.doors.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
