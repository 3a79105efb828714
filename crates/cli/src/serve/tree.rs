//! A directory that no path leads out of.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

/// What stands for itself in a path: the unreserved characters (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A directory and whatever is below it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    resolve: ResolveFlags,
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file, open to be read.
    File(File),
    /// A directory.
    Directory(OwnedFd),
}

/// A path below a [`Tree`]'s directory: names, none of them `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreePath {
    names: Vec<OsString>,
    /// It ends in `/`, or is empty.
    pub(crate) is_directory: bool,
}

impl Tree {
    /// The directory at `path`. Symbolic links that lead out of it lead nowhere, unless
    /// `follow_links`; nor do those that are written as absolute paths.
    ///
    /// # Errors
    /// In one line with a fix: it is no directory, it cannot be read, or the kernel cannot keep
    /// paths below it (openat2, Linux 5.6).
    pub(crate) fn open_root(path: &Path, follow_links: bool) -> io::Result<Tree> {
        let shown = path.display();
        let said = |e: io::Error, fix: &str| {
            io::Error::new(e.kind(), format!("cannot serve {shown}: {e}; fix: {fix}"))
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| said(e.into(), "name a directory that you may read"))?;
        let beneath = match follow_links {
            true => ResolveFlags::empty(),
            false => ResolveFlags::BENEATH,
        };
        let resolve = beneath | ResolveFlags::NO_MAGICLINKS;
        let tree = Tree { root, resolve };
        tree.open(&TreePath::root())
            .map_err(|e| match e.raw_os_error() {
                Some(n) if n == Errno::NOSYS.raw_os_error() => said(
                    e,
                    "use Linux 5.6 or later, which can keep paths below a directory",
                ),
                _ => said(e, "name a directory that you may read"),
            })?;
        Ok(tree)
    }

    /// Opens what `path` leads to.
    ///
    /// # Errors
    /// Those of openat2, `CrossesDevices` for a link that leads out, and `PermissionDenied` for
    /// what is neither file nor directory.
    pub(crate) fn open(&self, path: &TreePath) -> io::Result<Entry> {
        let path = path.as_path();
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => &path,
        };
        // To look first opens nothing: a device may act on being opened.
        kind(&self.open_as(path, OFlags::PATH)?)?;
        // It may be another by now, and a pipe that nobody writes to must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let found = self.open_as(path, flags)?;
        Ok(match kind(&found)? {
            Kind::File => Entry::File(found.into()),
            Kind::Directory => Entry::Directory(found),
        })
    }

    fn open_as(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        loop {
            match openat2(&self.root, path, flags, Mode::empty(), self.resolve) {
                // Something on the way was moved meanwhile.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Links in a circle lead nowhere.
                Err(Errno::LOOP) => return Err(io::ErrorKind::NotFound.into()),
                other => return Ok(other?),
            }
        }
    }
}

enum Kind {
    File,
    Directory,
}

fn kind(of: &OwnedFd) -> io::Result<Kind> {
    match FileType::from_raw_mode(fstat(of)?.st_mode) {
        FileType::RegularFile => Ok(Kind::File),
        FileType::Directory => Ok(Kind::Directory),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

impl TreePath {
    /// The directory itself.
    pub(crate) fn root() -> TreePath {
        TreePath {
            names: Vec::new(),
            is_directory: true,
        }
    }

    /// From the path of a URL, without the `/` it begins with; `None` for what can be no path here.
    pub(crate) fn decode(text: &str) -> Option<TreePath> {
        let mut names = Vec::new();
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            let name: Vec<u8> = percent_decode_str(segment).collect();
            if matches!(&name[..], b"." | b"..") || name.iter().any(|b| matches!(b, 0 | b'/')) {
                return None;
            }
            names.push(OsString::from_vec(name));
        }
        let is_directory = names.is_empty() || text.ends_with('/');
        Some(TreePath {
            names,
            is_directory,
        })
    }

    /// As in a URL, without a `/` at the beginning.
    pub(crate) fn encode(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| encode_name(name)).collect();
        let end = match self.is_directory && !names.is_empty() {
            true => "/",
            false => "",
        };
        names.join("/") + end
    }

    /// The same, as a directory's.
    pub(crate) fn as_directory(&self) -> TreePath {
        TreePath {
            names: self.names.clone(),
            is_directory: true,
        }
    }

    /// What is called `name` in this directory.
    pub(crate) fn join(&self, name: &OsStr, is_directory: bool) -> TreePath {
        let mut names = self.names.clone();
        names.push(name.to_owned());
        TreePath {
            names,
            is_directory,
        }
    }

    /// As a path from the tree's directory.
    pub(crate) fn as_path(&self) -> PathBuf {
        self.names.iter().collect()
    }

    /// The names on the way.
    pub(crate) fn names(&self) -> &[OsString] {
        &self.names
    }
}

/// A name as one segment of a URL's path.
pub(crate) fn encode_name(name: &OsStr) -> String {
    percent_encode(name.as_bytes(), ENCODED).to_string()
}
