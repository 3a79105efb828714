use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::interface::neighbour;
use super::tree::{Entry, Tree, TreePath, encode_name};

/// A directory of the test's own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-serve-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn path(text: &str) -> TreePath {
    TreePath::decode(text).unwrap_or_else(|| panic!("{text} is a path"))
}

fn text(tree: &Tree, of: &str) -> io::Result<String> {
    match tree.open(&path(of))? {
        Entry::File(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text)
        }
        Entry::Directory(_) => Ok("a directory".to_owned()),
    }
}

#[test]
fn paths_are_decoded_name_by_name() {
    for (text, names, directory) in [
        ("", &[][..], true),
        ("a", &["a"], false),
        ("a/", &["a"], true),
        ("a//b", &["a", "b"], false),
        ("a%20b/c%25", &["a b", "c%"], false),
        ("%c3%A4", &["ä"], false),
        ("100%", &["100%"], false),
        ("a+b", &["a+b"], false),
        ("...", &["..."], false),
        ("%3Cb%3e", &["<b>"], false),
    ] {
        let decoded = path(text);
        assert_eq!(decoded.names(), names, "{text}");
        assert_eq!(decoded.is_directory, directory, "{text}");
        assert_eq!(path(&decoded.encode()), decoded, "{text}");
    }
    for text in [
        "..", "../", "a/..", "a/../b", "%2e%2E", "a/%2e", ".", "a%2Fb", "a%00", "..%2f..",
    ] {
        assert_eq!(TreePath::decode(text), None, "{text}");
    }
    // What is no UTF-8 is a name all the same, and nothing in a name means anything in a URL.
    let name = OsStr::from_bytes(b"\xff?#%/ &\"");
    assert_eq!(encode_name(name), "%FF%3F%23%25%2F%20%26%22");
}

#[test]
fn no_path_leads_out() {
    let scratch = Scratch::new();
    let root = scratch.0.join("root");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::write(scratch.0.join("secret"), "secret").unwrap();
    fs::write(root.join("open"), "open").unwrap();
    for (target, link) in [
        (Path::new("../secret"), "out"),
        (&scratch.0.join("secret"), "absolute"),
        (&root.join("open"), "absolute-inside"),
        (Path::new(".."), "parent"),
        (Path::new("open"), "inside"),
        (Path::new("circle"), "circle"),
        (Path::new("nowhere"), "dangling"),
        (Path::new("/proc/self/root"), "magic"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    symlink("../../open", root.join("sub/deep/up")).unwrap();
    symlink("../../../secret", root.join("sub/deep/out")).unwrap();
    let pipe = root.join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(status.unwrap().success());

    let tree = Tree::open_root(&root, false).unwrap();
    for inside in ["open", "inside", "sub/deep/up"] {
        assert_eq!(text(&tree, inside).unwrap(), "open", "{inside}");
    }
    assert_eq!(text(&tree, "sub").unwrap(), "a directory");
    assert_eq!(text(&tree, "").unwrap(), "a directory");
    use io::ErrorKind::{CrossesDevices, NotADirectory, NotFound, PermissionDenied};
    for (path, kind) in [
        ("out", CrossesDevices),
        ("absolute", CrossesDevices),
        ("absolute-inside", CrossesDevices),
        ("parent", CrossesDevices),
        ("parent/secret", CrossesDevices),
        ("sub/deep/out", CrossesDevices),
        ("magic", CrossesDevices),
        ("circle", NotFound),
        ("dangling", NotFound),
        ("absent", NotFound),
        ("open/x", NotADirectory),
        // Opened, it would wait for somebody to write.
        ("pipe", PermissionDenied),
    ] {
        let failed = text(&tree, path).expect_err(path);
        assert_eq!(failed.kind(), kind, "{path}: {failed}");
    }

    let tree = Tree::open_root(&root, true).unwrap();
    for (path, is) in [
        ("out", "secret"),
        ("absolute", "secret"),
        ("absolute-inside", "open"),
        ("parent/secret", "secret"),
        ("sub/deep/out", "secret"),
        ("open", "open"),
    ] {
        assert_eq!(text(&tree, path).unwrap(), is, "{path}");
    }
}

#[test]
fn what_is_no_directory_is_said_in_one_line_with_a_fix() {
    let scratch = Scratch::new();
    let file = scratch.0.join("file");
    fs::write(&file, "").unwrap();
    for path in [file, scratch.0.join("absent")] {
        let said = Tree::open_root(&path, false).unwrap_err().to_string();
        assert!(said.contains(&path.display().to_string()), "{said}");
        assert!(said.contains("; fix: ") && !said.contains('\n'), "{said}");
    }
}

#[test]
fn the_machine_gets_the_first_other_address() {
    for (ours, machine) in [
        ("10.78.0.1/24", Some("10.78.0.2")),
        ("10.78.0.2/24", Some("10.78.0.1")),
        ("10.78.0.77/24", Some("10.78.0.1")),
        ("192.0.2.4/31", Some("192.0.2.5")),
        ("192.0.2.5/31", Some("192.0.2.4")),
        ("192.0.2.5/30", Some("192.0.2.6")),
        ("192.0.2.5/32", None),
        ("fd68:616e:6466:2::1/64", Some("fd68:616e:6466:2::2")),
        ("2001:db8::1/127", Some("2001:db8::")),
        ("2001:db8::1/128", None),
    ] {
        let expected = machine.map(|ip| ip.parse().unwrap());
        assert_eq!(neighbour(ours.parse().unwrap()), expected, "{ours}");
    }
}
