//! `handfast demo`: our stack and the kernel's talk HTTP both ways, and everything of it is shown.

mod client;
mod recording;
mod report;
mod site;
mod transfer;
mod world;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use handfast::State;
use handfast_trace::{LadderOptions, Side};

use crate::arguments::DemoArguments;
use crate::kernel_peer::TcpState;
use crate::netlink::Family;
use crate::signals::Signals;
use crate::terminal::Terminal;
use recording::{Capture, Recording};
use transfer::{Bulk, Done, End, Transfer, What};
use world::World;

/// How long the kernel may take to come to rest after a close.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Why the demo ended before its end.
enum Cut {
    /// Something failed: said in one line, with a fix where there is one.
    Failed(String),
    /// A signal of this number came.
    Signal(i32),
}

/// The kernel's own word on its end of a connection.
struct KernelWord {
    /// While the connection was open, where it could be asked then.
    open: Option<TcpState>,
    /// After its end, where it still knew of it.
    closed: Option<TcpState>,
    /// The state that the segments led us to expect at the end.
    expected: State,
}

impl KernelWord {
    /// Whether the kernel's last word is the state expected.
    fn agrees(&self) -> bool {
        match &self.closed {
            Some(state) => state.state == self.expected.name(),
            None => self.expected == State::Closed,
        }
    }
}

/// The demo at work.
struct Demo {
    terminal: Terminal,
    recording: Recording,
    capture: Option<Capture>,
    /// What went wrong and did not stop the rest.
    faults: Vec<String>,
    done: Vec<Done>,
    /// The kernel's congestion control.
    congestion: Option<String>,
}

/// The whole of `handfast demo`.
pub fn run(arguments: &DemoArguments, terminal: Terminal) -> ExitCode {
    let begin = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => return failed(&[format!("cannot start threads: {e}")]),
    };
    let mut demo = Demo {
        terminal,
        recording: Recording::default(),
        capture: None,
        faults: Vec::new(),
        done: Vec::new(),
        congestion: None,
    };
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|e| Cut::Failed(e.to_string()))?;
        tokio::select! {
            biased;
            number = signals.next() => Err(Cut::Signal(number)),
            outcome = demo.play(arguments) => outcome.map_err(Cut::Failed),
        }
    });
    // What still waits for an answer will get none.
    runtime.shutdown_background();
    demo.end(outcome, begin)
}

impl Demo {
    async fn play(&mut self, arguments: &DemoArguments) -> Result<(), String> {
        let families: Vec<Family> = match (arguments.ipv4, arguments.ipv6) {
            (true, false) => vec![Family::V4],
            (false, true) => vec![Family::V6],
            _ => vec![Family::V4, Family::V6],
        };
        let directory = arguments.out.clone().unwrap_or_else(std::env::temp_dir);
        let world = World::create(&families, arguments.backend, &self.recording).await?;
        match self.recording.capture(&directory, world.now()) {
            Ok(capture) => self.capture = Some(capture),
            // The rest is worth seeing without.
            Err(e) => self.faults.push(e),
        }
        let capture = self.capture.as_ref().map(|c| c.path.as_path());
        report::introduction(&mut self.terminal, &world, capture);
        self.recording.switch(true);
        let (first, last) = (world.families[0], world.families[world.families.len() - 1]);
        let shown = [
            Transfer::new(End::Far, first, What::Login),
            Transfer::new(End::Near, last, What::Page),
        ];
        for (i, transfer) in shown.iter().enumerate() {
            report::heading(&mut self.terminal, i + 1, &report::of_one(&world, transfer));
            if i == 0 {
                report::how_to_read(&mut self.terminal);
            }
            self.show(&world, *transfer).await?;
        }
        for transfer in Transfer::all(&world.families, [What::Page, What::Login]) {
            if !shown.contains(&transfer) {
                self.transfer(&world, transfer, &Bulk::default(), async |_| ())
                    .await?;
            }
        }
        // From here on for the stopwatch.
        self.recording.switch(false);
        let before = world.retransmissions();
        report::heading(
            &mut self.terminal,
            3,
            "All transfers, each over a connection of its own and checked with SHA-256",
        );
        let len = arguments.size;
        self.terminal.status("making the content ...");
        let bulk = tokio::task::spawn_blocking(move || Bulk::new(len)).await;
        let bulk = bulk.map_err(|e| e.to_string())?;
        for transfer in Transfer::all(&world.families, [What::Download, What::Upload]) {
            let what = report::of_one(&world, &transfer);
            self.terminal.status(&format!("{what} ..."));
            self.transfer(&world, transfer, &bulk, async |_| ()).await?;
        }
        let again = world.retransmissions() - before;
        report::transfers(&mut self.terminal, &world, &self.done);
        report::measured(&mut self.terminal, &bulk, self.congestion.as_deref(), again);
        let discards = self.recording.discards();
        report::discards(&mut self.terminal, &discards);
        Ok(())
    }

