use super::Publish;

#[test]
fn what_is_read_is_shown_as_it_was() {
    for text in [
        "8080:80",
        "127.0.0.1:8080:80",
        "0.0.0.0:8080:80",
        "[::1]:8080:80",
        "[2001:db8::1]:5353:53/udp",
        "53:53/udp",
        "0:80",
    ] {
        assert_eq!(text.parse::<Publish>().unwrap().to_string(), text);
    }
    let tcp: Publish = "1:2/tcp".parse().unwrap();
    assert_eq!(tcp.to_string(), "1:2");
    let listens = |text: &str| {
        let publish = text.parse::<Publish>().unwrap();
        publish
            .listen()
            .map(|at| at.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(listens("8080:80"), ["127.0.0.1:8080", "[::1]:8080"]);
    assert_eq!(listens("[::]:8080:80"), ["[::]:8080"]);
}

#[test]
fn what_cannot_be_read_is_said_in_one_line_with_a_fix() {
    for (text, part) in [
        ("", "takes the port of the host"),
        ("8080", "takes the port of the host"),
        ("8080:0", "a port is a number"),
        ("8080:http", "a port is a number"),
        (":80", "a port is a number"),
        ("99999:80", "a port is a number"),
        ("8080:80/sctp", "tcp or udp"),
        ("::1:8080:80", "an address of the host"),
        ("localhost:8080:80", "an address of the host"),
        ("[127.0.0.1]:8080:80", "an address of the host"),
        ("1.2.3:8080:80", "an address of the host"),
    ] {
        let said = text.parse::<Publish>().unwrap_err().to_string();
        assert!(said.contains(part), "{text}: {said}");
        assert!(said.contains(&format!("{text:?}")) && !said.contains('\n'));
    }
}
