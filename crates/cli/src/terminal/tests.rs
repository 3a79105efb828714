use super::{Detail, Ink, Style, Terminal};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PLAIN: Style = Style {
    width: 80,
    ascii: true,
    colour: false,
    live: false,
};

fn written(style: Style, detail: Detail, write: impl FnOnce(&mut Terminal)) -> String {
    let page = Page::default();
    write(&mut Terminal::new(page.clone(), style, detail));
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn ascii_spells_out_every_sign() {
    let text = written(PLAIN, Detail::Normal, |t| {
        t.line("3 µs ± 1 → a — b ✓ ✗ … ⋮")
    });
    assert_eq!(text, "3 us +- 1 -> a - b ok BAD ... ?\n");
}

#[test]
fn paragraphs_fit_the_width() {
    let words = "eleven_char ".repeat(20);
    let text = written(PLAIN, Detail::Normal, |t| t.paragraph(&words));
    assert!(text.lines().count() > 3);
    assert!(
        text.lines()
            .all(|l| l.len() <= 80 && l.starts_with("  eleven")),
        "{text}"
    );
}

#[test]
fn quiet_says_nothing_and_colour_is_asked_for() {
    assert_eq!(written(PLAIN, Detail::Quiet, |t| t.line("x")), "");
    assert_eq!(PLAIN.paint(Ink::Good, "x"), "x");
    let colour = Style {
        colour: true,
        ..PLAIN
    };
    assert_eq!(colour.paint(Ink::Good, "x"), "\x1b[32mx\x1b[0m");
}

#[test]
fn a_status_is_written_over_where_somebody_watches() {
    let write = |t: &mut Terminal| {
        t.status("one");
        t.status("two");
        t.line("three");
        t.line("four");
    };
    let live = Style {
        live: true,
        ..PLAIN
    };
    assert_eq!(written(PLAIN, Detail::Normal, write), "three\nfour\n");
    assert_eq!(
        written(live, Detail::Normal, write),
        "  one\r\x1b[K  two\r\x1b[Kthree\nfour\n"
    );
}

#[test]
fn the_first_error_of_writing_is_kept() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut terminal = Terminal::new(Full, PLAIN, Detail::Normal);
    assert!(terminal.take_error().is_none());
    terminal.line("x");
    terminal.line("y");
    let error = terminal.take_error().expect("it is full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
