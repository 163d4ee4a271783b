//! Bodies: one that is sent, and one that is received.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use reqwest::{Body, Request, Response, ResponseBuilderExt};

use super::Connection;
use crate::balance::{Call, Retained};
use crate::select::Outcome;

/// A request that may be sent more than once.
pub(super) enum Outgoing {
    /// Its body is in memory, or there is none.
    Reusable(Request),
    /// Its body is a stream.
    Once(Request, Retained<Body>),
}

impl Outgoing {
    pub(super) fn new(mut request: Request) -> Self {
        let is_stream = |body: &Body| body.as_bytes().is_none();
        if request.body().is_some_and(is_stream) {
            let body = request.body_mut().take().expect("it is a stream");
            return Self::Once(request, Retained::new(body));
        }
        Self::Reusable(request)
    }

    pub(super) fn request(&self) -> &Request {
        match self {
            Self::Reusable(request) | Self::Once(request, _) => request,
        }
    }

    /// Whether its body can be sent as often as one likes.
    pub(super) fn is_reusable(&self) -> bool {
        matches!(self, Self::Reusable(_))
    }

    /// Whether its body could be sent again now. It stays with whoever has it.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Reusable(_) => true,
            Self::Once(_, body) => body.is_whole(),
        }
    }

    /// The request, to be sent; none if its body has been read from.
    pub(super) fn lend(&self) -> Option<Request> {
        let mut request = self.request().try_clone()?;
        if let Self::Once(_, body) = self {
            *request.body_mut() = Some(Body::wrap(body.lend()?));
        }
        Some(request)
    }
}

/// A body that keeps its call under way until it ends.
struct Answer {
    body: Body,
    /// There until it is known how it ends.
    call: Option<Call<Connection>>,
    /// How it ends if the body does.
    outcome: Outcome,
}

/// Hands the call to the body of its answer.
pub(super) fn followed(
    response: Response,
    mut call: Call<Connection>,
    outcome: Outcome,
) -> Response {
    call.answered();
    if outcome == Outcome::Failure || response.content_length() == Some(0) {
        call.finish(outcome);
        return response;
    }
    let url = response.url().clone();
    let (mut head, body) = http::Response::from(response).into_parts();
    // What reqwest keeps the URL by goes with what else is kept there.
    let mut kept = http::Response::builder();
    if let Some(extensions) = kept.extensions_mut() {
        *extensions = std::mem::take(&mut head.extensions);
    }
    let kept = kept.url(url).body(()).expect("nothing of it can be wrong");
    head.extensions = kept.into_parts().0.extensions;
    let mut answer = Answer {
        body,
        call: Some(call),
        outcome,
    };
    // The length that is told may be that of a body which does not come: of an answer to HEAD.
    if answer.body.is_end_stream() {
        answer.end(outcome);
    }
    http::Response::from_parts(head, Body::wrap(answer)).into()
}

impl Answer {
    fn end(&mut self, outcome: Outcome) {
        if let Some(call) = self.call.take() {
            call.finish(outcome);
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(_))) => self.end(Outcome::Failure),
            Poll::Ready(None) => {
                let outcome = self.outcome;
                self.end(outcome);
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use reqwest::{Method, Url};

    use super::*;

    #[test]
    fn whether_a_stream_is_whole_is_asked_without_taking_it_back() {
        let url: Url = "http://users/".parse().unwrap();
        let mut request = Request::new(Method::PUT, url);
        let empty: [std::io::Result<&str>; 0] = [];
        let frames = http_body_util::StreamBody::new(futures_util::stream::iter(
            empty.map(|frame| frame.map(|data| Frame::data(Bytes::from(data)))),
        ));
        *request.body_mut() = Some(Body::wrap(frames));
        let outgoing = Outgoing::new(request);
        let mut lent = outgoing.lend().unwrap();
        assert!(outgoing.is_whole());
        let body = lent.body_mut().take().unwrap();
        assert!(body.collect().now_or_never().unwrap().is_ok());
        assert!(!outgoing.is_whole());
        assert!(outgoing.lend().is_none());
    }
}
