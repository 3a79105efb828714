use super::Control;
use bytes::Bytes;
use std::net::SocketAddr;

const V4: &str = "10.77.0.2";
const V6: &str = "fd68:616e:6466:1::2";

/// What leaves for `parts`, and what was opened.
fn passed(program: &str, parts: &[&[u8]], end: bool) -> (Vec<u8>, Vec<SocketAddr>) {
    let mut opened = Vec::new();
    let mut control = Control::new(program.parse().unwrap(), |inside: SocketAddr| {
        opened.push(inside);
        let outside = match inside {
            SocketAddr::V4(_) => "198.51.100.7:50001",
            SocketAddr::V6(_) => "[2001:db8::7]:50001",
        };
        Some(outside.parse().unwrap())
    });
    let mut out = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let mut slices = vec![Bytes::copy_from_slice(part)];
        control.pass(&mut slices, end && i + 1 == parts.len());
        assert!(slices.iter().all(|slice| !slice.is_empty()));
        out.extend(slices.concat());
    }
    (out, opened)
}

const PORT: &[u8] = b"USER me\r\nPORT 10,77,0,2,4,1\r\nLIST\r\n";
const PORT_OUT: &[u8] = b"USER me\r\nPORT 198,51,100,7,195,81\r\nLIST\r\n";

#[test]
fn port_and_eprt_name_the_host_instead_of_the_program() {
    let (out, opened) = passed(V4, &[PORT], false);
    assert_eq!(out, PORT_OUT);
    assert_eq!(opened, ["10.77.0.2:1025".parse().unwrap()]);
    let (out, opened) = passed(V6, &[b"eprt |2|fd68:616e:6466:1::2|6275|\r\n"], false);
    assert_eq!(out, b"EPRT |2|2001:db8::7|50001|\r\n");
    assert_eq!(opened, ["[fd68:616e:6466:1::2]:6275".parse().unwrap()]);
    let (out, _) = passed(V4, &[b"EPRT !1!10.77.0.2!6275!\n"], false);
    assert_eq!(out, b"EPRT !1!198.51.100.7!50001!\r\n");
}

#[test]
fn wherever_the_stream_is_cut_the_same_leaves() {
    for cut in 0..=PORT.len() {
        for second in cut..=PORT.len() {
            let parts = [&PORT[..cut], &PORT[cut..second], &PORT[second..]];
            let (out, opened) = passed(V4, &parts, false);
            assert_eq!(
                (out.as_slice(), opened.len()),
                (PORT_OUT, 1),
                "{cut}, {second}"
            );
        }
    }
    let octets: Vec<&[u8]> = PORT.chunks(1).collect();
    assert_eq!(passed(V4, &octets, false).0, PORT_OUT);
}

#[test]
fn several_in_one_piece_are_each_rewritten() {
    let two = [PORT, b"PORT 10,77,0,2,4,2\r\nRETR x\r\n"].concat();
    let (out, opened) = passed(V4, &[&two], false);
    assert_eq!(opened.len(), 2);
    let rest = b"PORT 198,51,100,7,195,81\r\nRETR x\r\n";
    assert_eq!(out, [PORT_OUT, rest].concat());
}

#[test]
fn what_is_not_the_program_s_own_endpoint_passes_as_it_is() {
    for line in [
        "PORT 10,77,0,3,4,1\r\n",
        "PORT 10,77,0,2,0,0\r\n",
        "PORT 10,77,0,2,4\r\n",
        "PORT 10,77,0,2,4,1,1\r\n",
        "PORT 10,77,0,256,4,1\r\n",
        "PORT\r\n",
        "PORTER 10,77,0,2,4,1\r\n",
        "XPORT 10,77,0,2,4,1\r\n",
        "STOR PORT 10,77,0,2,4,1\r\n",
        "EPRT |1|10.77.0.3|6275|\r\n",
        "EPRT |3|10.77.0.2|6275|\r\n",
        "EPRT |2|10.77.0.2|6275|\r\n",
        "EPRT |1|10.77.0.2|6275\r\n",
        "EPRT |1|10.77.0.2|66275|\r\n",
        "EPRT |1|10.77.0.2|6275||\r\n",
        "EPRT \r\n",
        "EPSV\r\n",
    ] {
        let (out, opened) = passed(V4, &[line.as_bytes()], false);
        assert_eq!(
            (out.as_slice(), opened.len()),
            (line.as_bytes(), 0),
            "{line}"
        );
    }
    // Far longer than any of ours: it goes on before it ends.
    let long = [b"PORT ".as_slice(), &[b' '; 500]].concat();
    assert_eq!(passed(V4, &[&long], false).0, long);
}

#[test]
fn a_line_never_finished_leaves_with_the_end() {
    assert_eq!(passed(V4, &[b"PORT 10,77"], false).0, b"");
    assert_eq!(passed(V4, &[b"PORT 10,77", b""], true).0, b"PORT 10,77");
    assert_eq!(passed(V4, &[b"QUIT\r\n"], true).0, b"QUIT\r\n");
}

#[test]
fn of_tls_no_octet_is_held_back() {
    let hello = b"AUTH TLS\r\n\x16\x03\x01\x00\x05\nP";
    assert_eq!(
        passed(V4, &[hello, b"\nPORT 10,77,0,2,4,1\r\n"], false).0,
        {
            let mut all = hello.to_vec();
            all.extend(b"\nPORT 10,77,0,2,4,1\r\n");
            all
        }
    );
    // Even when it begins where a line might.
    assert_eq!(passed(V4, &[b"P\x16P"], false).0, b"P\x16P");
}
