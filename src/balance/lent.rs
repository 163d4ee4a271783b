//! A request's body that can be had back, as long as nobody has begun to read it.
//!
//! Whoever sends a request gives its body away, and when there turns out to be no connection it is
//! gone, although nothing of it was sent. A body that is a stream cannot be cloned. So what is given
//! away is a [`Lent`]: it takes the body out of the place that it shares with its [`Retained`] when it is
//! polled first. Until then another one can be lent, and the one before is void. So a body is read by at
//! most one, once.
//!
//! Who has sent one may wait until it is read, and is woken when somebody else finds that this takes too
//! long: a timer for each would cost more than all the rest of it.

use std::error::Error;
#[cfg(feature = "tonic")]
use std::mem;
use std::pin::Pin;
#[cfg(feature = "tonic")]
use std::sync::Weak;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "tonic")]
use std::task::Waker;
use std::task::{Context, Poll};

#[cfg(feature = "tonic")]
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A body, until it is read.
pub(crate) struct Retained<B>(Arc<Mutex<Place<B>>>);

struct Place<B> {
    body: Option<B>,
    /// Whose turn it is.
    loan: u32,
    /// Who waits until the body is read, or its loan void; or, once it is read, for a copy of it.
    #[cfg(feature = "tonic")]
    waiter: Option<Waker>,
    #[cfg(feature = "tonic")]
    copy: Copy,
}

/// What is sent in place of a body.
pub(crate) struct Lent<B> {
    place: Arc<Mutex<Place<B>>>,
    loan: u32,
    /// Ours, since we were polled.
    body: Option<B>,
}

/// Something lent, until it is read.
#[cfg(feature = "tonic")]
pub(crate) struct Awaited<B> {
    place: Weak<Mutex<Place<B>>>,
    loan: u32,
}

/// How far something lent is.
#[cfg(feature = "tonic")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loan {
    /// Nobody has begun to read it.
    Awaited,
    Read,
    Void,
}

