use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-output-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Place(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What is in it, by name.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_whole_file_is_not_there_before_it_is_whole() {
    let place = Place::new();
    let path = place.path("report.json");
    let file = OutputFile::whole(&path, false).unwrap();
    assert!(!path.exists());
    file.finish(b"all of it").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"all of it");
    assert_eq!(place.names(), ["report.json"]);
}

#[test]
fn what_is_given_up_leaves_nothing() {
    let place = Place::new();
    drop(OutputFile::whole(&place.path("a"), false).unwrap());
    assert!(place.names().is_empty());
}

#[test]
fn nothing_is_overwritten_unasked() {
    let place = Place::new();
    let path = place.path("mine");
    fs::write(&path, "dear to me").unwrap();
    for made in [
        OutputFile::whole(&path, false),
        OutputFile::growing(&path, false),
    ] {
        let said = made.unwrap_err();
        assert!(
            said.contains("exists; fix: name another file, or add --force"),
            "{said}"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), b"dear to me");
    OutputFile::whole(&path, true)
        .unwrap()
        .finish(b"new")
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    OutputFile::growing(&path, true)
        .unwrap()
        .finish(b"n")
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"n");
}

#[test]
fn a_file_that_comes_to_be_meanwhile_stays_and_so_does_the_report() {
    let place = Place::new();
    let path = place.path("a");
    let file = OutputFile::whole(&path, false).unwrap();
    fs::write(&path, "somebody else's").unwrap();
    let said = file.finish(b"ours").unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
    let names = place.names();
    let draft = names.iter().find(|name| *name != "a").unwrap();
    assert!(said.contains(draft.as_str()), "{said}");
    assert_eq!(fs::read(place.path(draft)).unwrap(), b"ours");
}

#[test]
fn a_growing_file_is_written_through_its_handle() {
    let place = Place::new();
    let path = place.path("capture");
    let file = OutputFile::growing(&path, false).unwrap();
    file.handle().unwrap().write_all(b"one ").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one ");
    file.handle().unwrap().write_all(b"two").unwrap();
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"one two");
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    let device = Path::new("/dev/null");
    for made in [
        OutputFile::whole(device, false),
        OutputFile::growing(device, false),
    ] {
        made.unwrap().finish(b"gone").unwrap();
    }
    assert!(fs::metadata(device).unwrap().file_type().is_char_device());
}

#[test]
fn a_full_device_is_said() {
    let said = OutputFile::whole(Path::new("/dev/full"), false)
        .unwrap()
        .finish(b"x");
    let said = said.unwrap_err();
    assert!(
        said.contains("/dev/full is incomplete") && said.contains("fix:"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_made_is_said_in_one_line_with_a_fix() {
    let place = Place::new();
    fs::create_dir(place.path("directory")).unwrap();
    for path in ["directory", "absent/file", "..", ""] {
        for made in [
            OutputFile::whole(&place.path(path), true),
            OutputFile::growing(&place.path(path), true),
        ] {
            let said = made.expect_err(path);
            assert!(said.contains("fix:") && said.lines().count() == 1, "{said}");
        }
    }
    assert_eq!(place.names(), ["directory"]);
}
