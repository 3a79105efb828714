//! What is asked for, and whether the answer is right.

use crate::kernel_peer::{HttpReply, HttpRequest, RequestBody, Seeded, Side, hexadecimal, site};
use crate::netlink::Family;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Instant;

/// Seed of all bulk content.
const SEED: u64 = 9293;

/// One of the two ends that the demo joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The stack in this process that the demo is about.
    Near,
    /// The kernel, or a second stack.
    Far,
}

impl End {
    pub(super) fn other(self) -> End {
        match self {
            End::Near => End::Far,
            End::Far => End::Near,
        }
    }
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The front page.
    Page,
    /// To log in with a form.
    Login,
    /// Bulk content.
    Download,
    /// To hand over bulk content.
    Upload,
}

/// One request over a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) client: End,
    pub(super) family: Family,
    pub(super) what: What,
}

/// A transfer that is over.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) transfer: Transfer,
    /// From connecting to the last octet of the answer, digested.
    pub(super) seconds: f64,
    /// Octets of content.
    pub(super) octets: u64,
    /// What is wrong with the answer, if something is.
    pub(super) fault: Option<String>,
}

/// The content that all bulk transfers carry; none by default, for transfers of another kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Bulk {
    pub(super) len: u64,
    sha256: String,
    /// Seconds that making and hashing it took, all by itself.
    pub(super) seconds: f64,
}

impl Bulk {
    pub(super) fn new(len: u64) -> Bulk {
        let begin = Instant::now();
        let sha256 = Seeded::new(SEED, len).sha256();
        Bulk {
            len,
            sha256,
            seconds: begin.elapsed().as_secs_f64(),
        }
    }
}

impl Transfer {
    pub(super) fn new(client: End, family: Family, what: What) -> Transfer {
        Transfer {
            client,
            family,
            what,
        }
    }

    /// Each kind each way over each family.
    pub(super) fn all<const N: usize>(
        families: &[Family],
        kinds: [What; N],
    ) -> impl Iterator<Item = Transfer> + use<'_, N> {
        families.iter().flat_map(move |&family| {
            [End::Far, End::Near].into_iter().flat_map(move |client| {
                let transfer = move |what| Transfer::new(client, family, what);
                kinds.into_iter().map(transfer)
            })
        })
    }

    /// As a request to `server`. The client closes first.
    pub(super) fn request(&self, server: SocketAddr, len: u64) -> HttpRequest {
        let target = match self.what {
            What::Page => "/".to_owned(),
            What::Login => "/login".to_owned(),
            What::Download => format!("/bytes/{len}?seed={SEED}"),
            What::Upload => "/upload".to_owned(),
        };
        let body = match self.what {
            What::Page | What::Download => RequestBody::None,
            What::Login => RequestBody::Form(form()),
            What::Upload => RequestBody::Seeded { seed: SEED, len },
        };
        HttpRequest {
            closes_first: Side::Client,
            ..HttpRequest::new(server, &target, body)
        }
    }

    /// Whether the point of it is its content.
    pub(super) fn is_bulk(&self) -> bool {
        matches!(self.what, What::Download | What::Upload)
    }

    /// Who sends the content.
    pub(super) fn sender(&self) -> End {
        match self.what {
            What::Upload => self.client,
            _ => self.client.other(),
        }
    }

    /// What became of it.
    pub(super) fn done(self, reply: &HttpReply, bulk: &Bulk) -> Done {
        let digest = |text: &str| hexadecimal(&Sha256::digest(text));
        let (sha256, octets) = match self.what {
            What::Page => (digest(&site::front_page()), reply.bytes),
            What::Login => {
                let form = crate::kernel_peer::encode_form(&form());
                (digest(&site::log_in(&form).1), reply.bytes)
            }
            What::Download => (bulk.sha256.clone(), bulk.len),
            What::Upload => (digest(&site::receipt(&bulk.sha256, bulk.len)), bulk.len),
        };
        let fault = match reply {
            r if r.status != 200 => Some(format!("status {}", r.status)),
            r if self.what == What::Download && r.bytes != octets => {
                Some(format!("{} octets of {octets}", r.bytes))
            }
            r if self.what == What::Upload && r.sent != octets => {
                Some(format!("{} octets sent of {octets}", r.sent))
            }
            r if r.sha256 != sha256 => Some(format!("SHA-256 {} instead of {sha256}", r.sha256)),
            r if !r.clean_end => Some("the connection did not end in order".to_owned()),
            _ => None,
        };
        Done {
            transfer: self,
            seconds: reply.seconds,
            octets,
            fault,
        }
    }
}

fn form() -> Vec<(String, String)> {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![field("user", "ada"), field("password", "lovelace")]
}