    /// Makes one transfer and draws its ladder.
    async fn show(&mut self, world: &World, transfer: Transfer) -> Result<(), String> {
        let server = world::address(transfer.client.other(), transfer.family);
        let mut open = None;
        let asked = async |client: SocketAddr| {
            open = world.kernel_state(server, client).await.ok().flatten();
        };
        let client = self
            .transfer(world, transfer, &Bulk::default(), asked)
            .await?;
        let name = |end| world.name(end).to_owned();
        let options = LadderOptions {
            names: vec![
                (client, name(transfer.client)),
                (server, name(transfer.client.other())),
            ],
            ..LadderOptions::default()
        };
        let drawn = self.recording.ladder(client, server, &options).await;
        let (ladder, again) = drawn.ok_or("the connection was not recorded")?;
        report::ladder(&mut self.terminal, &ladder);
        if again > 0 {
            report::sent_again(&mut self.terminal, again);
        }
        if world.kernel().is_none() {
            report::both_real(&mut self.terminal, world.subject(transfer.client));
            return Ok(());
        }
        let (kernel, near, side) = match transfer.client {
            End::Far => (client, server, Side::Left),
            End::Near => (server, client, Side::Right),
        };
        let expected = recording::last_state(&ladder, side).unwrap_or(State::Closed);
        let word = KernelWord {
            open,
            closed: rest(world, kernel, near, expected).await?,
            expected,
        };
        if !word.agrees() {
            let said = word.closed.as_ref();
            let said = said.map_or("no connection", |s| s.state.as_str());
            self.faults.push(format!(
                "the kernel says {said} of its end {kernel}, and its segments say {expected}"
            ));
        }
        report::kernel_word(&mut self.terminal, world.subject(transfer.client), &word);
        let congestion = word.open.and_then(|state| state.congestion);
        self.congestion = congestion.or(self.congestion.take());
        Ok(())
    }

    /// Makes one transfer; returns the client's address.
    async fn transfer(
        &mut self,
        world: &World,
        transfer: Transfer,
        bulk: &Bulk,
        while_open: impl AsyncFnOnce(SocketAddr),
    ) -> Result<SocketAddr, String> {
        let server = world::address(transfer.client.other(), transfer.family);
        let request = transfer.request(server, bulk.len);
        let reply = world
            .request(transfer.client, request, while_open)
            .await
            .map_err(|e| format!("{}: {e}", report::of_one(world, &transfer)))?;
        let done = transfer.done(&reply, bulk);
        if let Some(fault) = &done.fault {
            let which = report::of_one(world, &transfer);
            self.faults.push(format!("{which}: {fault}"));
        }
        self.done.push(done);
        Ok(reply.local)
    }

    /// Completes the capture, tells the result, and names the exit code.
    fn end(mut self, outcome: Result<(), Cut>, begin: Instant) -> ExitCode {
        self.terminal.end_status();
        let mut packets = 0;
        if let Some(capture) = &mut self.capture {
            match self.recording.finish(capture) {
                Ok(n) => packets = n,
                Err(e) => self.faults.push(e),
            }
        }
        let path = self.capture.as_ref().map(|c| c.path.as_path());
        match outcome {
            Ok(()) => {
                let seconds = begin.elapsed().as_secs_f64();
                let terminal = &mut self.terminal;
                let capture = path.map(|path| (path, packets));
                report::conclusion(terminal, &self.done, &self.faults, capture, seconds);
            }
            Err(Cut::Failed(why)) => {
                let seen = path.filter(|_| packets > 0).map_or(String::new(), |path| {
                    format!(
                        "; the {packets} packets until then are in {}",
                        path.display()
                    )
                });
                self.faults.push(why + &seen);
            }
            Err(Cut::Signal(number)) => {
                let partial = path.map_or(String::new(), |path| {
                    format!("; {} ends early, with {packets} packets", path.display())
                });
                let name = match number {
                    1 => "SIGHUP",
                    2 => "SIGINT",
                    _ => "SIGTERM",
                };
                eprintln!("handfast: interrupted by {name}{partial}");
                failed(&self.faults);
                return ExitCode::from(128 + number as u8);
            }
        }
        match self.terminal.take_error() {
            // Whoever reads has read enough; the shell's number for it.
            Some(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                failed(&self.faults);
                return ExitCode::from(141);
            }
            Some(e) => self.faults.push(format!("cannot write the report: {e}")),
            None => {}
        }
        if self.faults.is_empty() {
            ExitCode::SUCCESS
        } else {
            failed(&self.faults)
        }
    }
}

/// What the kernel says of its end once it is at rest, at the latest after a while: `None` when it
/// knows the connection no more.
async fn rest(
    world: &World,
    kernel: SocketAddr,
    near: SocketAddr,
    expected: State,
) -> Result<Option<TcpState>, String> {
    let begin = Instant::now();
    loop {
        let state = world.kernel_state(kernel, near).await?;
        let is_expected = match &state {
            Some(state) => state.state == expected.name(),
            None => expected == State::Closed,
        };
        if is_expected || begin.elapsed() > PATIENCE {
            return Ok(state);
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn failed(faults: &[String]) -> ExitCode {
    for fault in faults {
        eprintln!("handfast: {fault}");
    }
    ExitCode::FAILURE
}
