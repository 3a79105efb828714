//! What a program could tell us from the network by: how connections end, how fast they flow, and
//! what they reach.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::Scenario;
use crate::support::within;
use crate::world::{SERVER, SERVER6, Service, World, ZONE, servers};

const PYTHON: &[(&str, &str)] = &[("python3", "python3")];
const CURL: &[(&str, &str)] = &[("curl", "curl")];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("relayed_half_close_each_way", PYTHON, half_close),
    Scenario::new("relayed_reset_by_the_server", PYTHON, reset_by_server),
    Scenario::new("relayed_reset_by_the_program", PYTHON, reset_by_program),
    Scenario::new(
        "relayed_no_faster_than_the_program_reads",
        PYTHON,
        slow_reader,
    ),
    Scenario::new(
        "relayed_no_faster_than_the_server_reads",
        PYTHON,
        slow_server,
    ),
    Scenario::new("relayed_small_messages_at_once", PYTHON, small_messages),
    Scenario::new("reach_its_own_loopback_is_its_own", PYTHON, own_loopback).ours(),
    Scenario::new(
        "reach_the_machines_loopback_when_asked",
        CURL,
        machine_loopback,
    )
    .ours(),
    Scenario::new("reach_what_rules_allow", CURL, rules).ours(),
    Scenario::new("reach_one_family_alone", CURL, one_family).ours(),
    Scenario::new("reach_our_own_services", CURL, services).ours(),
];

const LIMIT: Duration = Duration::from_secs(60);

fn python(world: &World, script: &str) -> String {
    world.run(&["python3", "-c", script]).output()
}

fn half_close(world: &World) {
    // Answers only once the program has said that it is done, and then at length.
    let _patient = Service::start(servers(7)[0], |mut connection| {
        let mut all = Vec::new();
        connection.read_to_end(&mut all)?;
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..100 {
            connection.write_all(&all)?;
        }
        Ok(())
    });
    let script = format!(
        "import socket\n\
         s = socket.create_connection(('{SERVER}', 7), 60)\n\
         s.sendall(b'question' * 1000); s.shutdown(socket.SHUT_WR)\n\
         print(len(s.makefile('rb').read()))\n"
    );
    assert_eq!(python(world, &script), "800000\n");

    // The other way about: the server is done first, and goes on to listen.
    let (heard, hears) = channel();
    let _done = Service::start(servers(8)[0], move |mut connection| {
        connection.write_all(b"go on")?;
        connection.shutdown(Shutdown::Write)?;
        let mut all = Vec::new();
        connection.read_to_end(&mut all)?;
        let _ = heard.send(all.len());
        Ok(())
    });
    let script = format!(
        "import socket, time\n\
         s = socket.create_connection(('{SERVER}', 8), 60)\n\
         print(s.makefile().read())\n\
         time.sleep(0.3)\n\
         for n in range(100): s.sendall(b'answer' * 1000)\n\
         s.close()\n"
    );
    assert_eq!(python(world, &script), "go on\n");
    assert_eq!(hears.recv_timeout(LIMIT).unwrap(), 600_000);
}

/// With no time to linger, closing resets.
fn reset(connection: &TcpStream) {
    set_socket_linger(connection, Some(Duration::ZERO)).unwrap();
}

fn reset_by_server(world: &World) {
    let _service = Service::start(servers(7)[0], |mut connection| {
        connection.read_exact(&mut [0; 5])?;
        reset(&connection);
        Ok(())
    });
    let script = format!(
        "import socket\n\
         s = socket.create_connection(('{SERVER}', 7), 60)\n\
         s.sendall(b'hello')\n\
         try: print('end', s.recv(10))\n\
         except ConnectionResetError: print('reset')\n"
    );
    assert_eq!(python(world, &script), "reset\n");
}

fn reset_by_program(world: &World) {
    let (told, tells) = channel();
    let _service = Service::start(servers(7)[0], move |mut connection| {
        connection.read_exact(&mut [0; 5])?;
        let _ = told.send(connection.read(&mut [0; 10]).map_err(|e| e.kind()));
        Ok(())
    });
    let script = format!(
        "import socket, struct, time\n\
         s = socket.create_connection(('{SERVER}', 7), 60)\n\
         s.sendall(b'hello'); time.sleep(0.2)\n\
         s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n\
         s.close(); time.sleep(0.5)\n"
    );
    python(world, &script);
    assert_eq!(
        tells.recv_timeout(LIMIT).unwrap(),
        Err(ErrorKind::ConnectionReset)
    );
}

/// What may be under way between two programs that do not read: buffers of two connections.
const UNDER_WAY: u64 = 64 << 20;

