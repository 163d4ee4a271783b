//! A request's body that can be had back, as long as nobody has begun to read it.
//!
//! Whoever sends a request gives its body away, and when there turns out to be no connection it is
//! gone, although nothing of it was sent. A body that is a stream cannot be cloned. So what is given
//! away is a [`Lent`]: it takes the body out of the place that it shares with its [`Retained`] when it is
//! polled first. Until then another one can be lent, and the one before is void. So a body is read by at
//! most one, once.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A body, until it is read.
pub(crate) struct Retained<B>(Arc<Mutex<Place<B>>>);

struct Place<B> {
    body: Option<B>,
    /// Whose turn it is.
    loan: u32,
}

/// What is sent in place of a body.
pub(crate) struct Lent<B> {
    place: Arc<Mutex<Place<B>>>,
    loan: u32,
    /// Ours, since we were polled.
    body: Option<B>,
}

/// What whoever polls a void one gets.
#[derive(Debug, thiserror::Error)]
#[error("the request was sent elsewhere, since it had not been sent here")]
struct Void;

impl<B> Retained<B> {
    pub(crate) fn new(body: B) -> Self {
        Self(Arc::new(Mutex::new(Place {
            body: Some(body),
            loan: 0,
        })))
    }

    /// Makes what was lent before void, and lends again; none if it has been read from.
    pub(crate) fn lend(&self) -> Option<Lent<B>> {
        let loan = self.revoke()?;
        Some(Lent {
            place: Arc::clone(&self.0),
            loan,
            body: None,
        })
    }

    /// Whether nobody has read from it yet.
    #[cfg(feature = "reqwest")]
    pub(crate) fn is_whole(&self) -> bool {
        lock(&self.0).body.is_some()
    }

    /// Makes what was lent void; none if it has been read from.
    pub(crate) fn revoke(&self) -> Option<u32> {
        let mut place = lock(&self.0);
        place.body.as_ref()?;
        place.loan += 1;
        Some(place.loan)
    }
}

impl<B> Lent<B> {
    /// What `look` sees in the body; `void` if it is no longer here.
    fn look<T>(&self, look: impl FnOnce(&B) -> T, void: T) -> T {
        if let Some(body) = &self.body {
            return look(body);
        }
        let place = lock(&self.place);
        match &place.body {
            Some(body) if place.loan == self.loan => look(body),
            _ => void,
        }
    }
}

impl<B> Body for Lent<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if self.body.is_none() {
            let mut place = lock(&self.place);
            let taken = (place.loan == self.loan).then(|| place.body.take());
            drop(place);
            self.body = taken.flatten();
        }
        match &mut self.body {
            Some(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            None => Poll::Ready(Some(Err(Void.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.look(B::is_end_stream, false)
    }

    fn size_hint(&self) -> SizeHint {
        self.look(B::size_hint, SizeHint::default())
    }
}

// It is only ever pinned where it stands, and the body within can be moved.
impl<B> Unpin for Lent<B> {}

fn lock<B>(place: &Mutex<Place<B>>) -> MutexGuard<'_, Place<B>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::{BodyExt, Collected, Full};

    use super::*;

    fn read(body: impl Body<Data = bytes::Bytes>) -> Option<bytes::Bytes> {
        let collected = body.collect().now_or_never().expect("all is there");
        collected.ok().map(Collected::to_bytes)
    }

    #[test]
    fn a_body_that_nobody_read_is_lent_again_and_the_loan_before_is_void() {
        let body = Retained::new(Full::new(bytes::Bytes::from("a")));
        let first = body.lend().unwrap();
        assert_eq!(first.size_hint().exact(), Some(1));
        let second = body.lend().unwrap();
        assert_eq!(first.size_hint().exact(), None);
        assert!(read(first).is_none());
        assert_eq!(read(second).unwrap(), "a");
        assert!(body.lend().is_none());
    }

    #[test]
    fn a_body_that_was_polled_once_is_not_had_back() {
        let body = Retained::new(Full::new(bytes::Bytes::from("a")));
        let mut lent = body.lend().unwrap();
        let frame = lent.frame().now_or_never().unwrap();
        assert!(frame.unwrap().is_ok());
        assert!(body.lend().is_none() && body.revoke().is_none());
        assert!(lent.is_end_stream());
    }
}
