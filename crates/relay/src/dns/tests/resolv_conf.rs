use crate::dns::{ResolvConf, Upstream};
use std::net::IpAddr;
use std::time::{Duration, Instant};

fn ips<const N: usize>(text: [&str; N]) -> Vec<IpAddr> {
    text.map(|ip| ip.parse().unwrap()).to_vec()
}

#[test]
fn a_file_is_understood_as_the_system_does() {
    let conf = ResolvConf::parse(
        "# made by hand\n\
         domain old.example\n\
         nameserver 127.0.0.53 # the stub\n\
         nameserver\t2001:db8::53\n\
         nameserver fe80::1%eth0\n\
         nameserver nonsense\n\
         search corp.example lab.example ; both\n\
         options ndots:2 timeout:1 attempts:3 rotate edns0 trust-ad inet6 ndots:x\n\
         sortlist 130.155.160.0/255.255.240.0\n",
    );
    assert_eq!(conf.nameservers, ips(["127.0.0.53", "2001:db8::53"]));
    assert_eq!(conf.search, ["corp.example", "lab.example"]);
    assert_eq!((conf.ndots, conf.attempts, conf.rotate), (Some(2), 3, true));
    assert_eq!(conf.timeout, Duration::from_secs(1));
    assert_eq!(conf.others, ["edns0", "trust-ad"]);
}

#[test]
fn nothing_in_it_means_the_server_of_this_machine() {
    for text in [
        "",
        "nameserver",
        "options",
        "options timeout:0 attempts:0 ndots:99\n",
    ] {
        let conf = ResolvConf::parse(text);
        assert_eq!(conf.nameservers, ips(["127.0.0.1"]));
        assert!(conf.timeout >= Duration::from_secs(1) && conf.attempts >= 1);
    }
    let missing = ResolvConf::read("/nonexistent/resolv.conf").unwrap();
    assert_eq!(missing, ResolvConf::default());
}

#[test]
fn the_file_for_inside_keeps_all_but_the_servers() {
    let conf = ResolvConf::parse(
        "nameserver 192.0.2.1\nsearch corp.example\noptions ndots:5 edns0 timeout:2 rotate\n",
    );
    let text = conf.with_nameservers(&ips(["10.77.0.1", "fd68:616e:6466:1::1"]));
    assert_eq!(
        text,
        "nameserver 10.77.0.1\n\
         nameserver fd68:616e:6466:1::1\n\
         search corp.example\n\
         options edns0 ndots:5 timeout:2\n"
    );
    let plain = ResolvConf::default().with_nameservers(&ips(["10.77.0.1"]));
    assert_eq!(plain, "nameserver 10.77.0.1\n");
    let again = ResolvConf::parse(&text);
    assert_eq!((again.search, again.ndots), (conf.search, conf.ndots));
}

#[test]
fn a_file_that_changes_is_read_again() {
    let name = format!("handfast-resolv-{}.conf", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
    let upstream = Upstream::from_resolv_conf(&path).unwrap();
    assert_eq!(upstream.asked(), ["192.0.2.1:53".parse().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let soon = Instant::now() + Duration::from_secs(2);
    while Instant::now() < soon {
        // What is gone for a moment is as it was.
        assert_eq!(upstream.asked(), ["192.0.2.1:53".parse().unwrap()]);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::write(&path, "nameserver 192.0.2.2\nnameserver ::1\n").unwrap();
    let limit = Instant::now() + Duration::from_secs(30);
    let expected = ["192.0.2.2:53", "[::1]:53"].map(|a| a.parse().unwrap());
    while upstream.asked() != expected {
        assert!(Instant::now() < limit);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::remove_file(&path).unwrap();
}
