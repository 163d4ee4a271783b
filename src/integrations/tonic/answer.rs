//! An answer's body, which keeps its call under way until it ends.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use h2::Reason;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use super::Connection;
use crate::balance::Call;
use crate::select::Outcome;

static STATUS: HeaderName = Status::GRPC_STATUS;

/// The body of an answer. Its call is under way until it ends or is dropped.
#[derive(Debug, Default)]
pub struct ResponseBody {
    body: Body,
    /// There until it is known how it ends.
    call: Option<Call<Connection>>,
}

/// Hands the call to the body of its answer, unless the head says how it ends.
pub(super) fn followed(
    response: Response<Body>,
    mut call: Call<Connection>,
) -> Response<ResponseBody> {
    call.answered();
    let call = to_be_followed(&response, call);
    response.map(|body| ResponseBody { body, call })
}

/// None if the head says how it ends.
fn to_be_followed(response: &Response<Body>, call: Call<Connection>) -> Option<Call<Connection>> {
    let status = response.status();
    if status != StatusCode::OK {
        // Not gRPC that answers: a proxy, or another server.
        let blamed = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        call.finish(if blamed {
            Outcome::Failure
        } else {
            Outcome::Success
        });
        return None;
    }
    // An answer without a message has its status in the head.
    if let Some(code) = code(response.headers()) {
        finish(call, code);
        return None;
    }
    Some(call)
}

/// What ended a call that has no status of its own. A connection that broke is `UNAVAILABLE` (gRPC's
/// `statuscodes`), for which tonic has `UNKNOWN`, or `CANCELLED` or `INTERNAL` where the instance has not begun.
pub(super) fn broken(error: Box<dyn Error + Send + Sync>, not_begun: bool) -> Status {
    // Whoever makes a body may end it with a status, and that one stays.
    let said = has_source::<Status>(&*error);
    let status = Status::from_error(error);
    let is_broken = match status.code() {
        Code::Unknown => true,
        Code::Cancelled | Code::Internal => not_begun,
        _ => false,
    };
    if said || !is_broken {
        return status;
    }
    unavailable(status)
}

fn unavailable(status: Status) -> Status {
    let mut unavailable = Status::unavailable(status.message());
    unavailable.set_source(Arc::new(status));
    unavailable
}

/// Whether the instance says that it has not processed the request, so that it may be sent again whatever it is:
/// RFC 9113, 6.8 (it goes away, and had not come to this one) and 8.7 (it refuses it).
pub(super) fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = source::<h2::Error>(error) else {
        return false;
    };
    let said = match error.reason() {
        Some(Reason::NO_ERROR) => error.is_go_away(),
        Some(Reason::REFUSED_STREAM) => error.is_reset(),
        _ => false,
    };
    said && error.is_remote()
}

pub(super) fn has_source<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    source::<E>(error).is_some()
}

pub(super) fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error
        .downcast_ref()
        .or_else(|| error.source().and_then(source))
}

/// The status's code. (tonic's `Status` would be made with a copy of all headers, and to look at each of so few
/// takes less than the hash of a name.)
fn code(headers: &HeaderMap) -> Option<Code> {
    let (_, code) = headers.iter().find(|(name, _)| **name == STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}

/// Ends a call with a status, if that says something of the instance.
fn finish(call: Call<Connection>, code: Code) {
    match code {
        // It may be the caller's own deadline that the instance kept.
        Code::DeadlineExceeded => call.expired(),
        Code::Internal | Code::Unavailable | Code::DataLoss => call.finish(Outcome::Failure),
        _ => call.finish(Outcome::Success),
    }
}

impl ResponseBody {
    fn end(&mut self, trailers: Option<&HeaderMap>) {
        if let Some(call) = self.call.take() {
            // An answer that ends without a status has lost its end.
            let code = trailers.and_then(code).unwrap_or(Code::Unavailable);
            finish(call, code);
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => self.end(frame.trailers_ref()),
            Poll::Ready(None | Some(Err(_))) => self.end(None),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        // What the server says is in the trailers: an error is one of the connection.
        polled.map_err(|status| match status.code() {
            Code::Unknown => unavailable(status),
            _ => status,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
