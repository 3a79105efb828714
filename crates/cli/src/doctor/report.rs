//! What was found, as a table for people and as JSON for programs.

use serde::Serialize;

use crate::namespace::{Backend, Examination, Finding, NamespaceError, Verdict};
use crate::terminal::{Ink, Terminal};

/// Everything that was found.
#[derive(Clone, Debug)]
pub(super) struct Report {
    examinations: Vec<Examination>,
}

#[derive(Serialize)]
struct Document<'a> {
    uses: Option<Backend>,
    kernel: String,
    uid: u32,
    backends: Vec<BackendEntry<'a>>,
}

#[derive(Serialize)]
struct BackendEntry<'a> {
    backend: Backend,
    name: String,
    works: bool,
    setup_microseconds: u128,
    steps: Vec<StepEntry<'a>>,
}

#[derive(Serialize)]
struct StepEntry<'a> {
    step: crate::namespace::Step,
    purpose: &'static str,
    verdict: &'static str,
    #[serde(flatten)]
    error: Option<ErrorEntry<'a>>,
}

#[derive(Serialize)]
struct ErrorEntry<'a> {
    errno: Option<i32>,
    error: Option<String>,
    cause: &'a str,
    fix: &'a str,
}

impl Report {
    pub(super) fn of(examinations: Vec<Examination>) -> Report {
        Report { examinations }
    }

    /// The backend that `handfast run` uses: the first that works.
    pub(super) fn uses(&self) -> Option<Backend> {
        let first = self.examinations.iter().find(|e| e.works());
        first.map(|e| e.backend)
    }

    pub(super) fn json(&self) -> String {
        let document = Document {
            uses: self.uses(),
            kernel: kernel(),
            uid: rustix::process::geteuid().as_raw(),
            backends: self.examinations.iter().map(backend_entry).collect(),
        };
        serde_json::to_string_pretty(&document).expect("these types have a JSON form")
    }

    pub(super) fn draw(&self, terminal: &mut Terminal) {
        let style = terminal.style();
        let uid = rustix::process::geteuid().as_raw();
        terminal.line(&format!("Linux {}, user {uid}", kernel()));
        for examination in &self.examinations {
            terminal.gap();
            draw_backend(examination, terminal);
        }
        terminal.gap();
        match self.uses() {
            Some(backend) => {
                let line = format!("`handfast run` works here. It uses: {backend}");
                terminal.line(&style.paint(Ink::Good, &line));
            }
            None => {
                let line = "`handfast run` does not work here: see the first fix above";
                terminal.line(&style.paint(Ink::Bad, line));
            }
        }
    }
}

fn kernel() -> String {
    let uname = rustix::system::uname();
    uname.release().to_string_lossy().into_owned()
}

fn verdict(finding: &Finding) -> (&'static str, Option<&NamespaceError>) {
    match &finding.verdict {
        Verdict::Good => ("ok", None),
        Verdict::Limited(error) => ("limited", Some(error)),
        Verdict::Bad(error) => ("failed", Some(error)),
        Verdict::NotTried => ("not tried", None),
    }
}

fn backend_entry(examination: &Examination) -> BackendEntry<'_> {
    BackendEntry {
        backend: examination.backend,
        name: examination.backend.to_string(),
        works: examination.works(),
        setup_microseconds: examination.setup_time.as_micros(),
        steps: examination.findings.iter().map(step_entry).collect(),
    }
}

fn step_entry(finding: &Finding) -> StepEntry<'_> {
    let (verdict, error) = verdict(finding);
    StepEntry {
        step: finding.step,
        purpose: finding.step.purpose(),
        verdict,
        error: error.map(|error| ErrorEntry {
            errno: error.errno,
            error: error.reason(),
            cause: &error.cause,
            fix: &error.fix,
        }),
    }
}

fn draw_backend(examination: &Examination, terminal: &mut Terminal) {
    let style = terminal.style();
    let title = style.paint(Ink::Strong, &examination.backend.to_string());
    let summary = match examination.works() {
        true => {
            let millis = examination.setup_time.as_secs_f64() * 1e3;
            style.paint(Ink::Good, &format!("works; set up in {millis:.1} ms"))
        }
        false => style.paint(Ink::Bad, "does not work"),
    };
    terminal.line(&format!("{title}: {summary}"));
    for finding in &examination.findings {
        let (verdict, error) = verdict(finding);
        let ink = match finding.verdict {
            Verdict::Good => Ink::Good,
            Verdict::NotTried => Ink::Faint,
            _ => Ink::Bad,
        };
        let verdict = style.paint(ink, &format!("{verdict:<9}"));
        let purpose = finding.step.purpose();
        let reason = error.and_then(NamespaceError::reason);
        let reason = reason.map(|r| format!(": {r}")).unwrap_or_default();
        terminal.line(&format!("  {verdict}  {purpose}{reason}"));
        if let Some(error) = error {
            terminal.line(&format!("             cause: {}", error.cause));
            terminal.line(&format!("             fix:   {}", error.fix));
        }
    }
}
