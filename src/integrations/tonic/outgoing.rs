//! A request that may be sent more than once, and whose body is read only once.

use std::future::poll_fn;
use std::mem;

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body::Body as _;
use http_body_util::Full;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::metadata::GRPC_CONTENT_TYPE;

use super::ahead::Ahead;
use super::deadline::{self, Deadline};
use super::queue::{Place, Queue};
use crate::balance::Retained;

/// What tonic gives each call, in its order.
static BARE: [(HeaderName, HeaderValue); 2] = [
    (TE, HeaderValue::from_static("trailers")),
    (CONTENT_TYPE, GRPC_CONTENT_TYPE),
];

/// What another one is made of, as long as nobody has begun to read the body.
pub(super) struct Outgoing {
    pub(super) kept: Kept,
    head: Head,
}

/// The body, until it is read.
pub(super) struct Kept {
    /// None of an empty one. Nothing would tell whether that was sent, but an error of the connect.
    body: Option<Retained<Body>>,
    loan: u32,
}

/// What a head is made from again. Its extensions are not: nothing below a channel reads them.
struct Head {
    method: Method,
    uri: Uri,
    version: Version,
    /// None where they are [`BARE`]: a copy costs more than all the rest, and is hardly ever needed.
    headers: Option<HeaderMap>,
}

impl Outgoing {
    /// Of the first one, whose body is lent to it from now on.
    pub(super) fn of(request: &mut Request<Body>) -> Self {
        let mut kept = Kept {
            body: None,
            loan: 0,
        };
        if !request.body().is_end_stream() {
            let (body, lent) = Retained::with_loan(mem::take(request.body_mut()));
            kept.loan = lent.loan();
            kept.body = Some(body);
            *request.body_mut() = Body::new(Ahead::new(lent));
        }
        let head = Head::of(request);
        Self { kept, head }
    }

    /// When the call has to have an answer.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        deadline::of(self.head.headers.as_ref()?)
    }

    /// Another one, with what is left of the time; the one before is void. None if its body has been read from.
    pub(super) fn again(&mut self, deadline: Option<Deadline>) -> Option<Request<Body>> {
        let body = self.kept.lend()?;
        let mut request = self.head.request(body);
        if let Some(deadline) = deadline {
            deadline::tell(request.headers_mut(), deadline.at);
        }
        Some(request)
    }
}

impl Kept {
    fn lend(&mut self) -> Option<Body> {
        let Some(body) = &self.body else {
            return Some(Body::empty());
        };
        let lent = body.lend()?;
        self.loan = lent.loan();
        Some(Body::new(Ahead::new(lent)))
    }

    /// A place in the queue of those whose body is not read yet.
    pub(super) fn enter<'a>(&'a self, queue: &'a Queue, began: Instant) -> Option<Place<'a>> {
        let body = self.body.as_ref()?;
        Some(queue.enter(body, self.loan, began))
    }

    /// Whether it is certain that nothing of it was sent, or will be.
    pub(super) fn revoke(&self) -> bool {
        let body = self.body.as_ref();
        body.is_some_and(|body| body.revoke().is_some())
    }

    /// Whoever has read it has not processed it, so that it may be lent again. False if too much of it has gone.
    pub(super) async fn restore(&mut self) -> bool {
        let Some(body) = &self.body else {
            return true;
        };
        // (It may be being read on another thread at this moment.)
        let Some(whole) = poll_fn(|cx| body.poll_copy(cx)).await else {
            return false;
        };
        self.body = Some(Retained::new(Body::new(Full::new(whole))));
        true
    }
}

impl Head {
    fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let mut bare = BARE.iter().zip(headers);
        let is_bare = headers.len() == BARE.len()
            && bare.all(|((name, value), (other, others))| name == other && value == others);
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: (!is_bare).then(|| headers.clone()),
        }
    }

    fn request(&self, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = match &self.headers {
            Some(headers) => headers.clone(),
            None => BARE.iter().cloned().collect(),
        };
        request
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    /// The heads that are sent in two tries.
    fn sent_twice(headers: HeaderMap) -> [Request<Body>; 2] {
        let body = Body::new(Full::new(bytes::Bytes::from("a")));
        let mut request = Request::post("/orders.Orders/List").body(body).unwrap();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        let again = Outgoing::of(&mut request).again(None).unwrap();
        [request, again]
    }

    #[test]
    fn a_second_try_has_the_head_of_the_first() {
        let bare: HeaderMap = BARE.iter().cloned().collect();
        let mut with_another = bare.clone();
        with_another.append(TE, HeaderValue::from_static("more"));
        let mut with_another_value = bare.clone();
        with_another_value.insert(TE, HeaderValue::from_static("more"));
        for headers in [bare, with_another, with_another_value, HeaderMap::new()] {
            let [first, second] = sent_twice(headers.clone());
            for sent in [&first, &second] {
                assert_eq!(sent.headers(), &headers);
                assert_eq!(sent.method(), Method::POST);
                assert_eq!(sent.uri(), "/orders.Orders/List");
                assert_eq!(sent.version(), Version::HTTP_2);
            }
        }
    }
}
