//! Both directions of one relayed connection, driven by one task.
//!
//! Octets go up, from the program to its destination, as the slices in which they arrived, and
//! down as the chunks in which they were read. Nothing is read from one side before what was read
//! last has been taken by the other, so that what is held is bounded and pressure is handed back;
//! and a connection on which nothing moves holds no buffer.

use super::chunk::{Chunks, SIZE};
use bytes::{Buf, Bytes};
use handfast::{Readiness, TcpStream};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream as HostStream;

/// Octets that are taken up at once.
const BATCH: usize = 256 * 1024;
/// Slices that one system call takes.
const SLICES: usize = 32;
/// Octets in one direction after which others have their turn.
const TURN: usize = 1 << 20;

/// Looks at the stream of the program on its way up, and may change it; may hold back what comes
/// down.
pub(crate) trait Filter: Send {
    /// `slices` have arrived; what is left in them goes on. With `end`, nothing will follow.
    fn pass(&mut self, slices: &mut Vec<Bytes>, end: bool);

    /// Ready when what has come down meanwhile may go on.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

pub(crate) struct Pump<'a> {
    ours: &'a TcpStream,
    host: &'a HostStream,
    chunks: &'a Arc<Chunks>,
    filter: Option<Box<dyn Filter>>,
    up: Up,
    down: Down,
    /// The host's socket has an error: what it has received is still read, and then comes a reset.
    host_broken: bool,
    /// Nobody reads any more what comes down.
    program_gone: bool,
}

#[derive(Default)]
struct Up {
    queue: Vec<Bytes>,
    /// Slices of `queue` that are gone already.
    gone: usize,
    octets: u64,
    stage: Stage,
}

struct Down {
    chunk: Bytes,
    /// Size of the next chunk to be read.
    size: usize,
    octets: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Open,
    /// The end of the stream was read, and not yet passed on.
    Ended,
    Closed,
}

/// Why a connection broke.
#[derive(Debug)]
pub(crate) enum Broken {
    Program(io::Error),
    Destination(io::Error),
}

