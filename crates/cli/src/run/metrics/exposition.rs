use std::fmt::Write;

/// One figure, named as it is exposed: a counter's name ends in `_total`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// Whether it can fall.
    pub kind: Kind,
    /// What tells it from others of its name.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub value: f64,
}

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Rises and falls.
    Gauge,
}

/// Units that are told where a name ends in one.
const UNITS: [&str; 2] = ["bytes", "seconds"];

/// The samples as OpenMetrics text. Those of one name are put together, in the order in which
/// names first occur.
pub fn exposition(samples: &[Sample]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for sample in samples {
        if !names.contains(&sample.name) {
            names.push(sample.name);
        }
    }
    let mut out = String::new();
    for name in names {
        let of_name = || samples.iter().filter(|s| s.name == name);
        for first in of_name().take(1) {
            describe(&mut out, first);
        }
        for sample in of_name() {
            write_sample(&mut out, sample);
        }
    }
    out.push_str("# EOF\n");
    out
}

fn describe(out: &mut String, sample: &Sample) {
    let (family, kind) = match sample.kind {
        Kind::Counter => (sample.name.trim_end_matches("_total"), "counter"),
        Kind::Gauge => (sample.name, "gauge"),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# TYPE {family} {kind}");
    let unit = family
        .rsplit('_')
        .next()
        .filter(|last| UNITS.contains(last));
    if let Some(unit) = unit {
        let _ = writeln!(out, "# UNIT {family} {unit}");
    }
    if !sample.help.is_empty() {
        let _ = writeln!(out, "# HELP {family} {}", escaped(sample.help));
    }
}

fn write_sample(out: &mut String, sample: &Sample) {
    out.push_str(sample.name);
    for (i, (label, value)) in sample.labels.iter().enumerate() {
        let before = if i == 0 { '{' } else { ',' };
        let _ = write!(out, "{before}{label}=\"{}\"", escaped(value));
    }
    if !sample.labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {}", sample.value);
}

/// Text with what would end a line or a value written as the format wants it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}
