//! A service as a stream of changes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::watch;
use tower::discover::Change;

use crate::balance::Balancer;
use crate::registry::{Endpoint, Stream};

/// A service as a [`Discover`](tower::discover::Discover): the stream of who can be called, as `Insert`
/// and `Remove` of addresses (`host:port`), each with a service that `make` makes for its endpoint.
///
/// An instance that changes at its address is no change. Several lists that nobody asked for are one. It
/// never fails and never ends: when the discovery does, those who were there last stay.
pub struct Changes<S> {
    /// Follows the service as long as this lives.
    balancer: Balancer,
    make: Box<dyn FnMut(&Endpoint) -> S + Send>,
    /// In the order of the list.
    present: Vec<Arc<str>>,
    due: VecDeque<Change<Arc<str>, S>>,
    next: Next,
}

/// Ready when there is a newer list, with what waits for the one after it.
type Next = Pin<Box<dyn Future<Output = watch::Receiver<()>> + Send>>;

impl<S> Changes<S> {
    /// The changes of who `balancer` can call, at first all who can be called now.
    pub fn new(balancer: Balancer, make: impl FnMut(&Endpoint) -> S + Send + 'static) -> Self {
        // Before the list is read: what comes later is told.
        let next = newer(balancer.changes());
        let mut changes = Self {
            balancer,
            make: Box::new(make),
            present: Vec::new(),
            due: VecDeque::new(),
            next,
        };
        changes.compare();
        changes
    }

    fn compare(&mut self) {
        let endpoints = self.balancer.endpoints();
        let named = |address: &Arc<str>| endpoints.iter().any(|e| e.authority() == &**address);
        let gone = self.present.extract_if(.., |address| !named(address));
        self.due.extend(gone.map(Change::Remove));
        for endpoint in &endpoints {
            if !self.present.iter().any(|at| **at == *endpoint.authority()) {
                let address: Arc<str> = endpoint.authority().into();
                let service = (self.make)(endpoint);
                self.present.push(Arc::clone(&address));
                self.due.push_back(Change::Insert(address, service));
            }
        }
    }
}

fn newer(mut changes: watch::Receiver<()>) -> Next {
    Box::pin(async move {
        let told = changes.changed().await;
        told.expect("the balancer has the other end");
        changes
    })
}

impl<S> Stream for Changes<S> {
    type Item = Result<Change<Arc<str>, S>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(change) = self.due.pop_front() {
                return Poll::Ready(Some(Ok(change)));
            }
            let changes = ready!(self.next.as_mut().poll(cx));
            self.next = newer(changes);
            self.compare();
        }
    }
}

// Nothing in it is pinned but what is boxed.
impl<S> Unpin for Changes<S> {}
