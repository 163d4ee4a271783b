//! An HTTP client of a service, by [`reqwest`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use tidings::Discovery;
//! use tidings::integrations::reqwest::HttpClient;
//!
//! # async fn example(discovery: Arc<dyn Discovery>) -> Result<(), Box<dyn std::error::Error>> {
//! let users = HttpClient::builder(discovery, "discovery:///user-service")
//!     .version("^1.4")
//!     .build()?;
//! let user = users.get("/users/42").query(&[("fields", "name")]).send().await?;
//! println!("{}", user.error_for_status()?.text().await?);
//! # Ok(()) }
//! ```
//!
//! # How a call goes
//!
//! An instance is picked for each call. It has a [`reqwest::Client`] of its own for each tokio runtime
//! that calls it, with its own connections. So a client outlives the runtime that it was built on. In one client for all, calls would stay with the connections that there are, whatever is
//! picked, since it keeps them by the name in the URL. That name is the service's, in the `Host` header,
//! in TLS (SNI and the certificate) and in [`Response::url`](reqwest::Response::url); only the address is
//! the instance's.
//!
//! # What is tried again
//!
//! | what happened | which calls go to another instance |
//! |---|---|
//! | no connection, or none in time | all, as long as nobody has read from the body |
//! | no head of an answer in time ([`attempt_timeout`](HttpClientBuilder::attempt_timeout)), or a connection that ended | idempotent ones, within the retry budget |
//! | `502`, `503` or `504` | idempotent ones, within the retry budget |
//!
//! A call that has a [timeout](RequestBuilder::timeout) of its own, and no attempt timeout, gives a try half of what is left of
//! it before another instance is asked beside it, where the table and the budget let it be; the first answer counts. So a
//! GET with 2 s is answered after 1 s in spite of a frozen replica, and one that takes 1.5 s everywhere is answered,
//! too.
//!
//! Idempotent are GET, HEAD, OPTIONS, TRACE, PUT and DELETE (RFC 9110, 9.2.2). A body that is a stream is
//! never read twice. When there is nobody else, the call ends as its last try did.
//!
//! A redirect is followed within the service, at the same instance, up to ten times. One to another host is
//! the answer.
//!
//! # What an instance is blamed for
//!
//! All that is in the table above, and every other 5xx. Not a call whose own timeout left it less than half of the time that the
//! instance usually takes. A call that the caller drops counts as latency, so that who does
//! not answer gets no more calls.

mod attempt;
mod body;
mod builder;
mod client;
mod error;
mod request;
mod resolve;
mod sending;

use ::reqwest::Method;
pub use builder::HttpClientBuilder;
pub use error::{HttpError, TimeLimit};
pub use request::RequestBuilder;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

use crate::balance::{Balancer, PerRuntime};
use crate::registry::Discovery;

/// What is kept for an address: a client for each runtime that calls it.
struct Connection {
    address: Arc<str>,
    connector: Arc<client::Connector>,
    of_runtimes: PerRuntime<Made>,
}

/// An `Err` is an address for which reqwest makes no client.
type Made = Result<client::Caller, Arc<::reqwest::Error>>;

impl Connection {
    /// That of the present runtime, made when it is first used.
    fn caller(&self) -> Arc<Made> {
        let make = || self.connector.client(&self.address).map_err(Arc::new);
        self.of_runtimes.get(make)
    }
}

/// An HTTP client of a service: each call goes to one of its instances. See [the module](self).
///
/// A clone is the same client. The service is followed until the last one is dropped.
#[derive(Clone, Debug)]
pub struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    balancer: Balancer<Connection>,
    /// `http://service` or `https://service`.
    base: Url,
    /// Makes requests, and sends none.
    template: ::reqwest::Client,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How many addresses a call is tried at.
    addresses: usize,
    /// How long one try waits for the head of its answer, if that is set.
    attempt: Option<Duration>,
    /// How long a connect may take.
    connect: Duration,
}

impl HttpClient {
    /// Starts a client of `target`: `discovery:///name`.
    pub fn builder(discovery: Arc<dyn Discovery>, target: impl Into<String>) -> HttpClientBuilder {
        HttpClientBuilder::new(discovery, target.into())
    }

    /// A GET of a path, such as `/users/42?full=true`.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A POST to a path.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// A PUT of a path.
    pub fn put(&self, path: &str) -> RequestBuilder {
        self.request(Method::PUT, path)
    }

    /// A PATCH of a path.
    pub fn patch(&self, path: &str) -> RequestBuilder {
        self.request(Method::PATCH, path)
    }

    /// A DELETE of a path.
    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    /// A HEAD of a path.
    pub fn head(&self, path: &str) -> RequestBuilder {
        self.request(Method::HEAD, path)
    }

    /// Any method. The path is one of the service, whatever it looks like: `//other/users` and
    /// `http://other/users` are paths, too.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = at(&self.0.base, path);
        RequestBuilder::new(self.clone(), self.0.template.request(method, url))
    }

    /// How often an address was [ejected](crate::balance::Ejection) since this was built.
    pub fn ejections(&self) -> u64 {
        self.0.balancer.ejections()
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        self.0.balancer.service()
    }
}

fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    // A fragment is never sent.
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    url.set_path(path);
    url.set_query(query);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_to_another_host() {
        let base = "https://users".parse().unwrap();
        for (path, url) in [
            ("/users/42?full=true", "https://users/users/42?full=true"),
            ("users", "https://users/users"),
            ("", "https://users/"),
            ("?a=b#c", "https://users/?a=b"),
            ("//other/users", "https://users//other/users"),
            ("http://other/users", "https://users/http://other/users"),
            ("/../users", "https://users/users"),
        ] {
            assert_eq!(at(&base, path).as_str(), url);
        }
    }
}
