//! HTTP and HTTPS by nginx.

use std::fs;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use handfast_cli::kernel_peer::Seeded;

use super::Scenario;
use crate::world::{SERVER, SERVER6, Server, World, ZONE, servers};

const NGINX: (&str, &str) = ("nginx", "nginx-light");
const CURL: (&str, &str) = ("curl", "curl");

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("web_curl_over_both_families", &[NGINX, CURL], both_families),
    Scenario::new(
        "web_curl_over_tls",
        &[NGINX, CURL, ("openssl", "openssl")],
        tls,
    ),
    Scenario::new("web_curl_many_at_once", &[NGINX, CURL], many_at_once),
    Scenario::new(
        "web_curl_learns_of_refusal_and_silence",
        &[CURL],
        refusal_and_silence,
    ),
    Scenario::new(
        "web_curl_falls_back_to_the_family_that_answers",
        &[NGINX, CURL],
        happy_eyeballs,
    ),
    Scenario::new(
        "web_wget_mirrors_a_site",
        &[NGINX, ("wget", "wget")],
        mirror,
    ),
    Scenario::new("web_node_fetches", &[NGINX, ("node", "nodejs")], node),
    Scenario::new(
        "web_python_fetches",
        &[NGINX, ("python3", "python3")],
        python,
    ),
    Scenario::new(
        "web_down_and_up_with_equal_hashes",
        &[NGINX, CURL],
        down_and_up,
    ),
    Scenario::new(
        "web_down_and_up_over_a_bad_link",
        &[NGINX, CURL],
        over_a_bad_link,
    )
    .ours(),
    Scenario::new(
        "web_down_and_up_past_a_silent_router",
        &[NGINX, CURL],
        past_a_silent_router,
    )
    .ours(),
    Scenario::new(
        "web_down_with_marks_and_why_each_segment_was_sent",
        &[NGINX, CURL],
        with_marks,
    )
    .ours(),
];

/// nginx at port 80, and with a certificate at 443; takes files by PUT below `/put/`.
pub(super) struct Site {
    _nginx: Server,
}

impl Site {
    pub(super) fn start(world: &World) -> Site {
        Site::with(world, "")
    }

    fn with(world: &World, more: &str) -> Site {
        let www = world.outside("www");
        fs::create_dir_all(www.join("put")).unwrap();
        fs::create_dir_all(world.outside("temporary")).unwrap();
        fs::write(www.join("index.html"), "a page\n").unwrap();
        let user = String::from_utf8(world.command("id").arg("-un").output().unwrap().stdout);
        let configuration = format!(
            "daemon off; pid {pid}; user {user}; error_log stderr warn; worker_processes 1;
            events {{ worker_connections 16384; }} worker_rlimit_nofile 16384;
            http {{
                access_log off; root {www}; types {{ text/html html; }}
                default_type application/octet-stream; sendfile on; tcp_nopush on;
                client_max_body_size 0; client_body_temp_path {temporary}/body;
                proxy_temp_path {temporary}/proxy; fastcgi_temp_path {temporary}/fastcgi;
                uwsgi_temp_path {temporary}/uwsgi; scgi_temp_path {temporary}/scgi;
                server {{
                    listen 80; listen [::]:80 ipv6only=on; {more}
                    location /put/ {{ dav_methods PUT; }}
                }}
            }}",
            pid = world.outside("nginx.pid").display(),
            user = user.unwrap().trim(),
            www = www.display(),
            temporary = world.outside("temporary").display(),
        );
        let file = world.outside("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = world.command("nginx");
        command.args(["-e", "stderr", "-c"]).arg(file);
        let _nginx = world.serve(command, servers(80)[0]);
        Site { _nginx }
    }
}

/// A file of the site whose content a seed decides; its SHA-256.
fn put_seeded(world: &World, path: &str, octets: u64) -> String {
    let mut file = fs::File::create(world.outside(path)).unwrap();
    let mut content = Seeded::new(7, octets);
    io::copy(&mut content, &mut file).unwrap();
    Seeded::new(7, octets).sha256()
}

fn both_families(world: &World) {
    let _site = Site::start(world);
    for (family, remote) in [("-4", SERVER.to_string()), ("-6", SERVER6.to_string())] {
        let format = "%{http_code} %{remote_ip} %{size_download}";
        let url = format!("http://web.{ZONE}/");
        let argv = ["curl", "-sS", family, "-o", "page", "-w", format, &url];
        assert_eq!(world.run(&argv).output(), format!("200 {remote} 7"));
        assert_eq!(fs::read_to_string(world.path("page")).unwrap(), "a page\n");
    }
    let literal = format!("http://[{SERVER6}]/");
    assert_eq!(world.run(&["curl", "-sS", &literal]).output(), "a page\n");
}

fn tls(world: &World) {
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| world.outside(name));
    let name = format!("web.{ZONE}");
    let made = world
        .command("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let listen = format!(
        "listen 443 ssl; listen [::]:443 ssl ipv6only=on; ssl_certificate_key {}; ssl_certificate {};",
        key.display(),
        certificate.display(),
    );
    let _site = Site::with(world, &listen);
    let authority = world.write("authority.pem", fs::read(certificate).unwrap());
    let url = format!("https://{name}/");
    let argv = ["curl", "-sS", "--cacert", authority.to_str().unwrap(), &url];
    assert_eq!(world.run(&argv).output(), "a page\n");
}