fn slow_reader(world: &World) {
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let _service = Service::start(servers(7)[0], move |mut connection| {
        let block = vec![7; 1 << 16];
        while count.load(Ordering::Relaxed) < 4 * UNDER_WAY {
            connection.write_all(&block)?;
            count.fetch_add(block.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    });
    let script = format!(
        "import socket\n\
         s = socket.create_connection(('{SERVER}', 7), 60)\n\
         s.recv(1); print('stopped', flush=True); input()\n\
         n = 1\n\
         while got := s.recv(1 << 20): n += len(got)\n\
         print(n)\n"
    );
    let run = world.run(&["python3", "-c", &script]).input(Stdio::piped());
    let mut run = run.start();
    run.expect("stopped", LIMIT);
    stands_still(&sent);
    run.type_in("\n");
    let all = run.finish(LIMIT).good();
    assert_eq!(all, format!("stopped\n{}\n", 4 * UNDER_WAY));
}

fn slow_server(world: &World) {
    let read = Arc::new(AtomicU64::new(0));
    let count = read.clone();
    let (go, gone) = channel();
    let gone = std::sync::Mutex::new(gone);
    let _service = Service::start(servers(7)[0], move |mut connection| {
        let _ = gone.lock().unwrap().recv_timeout(LIMIT);
        let mut buffer = vec![0; 1 << 16];
        while let n @ 1.. = connection.read(&mut buffer)? {
            count.fetch_add(n as u64, Ordering::Relaxed);
        }
        Ok(())
    });
    let script = format!(
        "import socket, time\n\
         s = socket.create_connection(('{SERVER}', 7), 60)\n\
         s.settimeout(3)\n\
         n, block = 0, b'7' * 65536\n\
         try:\n\
         \x20   while True: n += s.send(block)\n\
         except TimeoutError: print('blocked', n, flush=True)\n\
         input(); s.close()\n"
    );
    let run = world.run(&["python3", "-c", &script]).input(Stdio::piped());
    let mut run = run.start();
    let output = run.expect("\n", LIMIT);
    let sent: u64 = output
        .trim()
        .strip_prefix("blocked ")
        .unwrap()
        .parse()
        .unwrap();
    eprintln!("{sent} octets went to a server that does not read");
    assert!(sent < UNDER_WAY, "{sent} octets are somewhere");
    go.send(()).unwrap();
    run.type_in("\n");
    run.finish(LIMIT).good();
    within(LIMIT, "the server to get everything", || {
        read.load(Ordering::Relaxed) == sent
    });
}

/// Waits until a count has stopped, and it must have stopped early.
fn stands_still(count: &AtomicU64) {
    let mut last = u64::MAX;
    within(LIMIT, "back-pressure to reach the server", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = count.load(Ordering::Relaxed);
        std::mem::replace(&mut last, now) == now
    });
    eprintln!("{last} octets went to a program that does not read");
    assert!(last < UNDER_WAY, "{last} octets are somewhere");
}

/// Request and answer by turns: no algorithm may make one wait for a timer.
fn small_messages(world: &World) {
    let _service = Service::start(servers(7)[0], |mut connection| {
        connection.set_nodelay(true)?;
        let mut buffer = [0; 100];
        while let n @ 1.. = connection.read(&mut buffer)? {
            // In two pieces, for the sake of the algorithms.
            connection.write_all(&buffer[..1])?;
            connection.write_all(&buffer[1..n])?;
        }
        Ok(())
    });
    let script = format!(
        "import socket, time\n\
         s = socket.create_connection(('{SERVER}', 7), 60)\n\
         s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n\
         times = []\n\
         for n in range(1000):\n\
         \x20   begin = time.monotonic(); s.sendall(b'12'); s.sendall(b'34')\n\
         \x20   got = b''\n\
         \x20   while len(got) < 4: got += s.recv(4 - len(got))\n\
         \x20   assert got == b'1234'\n\
         \x20   times.append(time.monotonic() - begin)\n\
         times.sort()\n\
         print(times[500])\n"
    );
    let median: f64 = python(world, &script).trim().parse().unwrap();
    eprintln!("request and answer: {:.0} us", median * 1e6);
    // A delayed acknowledgment takes 40 ms.
    assert!(median < 0.02, "{median} s");
}

/// A page from inside this process.
fn page(address: SocketAddr, text: &'static str) -> Service {
    Service::start(address, move |mut connection| {
        let mut request = [0; 4096];
        let _ = connection.read(&mut request)?;
        let length = text.len();
        let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
        connection.write_all(answer.as_bytes())
    })
}

fn own_loopback(world: &World) {
    let _machine = page("127.0.0.1:8080".parse().unwrap(), "of the machine");
    let script = "import http.client, http.server, threading\n\
        class Page(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'its own')\n\
        \x20   def log_message(self, *_): pass\n\
        def fetch():\n\
        \x20   c = http.client.HTTPConnection('localhost', 8080); c.request('GET', '/')\n\
        \x20   return c.getresponse().read()\n\
        try: print(fetch())\n\
        except ConnectionRefusedError: print('refused')\n\
        server = http.server.HTTPServer(('127.0.0.1', 8080), Page)\n\
        threading.Thread(target=server.serve_forever, daemon=True).start()\n\
        print(fetch())\n";
    assert_eq!(python(world, script), "refused\nb'its own'\n");
}

fn machine_loopback(world: &World) {
    let _machine = [
        page("127.0.0.1:8080".parse().unwrap(), "of the machine\n"),
        page("[::1]:8080".parse().unwrap(), "of the machine\n"),
    ];
    for family in ["-4", "-6"] {
        let url = "http://host.handfast.internal:8080/";
        let argv = ["curl", "-sS", family, "--max-time", "20", url];
        let run = world.run(&argv).flags(&["--allow-host-loopback"]);
        assert_eq!(run.output(), "of the machine\n");
        let end = world.run(&argv).finish(LIMIT);
        assert!(!end.status.success() && end.output.is_empty(), "{end:?}");
    }
    // Nor by any of the machine's loopback addresses, asked for or not.
    for address in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1.2.3",
    ] {
        let url = format!("http://{address}:8080/");
        let end = world
            .run(&["curl", "-sS", "--max-time", "5", &url])
            .finish(LIMIT);
        assert!(!end.status.success() && end.output.is_empty(), "{end:?}");
    }
}

