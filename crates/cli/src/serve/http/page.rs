//! Pages: HTML for who asks for it, else plain text that says the same.

use std::fmt::Write;

use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    VARY,
};
use hyper::{Response, StatusCode};

use super::{Answer, whole};

/// No scripts, nothing from elsewhere, and forms only to this site.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}\
pre{overflow-x:auto;line-height:1.2}\
th{text-align:left;font-weight:inherit}\
td,th{padding:.1rem 1.5rem .1rem 0}\
.number{text-align:right;font-variant-numeric:tabular-nums}\
label{display:block;margin:.5rem 0}";

/// A cell that is longer pushes the rest of its row aside, and no other row.
const WIDEST: usize = 60;

/// Something to be read.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    status: StatusCode,
    title: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
enum Block {
    Heading(String),
    Paragraph(String),
    Preformatted(String),
    List(Vec<Item>),
    Table(Table),
    Form(Form),
}

/// An entry of a list: what, where that leads, and what is to be said of it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) what: String,
    pub(crate) link: Option<String>,
    pub(crate) says: String,
}

/// Rows under headings. The first column names its row; the others may be numbers.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) caption: String,
    /// Heading, and whether the column holds numbers.
    pub(crate) columns: Vec<(&'static str, bool)>,
    pub(crate) rows: Vec<Row>,
}

/// A row of a [`Table`].
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) link: Option<String>,
    pub(crate) cells: Vec<String>,
}

/// Fields to be sent by POST.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: &'static str,
    /// Name, label, what a browser may fill in, and whether it is hidden while typed.
    pub(crate) fields: Vec<(&'static str, &'static str, &'static str, bool)>,
    pub(crate) button: &'static str,
    /// The same from a shell.
    pub(crate) command: String,
}

impl Page {
    /// A page with that heading, and no more yet.
    pub(crate) fn new(title: impl Into<String>) -> Page {
        Page {
            status: StatusCode::OK,
            title: title.into(),
            blocks: Vec::new(),
        }
    }

    /// A page that says why there is no other, and what can be done.
    pub(crate) fn error(status: StatusCode, why: impl Into<String>) -> Page {
        let title = status.canonical_reason().unwrap_or("Error");
        let mut page = Page::new(format!("{} {title}", status.as_u16())).paragraph(why);
        page.status = status;
        page
    }

    pub(crate) fn heading(self, text: impl Into<String>) -> Page {
        self.with(Block::Heading(text.into()))
    }

    pub(crate) fn paragraph(self, text: impl Into<String>) -> Page {
        self.with(Block::Paragraph(text.into()))
    }

    /// Lines whose columns must stay where they are.
    pub(crate) fn preformatted(self, text: impl Into<String>) -> Page {
        self.with(Block::Preformatted(text.into()))
    }

    pub(crate) fn list(self, items: Vec<Item>) -> Page {
        self.with(Block::List(items))
    }

    pub(crate) fn table(self, table: Table) -> Page {
        self.with(Block::Table(table))
    }

    pub(crate) fn form(self, form: Form) -> Page {
        self.with(Block::Form(form))
    }

    fn with(mut self, block: Block) -> Page {
        self.blocks.push(block);
        self
    }

    /// The page as whoever sent these header fields wants it.
    pub(crate) fn answer(&self, fields: &HeaderMap) -> Answer {
        self.render(wants_html(fields))
    }

    /// The page in one of its forms.
    pub(crate) fn render(&self, as_html: bool) -> Answer {
        let (kind, text) = match as_html {
            true => ("text/html; charset=utf-8", self.html()),
            false => ("text/plain; charset=utf-8", self.text()),
        };
        let mut answer = Response::new(whole(text));
        *answer.status_mut() = self.status;
        for (name, value) in [
            (CONTENT_TYPE, kind),
            (VARY, "Accept"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (CACHE_CONTROL, "no-cache"),
        ] {
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    fn text(&self) -> String {
        let mut out = format!(
            "{}\n{}\n",
            self.title,
            "=".repeat(self.title.chars().count())
        );
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Heading(text) => {
                    out += &format!("{text}\n{}\n", "-".repeat(text.chars().count()));
                }
                Block::Paragraph(text) => out += &format!("{text}\n"),
                Block::Preformatted(text) => out += &format!("{}\n", text.trim_end_matches('\n')),
                Block::List(items) => {
                    let width = items.iter().map(|i| i.what.chars().count()).max();
                    let width = width.unwrap_or(0);
                    for item in items {
                        let line = format!("  {:width$}  {}", item.what, item.says);
                        out += &format!("{}\n", line.trim_end());
                    }
                }
                Block::Table(table) => table.text(&mut out),
                Block::Form(form) => out += &format!("  {}\n", form.command),
            }
        }
        out
    }

    fn html(&self) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n"
        );
        for block in &self.blocks {
            match block {
                Block::Heading(text) => out += &format!("<h2>{}</h2>\n", escape(text)),
                Block::Paragraph(text) => out += &format!("<p>{}</p>\n", escape(text)),
                Block::Preformatted(text) => {
                    // It may be wider than the window, and is to be scrolled without a mouse, too.
                    out += &format!("<pre tabindex=\"0\">{}</pre>\n", escape(text));
                }
                Block::List(items) => {
                    out += "<ul>\n";
                    for Item { what, link, says } in items {
                        let what = format!("<code>{}</code>", escape(what));
                        let what = linked(link.as_deref(), what);
                        out += &format!("<li>{what} {}</li>\n", escape(says));
                    }
                    out += "</ul>\n";
                }
                Block::Table(table) => table.html(&mut out),
                Block::Form(form) => form.html(&mut out),
            }
        }
        out + "</main>\n</body>\n</html>\n"
    }
}