fn many_at_once(world: &World) {
    let _site = Site::start(world);
    for n in 0..200 {
        let page = world.outside(&format!("www/{n}.html"));
        fs::write(page, format!("page {n}\n")).unwrap();
    }
    let url = format!("http://web.{ZONE}/[0-199].html");
    let argv = [
        "curl",
        "-sS",
        "--parallel",
        "--parallel-max",
        "50",
        &url,
        "-o",
        "#1.page",
    ];
    world.run(&argv).output();
    for n in 0..200 {
        let page = fs::read_to_string(world.path(&format!("{n}.page"))).unwrap();
        assert_eq!(page, format!("page {n}\n"));
    }
}

/// The destination's own answer reaches the program, at once where there is one.
fn refusal_and_silence(world: &World) {
    const COULD_NOT_CONNECT: i32 = 7;
    const TIMED_OUT: i32 = 28;
    for address in servers(4) {
        let url = format!("http://{address}/");
        let run = world.run(&["curl", "-sS", "--connect-timeout", "20", &url]);
        let end = run.finish(Duration::from_secs(60)).ended(COULD_NOT_CONNECT);
        assert!(end.took < Duration::from_secs(10), "{end:?}");
        assert!(
            end.errors.contains("refused") || end.errors.contains("connect"),
            "{end:?}"
        );
    }
    let url = format!("http://nowhere.{ZONE}/");
    let run = world.run(&["curl", "-sS", "--connect-timeout", "1", &url]);
    run.finish(Duration::from_secs(60)).ended(TIMED_OUT);
    const NO_SUCH_HOST: i32 = 6;
    let url = format!("http://missing.{ZONE}/");
    let run = world.run(&["curl", "-sS", &url]);
    run.finish(Duration::from_secs(60)).ended(NO_SUCH_HOST);
}

fn happy_eyeballs(world: &World) {
    let _site = Site::start(world);
    let url = format!("http://half.{ZONE}/");
    let run = world.run(&["curl", "-sS", "--connect-timeout", "20", &url]);
    assert_eq!(run.output(), "a page\n");
}

fn mirror(world: &World) {
    let _site = Site::start(world);
    // A tree in which every page names the next ones.
    let www = world.outside("www");
    let mut links = String::new();
    for chapter in 0..10 {
        fs::create_dir(www.join(format!("{chapter}"))).unwrap();
        let mut pages = String::new();
        for page in 0..20 {
            let file = www.join(format!("{chapter}/{page}.html"));
            fs::write(file, format!("{chapter} {page}\n").repeat(page * 40 + 1)).unwrap();
            pages += &format!("<a href={page}.html>{page}</a>\n");
        }
        fs::write(www.join(format!("{chapter}/index.html")), pages).unwrap();
        links += &format!("<a href={chapter}/>{chapter}</a>\n");
    }
    fs::write(www.join("index.html"), links).unwrap();
    let url = format!("http://web.{ZONE}/");
    world
        .run(&[
            "wget",
            "--quiet",
            "--recursive",
            "--no-host-directories",
            "-P",
            "copy",
            &url,
        ])
        .output();
    let copy = world.path("copy");
    for chapter in 0..10 {
        for page in 0..20 {
            let name = format!("{chapter}/{page}.html");
            let (there, here) = (fs::read(www.join(&name)), fs::read(copy.join(&name)));
            assert_eq!(there.unwrap(), here.unwrap(), "{name}");
        }
    }
}

