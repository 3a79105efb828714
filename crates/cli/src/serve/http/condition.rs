//! Preconditions of a request (RFC 9110 section 13).

use std::time::{Duration, SystemTime};

use hyper::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};

/// A change within so long of the last one may have left no trace in the time of modification.
const COARSE: Duration = Duration::from_secs(2);

/// Seconds from 1970 to the year 10,000.
const YEAR_10000: u64 = 253_402_300_800;

/// An entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag {
    pub(crate) opaque: String,
    /// The same tag may have been given to something else.
    pub(crate) is_weak: bool,
}

/// What tells one version of a representation from another.
#[derive(Clone, Debug)]
pub(crate) struct Validators {
    pub(crate) tag: EntityTag,
    pub(crate) modified: Option<SystemTime>,
}

/// What the preconditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412.
    Failed,
}

impl EntityTag {
    pub(super) fn to_field(&self) -> String {
        let weak = if self.is_weak { "W/" } else { "" };
        format!("{weak}\"{}\"", self.opaque)
    }
}

impl Validators {
    /// Those of a file.
    pub(crate) fn of_file(len: u64, modified: Option<SystemTime>) -> Validators {
        let since_1970 = modified.and_then(|m| m.duration_since(SystemTime::UNIX_EPOCH).ok());
        let nanos = since_1970.map_or(0, |d| d.as_nanos());
        let age = modified.and_then(|m| SystemTime::now().duration_since(m).ok());
        Validators {
            tag: EntityTag {
                opaque: format!("{nanos:x}-{len:x}"),
                is_weak: age.is_none_or(|age| age < COARSE),
            },
            modified,
        }
    }

    /// Evaluates the preconditions in their order (section 13.2.2).
    pub(super) fn verdict(&self, fields: &HeaderMap) -> Verdict {
        let matched = match Tags::of(fields, IF_MATCH) {
            Some(tags) => tags.contain(&self.tag, true),
            None => match date(fields, IF_UNMODIFIED_SINCE) {
                Some(since) => self.seconds().is_none_or(|modified| modified <= since),
                None => true,
            },
        };
        if !matched {
            return Verdict::Failed;
        }
        let known = match Tags::of(fields, IF_NONE_MATCH) {
            Some(tags) => tags.contain(&self.tag, false),
            None => match (date(fields, IF_MODIFIED_SINCE), self.seconds()) {
                (Some(since), Some(modified)) => modified <= since,
                _ => false,
            },
        };
        match known {
            true => Verdict::NotModified,
            false => Verdict::Proceed,
        }
    }

    /// Whether a range may be answered with a part (section 13.1.5).
    pub(super) fn allow_range(&self, fields: &HeaderMap) -> bool {
        let Some(field) = fields.get(IF_RANGE) else {
            return true;
        };
        if self.tag.is_weak {
            return false;
        }
        match field.to_str() {
            Ok(text) if text.contains('"') => Tags::parse(text).contain(&self.tag, true),
            Ok(text) => httpdate::parse_http_date(text).ok() == self.seconds(),
            Err(_) => false,
        }
    }

    /// The time of modification as a header field can tell it.
    pub(super) fn seconds(&self) -> Option<SystemTime> {
        whole_seconds(self.modified?)
    }
}

/// `time` without what an HTTP date cannot tell (RFC 9110 section 5.6.7): parts of a second, and all
/// of it before 1970 and from the year 10,000 on.
pub(crate) fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    (since_1970 < YEAR_10000).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970))
}

/// The tags that a precondition lists.
enum Tags {
    Any,
    These(Vec<EntityTag>),
}

impl Tags {
    fn of(fields: &HeaderMap, name: HeaderName) -> Option<Tags> {
        let values = fields.get_all(name).into_iter();
        let lines: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        (!lines.is_empty()).then(|| Tags::parse(&lines.join(",")))
    }

    /// What is no list of tags is none from where it is not.
    fn parse(text: &str) -> Tags {
        if text.trim() == "*" {
            return Tags::Any;
        }
        let mut tags = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let strong = rest.strip_prefix("W/");
            let is_weak = strong.is_some();
            let quoted = strong.unwrap_or(rest).strip_prefix('"');
            let Some((opaque, after)) = quoted.and_then(|q| q.split_once('"')) else {
                return Tags::These(tags);
            };
            let opaque = opaque.to_owned();
            tags.push(EntityTag { opaque, is_weak });
            rest = after;
        }
    }

    /// By the strong or the weak comparison (section 8.8.3.2).
    fn contain(&self, tag: &EntityTag, strong: bool) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => tags
                .iter()
                .any(|t| t.opaque == tag.opaque && !(strong && (t.is_weak || tag.is_weak))),
        }
    }
}

/// A field with a date; one that is malformed is as good as none.
fn date(fields: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let text = fields.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}
