use super::{ProxyArguments, outbound, way};
use clap::{Args, Command, FromArgMatches};

fn parsed(line: &str) -> Result<ProxyArguments, clap::Error> {
    let command = ProxyArguments::augment_args(Command::new("proxy")).no_binary_name(true);
    let matches = command.try_get_matches_from(line.split_whitespace())?;
    ProxyArguments::from_arg_matches(&matches)
}

#[test]
fn a_way_that_leads_back_is_no_way() {
    for (line, part) in [
        ("--route 192.0.2.0/24", "--socks5"),
        (
            "--route 192.0.2.0/24 --socks5 192.0.2.9:1080",
            "--interface",
        ),
        ("--route ::/0 --socks5 [2001:db8::9]:1080", "--interface"),
    ] {
        let said = outbound(&parsed(line).unwrap()).unwrap_err();
        assert!(said.contains("; fix: ") && said.contains(part), "{said}");
    }
    for (line, words) in [
        (
            "--route 192.0.2.0/24 --socks5 127.0.0.1:1080",
            "through the SOCKS5 proxy 127.0.0.1:1080",
        ),
        (
            "--route 0.0.0.0/0 --socks5 me:secret@192.0.2.9:1080 --interface eth0",
            "through the SOCKS5 proxy 192.0.2.9:1080 out of interface eth0",
        ),
        ("--route 0.0.0.0/0 --mark 7", "with the mark 7"),
    ] {
        assert_eq!(way(&outbound(&parsed(line).unwrap()).unwrap()), words);
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    for line in [
        "--route 192.0.2.0/33",
        "--route example.com",
        "--address 10.0.0.1",
        "--socks5 example.com:80",
        "--deny 1.2.3",
        "--mtu 100",
    ] {
        assert!(parsed(line).is_err(), "{line}");
    }
}