fn node(world: &World) {
    let _site = Site::start(world);
    let script = format!(
        "const all = Array.from({{length: 20}}, () => fetch('http://web.{ZONE}/').then(r => r.text()));
         Promise.all(all).then(pages => process.stdout.write(pages.join('')));"
    );
    let output = world.run(&["node", "-e", &script]).output();
    assert_eq!(output, "a page\n".repeat(20));
}

fn python(world: &World) {
    let _site = Site::start(world);
    let script = format!(
        "import urllib.request, concurrent.futures as f\n\
         get = lambda n: urllib.request.urlopen('http://web.{ZONE}/').read().decode()\n\
         with f.ThreadPoolExecutor(10) as pool: print(''.join(pool.map(get, range(20))), end='')\n"
    );
    let output = world.run(&["python3", "-c", &script]).output();
    assert_eq!(output, "a page\n".repeat(20));
}

fn down_and_up(world: &World) {
    let mib = super::size("HANDFAST_RUN_MIB", 64);
    transfer(world, mib << 20, &[]);
}

fn over_a_bad_link(world: &World) {
    transfer(world, 1 << 20, &["--loss", "2%", "--delay", "20ms"]);
}

/// Both ends have to find out by themselves that what is larger vanishes.
fn past_a_silent_router(world: &World) {
    let probing = "net.ipv4.tcp_mtu_probing=1";
    transfer(
        world,
        1 << 20,
        &["--hop-mtu", "1280,silent", "--sysctl", probing],
    );
}

fn with_marks(world: &World) {
    let _site = Site::start(world);
    put_seeded(world, "www/seeded", 1 << 20);
    let why = world.path("why.txt");
    let run = world.run(&[
        "curl",
        "-sSfo",
        "/dev/null",
        &format!("http://web.{ZONE}/seeded"),
    ]);
    let link = ["--rate", "10mbit", "--delay", "10ms", "--ecn-mark", "15kB"];
    let run = run
        .flags(&link)
        .flags(&["--decisions", why.to_str().unwrap()]);
    let run = run.finish(Duration::from_secs(120)).ended(0);
    let told = fs::read_to_string(&why).unwrap();
    let said: Vec<&str> = told
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit("  ").next().unwrap())
        .collect();
    for beginning in [
        "sends 1..",
        "holds back ",
        "measures a round trip of ",
        "window ",
    ] {
        assert!(
            said.iter().any(|s| s.starts_with(beginning)),
            "{beginning}\n{told}"
        );
    }
    let mut windows = said.iter().filter(|s| s.starts_with("window "));
    assert!(windows.any(|s| s.ends_with("a mark")), "{told}");
    let counted = format!("{} decisions", said.len());
    assert!(
        run.errors.replace(',', "").contains(&counted),
        "{counted}: {}",
        run.errors
    );
}

/// Down and up again by the same octets, hashed by the program and by the server.
fn transfer(world: &World, octets: u64, flags: &[&str]) {
    let _site = Site::start(world);
    let hash = put_seeded(world, "www/seeded", octets);
    let url = format!("http://web.{ZONE}");
    let hash_of = |text: String| {
        text.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let limit = Duration::from_secs(600);

    let script = "curl -sSf $0/seeded | sha256sum";
    let run = world.run(&["sh", "-c", script, &url]).flags(flags);
    let down = run.finish(limit);
    super::rate("down", octets, down.took);
    assert_eq!(hash_of(down.good()), hash);

    let script = "curl -sSf $0/seeded | curl -sSf -T - $0/put/seeded";
    let run = world.run(&["sh", "-c", script, &url]).flags(flags);
    let up = run.finish(limit);
    super::rate("down and up at once", octets, up.took);
    up.good();
    let stored = world
        .command("sha256sum")
        .arg(world.outside("www/put/seeded"))
        .output();
    assert_eq!(
        hash_of(String::from_utf8(stored.unwrap().stdout).unwrap()),
        hash
    );
}
