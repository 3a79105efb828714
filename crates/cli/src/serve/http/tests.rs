use std::time::{Duration, SystemTime};

use hyper::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};

use super::condition::{EntityTag, Validators, Verdict, whole_seconds};
use super::page::{escape, wants_html};
use super::range::{Wanted, wanted};

fn fields(all: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    // Appended and not inserted, for a field may have several lines.
    let mut map = HeaderMap::new();
    for (name, value) in all.iter().map(pair) {
        map.append(name, value);
    }
    map
}

#[test]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "a list of one range is meant"
)]
fn a_range_is_first_to_last_or_the_rest_or_the_end() {
    for (field, parts) in [
        ("bytes=0-0", vec![0..1]),
        ("bytes=0-499", vec![0..500]),
        ("Bytes=990-", vec![990..1000]),
        ("bytes=-10", vec![990..1000]),
        ("bytes=-5000", vec![0..1000]),
        ("bytes=990-5000", vec![990..1000]),
        ("bytes=1-99999999999999999999999999", vec![1..1000]),
        ("bytes=0-9, 20-29 ,-1", vec![0..10, 20..30, 999..1000]),
        ("bytes= , 5-5,, 2000-3000, 7-7", vec![5..6, 7..8]),
        // In the order asked for.
        ("bytes=500-599,0-99", vec![500..600, 0..100]),
    ] {
        assert_eq!(wanted(field, 1000), Wanted::Parts(parts), "{field}");
    }
}

#[test]
fn a_range_beyond_the_end_is_nothing() {
    for field in [
        "bytes=1000-",
        "bytes=1000-1001",
        "bytes=-0",
        "bytes=2000-,-0",
    ] {
        assert_eq!(wanted(field, 1000), Wanted::Nothing, "{field}");
    }
}

#[test]
fn what_is_no_range_or_too_many_is_the_whole() {
    let many = |n: usize| format!("bytes={}", vec!["0-0"; n].join(","));
    assert_eq!(wanted(&many(17), 1000), Wanted::Whole);
    assert_eq!(wanted(&many(16), 1000), Wanted::Parts(vec![0..1; 16]));
    for field in [
        "bytes",
        "bytes=5",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=5-4",
        "bytes=--1",
        "bytes=1-2-3",
        "lines=0-1",
        "=0-1",
        // More octets than there are.
        "bytes=0-,0-",
        "bytes=0-600,400-999",
    ] {
        assert_eq!(wanted(field, 1000), Wanted::Whole, "{field}");
    }
    // Of what is empty there is no part, and the whole is at hand.
    for field in ["bytes=0-0", "bytes=-5", "bytes=0-"] {
        assert_eq!(wanted(field, 0), Wanted::Whole, "{field}");
    }
}

/// Modified on 6 November 1994 at 08:49:37.5.
fn validators(is_weak: bool) -> Validators {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500);
    Validators {
        tag: EntityTag {
            opaque: "a,b".to_owned(),
            is_weak,
        },
        modified: Some(modified),
    }
}

const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sunday, 06-Nov-94 08:49:36 GMT";

#[test]
fn preconditions_have_their_order() {
    use Verdict::{Failed, NotModified, Proceed};
    for (given, expected) in [
        (&[][..], Proceed),
        (&[("if-none-match", "\"a,b\"")], NotModified),
        (&[("if-none-match", "W/\"a,b\"")], NotModified),
        (&[("if-none-match", "*")], NotModified),
        (&[("if-none-match", "\"x\", \"a,b\"")], NotModified),
        (
            &[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")],
            NotModified,
        ),
        (&[("if-none-match", "\"a\"")], Proceed),
        (&[("if-none-match", "a,b")], Proceed),
        (&[("if-modified-since", THEN)], NotModified),
        (&[("if-modified-since", BEFORE)], Proceed),
        (&[("if-modified-since", "yesterday")], Proceed),
        // A date counts only where there is no tag.
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", THEN)],
            Proceed,
        ),
        (&[("if-match", "\"a,b\"")], Proceed),
        (&[("if-match", "*")], Proceed),
        (&[("if-match", "W/\"a,b\"")], Failed),
        (&[("if-match", "\"x\"")], Failed),
        (&[("if-unmodified-since", THEN)], Proceed),
        (&[("if-unmodified-since", BEFORE)], Failed),
        (
            &[("if-match", "\"a,b\""), ("if-unmodified-since", BEFORE)],
            Proceed,
        ),
        (
            &[("if-match", "\"a,b\""), ("if-none-match", "\"a,b\"")],
            NotModified,
        ),
        (
            &[("if-match", "\"x\""), ("if-none-match", "\"a,b\"")],
            Failed,
        ),
    ] {
        assert_eq!(
            validators(false).verdict(&fields(given)),
            expected,
            "{given:?}"
        );
    }
    let weak = validators(true);
    assert_eq!(weak.verdict(&fields(&[("if-match", "\"a,b\"")])), Failed);
    assert_eq!(
        weak.verdict(&fields(&[("if-none-match", "\"a,b\"")])),
        NotModified
    );
}

#[test]
fn a_part_is_given_only_of_what_the_client_has() {
    for (given, allowed) in [
        (&[][..], true),
        (&[("if-range", "\"a,b\"")], true),
        (&[("if-range", "W/\"a,b\"")], false),
        (&[("if-range", "\"a\"")], false),
        (&[("if-range", THEN)], true),
        (&[("if-range", BEFORE)], false),
        (&[("if-range", "")], false),
    ] {
        let given = fields(given);
        assert_eq!(validators(false).allow_range(&given), allowed, "{given:?}");
        assert_eq!(validators(true).allow_range(&given), given.is_empty());
    }
}

#[test]
fn a_file_just_written_has_a_weak_tag() {
    let now = SystemTime::now();
    assert!(Validators::of_file(5, Some(now)).tag.is_weak);
    assert!(Validators::of_file(5, None).tag.is_weak);
    let past = Validators::of_file(5, Some(now - Duration::from_secs(60)));
    assert!(!past.tag.is_weak);
    // Another length or another nanosecond is another tag.
    let other = now - Duration::from_secs(60) + Duration::from_nanos(1);
    assert_ne!(past.tag, Validators::of_file(5, Some(other)).tag);
    assert_ne!(past.tag, Validators::of_file(6, past.modified).tag);
}

#[test]
fn no_time_is_too_strange_for_a_date() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(whole_seconds(before), None);
    let last = SystemTime::UNIX_EPOCH + Duration::new(253_402_300_799, 999_999_999);
    let told = httpdate::fmt_http_date(whole_seconds(last).expect("the last second"));
    assert_eq!(told, "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(whole_seconds(last + Duration::from_nanos(1)), None);
}

#[test]
fn html_is_for_who_names_it() {
    for (accept, html) in [
        ("*/*", false),
        ("", false),
        ("text/html", true),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            true,
        ),
        ("application/json, TEXT/HTML ; q=0.3", true),
        ("text/html;q=0", false),
        ("text/plain, text/html;q=0.5", false),
        ("text/plain;q=0.5, text/html", true),
    ] {
        let mut fields = HeaderMap::new();
        assert!(!wants_html(&fields));
        fields.insert(ACCEPT, HeaderValue::from_static(accept));
        assert_eq!(wants_html(&fields), html, "{accept}");
    }
}

#[test]
fn html_says_what_it_is_given_and_does_nothing() {
    let said = escape("<img src=x onerror=\"alert('&')\">");
    assert_eq!(
        said,
        "&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;"
    );
}
