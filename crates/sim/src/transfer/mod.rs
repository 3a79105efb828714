//! An application whose every octet is known beforehand, at both ends.

mod ending;
mod patience;
mod text;

pub use ending::{Death, EndReport, Ending};

use crate::Handle;
use bytes::Bytes;
use handfast::TcpStream;
use handfast::base::{Duration, Instant, Rng};
use patience::Patience;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::task::Poll;
use text::Text;

/// Two streams over one connection, one each way at the same time, and the manners of those who
/// write and read them. Each end knows all octets that are to come, and compares.
#[derive(Clone, PartialEq, Debug)]
pub struct Transfer {
    /// Decides the octets, the sizes of writes and reads, and the pauses.
    pub seed: u64,
    /// Octets from client to server.
    pub up: u64,
    /// Octets from server to client.
    pub down: u64,
    /// The manners of the client.
    pub client: Manners,
    /// The manners of the server.
    pub server: Manners,
    /// How long a reader may wait for the next octets when no packet was lost; each lost packet
    /// doubles it, as it does a retransmission timeout. `None`: for ever.
    pub patience: Option<Duration>,
}

/// How an end goes about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Manners {
    /// Octets of each write, at least 1.
    pub write: RangeInclusive<usize>,
    /// The most octets of each read, at least 1.
    pub read: RangeInclusive<usize>,
    /// The probability that the reader sleeps after a read.
    pub pause: f64,
    /// How long it sleeps then, at most.
    pub pause_limit: Duration,
    /// How it comes to an end.
    pub close: Close,
}

/// How an end closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Close {
    /// Its direction when all is written, and the rest when all is read.
    WhenWritten,
    /// Its direction when the other end has closed its own. Only one of both ends may do so.
    AfterPeer,
    /// With a reset, after so many octets were read.
    Abort(u64),
    /// By leaving, after so many octets were read, whatever is still to come or to be written.
    Leave(u64),
}

/// Which end of a [`Transfer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The end that connects.
    Client,
    /// The end that accepts.
    Server,
}

impl Transfer {
    /// So many octets each way, in writes and reads of up to 64 KiB, without pauses.
    pub fn new(seed: u64, up: u64, down: u64) -> Transfer {
        Transfer {
            seed,
            up,
            down,
            client: Manners::default(),
            server: Manners::default(),
            patience: None,
        }
    }

    /// Plays one end over `stream`, and closes it.
    pub async fn run(&self, role: Role, handle: &Handle, stream: TcpStream) -> EndReport {
        let (manners, to_write, to_read) = match role {
            Role::Client => (&self.client, self.up, self.down),
            Role::Server => (&self.server, self.down, self.up),
        };
        let own = role as u64;
        let mut dice = Rng::new(self.seed ^ own << 63);
        let mut writer = Writer {
            stream: &stream,
            handle,
            text: Text::new(self.seed, own),
            total: to_write,
            written: 0,
            dice: dice.fork(),
            manners,
        };
        let mut reader = Reader {
            stream: &stream,
            handle,
            text: Text::new(self.seed, 1 - own),
            total: to_read,
            read: 0,
            dice,
            manners,
            patience: self.patience.map(|limit| Patience::new(limit, manners)),
        };
        let (writing, reading) = both(writer.write(), reader.read()).await;
        let (written, read) = (writer.written, reader.read);
        match manners.close {
            Close::AfterPeer => _ = stream.shutdown_write(),
            Close::Abort(_) if reading == Ending::Quit => _ = stream.abort(),
            _ => {}
        }
        EndReport {
            at: handle.now(),
            written,
            read,
            writing,
            reading,
        }
    }
}

impl Default for Manners {
    /// Writes and reads of up to 64 KiB, no pauses; closes when all is written.
    fn default() -> Manners {
        Manners {
            write: 1..=65_536,
            read: 1..=65_536,
            pause: 0.0,
            pause_limit: Duration::ZERO,
            close: Close::WhenWritten,
        }
    }
}

