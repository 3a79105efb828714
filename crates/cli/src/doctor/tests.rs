use std::time::Duration;

use super::report::Report;
use crate::namespace::{Backend, Examination, Finding, NamespaceError, Step, Verdict};

fn examination(backend: Backend, verdicts: Vec<(Step, Verdict)>) -> Examination {
    let finding = |(step, verdict)| Finding { step, verdict };
    Examination {
        backend,
        findings: verdicts.into_iter().map(finding).collect(),
        setup_time: Duration::from_micros(1500),
    }
}

fn error(step: Step) -> NamespaceError {
    NamespaceError {
        step,
        errno: Some(13),
        cause: "its mode is 0600".into(),
        fix: "sudo chmod 0666 it".into(),
    }
}

#[test]
fn the_first_backend_that_works_is_the_one_in_use() {
    let closed = Verdict::Bad(error(Step::OpenTun));
    let without_ping = Verdict::Limited(error(Step::PingGroup));
    let report = Report::of(vec![
        examination(
            Backend::UserNamespace,
            vec![
                (Step::OpenTun, closed),
                (Step::AttachTun, Verdict::NotTried),
            ],
        ),
        examination(
            Backend::UserNamespaceVeth,
            vec![
                (Step::Veth, Verdict::Good),
                (Step::PingGroup, without_ping.clone()),
            ],
        ),
    ]);
    assert_eq!(report.uses(), Some(Backend::UserNamespaceVeth));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["uses"], "user-namespace-veth");
    assert_eq!(json["backends"][0]["works"], false);
    let step = &json["backends"][0]["steps"][0];
    assert_eq!(step["step"], "open-tun");
    assert_eq!(step["verdict"], "failed");
    assert_eq!(step["errno"], 13);
    assert_eq!(step["error"], "Permission denied (EACCES)");
    assert_eq!(step["fix"], "sudo chmod 0666 it");
    let step = &json["backends"][1]["steps"][0];
    assert_eq!(step["verdict"], "ok");
    assert!(step.get("errno").is_none());

    let limited = vec![(Step::PingGroup, without_ping)];
    let report = Report::of(vec![examination(Backend::Root, limited)]);
    assert_eq!(report.uses(), Some(Backend::Root));
    assert_eq!(Report::of(Vec::new()).uses(), None);
}
