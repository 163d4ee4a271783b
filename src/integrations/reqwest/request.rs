//! A call that is being made up.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::header::HeaderMap;
use reqwest::{Body, Response};
use serde::Serialize;

use super::sending::Tries;
use super::{HttpClient, HttpError};

/// A call that is being made up, in the shape of reqwest's builder of the same name; from
/// [`HttpClient::get`] and the others. What is wrong is told by [`send`](Self::send).
#[must_use = "a request does nothing until it is sent"]
#[derive(Debug)]
pub struct RequestBuilder {
    client: HttpClient,
    request: reqwest::RequestBuilder,
}

impl RequestBuilder {
    pub(super) fn new(client: HttpClient, request: reqwest::RequestBuilder) -> Self {
        Self { client, request }
    }

    /// Adds a header.
    pub fn header<K, V>(self, key: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.with(|request| request.header(key, value))
    }

    /// Sets headers, in place of those of the same name.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|request| request.headers(headers))
    }

    /// Adds pairs to the query.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.with(|request| request.query(query))
    }

    /// Sets the body to a JSON text, and its type.
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        self.with(|request| request.json(json))
    }

    /// Sets the body. One that is a stream is not read twice.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// Sets an `Authorization` header with a bearer token.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// The time for the whole call from [`send`](Self::send) on: all tries, and the body of the answer. When another instance is asked within it says
    /// [`attempt_timeout`](super::HttpClientBuilder::attempt_timeout). Default: none, and each try has 5 s, or what is set
    /// there.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Whatever else reqwest's builder can.
    pub fn with(
        self,
        set: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Self {
        Self {
            client: self.client,
            request: set(self.request),
        }
    }

    /// Sends it, when the future is first polled. Its [timeout](Self::timeout) counts from now on, as reqwest's. See
    /// [the module](super) for what is tried again.
    ///
    /// # Errors
    ///
    /// [`HttpError`]. An answer that is an error, such as a 404, is an answer.
    pub fn send(self) -> impl Future<Output = Result<Response, HttpError>> + Send {
        let request = self.request.build();
        let tries = request.map(|request| Box::new(Tries::new(self.client, request)));
        async move { tries?.go_on().await.result }
    }
}