/// Which of the places a run with those flags reaches.
fn reached(world: &World, flags: &[&str], urls: &[&str]) -> Vec<bool> {
    let fetch = "for url; do curl -sS --max-time 20 $url >/dev/null && echo y || echo n; done";
    let argv = [&["sh", "-c", fetch, "sh"], urls].concat();
    let output = world.run(&argv).flags(flags).output();
    output.lines().map(|line| line == "y").collect()
}

fn rules(world: &World) {
    let _pages: Vec<_> = [80, 81]
        .into_iter()
        .flat_map(servers)
        .map(|address| page(address, "a page\n"))
        .collect();
    let name = format!("http://web.{ZONE}/");
    let other_name = format!("http://mail.{ZONE}/");
    let other_port = format!("http://{SERVER}:81/");
    let v6 = format!("http://[{SERVER6}]/");
    let urls = [&name[..], &other_name, &other_port, &v6];
    let (y, n) = (true, false);
    assert_eq!(reached(world, &[], &urls), [y, y, y, y]);
    assert_eq!(
        reached(world, &["--deny", "198.51.100.0/24"], &urls[2..]),
        [n, y]
    );
    assert_eq!(
        reached(world, &["--deny", "198.51.100.10:81"], &urls),
        [y, y, n, y]
    );
    assert_eq!(
        reached(world, &["--deny", "*.world.test"], &urls[..2]),
        [n, n]
    );
    assert_eq!(
        reached(world, &["--deny", "0.0.0.0/0", "--deny", "::/0"], &urls),
        [n, n, n, n]
    );
    assert_eq!(
        reached(world, &["--allow", "198.51.100.10:81"], &urls),
        [n, n, y, n]
    );
    assert_eq!(
        reached(world, &["--allow", "2001:db8:77::/48"], &urls[2..]),
        [n, y]
    );
    assert_eq!(
        reached(world, &["--allow", "web.world.test"], &urls[..1]),
        [y]
    );
}

fn one_family(world: &World) {
    let _pages = servers(80).map(|address| page(address, "a page\n"));
    let [v4, v6] = servers(80).map(|address| format!("http://{address}/"));
    let urls = [&v4[..], &v6];
    assert_eq!(reached(world, &["-4"], &urls), [true, false]);
    assert_eq!(reached(world, &["-6"], &urls), [false, true]);
}

fn services(world: &World) {
    let url = "http://handfast.internal/";
    let front = world.run(&["curl", "-sSf", url]).output();
    assert!(front.to_lowercase().contains("handfast"), "{front}");
    let files = world.path("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("a file.txt"), "served\n").unwrap();
    world.own(&files);
    let run = world.run(&[
        "curl",
        "-sSf",
        "http://handfast.internal/files/a%20file.txt",
    ]);
    let run = run.flags(&["--serve", files.to_str().unwrap()]);
    assert_eq!(run.output(), "served\n");
}
