//! A request's body that is read one frame ahead of whoever sends it.
//!
//! Most requests are one message, and tonic's body tells that nothing follows only when it is asked for more.
//! Asked ahead, it tells it with the message, which then ends the request: no empty frame has to.
//!
//! A message that is the whole request is kept beside it, until the answer begins. So a request is sent elsewhere also
//! when it had been read, if the instance says that it has not processed it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::body::Body;

use crate::balance::{BoxError, Lent};

/// A larger one is not kept: a client with many calls under way would hold all their messages twice as long. So much is
/// in flight on a stream before the other side says that it has read something (RFC 9113, 6.9.2).
const KEPT_MAX: usize = 65_535;

pub(super) struct Ahead {
    lent: Lent<Body>,
    next: Next,
}

type Polled = Option<Result<Frame<Bytes>, BoxError>>;

/// What comes next.
enum Next {
    First,
    /// What was read ahead.
    Second(Polled),
    /// Whatever is read.
    Rest,
}

impl Ahead {
    pub(super) fn new(lent: Lent<Body>) -> Self {
        Self {
            lent,
            next: Next::First,
        }
    }

    fn first(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        let polled = Pin::new(&mut self.lent).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = &polled
            && let Poll::Ready(second) = Pin::new(&mut self.lent).poll_frame(cx)
        {
            self.next = Next::Second(second);
        } else {
            self.next = Next::Rest;
        }
        let whole = match (&polled, &self.next) {
            (Poll::Ready(Some(Ok(frame))), Next::Second(None)) => frame.data_ref(),
            _ => None,
        };
        let is_kept = |whole: &&Bytes| whole.len() <= KEPT_MAX;
        self.lent.leave(whole.filter(is_kept).cloned());
        polled
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // A body that panicked when it was read: nobody waits for a copy of it.
        if matches!(self.next, Next::First) {
            self.lent.leave(None);
        }
    }
}

impl http_body::Body for Ahead {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled> {
        match &mut self.next {
            Next::First => self.first(cx),
            Next::Second(None) => Poll::Ready(None),
            Next::Second(second) => {
                let second = second.take();
                self.next = Next::Rest;
                Poll::Ready(second)
            }
            Next::Rest => Pin::new(&mut self.lent).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.next {
            Next::First | Next::Rest => self.lent.is_end_stream(),
            Next::Second(second) => second.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.next {
            Next::First | Next::Rest => self.lent.size_hint(),
            Next::Second(None) => SizeHint::with_exact(0),
            Next::Second(Some(_)) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::stream::{self, StreamExt};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::balance::Retained;

    /// Of these frames; it says nothing of its end, as tonic's.
    fn body(frames: &[Bytes]) -> (Retained<Body>, Ahead) {
        let frames = stream::iter(frames.to_vec()).map(|data| Ok::<_, BoxError>(Frame::data(data)));
        let (body, lent) = Retained::with_loan(Body::new(StreamBody::new(frames)));
        (body, Ahead::new(lent))
    }

    fn copy_of(body: &Retained<Body>) -> Poll<Option<Bytes>> {
        body.poll_copy(&Context::from_waker(Waker::noop()))
    }

    async fn next(ahead: &mut Ahead) -> Option<Bytes> {
        let frame = ahead.frame().await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn one_message_ends_with_its_frame_and_is_had_again_once() {
        let message = Bytes::from("message");
        let (body, mut ahead) = body(std::slice::from_ref(&message));
        assert!(copy_of(&body).is_pending() && !ahead.is_end_stream());
        assert_eq!(next(&mut ahead).await.unwrap(), message);
        assert!(ahead.is_end_stream() && ahead.size_hint().exact() == Some(0));
        assert!(next(&mut ahead).await.is_none());
        assert_eq!(copy_of(&body), Poll::Ready(Some(message)));
        assert_eq!(copy_of(&body), Poll::Ready(None));
    }

    #[tokio::test]
    async fn a_large_message_is_not_kept() {
        for (length, is_kept) in [(KEPT_MAX, true), (KEPT_MAX + 1, false)] {
            let (body, mut ahead) = body(&[vec![0; length].into()]);
            assert_eq!(next(&mut ahead).await.unwrap().len(), length);
            assert!(ahead.is_end_stream());
            let Poll::Ready(copy) = copy_of(&body) else {
                panic!("it was read");
            };
            assert_eq!(copy.is_some(), is_kept);
        }
    }

    #[tokio::test]
    async fn a_stream_comes_whole_and_is_not_kept() {
        for length in 2..5 {
            let frames: Vec<_> = (0..length).map(|n| Bytes::from(vec![n])).collect();
            let (body, mut ahead) = body(&frames);
            for frame in &frames {
                assert!(!ahead.is_end_stream());
                assert_eq!(next(&mut ahead).await.as_ref(), Some(frame));
            }
            assert!(next(&mut ahead).await.is_none());
            assert_eq!(copy_of(&body), Poll::Ready(None));
        }
    }

    #[tokio::test]
    async fn what_comes_later_is_not_waited_for() {
        let first = stream::iter([Bytes::from("first")]);
        let frames = first.chain(stream::pending());
        let frames = frames.map(|data| Ok::<_, BoxError>(Frame::data(data)));
        let (body, lent) = Retained::with_loan(Body::new(StreamBody::new(frames)));
        let mut ahead = Ahead::new(lent);
        assert_eq!(next(&mut ahead).await.unwrap(), "first");
        assert!(futures_util::poll!(ahead.frame()).is_pending());
        assert_eq!(copy_of(&body), Poll::Ready(None));
    }

    #[tokio::test]
    async fn an_error_ends_what_was_read_before() {
        let frames = [Ok(Frame::data(Bytes::from("first"))), Err("broken".into())];
        let frames = StreamBody::new(stream::iter(frames as [Result<_, BoxError>; 2]));
        let (body, lent) = Retained::with_loan(Body::new(frames));
        let mut ahead = Ahead::new(lent);
        assert_eq!(next(&mut ahead).await.unwrap(), "first");
        assert!(ahead.frame().await.unwrap().is_err());
        assert_eq!(copy_of(&body), Poll::Ready(None));
    }

    #[tokio::test]
    async fn a_void_one_leaves_what_another_left() {
        let message = Bytes::from("message");
        let (body, mut void) = body(std::slice::from_ref(&message));
        let mut ahead = Ahead::new(body.lend().unwrap());
        assert_eq!(next(&mut ahead).await.unwrap(), message);
        assert!(void.frame().await.unwrap().is_err());
        assert_eq!(copy_of(&body), Poll::Ready(Some(message)));
    }

    #[tokio::test]
    async fn a_body_that_panics_has_no_copy() {
        let frames = stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            panic!("the body's")
        });
        let (body, lent) = Retained::with_loan(Body::new(StreamBody::new(frames)));
        let mut ahead = Ahead::new(lent);
        let read = tokio::spawn(async move { ahead.frame().await.is_none() });
        assert!(read.await.is_err());
        assert_eq!(copy_of(&body), Poll::Ready(None));
    }
}
