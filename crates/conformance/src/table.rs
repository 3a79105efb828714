//! The tables: one file an RFC.

use serde::Deserialize;
use std::path::Path;

/// One RFC.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rfc {
    /// Its number.
    pub rfc: u32,
    /// What it is about.
    pub title: String,
    /// Why nothing of it is there yet: then even a MUST may be open.
    pub not_there_yet: Option<String>,
    /// What a reader must know of how the rows came about.
    pub note: Option<String>,
    /// The labels of all its requirements, where the RFC itself lists them.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Its requirements.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The RFC's label, `MUST-34`, or where it has none a name of ours, `5681-3.1-a`.
    pub id: String,
    /// How strong it is; where it is not said, the label says it.
    pub level: Option<Level>,
    /// Section, `3.8.6`.
    pub section: String,
    /// What is required, in our words.
    pub text: String,
    /// Files that meet it, each of which cites it.
    #[serde(default)]
    pub code: Vec<String>,
    /// Tests that prove it.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why it is not met, or met otherwise.
    pub exception: Option<String>,
    /// What is still to be done.
    pub open: Option<String>,
}

/// How strong a requirement is. A prohibition is as strong as a demand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Allowed.
    May,
    /// Not without a reason.
    Should,
    /// Always.
    Must,
}

/// Where a requirement stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Code and tests.
    Met,
    /// Not met, or otherwise than it says, for a reason.
    Exception,
    /// To be done.
    Open,
}

impl Requirement {
    /// How strong it is.
    pub fn level(&self) -> Level {
        self.level.unwrap_or(match self.id.split('-').next() {
            Some("MUST") => Level::Must,
            Some("MAY") => Level::May,
            _ => Level::Should,
        })
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        match (&self.open, &self.exception) {
            (Some(_), _) => Status::Open,
            (None, Some(_)) => Status::Exception,
            _ => Status::Met,
        }
    }

    /// What a comment must say to cite it.
    pub fn citation(&self, rfc: u32) -> String {
        let labelled = ["MUST-", "SHLD-", "MAY-", "REC-"];
        if labelled.iter().any(|l| self.id.starts_with(l)) {
            self.id.clone()
        } else {
            format!("RFC {rfc}, {}", self.section)
        }
    }
}

/// Reads all tables under `root`, in order of their numbers.
///
/// # Errors
/// What is wrong with which file.
pub fn load(root: &Path) -> Result<Vec<Rfc>, String> {
    let folder = root.join("conformance");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut all = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|e| told(&e))?;
            all.push(toml::from_str::<Rfc>(&text).map_err(|e| told(&e))?);
        }
    }
    all.sort_by_key(|r| r.rfc);
    Ok(all)
}
