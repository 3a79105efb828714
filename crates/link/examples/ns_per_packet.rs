//! What links cost, in nanoseconds a packet.
use handfast_base::Instant;
use handfast_link::*;
use handfast_wire::*;
fn main() {
    println!("packet {} B", std::mem::size_of::<Packet>());
    let data = bytes::Bytes::from(vec![0u8; 1448]);
    for n in [1usize, 8, 64] {
        let (mut a, mut b) = memory::pair(&memory::Config::default());
        let mut out = Batch::new(64);
        let mut got = Batch::new(64);
        let fill = |out: &mut Batch| {
            for _ in 0..n {
                let s = out.push_slot().unwrap();
                s.reserve_head(52);
                s.payload.push(data.clone());
            }
        };
        let t = std::time::Instant::now();
        let rounds = 4_000_000 / n;
        for _ in 0..rounds {
            fill(&mut out);
            out.clear();
        }
        let base = t.elapsed();
        let t = std::time::Instant::now();
        for _ in 0..rounds {
            fill(&mut out);
            a.transmit(Instant::ZERO, &mut out).unwrap();
            b.receive(Instant::ZERO, &mut got).unwrap();
            got.clear();
        }
        let all = t.elapsed();
        // half-full: slot by slot
        let mut warm = Batch::new(64);
        for _ in 0..7 {
            warm.push(Packet::new()).unwrap();
        }
        a.transmit(Instant::ZERO, &mut warm).unwrap();
        let t = std::time::Instant::now();
        let mut few = Batch::new(n);
        for _ in 0..rounds {
            fill(&mut out);
            a.transmit(Instant::ZERO, &mut out).unwrap();
            b.receive(Instant::ZERO, &mut few).unwrap();
            few.clear();
        }
        let slow = t.elapsed();
        let per = |d: std::time::Duration| d.as_nanos() as f64 / (rounds * n) as f64;
        println!(
            "batch {n}: fill {:.1} ns, through memory +{:.1}, never empty +{:.1}",
            per(base),
            per(all) - per(base),
            per(slow) - per(base)
        );
    }
}