impl Table {
    fn text(&self, out: &mut String) {
        let heads = || self.columns.iter().map(|(name, _)| name.to_string());
        let mut widths: Vec<_> = heads().map(|name| name.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut line = |cells: &[String]| {
            let mut line = String::new();
            for ((cell, width), (_, number)) in cells.iter().zip(&widths).zip(&self.columns) {
                let width = (*width).min(WIDEST);
                let _ = match number {
                    true => write!(line, "  {cell:>width$}"),
                    false => write!(line, "  {cell:width$}"),
                };
            }
            *out += &format!("{}\n", line.trim_end());
        };
        line(&heads().collect::<Vec<_>>());
        self.rows.iter().for_each(|row| line(&row.cells));
    }

    fn html(&self, out: &mut String) {
        let class = |number: bool| if number { " class=\"number\"" } else { "" };
        *out += &format!(
            "<table>\n<caption>{}</caption>\n<thead><tr>",
            escape(&self.caption)
        );
        for (name, number) in &self.columns {
            *out += &format!("<th scope=\"col\"{}>{}</th>", class(*number), escape(name));
        }
        *out += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            *out += "<tr>";
            for (i, (cell, (_, number))) in row.cells.iter().zip(&self.columns).enumerate() {
                let cell = escape(cell);
                *out += &match i {
                    0 => format!(
                        "<th scope=\"row\">{}</th>",
                        linked(row.link.as_deref(), cell)
                    ),
                    _ => format!("<td{}>{cell}</td>", class(*number)),
                };
            }
            *out += "</tr>\n";
        }
        *out += "</tbody>\n</table>\n";
    }
}

impl Form {
    fn html(&self, out: &mut String) {
        *out += &format!("<form method=\"post\" action=\"{}\">\n", self.action);
        for (name, label, filled, hidden) in &self.fields {
            let kind = if *hidden { "password" } else { "text" };
            *out += &format!(
                "<label>{label} <input type=\"{kind}\" name=\"{name}\" autocomplete=\"{filled}\">\
                 </label>\n"
            );
        }
        *out += &format!("<button>{}</button>\n</form>\n", self.button);
        *out += &format!(
            "<p>From a shell: <code>{}</code></p>\n",
            escape(&self.command)
        );
    }
}

fn linked(link: Option<&str>, html: String) -> String {
    match link {
        Some(link) => format!("<a href=\"{}\">{html}</a>", escape(link)),
        None => html,
    }
}

/// A page for a method that the path does not have (RFC 9110 section 15.5.6).
pub(crate) fn method_not_allowed(fields: &HeaderMap, allowed: &'static str) -> Answer {
    let why = format!("This path has other methods: {allowed}.");
    let mut answer = Page::error(StatusCode::METHOD_NOT_ALLOWED, why).answer(fields);
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// `text` where HTML is expected, in an attribute's value, too.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// Whether HTML is named in `Accept`, and not liked less than plain text (RFC 9110 section 12.5.1).
/// Browsers name it; `*/*` alone is what command-line clients send.
pub(crate) fn wants_html(fields: &HeaderMap) -> bool {
    let quality = |wanted: &str| {
        let values = fields.get_all(ACCEPT).into_iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let mut ranges = values.flat_map(|value| value.split(','));
        ranges.find_map(|range| {
            let mut range = range.split(';').map(str::trim);
            let named = range.next()?.eq_ignore_ascii_case(wanted);
            let quality = range.find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("q")
                    .then(|| value.trim().parse::<f32>())
            });
            named.then(|| quality.and_then(Result::ok).unwrap_or(1.0))
        })
    };
    let html = quality("text/html").unwrap_or(0.0);
    html > 0.0 && html >= quality("text/plain").unwrap_or(0.0)
}
