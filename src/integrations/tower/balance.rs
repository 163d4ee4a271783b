//! A service over one for each address.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tower::Service;

use crate::balance::{Balancer, BalancerBuilder, BuildError, PerRuntime};
use crate::registry::Endpoint;
use crate::select::{NoInstances, Outcome};

/// A [`Service`] that hands each request to one of yours: there is one for each address and each tokio
/// runtime that calls it, and a clone of it has the request. `F` says of an answer whether it blames the instance.
///
/// A request is in flight until its answer, as `S` returns it; a body that comes after that does not
/// count. It is not tried again, since nothing is known of it: [`Balancer`] is for whoever does that.
#[derive(Clone, Debug)]
pub struct Balance<S, F> {
    balancer: Balancer<Made<S>>,
    blame: F,
}

/// The services of an address: one for each runtime that calls it, since its connections end with it.
struct Made<S> {
    endpoint: Endpoint,
    make: Arc<Make<S>>,
    of_runtimes: PerRuntime<S>,
}

type Make<S> = dyn Fn(&Endpoint) -> S + Send + Sync;

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
    /// Follows a service from now on. `make` makes a service for an address when it is first called on a
    /// tokio runtime, and `blame` is asked about each answer.
    pub fn new(
        balancer: BalancerBuilder,
        make: impl Fn(&Endpoint) -> S + Send + Sync + 'static,
        blame: F,
    ) -> Result<Self, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let make: Arc<Make<S>> = Arc::new(make);
        let balancer = balancer.build_with(move |endpoint| Made {
            endpoint: endpoint.clone(),
            make: Arc::clone(&make),
            of_runtimes: PerRuntime::new(runtime.clone()),
        })?;
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
            let mut service = call.connection().service();
            let answer = match poll_fn(|cx| service.poll_ready(cx)).await {
                Ok(()) => service.call(request).await,
                Err(error) => Err(error),
            };
            call.finish(blame(&answer));
            answer.map_err(BalanceError::Service)
        })
    }
}

impl<S: Clone> Made<S> {
    /// A clone of that of the present runtime.
    fn service(&self) -> S {
        let made = self.of_runtimes.get(|| (self.make)(&self.endpoint));
        S::clone(&made)
    }
}
