//! The kernel's own TCP and real curl against `examples/http_server` over a TUN, in a network
//! namespace of the test's own. `HANDFAST_CURL_MIB` sets the size of the transfers (default 64).
#![cfg(all(feature = "tun", target_os = "linux"))]

mod namespace;

use std::process::Command;

const SCRIPT: &str = r#"
set -eu
fetch() { curl -sS --fail --max-time 120 --noproxy '*' "$@"; }
dir=$(mktemp -d)
"$SERVER" hf0 10.9.0.2/24 fd09::2/64 2>"$dir/log" &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$dir"' EXIT
ip link set lo up
for i in $(seq 100); do ip link show hf0 >/dev/null 2>&1 && break; sleep 0.05; done
ip addr add 10.9.0.1/24 dev hf0
ip addr add fd09::1/64 dev hf0 nodad
ip link set hf0 up txqueuelen 10000
head -c "$BYTES" /dev/urandom > "$dir/file"
want=$(sha256sum < "$dir/file" | cut -d' ' -f1)
for host in 10.9.0.2 '[fd09::2]'; do
    for i in $(seq 100); do fetch -o /dev/null "http://$host/" 2>/dev/null && break; sleep 0.05; done
    fetch "http://$host/" | grep -q '<h1>handfast</h1>'
    test "$(fetch -d 'user=ada&password=x' "http://$host/login")" = "welcome, ada"
    # Up: the server's hash is that of the file.
    fetch -T "$dir/file" -X PUT "http://$host/upload" -w 'up %{speed_upload}\n' > "$dir/up"
    test "$(head -1 "$dir/up")" = "$want $BYTES"
    echo "$host $(tail -1 "$dir/up") B/s"
    # Down: the same octets, hashed there and here.
    fetch "http://$host/bytes/$BYTES" -o "$dir/down" -w "$host down %{speed_download} B/s\n"
    test "$(stat -c %s "$dir/down")" = "$BYTES"
    fetch -T "$dir/down" -X PUT "http://$host/upload" > "$dir/up"
    test "$(head -1 "$dir/up")" = "$(sha256sum < "$dir/down" | cut -d' ' -f1) $BYTES"
    python3 - "$dir/down" <<'PY'
import sys
period = bytes(range(251)) * 1024
with open(sys.argv[1], 'rb') as f:
    while block := f.read(len(period)):
        assert block == period[:len(block)], "the octets are not those that were sent"
PY
    # 200 at once.
    fetch -Z --parallel-max 200 --parallel-immediate "http://$host/bytes/100000?[1-200]" -o "$dir/part#1"
    test "$(ls "$dir" | grep -c part)" = 200
    test "$(cat "$dir"/part* | wc -c)" = 20000000
    test "$(sha256sum "$dir"/part* | cut -d' ' -f1 | sort -u | wc -l)" = 1
    rm "$dir"/part*
    echo "$host 200 parallel"
done
echo all done
"#;

#[test]
fn curl_gets_posts_and_moves_big_files_over_both_versions_of_ip() {
    let needs = "ip tuntap add name needed mode tun && command -v curl && command -v python3";
    let Some(flags) = namespace::available(needs) else {
        eprintln!("SKIPPED: no right to a network namespace, or in it this fails: {needs}");
        return;
    };
    let mebibytes: u64 = std::env::var("HANDFAST_CURL_MIB")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(64);
    // Examples are built before tests run, beside them.
    let test = std::env::current_exe().expect("this test is a file");
    let server = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a target directory");
    let server = server.join("examples/http_server");
    if !server.exists() {
        // `cargo test --test curl` alone builds no examples.
        let built = Command::new(env!("CARGO"))
            .args(["build", "-p", "handfast", "--example", "http_server"])
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .status();
        assert!(built.is_ok_and(|s| s.success()), "the example must build");
    }
    let out = Command::new("unshare")
        .args([flags, "--", "bash", "-c", SCRIPT])
        .env("SERVER", &server)
        .env("BYTES", (mebibytes << 20).to_string())
        .output()
        .expect("bash runs");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    print!("{stdout}");
    assert!(
        out.status.success() && stdout.ends_with("all done\n"),
        "{stdout}\n{stderr}"
    );
}
