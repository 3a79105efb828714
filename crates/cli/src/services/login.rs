//! `/login`: a form, and what a server sees of it.

use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};

use crate::kernel_peer::decode_form;
use crate::serve::http::page::{Form, Page, Row, Table, method_not_allowed};
use crate::serve::http::{Answer, Question};

/// The longest form that is taken, in octets.
const LIMIT: usize = 64 * 1024;

/// Shows the form, or what came of it.
pub(super) async fn answer(request: Question) -> Answer {
    let (head, body) = request.into_parts();
    match head.method {
        Method::GET | Method::HEAD => form().answer(&head.headers),
        Method::POST if is_form(&head.headers) => match Limited::new(body, LIMIT).collect().await {
            Ok(form) => received(&form.to_bytes()).answer(&head.headers),
            Err(e) if e.is::<http_body_util::LengthLimitError>() => {
                let why = format!("A form may have {LIMIT} octets here.");
                Page::error(StatusCode::PAYLOAD_TOO_LARGE, why).answer(&head.headers)
            }
            Err(_) => {
                let why = "The form broke off.";
                Page::error(StatusCode::BAD_REQUEST, why).answer(&head.headers)
            }
        },
        Method::POST => {
            let why = "A form is expected here, as application/x-www-form-urlencoded.";
            Page::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, why).answer(&head.headers)
        }
        _ => method_not_allowed(&head.headers, "GET, HEAD, POST"),
    }
}

fn is_form(fields: &HeaderMap) -> bool {
    let kind = fields.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or("");
    kind.trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn form() -> Page {
    Page::new("Log in")
        .paragraph(
            "Any name and password will do: the answer shows what was sent. Nothing is kept, and \
             nothing is secret, for HTTP sends both as they are.",
        )
        .form(Form {
            action: "/login",
            fields: vec![
                ("user", "Name", "username", false),
                ("password", "Password", "current-password", true),
            ],
            button: "Log in",
            command: "curl -d 'user=ada&password=lovelace' http://handfast.internal/login"
                .to_owned(),
        })
}

fn received(form: &[u8]) -> Page {
    let fields = decode_form(&String::from_utf8_lossy(form));
    let row = |(name, value)| Row {
        link: None,
        cells: vec![name, value],
    };
    let table = Table {
        caption: "The fields of the form, in their order".to_owned(),
        columns: vec![("Field", false), ("Value", false)],
        rows: fields.into_iter().map(row).collect(),
    };
    let title = match table.rows.is_empty() {
        true => "The form was empty",
        false => "This is what you sent",
    };
    Page::new(title).table(table).paragraph(format!(
        "It came in {} octets, and whoever saw the packets could read it.",
        form.len()
    ))
}