impl<'a> Pump<'a> {
    pub(crate) fn new(
        ours: &'a TcpStream,
        host: &'a HostStream,
        chunks: &'a Arc<Chunks>,
        filter: Option<Box<dyn Filter>>,
    ) -> Pump<'a> {
        Pump {
            ours,
            host,
            chunks,
            filter,
            up: Up::default(),
            down: Down {
                chunk: Bytes::new(),
                size: SIZE.0,
                octets: 0,
                stage: Stage::Open,
            },
            host_broken: false,
            program_gone: false,
        }
    }

    /// Octets that were taken up and down.
    pub(crate) fn octets(&self) -> (u64, u64) {
        (self.up.octets, self.down.octets)
    }

    /// The host's socket has an error, which comes after what there is to be read.
    pub(crate) fn host_breaks(&mut self) {
        self.host_broken = true;
    }

    /// The program has ended: when all it has said is passed on, its connection is over.
    pub(crate) fn program_gone(&mut self) {
        self.program_gone = true;
    }

    /// Moves what can be moved. Ready when both directions are closed, or the connection broke.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let up = self.poll_up(cx);
        if let Poll::Ready(Err(Broken::Destination(_))) = &up {
            // The way up is gone. What has come down is the program's all the same.
            self.host_broken = true;
            self.up = Up {
                octets: self.up.octets,
                stage: Stage::Closed,
                ..Up::default()
            };
        } else if let Poll::Ready(result) = up {
            result?;
        }
        if let Poll::Ready(result) = self.poll_down(cx) {
            result?;
        }
        if self.down.stage == Stage::Closed {
            if self.host_broken {
                return Poll::Ready(Err(self.reset()));
            }
            if self.up.stage == Stage::Closed {
                return Poll::Ready(Ok(()));
            }
        }
        if self.program_gone && self.up.stage == Stage::Closed {
            let closed = self.ours.shutdown_write();
            return Poll::Ready(closed.map_err(Broken::Program));
        }
        if self.up.queue.is_empty() {
            self.up.queue = Vec::new();
        }
        if self.up.stage == Stage::Closed || !self.up.queue.is_empty() {
            // Nobody waits to read from the program, and so nobody would hear that it is gone.
            if let Poll::Ready(ready) = self.ours.poll_ready(cx, Readiness::CLOSED) {
                let died = ready.and_then(|_| self.ours.take_error());
                if let Some(why) = died.map_err(Broken::Program)? {
                    return Poll::Ready(Err(Broken::Program(why)));
                }
            }
        }
        Poll::Pending
    }

    /// From the program to the host's socket. Ready when this direction is closed.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let up = &mut self.up;
        let mut turn = 0;
        loop {
            while up.gone < up.queue.len() {
                if turn >= TURN {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                ready!(self.host.poll_write_ready(cx)).map_err(Broken::Destination)?;
                let mut slices = [IoSlice::new(&[]); SLICES];
                let left = up.queue[up.gone..].iter();
                let count = left
                    .zip(&mut slices)
                    .map(|(bytes, slice)| *slice = IoSlice::new(bytes))
                    .count();
                match self.host.try_write_vectored(&slices[..count]) {
                    Ok(mut written) => {
                        turn += written;
                        up.octets += written as u64;
                        while let Some(front) = up.queue.get_mut(up.gone) {
                            let part = written.min(front.len());
                            front.advance(part);
                            written -= part;
                            if !front.is_empty() {
                                break;
                            }
                            *front = Bytes::new();
                            up.gone += 1;
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    Err(e) => return Poll::Ready(Err(Broken::Destination(e))),
                }
            }
            up.queue.clear();
            up.gone = 0;
            match up.stage {
                Stage::Open => {}
                Stage::Ended => {
                    let socket = socket2::SockRef::from(self.host);
                    socket
                        .shutdown(std::net::Shutdown::Write)
                        .map_err(Broken::Destination)?;
                    up.stage = Stage::Closed;
                    return Poll::Ready(Ok(()));
                }
                Stage::Closed => return Poll::Ready(Ok(())),
            }
            ready!(self.ours.poll_read_slices(cx, BATCH, &mut up.queue))
                .map_err(Broken::Program)?;
            let end = up.queue.is_empty();
            if end {
                up.stage = Stage::Ended;
            }
            if let Some(filter) = &mut self.filter {
                filter.pass(&mut up.queue, end);
            }
        }
    }

    /// From the host's socket to the program. Ready when this direction is closed.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let down = &mut self.down;
        let mut turn = 0;
        loop {
            while !down.chunk.is_empty() {
                if let Some(filter) = &mut self.filter {
                    ready!(filter.poll_down(cx));
                }
                let sent = match self.ours.poll_write_bytes(cx, &mut down.chunk) {
                    Poll::Ready(sent) => sent.map_err(Broken::Program)?,
                    // The program does not take what is there, and the destination is gone.
                    Poll::Pending if self.host_broken => return Poll::Ready(Err(self.reset())),
                    Poll::Pending => return Poll::Pending,
                };
                down.octets += sent as u64;
                turn += sent;
            }
            match down.stage {
                Stage::Open => {}
                Stage::Ended => {
                    self.ours.shutdown_write().map_err(Broken::Program)?;
                    down.stage = Stage::Closed;
                    return Poll::Ready(Ok(()));
                }
                Stage::Closed => return Poll::Ready(Ok(())),
            }
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(self.host.poll_read_ready(cx)).map_err(Broken::Destination)?;
            // What the program does not take stays with the host's kernel.
            let room = match self.ours.poll_send_room(cx) {
                Poll::Ready(room) => room.map_err(Broken::Program)?,
                Poll::Pending if self.host_broken => return Poll::Ready(Err(self.reset())),
                Poll::Pending => return Poll::Pending,
            };
            let most = down.size.min(room);
            let mut chunk = self.chunks.take(Chunks::size_for(most));
            let memory = &mut chunk.memory()[..most];
            match self.host.try_read(memory) {
                Ok(0) if self.host_broken => return Poll::Ready(Err(self.reset())),
                Ok(0) => down.stage = Stage::Ended,
                Ok(len) if len < memory.len().max(SIZE.0) / 4 => {
                    // A little would pin all of the memory: it is copied.
                    down.chunk = Bytes::copy_from_slice(&memory[..len]);
                    if len < most {
                        down.size = (down.size / 2).max(SIZE.0);
                    }
                }
                Ok(len) => {
                    down.chunk = chunk.filled(len);
                    if len == down.size {
                        down.size = (down.size * 2).min(SIZE.1);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(Broken::Destination(e))),
            }
        }
    }

    fn reset(&self) -> Broken {
        let error = self.host.take_error().ok().flatten();
        Broken::Destination(error.unwrap_or_else(|| ErrorKind::ConnectionReset.into()))
    }
}
