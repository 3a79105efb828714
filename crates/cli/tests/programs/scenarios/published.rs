//! Servers that run inside, reached from outside.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use handfast_cli::kernel_peer::Seeded;

use super::Scenario;
use crate::support::within;
use crate::world::{SERVER, World};

const NEEDS: &[(&str, &str)] = &[("python3", "python3"), ("curl", "curl")];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("published_python_http_server", NEEDS, http_server).ours(),
    Scenario::new("published_at_one_address_alone", NEEDS, one_address).ours(),
    Scenario::new("published_datagrams", &[("python3", "python3")], datagrams).ours(),
    Scenario::new("published_port_in_use_is_named", &[], in_use).ours(),
];

const LIMIT: Duration = Duration::from_secs(60);

/// What curl outside gets; nothing if it fails.
fn fetch(world: &World, url: &str) -> Option<String> {
    let mut command = world.command("curl");
    let out = command
        .args(["-sSf", "--max-time", "30", url])
        .stderr(Stdio::null())
        .output();
    let out = out.unwrap();
    let text = || String::from_utf8_lossy(&out.stdout).into_owned();
    out.status.success().then(text)
}

fn http_server(world: &World) {
    const OCTETS: u64 = 16 << 20;
    world.write("page", "from inside\n");
    let mut file = fs::File::create(world.path("seeded")).unwrap();
    io::copy(&mut Seeded::new(9, OCTETS), &mut file).unwrap();
    let server = world
        .run(&["python3", "-m", "http.server", "80"])
        .flags(&["-p", "8080:80"]);
    let server = server.start();
    within(LIMIT, "the page from inside", || {
        fetch(world, "http://127.0.0.1:8080/page").as_deref() == Some("from inside\n")
    });
    let down = world
        .command("sh")
        .args(["-c", "curl -sS http://127.0.0.1:8080/seeded | sha256sum"])
        .output()
        .unwrap();
    let hash = Seeded::new(9, OCTETS).sha256();
    assert!(String::from_utf8_lossy(&down.stdout).starts_with(&hash));
    let many = "for n in $(seq 50); do curl -sS http://127.0.0.1:8080/page & done; wait";
    let many = world.command("sh").args(["-c", many]).output().unwrap();
    assert_eq!(
        String::from_utf8(many.stdout).unwrap(),
        "from inside\n".repeat(50)
    );
    server.signal(rustix::process::Signal::TERM);
    server.finish(LIMIT).ended(128 + 15);
    assert_eq!(fetch(world, "http://127.0.0.1:8080/page"), None);
}

fn one_address(world: &World) {
    world.write("page", "from inside\n");
    let publish = format!("{SERVER}:8080:8000");
    let server = world
        .run(&["python3", "-m", "http.server", "8000"])
        .flags(&["-p", &publish]);
    let _server = server.start();
    within(LIMIT, "the page from inside", || {
        fetch(world, &format!("http://{SERVER}:8080/page")).is_some()
    });
    assert_eq!(fetch(world, "http://127.0.0.1:8080/page"), None);
    assert_eq!(fetch(world, "http://198.51.100.1:8080/page"), None);
}

fn datagrams(world: &World) {
    let script = "import socket\n\
                  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 53))\n\
                  print('ready', flush=True)\n\
                  while True:\n\
                  \x20   data, source = s.recvfrom(65536); s.sendto(data[::-1], source)\n";
    let run = world
        .run(&["python3", "-c", script])
        .flags(&["-p", "127.0.0.1:5353:53/udp"]);
    let mut run = run.start();
    run.expect("ready", LIMIT);
    for n in 0..100_u32 {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.connect("127.0.0.1:5353").unwrap();
        socket.send(&n.to_be_bytes()).unwrap();
        let mut answer = [0; 16];
        assert_eq!(socket.recv(&mut answer).unwrap(), 4);
        assert_eq!(answer[..4], n.to_le_bytes());
    }
}

fn in_use(world: &World) {
    let _taken = TcpListener::bind("127.0.0.1:8080").unwrap();
    let run = world.run(&["true"]).flags(&["-p", "127.0.0.1:8080:80"]);
    let end = run.finish(LIMIT).ended(125);
    assert!(end.errors.contains("8080"), "{end:?}");
}
