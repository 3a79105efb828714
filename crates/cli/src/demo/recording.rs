//! What is seen of the packets: the log that ladders are drawn from, the capture file, discards.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use handfast::State;
use handfast::stack::TraceEvent;
use handfast::wire::Batch;
use handfast_link::observed::Observed;
use handfast_link::{Capabilities, Link, Source};
use handfast_trace::ladder::{Ladder, Row, RowKind};
use handfast_trace::{Event, LadderOptions, Recorder, Side};

use crate::recording::{self, Reason};

/// How long an end may take to come to rest after the last octet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Name of the capture file, before a number that makes it a new one.
const NAME: &str = "handfast-demo";

/// All that is recorded.
#[derive(Clone, Default)]
pub(super) struct Recording {
    seen: recording::Recording,
    is_on: Arc<AtomicBool>,
}

/// A capture being written.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) path: PathBuf,
    packets: usize,
}

impl Recording {
    /// `link`, its packets recorded while recording is on.
    pub(super) fn watch<L: Link>(&self, link: L) -> Switched<L> {
        Switched {
            link: Observed::new(link, None),
            recorder: self.seen.recorder().clone(),
            wanted: Arc::clone(&self.is_on),
            is_on: false,
        }
    }

    /// Takes what a stack tells: states, always; discards.
    pub(super) fn sink(&self) -> impl FnMut(TraceEvent) + Send + use<> {
        self.seen.sink()
    }

    /// Records packets from now on, or no more.
    pub(super) fn switch(&self, on: bool) {
        self.is_on.store(on, Ordering::Release);
    }

    /// Also writes what is recorded to a new file in `directory`; `now` is the time of the stacks.
    ///
    /// # Errors
    /// Those of making directory and file, in one line with a fix. What cannot be written later is
    /// told by [`Recording::finish`].
    pub(super) fn capture(
        &self,
        directory: &Path,
        now: handfast_base::Instant,
    ) -> Result<Capture, String> {
        let (file, path) = create_new(directory).map_err(|e| {
            let directory = directory.display();
            format!(
                "cannot create a capture in {directory}: {e}; fix: name a directory that you may \
                 write to with --out DIR"
            )
        })?;
        if let Err(e) = self.seen.capture(file, now) {
            return Err(not_written(&path, &e));
        }
        Ok(Capture { path, packets: 0 })
    }

    /// Completes the capture, and returns how many packets are in it.
    ///
    /// # Errors
    /// The first error of writing, in one line with a fix.
    pub(super) fn finish(&self, capture: &mut Capture) -> Result<usize, String> {
        capture.packets = self.seen.recorder().with_log(|log| {
            let segment = |e: &&Event| !matches!(e, Event::State(_));
            log.events().filter(segment).count()
        });
        match self.seen.recorder().finish() {
            Ok(()) => Ok(capture.packets),
            Err(e) => Err(not_written(&capture.path, &e)),
        }
    }

    /// The ladder of the connection that `client` opened to `server`, once both ends have come to
    /// rest in it, or at the latest after a while; and how many of its segments were sent more
    /// than once.
    pub(super) async fn ladder(
        &self,
        client: SocketAddr,
        server: SocketAddr,
        options: &LadderOptions,
    ) -> Option<(Ladder, u64)> {
        let begin = Instant::now();
        loop {
            let drawn = self.ladder_so_far(client, server, options);
            if begin.elapsed() > PATIENCE || drawn.as_ref().is_some_and(|(l, _)| is_over(l)) {
                return drawn;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn ladder_so_far(
        &self,
        client: SocketAddr,
        server: SocketAddr,
        options: &LadderOptions,
    ) -> Option<(Ladder, u64)> {
        self.seen.recorder().with_log(|log| {
            let all = log.connections();
            let wanted =
                |c: &&handfast_trace::ConnectionSummary| (c.left, c.right) == (client, server);
            let connection = all.iter().rev().find(wanted)?;
            let ladder = Ladder::with(log, connection, options);
            Some((ladder, connection.retransmissions.iter().sum()))
        })
    }

    /// Why packets were thrown away: in words, the source of the rule, and how many.
    pub(super) fn discards(&self) -> Vec<(Reason, u64)> {
        self.seen.discards()
    }
}

/// The state that an end of a connection came to, if it left the one it began in.
pub(super) fn last_state(ladder: &Ladder, side: Side) -> Option<State> {
    let mut changes = ladder.rows.iter().flat_map(|row| &row.changes);
    changes.rfind(|c| c.side == side).map(|c| c.to)
}

/// Whether both ends rest, and the segments that brought them there are all recorded.
fn is_over(ladder: &Ladder) -> bool {
    let rests = |side| {
        matches!(
            last_state(ladder, side),
            Some(State::TimeWait | State::Closed)
        )
    };
    let loose = |row: &Row| matches!(row.kind, RowKind::State);
    rests(Side::Left) && rests(Side::Right) && !ladder.rows.iter().any(loose)
}

/// Makes the directory, if need be, and a file in it with a name that nothing has.
fn create_new(directory: &Path) -> io::Result<(File, PathBuf)> {
    if directory.exists() && !directory.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    fs::create_dir_all(directory)?;
    for number in 1u32.. {
        let name = match number {
            1 => format!("{NAME}.pcapng"),
            n => format!("{NAME}-{n}.pcapng"),
        };
        let path = directory.join(name);
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn not_written(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    format!(
        "the capture {path} is incomplete: {error}; fix: make room there, or choose another place \
         with --out DIR"
    )
}

/// A link that is observed while that is wanted, and else costs what it costs alone.
pub(super) struct Switched<L> {
    link: Observed<L>,
    recorder: Recorder,
    wanted: Arc<AtomicBool>,
    is_on: bool,
}

impl<L: Link> Switched<L> {
    fn follow(&mut self) {
        let wanted = self.wanted.load(Ordering::Acquire);
        if wanted != self.is_on {
            self.is_on = wanted;
            let recorder = self.recorder.clone();
            self.link
                .set_observer(wanted.then(|| Box::new(recorder) as _));
        }
    }
}

impl<L: Link> Link for Switched<L> {
    fn capabilities(&self) -> &Capabilities {
        self.link.capabilities()
    }

    fn receive(&mut self, now: handfast_base::Instant, batch: &mut Batch) -> io::Result<usize> {
        self.follow();
        self.link.receive(now, batch)
    }

    fn transmit(&mut self, now: handfast_base::Instant, batch: &mut Batch) -> io::Result<usize> {
        self.follow();
        self.link.transmit(now, batch)
    }

    fn poll_timeout(&self) -> Option<handfast_base::Instant> {
        self.link.poll_timeout()
    }

    fn readiness(&self) -> Source<'_> {
        self.link.readiness()
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.link.set_waker(waker);
    }
}
