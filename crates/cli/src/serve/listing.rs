//! What is in a directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::http::page::{Page, Row, Table};
use super::http::representation::whole_seconds;
use super::tree::{Entry, Tree, TreePath, encode_name};
use crate::size;

/// So many entries are shown.
const MOST: usize = 20_000;

/// What is in a directory, sorted: directories first, then by name.
#[derive(Debug)]
pub(super) struct Listing {
    entries: Vec<Named>,
    /// How many more there are.
    left_out: usize,
}

#[derive(Debug)]
struct Named {
    name: OsString,
    /// Octets; `None` of a directory.
    len: Option<u64>,
    modified: Option<SystemTime>,
}

/// Reads the directory that `path` of `tree` leads to. What would not be served is not listed.
///
/// # Errors
/// Those of reading.
pub(super) fn read(tree: &Tree, path: &TreePath, directory: OwnedFd) -> io::Result<Listing> {
    let mut entries = Vec::new();
    let mut left_out = 0;
    for found in Dir::read_from(&directory)? {
        let name = OsString::from_vec(found?.file_name().to_bytes().to_vec());
        if name == "." || name == ".." {
            continue;
        }
        if entries.len() == MOST {
            left_out += 1;
            continue;
        }
        // It may be gone by now.
        let Ok(stat) = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let named = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => match tree.open(&path.join(&name, false)) {
                Ok(Entry::File(file)) => match file.metadata() {
                    Ok(metadata) => Named {
                        name,
                        len: Some(metadata.len()),
                        modified: metadata.modified().ok(),
                    },
                    Err(_) => continue,
                },
                Ok(Entry::Directory(_)) => Named {
                    name,
                    len: None,
                    modified: None,
                },
                Err(_) => continue,
            },
            FileType::Directory => Named {
                name,
                len: None,
                modified: time(stat.st_mtime),
            },
            FileType::RegularFile => Named {
                name,
                len: u64::try_from(stat.st_size).ok(),
                modified: time(stat.st_mtime),
            },
            _ => continue,
        };
        entries.push(named);
    }
    entries.sort_by(|a, b| (a.len.is_some(), &a.name).cmp(&(b.len.is_some(), &b.name)));
    Ok(Listing { entries, left_out })
}

impl Listing {
    /// The list as a page.
    pub(super) fn page(&self, path: &TreePath) -> Page {
        let names = path.names().iter();
        let shown: String = names.map(|name| format!("{}/", readable(name))).collect();
        let mut rows = Vec::new();
        if !path.names().is_empty() {
            rows.push(Row {
                link: Some("../".to_owned()),
                cells: vec!["../".to_owned(), String::new(), String::new()],
            });
        }
        rows.extend(self.entries.iter().map(Named::row));
        let (count, title) = (self.entries.len(), format!("Files in /{shown}"));
        let table = Table {
            caption: match count {
                0 => "Nothing is in this directory.".to_owned(),
                1 => "1 entry, the time in UTC".to_owned(),
                n => format!("{n} entries, directories first, times in UTC"),
            },
            columns: vec![("Name", false), ("Size", true), ("Modified", false)],
            rows,
        };
        let page = Page::new(title).table(table);
        match self.left_out {
            0 => page,
            n => page.paragraph(format!("{n} more entries are not shown.")),
        }
    }
}

impl Named {
    fn row(&self) -> Row {
        let slash = if self.len.is_none() { "/" } else { "" };
        let len = self.len.map_or(String::new(), size::format);
        let modified = self.modified.map_or(String::new(), minute);
        Row {
            // Before a name with a colon in it `./` keeps it from being taken for a scheme.
            link: Some(format!("./{}{slash}", encode_name(&self.name))),
            cells: vec![format!("{}{slash}", readable(&self.name)), len, modified],
        }
    }
}

/// A name as it may be shown: octets that are no UTF-8 and control characters, which would act on a
/// terminal, are replaced.
fn readable(name: &OsStr) -> String {
    let text = name.to_string_lossy();
    let shown = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

fn time(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// `06 Nov 1994 08:49`, UTC; blank for a time that is beyond all dates.
fn minute(time: SystemTime) -> String {
    // From `Sun, 06 Nov 1994 08:49:37 GMT`.
    let date = whole_seconds(time).map_or(String::new(), httpdate::fmt_http_date);
    date.get(5..22).unwrap_or("").to_owned()
}
