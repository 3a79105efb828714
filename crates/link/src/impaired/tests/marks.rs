use super::*;
use handfast_wire::tcp::TcpHeader;
use handfast_wire::{Checksum, Ecn, IpHeader, Payload, Protocol};

fn packet(addresses: [&str; 2], ecn: Ecn) -> Packet {
    let [source, destination] = addresses.map(|a| a.parse().unwrap());
    let mut ip = IpHeader::new(source, destination, Protocol::TCP);
    ip.traffic_class = 0b1011_1000;
    ip.set_ecn(ecn);
    let mut packet = Packet::new();
    packet.payload = Payload::from(bytes::Bytes::from(vec![7; 1000]));
    packet.write_tcp(&ip, &TcpHeader::default(), 0, Checksum::None);
    packet
}

/// RFC 3168, 5: those whose sender allows it, and only when many wait; the rest of the packet, and
/// its checksums, stay right.
#[test]
fn a_bottleneck_with_a_long_queue_marks_what_can_be_marked() {
    for addresses in [["10.0.0.1", "10.0.0.2"], ["fd00::1", "fd00::2"]] {
        for (ecn, marked) in [
            (Ecn::NotEct, Ecn::NotEct),
            (Ecn::Ect0, Ecn::Ce),
            (Ecn::Ect1, Ecn::Ce),
            (Ecn::Ce, Ecn::Ce),
        ] {
            for from_a_device in [false, true] {
                let impairment = Impairment {
                    rate: Some(Rate::new(1_000_000)),
                    ecn_mark: Some(2_500),
                    ..Impairment::default()
                };
                let mut path = Path::new(impairment, Medium::Ip, &mut Rng::new(0));
                let mut batch = Batch::new(8);
                for _ in 0..5 {
                    let mut p = packet(addresses, ecn);
                    if from_a_device {
                        p = Packet::from_bytes(p.to_bytes());
                    }
                    batch.push(p).unwrap();
                }
                path.send(Instant::ZERO, &mut batch, &mut Watchers::none());
                assert_eq!(path.receive(Instant::from_secs(9), &mut batch), 5);
                let fields: Vec<Ecn> = batch
                    .packets()
                    .iter()
                    .map(|p| {
                        let (ip, at, end) = IpHeader::parse(p.headers(), p.len()).unwrap();
                        assert_eq!(p.verify_transport(&ip, at, end), Ok(()));
                        assert_eq!((ip.traffic_class >> 2, p.len()), (0b10_1110, end));
                        ip.ecn()
                    })
                    .collect();
                // One is under way, two wait below the threshold.
                assert_eq!(fields, [ecn, ecn, ecn, marked, marked]);
                let count = if ecn == marked { 0 } else { 2 };
                assert_eq!(path.counters().marked, count);
            }
        }
    }
}
