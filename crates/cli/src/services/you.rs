//! `/you`: the ladder of the connection that asks for it.

use handfast_trace::ladder::TerminalOptions;
use handfast_trace::{Ladder, LadderOptions};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use super::Watch;
use crate::serve::http::connections::Ends;
use crate::serve::http::page::{Item, Page, wants_html};
use crate::serve::http::{Answer, whole};

/// Columns of the drawing.
const WIDTH: usize = 120;

/// How it may be told.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Ascii,
    Html,
    Sentences,
    Json,
}

/// The ladder so far, in the form that `?format=` names or `Accept` asks for.
pub(super) fn answer(watch: &Watch, ends: Ends, query: &str, fields: &HeaderMap) -> Answer {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let format = pairs
        .find(|(name, _)| *name == "format")
        .map(|(_, value)| value);
    let form = match format {
        None if wants_html(fields) => Form::Html,
        None | Some("text") => Form::Text,
        Some("ascii") => Form::Ascii,
        Some("html") => Form::Html,
        Some("sentences") => Form::Sentences,
        Some("json") => Form::Json,
        Some(_) => {
            let why = "A ladder has the formats text, ascii, html, sentences and json.";
            return Page::error(StatusCode::BAD_REQUEST, why).answer(fields);
        }
    };
    let options = LadderOptions {
        names: vec![
            (ends.client, "you".to_owned()),
            (ends.server, "handfast".to_owned()),
        ],
        ..LadderOptions::default()
    };
    let Some(ladder) = watch.ladder(ends.client, ends.server, &options) else {
        let why = "The packets of this connection are not recorded any more: only those of the \
                   newest connections are. A new one will be.";
        return Page::error(StatusCode::NOT_FOUND, why).answer(fields);
    };
    let mut answer = match form {
        Form::Text => text(ladder.terminal(&options_of(false))),
        Form::Ascii => text(ladder.terminal(&options_of(true))),
        Form::Sentences => text(ladder.sentences()),
        Form::Json => plain("application/json", format!("{:#}\n", ladder.json())),
        Form::Html => page(&ladder).render(true),
    };
    // The next one is longer already.
    let fields = answer.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn page(ladder: &Ladder) -> Page {
    let form = |name: &str, says: &str| Item {
        what: format!("/you?format={name}"),
        link: Some(format!("/you?format={name}")),
        says: says.to_owned(),
    };
    Page::new("Your connection so far")
        .paragraph(
            "Every segment of the connection that carried this request, up to the moment the \
             answer was made. Load it again: a browser that keeps the connection adds to it.",
        )
        .preformatted(ladder.terminal(&options_of(false)))
        .heading("The same in sentences")
        .preformatted(ladder.sentences())
        .list(vec![
            form("text", "is the drawing alone"),
            form("ascii", "draws with ASCII alone"),
            form("sentences", "says it in words"),
            form("json", "is for programs"),
        ])
}

fn options_of(ascii: bool) -> TerminalOptions {
    TerminalOptions {
        width: WIDTH,
        ascii,
        ..TerminalOptions::default()
    }
}

fn text(text: String) -> Answer {
    plain("text/plain; charset=utf-8", text)
}

fn plain(kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(whole(text));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
