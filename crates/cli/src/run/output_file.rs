//! Files that are asked for: made before the program starts, so that what cannot be written is
//! known in time, and never over what is there already.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file to be written. Dropped before it is finished, it is as if it had never been.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: File,
    /// Where the content waits until it is whole; none for what is written as it comes.
    draft: Option<PathBuf>,
    overwrite: bool,
}

impl OutputFile {
    /// A file that is there, whole, once it is finished, and not before.
    ///
    /// # Errors
    /// In one line, with a fix.
    pub fn whole(path: &Path, overwrite: bool) -> Result<OutputFile, String> {
        if let Some(file) = special(path) {
            return OutputFile::stream(path, file);
        }
        refuse_existing(path, overwrite)?;
        let name = path
            .file_name()
            .ok_or_else(|| cannot(path, "it names no file"))?;
        let mut draft_name = std::ffi::OsString::from(".");
        draft_name.push(name);
        draft_name.push(format!(".{}", std::process::id()));
        let draft = path.with_file_name(draft_name);
        let file = File::create_new(&draft).map_err(|e| cannot(path, &e.to_string()))?;
        Ok(OutputFile {
            path: path.to_owned(),
            file,
            draft: Some(draft),
            overwrite,
        })
    }

    /// A file that grows as it is written, through the handle that comes with it.
    ///
    /// # Errors
    /// In one line, with a fix.
    pub fn growing(path: &Path, overwrite: bool) -> Result<OutputFile, String> {
        if let Some(file) = special(path) {
            return OutputFile::stream(path, file);
        }
        let file = match overwrite {
            true => File::create(path),
            false => File::create_new(path),
        };
        let file = file.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => cannot(path, &e.to_string()),
        })?;
        Ok(OutputFile {
            path: path.to_owned(),
            file,
            draft: None,
            overwrite,
        })
    }

    /// A pipe, a terminal or the like, which is there already and cannot be overwritten.
    fn stream(path: &Path, opened: io::Result<File>) -> Result<OutputFile, String> {
        Ok(OutputFile {
            path: path.to_owned(),
            file: opened.map_err(|e| cannot(path, &e.to_string()))?,
            draft: None,
            overwrite: true,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle to write to it.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes all of its content, and puts it in its place.
    ///
    /// # Errors
    /// In one line, with a fix.
    pub fn finish(mut self, content: &[u8]) -> Result<(), String> {
        let incomplete = |path: &Path, e: io::Error| {
            format!(
                "{} is incomplete: {e}; fix: make room there, or name another file",
                path.display()
            )
        };
        let written = self
            .file
            .write_all(content)
            .and_then(|()| self.file.flush());
        written.map_err(|e| incomplete(&self.path, e))?;
        let Some(draft) = self.draft.take() else {
            return Ok(());
        };
        let put = match self.overwrite {
            true => fs::rename(&draft, &self.path),
            // Unlike a renamed file, a link never takes the place of another.
            false => fs::hard_link(&draft, &self.path).and_then(|()| fs::remove_file(&draft)),
        };
        put.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "{} has come to be meanwhile; the report is in {}",
                self.path.display(),
                draft.display()
            ),
            _ => incomplete(&self.path, e),
        })
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            let _ = fs::remove_file(draft);
        }
    }
}

/// What is there and is no regular file, such as `/dev/stderr` or a named pipe, opened; opening a
/// named pipe waits for its reader.
fn special(path: &Path) -> Option<io::Result<File>> {
    let kind = fs::metadata(path).ok()?.file_type();
    let fits = kind.is_fifo() || kind.is_char_device() || kind.is_socket();
    fits.then(|| {
        const O_NOCTTY: i32 = rustix::fs::OFlags::NOCTTY.bits() as i32;
        OpenOptions::new()
            .write(true)
            .custom_flags(O_NOCTTY)
            .open(path)
    })
}

fn refuse_existing(path: &Path, overwrite: bool) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(cannot(path, "it is a directory")),
        Ok(_) if !overwrite => Err(exists(path)),
        _ => Ok(()),
    }
}

fn exists(path: &Path) -> String {
    let path = path.display();
    format!("{path} exists; fix: name another file, or add --force to overwrite it")
}

fn cannot(path: &Path, why: &str) -> String {
    let path = path.display();
    format!("cannot write {path}: {why}; fix: name a file in a directory that you may write to")
}
