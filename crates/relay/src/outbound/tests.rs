use super::{Credentials, Direct, Outbound, refusal};
use crate::Refusal;
use handfast::stack::icmp::Problem;
use rustix::io::Errno;
use std::io;

#[test]
fn a_proxy_is_read_with_and_without_a_password() {
    for (text, address, auth) in [
        ("socks5://127.0.0.1:1080", "127.0.0.1:1080", None),
        ("[::1]:1080", "[::1]:1080", None),
        ("socks5://[::1]:1080/", "[::1]:1080", None),
        (
            "me:se:c@ret@192.0.2.1:9",
            "192.0.2.1:9",
            Some(("me", "se:c@ret")),
        ),
    ] {
        let expected = Outbound::Socks5 {
            proxy: address.parse().unwrap(),
            auth: auth.map(|(user, password)| Credentials {
                user: user.into(),
                password: password.into(),
            }),
            direct: Direct::default(),
        };
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    for text in [
        "",
        "socks5://",
        "127.0.0.1",
        "http://127.0.0.1:80",
        "me@127.0.0.1:1",
        ":x@127.0.0.1:1",
    ] {
        let said = text.parse::<Outbound>().unwrap_err().to_string();
        assert!(
            said.contains("write it like") && !said.contains('\n'),
            "{text}: {said}"
        );
    }
}

#[test]
fn a_password_is_never_shown() {
    let outbound: Outbound = "me:secret@127.0.0.1:1080".parse().unwrap();
    assert!(!format!("{outbound:?}").contains("secret"));
}

#[test]
fn what_the_system_says_of_a_connect_is_told_as_it_is_meant() {
    for (errno, expected) in [
        (Errno::CONNREFUSED, Refusal::Refused),
        (Errno::CONNRESET, Refusal::Refused),
        (Errno::NETUNREACH, Refusal::Unreachable(Problem::NoRoute)),
        (Errno::HOSTUNREACH, Refusal::Unreachable(Problem::Host)),
        (Errno::ACCESS, Refusal::Unreachable(Problem::Prohibited)),
        (Errno::PERM, Refusal::Unreachable(Problem::Prohibited)),
        (Errno::TIMEDOUT, Refusal::TimedOut),
        (Errno::MFILE, Refusal::Exhausted),
        (Errno::ADDRNOTAVAIL, Refusal::Exhausted),
        (Errno::INVAL, Refusal::Unreachable(Problem::Host)),
    ] {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(refusal(error), expected, "{errno}");
    }
}
