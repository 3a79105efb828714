//! Files below a directory, and lists of them, as answers to HTTP requests.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use tokio::task::{JoinHandle, spawn_blocking};

use super::http::page::{Page, method_not_allowed};
use super::http::parts::Source;
use super::http::representation::{Representation, Validators};
use super::http::{Answer, Question};
use super::listing;
use super::tree::{Entry, Tree, TreePath};

/// Octets read at a time; two such pieces may wait for one connection to take them.
const CHUNK: u64 = 256 * 1024;
/// The file that is shown in place of the list of its directory.
const INDEX: &str = "index.html";

/// The files below a directory, at a place of a site.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    tree: Arc<Tree>,
    /// The path of the directory itself, which ends in `/`.
    at: &'static str,
}

impl Files {
    /// The files of `tree` under the path `at`, which begins and ends with `/`.
    pub(crate) fn new(tree: Tree, at: &'static str) -> Files {
        let tree = Arc::new(tree);
        Files { tree, at }
    }

    /// Answers a request whose path begins with that of this directory, or lacks but its last `/`.
    pub(crate) async fn answer(&self, request: &Question) -> Answer {
        let fields = request.headers();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return method_not_allowed(fields, "GET, HEAD");
        }
        let relative = request.uri().path().strip_prefix(self.at).unwrap_or("");
        // The directory's own path without its last `/` leads nowhere from here.
        let is_below = request.uri().path().starts_with(self.at);
        let Some(path) = TreePath::decode(relative) else {
            return not_found().answer(fields);
        };
        let (tree, wanted) = (Arc::clone(&self.tree), path.clone());
        let found = spawn_blocking(move || look_up(&tree, &wanted, is_below));
        // A thread that panicked has said so.
        let found = found.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        match found {
            Ok(Found::File(opened)) => opened.answer(request),
            Ok(Found::Elsewhere(path)) => self.moved(request, &path),
            Ok(Found::Directory(listing)) => listing.page(&path).answer(fields),
            Err(e) => unavailable(&e).answer(fields),
        }
    }

    /// A directory's links are relative to its path, which therefore must end in `/`.
    fn moved(&self, request: &Question, path: &TreePath) -> Answer {
        let query = request
            .uri()
            .query()
            .map_or(String::new(), |q| format!("?{q}"));
        let to = format!("{}{}{query}", self.at, path.encode());
        let mut page = Page::error(StatusCode::MOVED_PERMANENTLY, format!("It is at {to}"))
            .answer(request.headers());
        if let Ok(to) = HeaderValue::try_from(to) {
            page.headers_mut().insert(LOCATION, to);
        }
        page
    }
}

/// What a path leads to.
enum Found {
    File(Opened),
    /// The same path with `/` at its end.
    Elsewhere(TreePath),
    Directory(listing::Listing),
}

/// A file that is open.
struct Opened {
    file: File,
    len: u64,
    kind: HeaderValue,
    validators: Validators,
}

fn look_up(tree: &Tree, path: &TreePath, is_below: bool) -> io::Result<Found> {
    match tree.open(path)? {
        Entry::File(_) if path.is_directory => Err(io::ErrorKind::NotADirectory.into()),
        Entry::File(file) => Opened::new(file, path).map(Found::File),
        Entry::Directory(_) if !path.is_directory || !is_below => {
            Ok(Found::Elsewhere(path.as_directory()))
        }
        Entry::Directory(directory) => {
            let index = path.join(INDEX.as_ref(), false);
            match tree.open(&index) {
                Ok(Entry::File(file)) => Opened::new(file, &index).map(Found::File),
                _ => listing::read(tree, path, directory).map(Found::Directory),
            }
        }
    }
}

impl Opened {
    fn new(file: File, path: &TreePath) -> io::Result<Opened> {
        let metadata = file.metadata()?;
        Ok(Opened {
            len: metadata.size(),
            kind: kind_of(path),
            validators: Validators::of_file(metadata.size(), metadata.modified().ok()),
            file,
        })
    }

    fn answer(self, request: &Question) -> Answer {
        let representation = Representation {
            len: self.len,
            kind: self.kind,
            validators: self.validators,
        };
        let source = FileSource {
            file: Arc::new(self.file),
            ahead: None,
        };
        representation.answer(request.method(), request.headers(), source)
    }
}

/// The media type that a file's name tells; text is taken for UTF-8.
fn kind_of(path: &TreePath) -> HeaderValue {
    let guess = mime_guess::from_path(path.as_path()).first_raw();
    let kind = guess.unwrap_or("application/octet-stream");
    let kind = match kind.starts_with("text/") {
        true => format!("{kind}; charset=utf-8"),
        false => kind.to_owned(),
    };
    HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Reads a file piece by piece, the next one while the last is on its way.
struct FileSource {
    file: Arc<File>,
    /// Where the piece being read begins.
    ahead: Option<(u64, JoinHandle<io::Result<Bytes>>)>,
}

impl FileSource {
    fn begin(&self, part: &Range<u64>) -> (u64, JoinHandle<io::Result<Bytes>>) {
        let (file, at) = (Arc::clone(&self.file), part.start);
        let len = (part.end - part.start).min(CHUNK) as usize;
        (at, spawn_blocking(move || read(&file, at, len)))
    }
}

impl Source for FileSource {
    fn poll_take(&mut self, cx: &mut Context<'_>, part: Range<u64>) -> Poll<io::Result<Bytes>> {
        let (at, mut reading) = match self.ahead.take() {
            Some(ahead) if ahead.0 == part.start => ahead,
            _ => self.begin(&part),
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.ahead = Some((at, reading));
            return Poll::Pending;
        };
        let octets = read.map_err(io::Error::other)??;
        let rest = at + octets.len() as u64..part.end;
        if !rest.is_empty() {
            self.ahead = Some(self.begin(&rest));
        }
        Poll::Ready(Ok(octets))
    }
}

fn read(file: &File, at: u64, len: usize) -> io::Result<Bytes> {
    let mut octets = vec![0; len];
    file.read_exact_at(&mut octets, at)?;
    Ok(octets.into())
}

fn not_found() -> Page {
    Page::error(StatusCode::NOT_FOUND, "There is no such file.")
}

/// Why a path leads to nothing, without a word on what lies outside.
fn unavailable(error: &io::Error) -> Page {
    use io::ErrorKind::{
        CrossesDevices, InvalidFilename, NotADirectory, NotFound, PermissionDenied,
    };
    let (status, why) = match error.kind() {
        NotFound | NotADirectory | InvalidFilename => return not_found(),
        PermissionDenied => (StatusCode::FORBIDDEN, "The server may not read it."),
        CrossesDevices => (
            StatusCode::FORBIDDEN,
            "It is a link that leads out of what is served.",
        ),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "It cannot be read."),
    };
    Page::error(status, why)
}
