//! What holds of every server, whatever it speaks.

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tidings::app::{App, AppError, Registration, Server, ServerError};
use tidings::{Node, ServiceInstance};
use tokio::sync::oneshot;

use crate::{InFlight, millis, within};

/// What answers for longer than an app waits for when it stops.
pub(crate) const TOO_LONG_MS: u64 = 3_600_000;
/// Long enough to be in flight when a service is told to stop, and short enough to be waited for.
pub(crate) const A_WHILE_MS: u64 = 300;

/// Stops an app while `ask` waits for `server`, which answers after [`TOO_LONG_MS`].
pub(crate) async fn what_takes_longer_than_the_stop_timeout_is_cut<A, E>(
    server: impl Server,
    in_flight: InFlight,
    ask: impl Future<Output = Result<A, E>> + Send + 'static,
) where
    A: Debug + Send + 'static,
    E: Debug + Send + 'static,
{
    let app = App::builder()
        .name("user")
        .server(server)
        .drain_delay(millis(0))
        .stop_timeout(millis(100))
        .without_signals()
        .build()
        .unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    let asked = tokio::spawn(ask);
    in_flight.are(1).await;
    stop.stop();
    let error = within(running).await.unwrap().unwrap_err();
    let is_cut = matches!(
        &error,
        AppError::Server {
            source: ServerError::NotFinished { .. },
            ..
        }
    );
    assert!(is_cut, "{error}");
    within(asked).await.unwrap().unwrap_err();
    in_flight.are(0).await;
}

/// What waits until a server may refuse.
pub(crate) type Drained = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Registers what listens at `address` and is started by `serve`, answers after [`A_WHILE_MS`] and has `ask` in flight when the
/// signal comes.
pub(crate) async fn a_main_of_ones_own_drains_in_one_line<S, F, A, E>(
    (scheme, address): (&str, SocketAddr),
    serve: impl FnOnce(Drained) -> S,
    in_flight: InFlight,
    ask: F,
) where
    S: Future<Output = ()> + Send + 'static,
    F: Future<Output = Result<A, E>> + Send + 'static,
    A: Send + 'static,
    E: Debug + Send + 'static,
{
    let node = Node::builder().cluster("test").bind("127.0.0.1:0");
    let node = Arc::new(node.start().await.unwrap());
    let me = ServiceInstance::builder("user").listener(scheme, address);
    let registration = Registration::register(node.clone(), me.build().unwrap());
    let registration = registration.await.unwrap();
    let (signal, signalled) = oneshot::channel::<()>();
    let drained = registration.drain_on(async { drop(signalled.await) }, millis(50));
    let serving = tokio::spawn(serve(Box::pin(drained)));
    let asked = tokio::spawn(ask);
    in_flight.are(1).await;
    drop(signal);
    within(serving).await.unwrap();
    within(asked).await.unwrap().unwrap();
    assert!(node.get_service("user").await.unwrap().is_empty());
    node.shutdown().await.unwrap();
}
