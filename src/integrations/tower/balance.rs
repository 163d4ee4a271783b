//! A service over one for each address.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

use crate::balance::{Balancer, BalancerBuilder, BuildError};
use crate::registry::Endpoint;
use crate::select::{NoInstances, Outcome};

/// A [`Service`] that hands each request to one of yours: there is one for each address, and a clone of
/// it has the request. `F` says of an answer whether it blames the instance.
///
/// A request is in flight until its answer, as `S` returns it; a body that comes after that does not
/// count. It is not tried again, since nothing is known of it: [`Balancer`] is for whoever does that.
#[derive(Clone, Debug)]
pub struct Balance<S, F> {
    balancer: Balancer<S>,
    blame: F,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BalanceError<E> {
    /// There is nobody to call; nothing was sent.
    #[error(transparent)]
    NoInstances(#[from] NoInstances),
    /// The instance's service failed, or was not ready.
    #[error(transparent)]
    Service(E),
}

impl<S: Clone + Send + Sync + 'static, F> Balance<S, F> {
    /// Begins to follow a service. `make` makes a service for an address when it can be called first, and
    /// `blame` is asked about each answer.
    pub fn new(
        balancer: BalancerBuilder,
        make: impl Fn(&Endpoint) -> S + Send + Sync + 'static,
        blame: F,
    ) -> Result<Self, BuildError> {
        let balancer = balancer.build_with(make)?;
        Ok(Self { balancer, blame })
    }
}

impl<R, S, F> Service<R> for Balance<S, F>
where
    R: Send + 'static,
    S: Service<R> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    F: Fn(&Result<S::Response, S::Error>) -> Outcome + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BalanceError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// Always ready: whether there is somebody to call is found out by the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (balancer, blame) = (self.balancer.clone(), self.blame.clone());
        Box::pin(async move {
            let call = balancer.pick(&[]).await?;
            let mut service = call.connection().clone();
            let answer = match poll_fn(|cx| service.poll_ready(cx)).await {
                Ok(()) => service.call(request).await,
                Err(error) => Err(error),
            };
            call.finish(blame(&answer));
            answer.map_err(BalanceError::Service)
        })
    }
}