/// Writes and reads at the same time, until both have ended or the reader has enough.
async fn both(
    writing: impl Future<Output = Ending>,
    reading: impl Future<Output = Ending>,
) -> (Ending, Ending) {
    let (mut writing, mut reading) = (pin!(writing), pin!(reading));
    let (mut written, mut read) = (None, None);
    poll_fn(|cx| {
        if written.is_none()
            && let Poll::Ready(ending) = writing.as_mut().poll(cx)
        {
            written = Some(ending);
        }
        if read.is_none()
            && let Poll::Ready(ending) = reading.as_mut().poll(cx)
        {
            read = Some(ending);
        }
        match read.take_if(|read| written.is_some() || read.is_final()) {
            Some(read) => Poll::Ready((written.take().unwrap_or(Ending::Quit), read)),
            None => Poll::Pending,
        }
    })
    .await
}

struct Writer<'a> {
    stream: &'a TcpStream,
    handle: &'a Handle,
    text: Text,
    total: u64,
    written: u64,
    dice: Rng,
    manners: &'a Manners,
}

impl Writer<'_> {
    async fn write(&mut self) -> Ending {
        while self.written < self.total {
            let left = usize::try_from(self.total - self.written).unwrap_or(usize::MAX);
            let size = pick(&mut self.dice, &self.manners.write).min(left);
            let mut octets = vec![0; size];
            self.text.fill(self.written, &mut octets);
            let mut octets = Bytes::from(octets);
            let result = self.stream.write_bytes(&mut octets).await;
            self.written += (size - octets.len()) as u64;
            if let Err(e) = result {
                return Ending::Dead(Death::of(self.stream, &e, self.handle));
            }
        }
        match self.manners.close {
            Close::WhenWritten => match self.stream.shutdown_write() {
                Ok(()) => Ending::Complete,
                Err(e) => Ending::Dead(Death::of(self.stream, &e, self.handle)),
            },
            _ => Ending::Complete,
        }
    }
}

struct Reader<'a> {
    stream: &'a TcpStream,
    handle: &'a Handle,
    text: Text,
    total: u64,
    read: u64,
    dice: Rng,
    manners: &'a Manners,
    patience: Option<Patience>,
}

impl Reader<'_> {
    async fn read(&mut self) -> Ending {
        let limit = match self.manners.close {
            Close::Abort(after) | Close::Leave(after) => after,
            _ => u64::MAX,
        };
        let mut expected = Vec::new();
        loop {
            if self.read >= limit {
                return Ending::Quit;
            }
            let size = pick(&mut self.dice, &self.manners.read);
            let began = self.handle.now();
            let octets = match self.stream.read_bytes(size).await {
                Ok(octets) => octets,
                Err(e) => return Ending::Dead(Death::of(self.stream, &e, self.handle)),
            };
            if let Err(fault) = self.check(&octets, &mut expected) {
                return Ending::Fault(fault);
            }
            if octets.is_empty() {
                return match self.read == self.total {
                    true => Ending::Complete,
                    false => Ending::Short,
                };
            }
            if let Err(fault) = self.check_patience(began) {
                return Ending::Fault(fault);
            }
            self.read += octets.len() as u64;
            if self.dice.chance(self.manners.pause) {
                let most = self.manners.pause_limit.as_nanos() as u64;
                let pause = Duration::from_nanos(self.dice.below(most));
                self.handle.sleep(pause).await;
            }
        }
    }

    fn check(&self, octets: &[u8], expected: &mut Vec<u8>) -> Result<(), String> {
        let at = self.read;
        if at + octets.len() as u64 > self.total {
            return Err(format!("more than {} octets", self.total));
        }
        expected.resize(octets.len(), 0);
        self.text.fill(at, expected);
        let wrong = octets.iter().zip(&*expected).position(|(a, b)| a != b);
        match wrong {
            Some(n) => Err(format!("a wrong octet at {}", at + n as u64)),
            None => Ok(()),
        }
    }

    /// Whether what was lost explains how long it took.
    fn check_patience(&mut self, began: Instant) -> Result<(), String> {
        let Some(patience) = &mut self.patience else {
            return Ok(());
        };
        let (Ok(local), Ok(peer)) = (self.stream.local_addr(), self.stream.peer_addr()) else {
            return Ok(());
        };
        let losses = self.handle.log().losses(local, peer);
        let waited = self.handle.now().since(began);
        patience
            .check(waited, losses)
            .map_err(|why| format!("{why} at octet {} of {}", self.read, self.total))
    }
}

/// A size out of `range`.
fn pick(dice: &mut Rng, range: &RangeInclusive<usize>) -> usize {
    let (least, most) = (*range.start().max(&1), *range.end());
    least + dice.below((most.saturating_sub(least) + 1) as u64) as usize
}
