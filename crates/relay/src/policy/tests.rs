use super::{Denial, Policy, Verdict};

const NOBODY: [&str; 0] = [];

fn ask(policy: &Policy, destination: &str, names: &[&str]) -> Verdict {
    policy.decide(destination.parse().unwrap(), names)
}

#[test]
fn by_default_all_but_the_loopback_of_the_host_is_open() {
    let policy = Policy::default();
    for open in ["192.0.2.1:80", "10.0.0.1:22", "[2001:db8::1]:443"] {
        assert_eq!(ask(&policy, open, &NOBODY), Verdict::Allowed, "{open}");
    }
    let closed = [
        "127.0.0.1:80",
        "127.255.255.254:80",
        "0.0.0.0:80",
        "[::1]:80",
        "[::]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:0.0.0.0]:80",
    ];
    let mut opened = Policy::default();
    opened.allow_host_loopback();
    for address in closed {
        let denied = Verdict::Denied(Denial::HostLoopback);
        assert_eq!(ask(&policy, address, &NOBODY), denied, "{address}");
        assert_eq!(
            ask(&opened, address, &NOBODY),
            Verdict::Allowed,
            "{address}"
        );
    }
    // A rule opens nothing of it.
    let mut allowing = Policy::default();
    allowing.allow("127.0.0.1".parse().unwrap());
    let denied = Verdict::Denied(Denial::HostLoopback);
    assert_eq!(ask(&allowing, "127.0.0.1:80", &NOBODY), denied);
}

#[test]
fn deny_wins_and_allow_closes_all_else() {
    let mut policy = Policy::default();
    policy.deny("192.0.2.0/24".parse().unwrap());
    let rule = Denial::Rule("192.0.2.0/24".parse().unwrap());
    assert_eq!(
        ask(&policy, "192.0.2.9:1", &NOBODY),
        Verdict::Denied(rule.clone())
    );
    assert_eq!(
        ask(&policy, "[::ffff:192.0.2.9]:1", &NOBODY),
        Verdict::Denied(rule.clone())
    );
    assert_eq!(ask(&policy, "192.0.3.9:1", &NOBODY), Verdict::Allowed);
    policy.allow("192.0.2.0/23".parse().unwrap());
    policy.allow("*.example.com:443".parse().unwrap());
    assert_eq!(ask(&policy, "192.0.2.9:1", &NOBODY), Verdict::Denied(rule));
    assert_eq!(ask(&policy, "192.0.3.9:1", &NOBODY), Verdict::Allowed);
    let not = Verdict::Denied(Denial::NotAllowed);
    assert_eq!(ask(&policy, "198.51.100.1:443", &NOBODY), not);
    assert_eq!(
        ask(
            &policy,
            "198.51.100.1:443",
            &["other.org", "A.Example.COM."]
        ),
        Verdict::Allowed
    );
    assert_eq!(ask(&policy, "198.51.100.1:80", &["a.example.com"]), not);
    policy.deny("b.example.com".parse().unwrap());
    let denied = ask(
        &policy,
        "198.51.100.1:443",
        &["a.example.com", "b.example.com"],
    );
    assert_eq!(
        denied,
        Verdict::Denied(Denial::Rule("b.example.com".parse().unwrap()))
    );
}