/// What whoever reads a body leaves of it.
#[cfg(feature = "tonic")]
enum Copy {
    /// That is not known before it has been read from.
    Untold,
    None,
    /// All of it.
    Whole(Bytes),
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
            #[cfg(feature = "tonic")]
            waiter: None,
            #[cfg(feature = "tonic")]
            copy: Copy::Untold,
        })))
    }

    /// Of a body that is lent.
    #[cfg(feature = "tonic")]
    pub(crate) fn with_loan(body: B) -> (Self, Lent<B>) {
        let this = Self::new(body);
        let lent = Lent {
            place: Arc::clone(&this.0),
            loan: 0,
            body: None,
        };
        (this, lent)
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

/// Waiting until the body is read, and what was read.
#[cfg(feature = "tonic")]
impl<B> Retained<B> {
    /// How far this loan is. While it waits to be read, [`Awaited::expire`] wakes the caller.
    pub(crate) fn poll_read(&self, loan: u32, cx: &Context<'_>) -> Loan {
        let mut place = lock(&self.0);
        if place.loan != loan {
            return Loan::Void;
        }
        if place.body.is_none() {
            return Loan::Read;
        }
        let is_known = |waiter: &Waker| waiter.will_wake(cx.waker());
        if !place.waiter.as_ref().is_some_and(is_known) {
            let before = place.waiter.replace(cx.waker().clone());
            drop(place);
            drop(before);
        }
        Loan::Awaited
    }

    /// This loan, for whoever finds that it takes too long. It does not keep the body.
    pub(crate) fn awaited(&self, loan: u32) -> Awaited<B> {
        Awaited {
            place: Arc::downgrade(&self.0),
            loan,
        }
    }

    /// Nobody waits any longer. The loan is as it was.
    pub(crate) fn settle(&self) {
        let waiter = lock(&self.0).waiter.take();
        drop(waiter);
    }

    /// What was [left](Lent::leave) of a body that somebody has begun to read; pending as long as they are at it.
    pub(crate) fn poll_copy(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut place = lock(&self.0);
        match mem::replace(&mut place.copy, Copy::None) {
            Copy::Whole(whole) => Poll::Ready(Some(whole)),
            Copy::None => Poll::Ready(None),
            Copy::Untold => {
                place.copy = Copy::Untold;
                let before = place.waiter.replace(cx.waker().clone());
                drop(place);
                drop(before);
                Poll::Pending
            }
        }
    }
}

#[cfg(feature = "tonic")]
impl<B> Awaited<B> {
    /// Whether nobody waits until it is read.
    pub(crate) fn is_over(&self) -> bool {
        let is_awaited = |place: Arc<Mutex<Place<B>>>| {
            let place = lock(&place);
            place.waiter.is_some() && place.loan == self.loan
        };
        !self.place.upgrade().is_some_and(is_awaited)
    }

    /// Makes it void if somebody waits until it is read, and wakes them.
    pub(crate) fn expire(&self) {
        let Some(place) = self.place.upgrade() else {
            return;
        };
        let mut place = lock(&place);
        if place.loan != self.loan {
            return;
        }
        let Some(waiter) = place.waiter.take() else {
            return;
        };
        place.loan += 1;
        drop(place);
        waiter.wake();
    }
}

impl<B> Lent<B> {
    /// Which one it is.
    #[cfg(feature = "tonic")]
    pub(crate) fn loan(&self) -> u32 {
        self.loan
    }

    /// Leaves a copy of what was read, if that is the whole body and is to be had again.
    #[cfg(feature = "tonic")]
    pub(crate) fn leave(&self, whole: Option<Bytes>) {
        // A void one has read nothing, and what is there is of another one.
        if self.body.is_some() {
            let mut place = lock(&self.place);
            place.copy = whole.map_or(Copy::None, Copy::Whole);
            let waiter = place.waiter.take();
            drop(place);
            if let Some(waiter) = waiter {
                waiter.wake();
            }
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
            if place.loan == self.loan {
                let taken = place.body.take();
                #[cfg(feature = "tonic")]
                let waiter = place.waiter.take();
                drop(place);
                self.body = taken;
                // (Nothing of it is run under the lock.)
                #[cfg(feature = "tonic")]
                drop(waiter);
            }
        }
        match &mut self.body {
            Some(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            None => Poll::Ready(Some(Err(Void.into()))),
        }
    }

    /// One that nobody has begun to read is polled to find out.
    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(body) = &self.body {
            return body.size_hint();
        }
        let place = lock(&self.place);
        match &place.body {
            Some(body) if place.loan == self.loan => body.size_hint(),
            _ => SizeHint::default(),
        }
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

    #[cfg(feature = "tonic")]
    #[test]
    fn who_waits_for_a_loan_to_be_read_is_woken_when_it_expires() {
        let (body, lent) = Retained::with_loan(Full::new(bytes::Bytes::from("a")));
        let (loan, awaited) = (lent.loan(), body.awaited(lent.loan()));
        assert!(awaited.is_over());
        let (waker, woken) = counting();
        let cx = Context::from_waker(&waker);
        assert_eq!(body.poll_read(loan, &cx), Loan::Awaited);
        body.awaited(loan + 1).expire();
        assert_eq!((woken(), awaited.is_over()), (0, false));
        awaited.expire();
        assert_eq!((woken(), awaited.is_over()), (1, true));
        assert_eq!(body.poll_read(loan, &cx), Loan::Void);
        assert!(read(lent).is_none());
        assert!(body.lend().is_some());
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn a_loan_that_was_read_or_that_nobody_waits_for_does_not_expire() {
        let (body, lent) = Retained::with_loan(Full::new(bytes::Bytes::from("a")));
        let (loan, awaited) = (lent.loan(), body.awaited(lent.loan()));
        let cx = Context::from_waker(Waker::noop());
        awaited.expire();
        assert_eq!(body.poll_read(loan, &cx), Loan::Awaited);
        body.settle();
        awaited.expire();
        assert_eq!(body.poll_read(loan, &cx), Loan::Awaited);
        assert_eq!(read(lent).unwrap(), "a");
        assert!(awaited.is_over());
        awaited.expire();
        assert_eq!(body.poll_read(loan, &cx), Loan::Read);
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn who_asks_for_a_copy_while_it_is_being_read_is_woken_when_it_is_left() {
        let (body, mut lent) = Retained::with_loan(Full::new(bytes::Bytes::from("a")));
        let (waker, woken) = counting();
        let cx = Context::from_waker(&waker);
        let read = lent.frame().now_or_never().unwrap().unwrap().unwrap();
        assert!(body.poll_copy(&cx).is_pending());
        lent.leave(read.into_data().ok());
        assert_eq!(woken(), 1);
        assert_eq!(body.poll_copy(&cx), Poll::Ready(Some("a".into())));
        assert_eq!(body.poll_copy(&cx), Poll::Ready(None));
    }

    /// A waker that counts.
    #[cfg(feature = "tonic")]
    fn counting() -> (Waker, impl Fn() -> usize) {
        #[derive(Default)]
        struct Count(std::sync::atomic::AtomicUsize);

        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }

        let count = Arc::<Count>::default();
        let woken = Arc::clone(&count);
        let count = Waker::from(count);
        (count, move || {
            woken.0.load(std::sync::atomic::Ordering::SeqCst)
        })
    }
}
