//! Five hundred connections at once; the example `ten_thousand` is the same with more.

use handfast_sim::LinkConfig;
use handfast_sim::crowd::{self, Crowd};
use handfast_sim::handfast::base::Duration;
use handfast_sim::handfast::link::impaired::Impairment;
use handfast_sim::handfast::stack::StackConfig;

#[test]
fn five_hundred_connections_at_once() {
    let crowd = Crowd {
        connections: 500,
        ..Crowd::default()
    };
    let report = crowd::run(&crowd);
    println!("{report}");
    assert!(report.is_good(), "{report}");
    assert_eq!((report.open, report.delivered), (500, 500));
    assert!(report.compared > 500 * 2 * (32 << 10));
    for idle in report.idle {
        assert_eq!(idle.connections, 500);
        // An idle connection owns no buffer.
        assert!(idle.memory / 500 < 1024, "{idle:?}");
    }
}

#[test]
fn they_share_what_little_memory_there_is() {
    let impairment = Impairment {
        delay: Duration::from_millis(3),
        loss: 0.01,
        reorder: 0.01,
        duplicate: 0.01,
        corrupt: 0.01,
        ..Impairment::default()
    };
    let crowd = Crowd {
        connections: 200,
        octets: 10_000..=200_000,
        link: LinkConfig::symmetric(impairment),
        stack: StackConfig {
            memory: 2 << 20,
            ..StackConfig::default()
        },
        ..Crowd::default()
    };
    let report = crowd::run(&crowd);
    println!("{report}");
    assert!(report.is_good(), "{report}");
    for peak in report.peak {
        assert!(peak.memory > 1 << 20, "memory was short: {peak:?}");
    }
}
