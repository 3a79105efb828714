//! Port 80.

use crate::kernel::{curl_text, inside};

const BASES: [&str; 2] = ["http://10.77.0.1", "http://[fd68:616e:6466:1::1]"];

#[test]
fn the_index_is_text_for_curl_and_html_for_browsers() {
    inside(None, |_| {
        for base in BASES {
            let text = curl_text(&["-i", &format!("{base}/")]);
            assert!(
                text.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"),
                "{text}"
            );
            assert!(text.contains("\n  /you  "), "{text}");
            let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
            let html = curl_text(&["-i", "-H", browser, &format!("{base}/")]);
            assert!(
                html.contains("\r\ncontent-type: text/html; charset=utf-8\r\n"),
                "{html}"
            );
            assert!(html.contains("<a href=\"/you\">"), "{html}");
        }
    });
}
