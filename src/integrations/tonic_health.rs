//! tonic-health: `grpc.health.v1` says what the registry is told.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::health::{Standing, StatusWatch};

/// Keeps `reporter` told of how the instance is, for each of `services`: `SERVING` while it is
/// [`Up`](Standing::Up), and else `NOT_SERVING`. Ends when what `status` follows has ended, and
/// leaves `NOT_SERVING` behind.
///
/// Run it as a task. An empty name is the server as a whole, which tonic-health has as `SERVING`
/// from the start.
///
/// Not together with a [`Check::grpc`](crate::health::Check) of the same services: what waits for
/// itself to be well never is.
///
/// ```no_run
/// # #[cfg(feature = "app")]
/// # fn example(app: tidings::app::App) {
/// use tidings::integrations::tonic_health::feed;
///
/// let (reporter, health_service) = tonic_health::server::health_reporter();
/// // `health_service` goes to the router, the router to the app, and then:
/// tokio::spawn(feed(reporter, ["shop.v1.Orders"], app.status()));
/// # drop(health_service);
/// # }
/// ```
pub async fn feed(
    reporter: HealthReporter,
    services: impl IntoIterator<Item = impl Into<String>> + Send,
    mut status: StatusWatch,
) {
    let services: Vec<String> = services.into_iter().map(Into::into).collect();
    while let Some(health) = status.changed().await {
        let serving = match health.standing {
            Standing::Up => ServingStatus::Serving,
            _ => ServingStatus::NotServing,
        };
        report(&reporter, &services, serving).await;
    }
    report(&reporter, &services, ServingStatus::NotServing).await;
}

async fn report(reporter: &HealthReporter, services: &[String], serving: ServingStatus) {
    for service in services {
        reporter.set_service_status(service, serving).await;
    }
}
