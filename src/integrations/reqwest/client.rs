//! The client of one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::redirect::{Attempt, Policy};

use super::resolve::Fixed;

/// As many as reqwest follows by default.
const REDIRECTS_MAX: usize = 10;

pub(super) struct Connector {
    /// The name in URLs.
    pub(super) host: String,
    pub(super) connect_timeout: Duration,
    pub(super) adjust: Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>,
}

/// The client of an instance.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) client: reqwest::Client,
    followed: Arc<AtomicU64>,
}

/// The redirects that a client follows, from some moment on.
pub(super) struct Redirects {
    followed: Arc<AtomicU64>,
    before: u64,
}

impl Caller {
    /// From now on.
    pub(super) fn redirects(&self) -> Redirects {
        Redirects {
            before: self.followed.load(Relaxed),
            followed: Arc::clone(&self.followed),
        }
    }
}

impl Redirects {
    /// Whether none was followed. Then a request that finds no connection was not sent; otherwise it may have been,
    /// and be about to be led elsewhere.
    pub(super) fn are_none(&self) -> bool {
        self.followed.load(Relaxed) == self.before
    }
}

impl Connector {
    /// A client that reaches `address` by whatever name.
    pub(super) fn client(&self, address: &str) -> reqwest::Result<Caller> {
        let host = self.host.clone();
        let followed = Arc::<AtomicU64>::default();
        let hops = Arc::clone(&followed);
        let builder = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .redirect(Policy::custom(move |attempt| {
                hops.fetch_add(1, Relaxed);
                within(&host, attempt)
            }))
            .dns_resolver(Fixed(Arc::from(address)));
        let client = (self.adjust)(builder).build()?;
        Ok(Caller { client, followed })
    }
}

fn within(host: &str, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let url = attempt.url();
    let before = attempt.previous();
    let same_scheme = before
        .first()
        .is_none_or(|first| first.scheme() == url.scheme());
    // A port would be one at the instance's host, of which nothing is known.
    let inside = url.host_str() == Some(host) && url.port().is_none() && same_scheme;
    if !inside {
        attempt.stop()
    } else if before.len() > REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}
