//! The small site that the server serves: what each request means, apart from how it is carried.
//! Another server of the same site answers with the very same octets.

use super::http::decode_form;

/// The seed of `/bytes/N` where the request names none.
pub const DEFAULT_SEED: u64 = 1;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// `GET /`: [`front_page`].
    Front,
    /// `GET /bytes/N` or `/bytes/N?seed=S`: [`super::Seeded`] content.
    Bytes {
        /// Octets.
        len: u64,
        /// Seed of the content.
        seed: u64,
    },
    /// `POST /upload`: answered with [`receipt`].
    Upload,
    /// `POST /login`: answered with [`log_in`].
    Login,
    /// The path exists, for another method: 405.
    OtherMethod,
    /// 404.
    Unknown,
}

impl Route {
    /// The meaning of a request line's method and target.
    pub fn of(method: &str, target: &str) -> Route {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let route = match path {
            "/" => Route::Front,
            "/upload" => Route::Upload,
            "/login" => Route::Login,
            _ => {
                let seed = decode_form(query)
                    .into_iter()
                    .find(|(name, _)| name == "seed");
                let seed = seed.map_or(Ok(DEFAULT_SEED), |(_, value)| value.parse());
                let len = path.strip_prefix("/bytes/").map(str::parse);
                match (len, seed) {
                    (Some(Ok(len)), Ok(seed)) => Route::Bytes { len, seed },
                    _ => return Route::Unknown,
                }
            }
        };
        let expected = match route {
            Route::Upload | Route::Login => "POST",
            _ => "GET",
        };
        if method == expected {
            route
        } else {
            Route::OtherMethod
        }
    }
}

/// The front page.
pub fn front_page() -> String {
    page(
        "It works",
        "<p>This page came over TCP, one end of it in user space.</p>\n\
         <form method=\"post\" action=\"/login\">\n\
         <input name=\"user\" autocomplete=\"username\">\n\
         <input name=\"password\" type=\"password\" autocomplete=\"current-password\">\n\
         <button>Log in</button>\n\
         </form>",
    )
}

/// Status and page for a login form. It asks for a user and a password and believes any: this is a
/// site to watch packets with.
pub fn log_in(form: &str) -> (u16, String) {
    let form = decode_form(form);
    let value = |name| {
        let found = form.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, v)| v.as_str())
    };
    if value("user").is_empty() || value("password").is_empty() {
        return (
            403,
            page("Not logged in", "<p>User or password is missing.</p>"),
        );
    }
    let escape = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        text.replace('>', "&gt;").replace('"', "&quot;")
    };
    (
        200,
        page(
            "Logged in",
            &format!("<p>Welcome, {}.</p>", escape(value("user"))),
        ),
    )
}

/// The answer to an upload: SHA-256 in hexadecimal digits, a blank, length in octets, a newline.
pub fn receipt(sha256: &str, len: u64) -> String {
    format!("{sha256} {len}\n")
}

/// The page for a status other than 200.
pub fn error_page(status: u16) -> String {
    page(reason(status), "")
}

/// The reason phrase of a status (RFC 9110 section 15).
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<title>{title}</title>\n<h1>{title}</h1>\n{body}\n</html>\n"
    )
}
