use super::Rule;
use std::net::IpAddr;

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn fits(text: &str, address: &str, port: u16, name: &str) -> bool {
    rule(text).matches(address.parse::<IpAddr>().unwrap(), port, &[name])
}

#[test]
fn what_is_read_is_shown_as_it_was() {
    for text in [
        "*",
        "*:25",
        "192.0.2.1",
        "192.0.2.1:80",
        "192.0.2.0/24",
        "192.0.2.0/24:80-90",
        "2001:db8::1",
        "2001:db8::/32",
        "[2001:db8::1]:443",
        "[2001:db8::/32]:1-65535",
        "example.com",
        "example.com:443",
        "*.example.com",
        "*.example.com:443",
        "_sip._tcp.example.com",
        "localhost",
    ] {
        assert_eq!(rule(text).to_string(), text);
    }
    for (text, shown) in [
        ("Example.COM.", "example.com"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ] {
        assert_eq!(rule(text).to_string(), shown);
    }
}

#[test]
fn what_cannot_be_read_is_said_in_one_line_with_a_fix() {
    for (text, part) in [
        ("", "neither an address"),
        ("*.", "neither an address"),
        ("a..b", "neither an address"),
        ("exa mple.com", "neither an address"),
        ("*.*.com", "neither an address"),
        ("192.0.2.256", "not an IPv4 address"),
        ("192.0.2.1/33", "neither an address"),
        ("example.com:0", "a port is a number"),
        ("example.com:http", "a port is a number"),
        ("example.com:", "a port is a number"),
        ("example.com:70000", "a port is a number"),
        ("example.com:90-80", "ends before it begins"),
        ("2001:db8::1:443:x", "a port is a number"),
        ("2001:db8:::443", "needs brackets"),
        ("[2001:db8::1", "not closed"),
        ("[2001:db8::1]443", "after the bracket"),
        ("[example.com]:443", "in brackets stands"),
    ] {
        let said = text.parse::<Rule>().unwrap_err().to_string();
        assert!(said.contains(part), "{text}: {said}");
        assert!(
            said.contains(&format!("{text:?}")) && !said.contains('\n'),
            "{said}"
        );
    }
}

#[test]
fn names_below_one_are_not_the_one_itself_nor_others_that_end_like_it() {
    let at = "192.0.2.1";
    assert!(fits("*.example.com", at, 80, "www.example.com"));
    assert!(fits("*.example.com", at, 80, "a.b.EXAMPLE.com."));
    assert!(!fits("*.example.com", at, 80, "example.com"));
    assert!(!fits("*.example.com", at, 80, ".example.com"));
    assert!(!fits("*.example.com", at, 80, "badexample.com"));
    assert!(fits("example.com", at, 80, "Example.com"));
    assert!(!fits("example.com", at, 80, "www.example.com"));
    assert!(!fits("*.example.com", at, 80, "ü.com"));
    assert!(!fits("*.example.com", at, 80, "xüexample.com"));
}

#[test]
fn ports_bound_a_rule_on_both_sides() {
    for (port, inside) in [(79, false), (80, true), (85, true), (90, true), (91, false)] {
        assert_eq!(fits("192.0.2.0/24:80-90", "192.0.2.7", port, ""), inside);
    }
    assert!(fits("*", "::1", 1, "") && fits("*:25", "192.0.2.1", 25, ""));
}
