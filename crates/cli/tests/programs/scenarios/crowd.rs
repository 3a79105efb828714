//! Very many connections: at once, one after another, and to where nobody answers.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use super::Scenario;
use crate::support::within;
use crate::world::{SERVER, Service, World, servers};

const PYTHON: &[(&str, &str)] = &[("python3", "python3")];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("crowd_of_2000_at_once", PYTHON, at_once),
    Scenario::new(
        "crowd_one_after_another_leaves_nothing",
        PYTHON,
        one_after_another,
    ),
    Scenario::new("crowd_of_10000_half_open_stalls_nobody", PYTHON, half_open),
];

/// Its descriptors are as many as the machine allows.
const MANY_DESCRIPTORS: &str = "import resource\n\
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n\
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n";

fn echo() -> Service {
    Service::start(servers(7)[0], |mut connection| {
        let mut buffer = [0; 4096];
        while let n @ 1.. = connection.read(&mut buffer)? {
            connection.write_all(&buffer[..n])?;
        }
        Ok(())
    })
}

fn at_once(world: &World) {
    const EACH: usize = 256 << 10;
    let _service = echo();
    // Nothing of it is read for a while: 500 MB that somebody has to hold, or to hold back.
    let _flood = Service::start(servers(19)[0], |mut connection: TcpStream| {
        connection.write_all(&vec![b'f'; EACH])
    });
    let script = format!(
        "{MANY_DESCRIPTORS}import asyncio\n\
         async def say(n, reader, writer, text):\n\
         \x20   writer.write(text)\n\
         \x20   got = await reader.readexactly(len(text))\n\
         \x20   assert got == text, (n, got, text)\n\
         def connect(port): return asyncio.gather(\n\
         \x20   *[asyncio.open_connection('{SERVER}', port, limit=4096) for _ in range(2000)])\n\
         async def main():\n\
         \x20   all = await connect(7)\n\
         \x20   for turn in range(3):\n\
         \x20       text = lambda n: b'%d %d;' % (turn, n) * 50\n\
         \x20       await asyncio.gather(*[say(n, *c, text(n)) for n, c in enumerate(all)])\n\
         \x20   print('said', flush=True); input()\n\
         \x20   for reader, writer in all: writer.write_eof()\n\
         \x20   for reader, writer in all: assert await reader.read() == b''\n\
         \x20   for reader, writer in all: writer.close()\n\
         \x20   all = await connect(19)\n\
         \x20   await asyncio.sleep(3)\n\
         \x20   print('flooded', flush=True); input()\n\
         \x20   for reader, writer in all: assert len(await reader.read()) == {EACH}\n\
         \x20   print('all', flush=True); input()\n\
         asyncio.run(main())\n"
    );
    let run = world.run(&["python3", "-c", &script]).input(Stdio::piped());
    let mut run = run.start();
    let limit = Duration::from_secs(300);
    let pid = run.pid();
    let mut figures = Vec::new();
    for moment in ["said", "flooded", "all"] {
        run.expect(moment, limit);
        figures.push(format!("{moment} {} MiB", resident(pid) >> 10));
        run.type_in("\n");
    }
    let most = peak(pid) >> 10;
    eprintln!(
        "2,000 connections at once, memory: {}, at most {most} MiB",
        figures.join(", ")
    );
    run.finish(limit).good();
    // What waits for a program is bounded for all connections together.
    assert!(most < 448, "{most} MiB");
}

/// Half of them are ended first by the program, half by the server.
fn one_after_another(world: &World) {
    let number = super::size("HANDFAST_RUN_CONNECTIONS", 2_000);
    let _service = echo();
    let _brief = Service::start(servers(13)[0], |mut connection: TcpStream| {
        connection.write_all(b"brief\n")
    });
    let script = format!(
        "import socket\n\
         def connect(port):\n\
         \x20   s = socket.create_connection(('{SERVER}', port), 60)\n\
         \x20   return s\n\
         def turns(count):\n\
         \x20   for n in range(count // 2):\n\
         \x20       with connect(7) as s:\n\
         \x20           s.sendall(b'%d' % n)\n\
         \x20           assert s.recv(100) == b'%d' % n\n\
         \x20       with connect(13) as s:\n\
         \x20           assert s.makefile().read() == 'brief\\n'\n\
         turns({first}); print('warm', flush=True); input()\n\
         turns({rest}); print('done', flush=True); input()\n",
        first = number / 4,
        rest = number - number / 4,
    );
    let run = world.run(&["python3", "-c", &script]).input(Stdio::piped());
    let mut run = run.start();
    let limit = Duration::from_secs(1800);
    run.expect("warm", limit);
    let pid = run.pid();
    // Connections that are being closed have their descriptors for a moment.
    std::thread::sleep(Duration::from_millis(500));
    let before = (descriptors(pid), resident(pid));
    run.type_in("\n");
    run.expect("done", limit);
    let spare = 5;
    within(
        Duration::from_secs(20),
        "the descriptors of connections to be closed",
        || descriptors(pid) <= before.0 + spare,
    );
    let after = (descriptors(pid), resident(pid));
    eprintln!("{number} connections: (descriptors, KiB) {before:?} became {after:?}");
    // What 1,500 connections of 8 KiB would leave; what a record each would of many.
    assert!(
        after.1 < before.1 + 12 * 1024,
        "KiB: {before:?} became {after:?}"
    );
    run.type_in("\n");
    run.finish(limit).good();
}

fn half_open(world: &World) {
    let _service = echo();
    let script = format!(
        "{MANY_DESCRIPTORS}import select, socket, time\n\
         def talk(s):\n\
         \x20   begin = time.monotonic()\n\
         \x20   s.sendall(b'alive'); assert s.recv(5) == b'alive'\n\
         \x20   return time.monotonic() - begin\n\
         live = socket.create_connection(('{SERVER}', 7), 60)\n\
         waits = []\n\
         dead = []\n\
         for n in range(10000):\n\
         \x20   s = socket.socket(); s.setblocking(False)\n\
         \x20   s.connect_ex(('203.0.113.%d' % (n % 250 + 1), n // 250 + 1))\n\
         \x20   dead.append(s)\n\
         \x20   if n % 50 == 0: waits.append(talk(live))\n\
         end = time.monotonic() + 3\n\
         while time.monotonic() < end:\n\
         \x20   waits.append(talk(live)); time.sleep(0.005)\n\
         begin = time.monotonic()\n\
         second = socket.create_connection(('{SERVER}', 7), 60); talk(second)\n\
         print('new', time.monotonic() - begin)\n\
         poll = select.poll()\n\
         for s in dead: poll.register(s, select.POLLOUT)\n\
         print('still', 10000 - len(poll.poll(0)))\n\
         print('worst', max(waits))\n"
    );
    let run = world
        .run(&["python3", "-c", &script])
        .finish(Duration::from_secs(120));
    let output = run.ended(0).output;
    eprintln!("10,000 half open: {}", output.replace('\n', "; "));
    let value = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse::<f64>().unwrap()
    };
    assert!(value("worst") < 2.0, "{output}");
    assert!(value("new") < 5.0, "{output}");
    assert!(value("still") > 9_000.0, "{output}");
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Memory of the process, in KiB.
fn resident(pid: u32) -> u64 {
    memory(pid, "VmRSS:")
}

/// The most that [`resident`] has been.
fn peak(pid: u32) -> u64 {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, which: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}
