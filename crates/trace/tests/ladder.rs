//! Ladders of whole connections, against golden files.

mod support;

use handfast_base::Duration;
use handfast_trace::ladder::TerminalOptions;
use handfast_trace::{Ladder, LadderOptions};
use support::*;

fn options() -> LadderOptions {
    LadderOptions {
        names: vec![(curl(), "curl".into()), (stack(), "stack".into())],
        two_msl: Some(Duration::from_secs(60)),
        ..LadderOptions::default()
    }
}

fn ladder(options: &LadderOptions) -> Ladder {
    let log = log_of(download(), reported());
    let connections = log.connections();
    assert_eq!(connections.len(), 1);
    Ladder::with(&log, &connections[0], options)
}

#[test]
fn the_download_at_116_columns_without_notes() {
    let options = LadderOptions {
        band_at_least: 3,
        ..options()
    };
    let text = ladder(&options).terminal(&TerminalOptions {
        width: 116,
        notes: false,
        ..TerminalOptions::default()
    });
    golden("download-116.txt", &text);
}

#[test]
fn the_download_with_a_column_of_notes() {
    let text = ladder(&options()).terminal(&TerminalOptions {
        width: 150,
        ..TerminalOptions::default()
    });
    golden("download-150.txt", &text);
}

#[test]
fn the_download_at_80_columns_in_both_alphabets() {
    let text = ladder(&options()).terminal(&TerminalOptions::default());
    golden("download-80.txt", &text);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    let text = ladder(&options()).terminal(&TerminalOptions {
        ascii: true,
        ..TerminalOptions::default()
    });
    golden("download-80-ascii.txt", &text);
    assert!(text.is_ascii());
    assert!(text.lines().all(|l| l.len() <= 80), "{text}");
}

#[test]
fn the_download_in_sentences() {
    golden("download-sentences.txt", &ladder(&options()).sentences());
}
