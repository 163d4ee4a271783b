//! tonic.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tidings::app::{App, AppError, Listener, Registration, ServerError};
use tidings::health::Standing;
use tidings::integrations::tonic_health::feed;
use tidings::integrations::tonic_server::TonicServer;
use tidings::registry::{Endpoint, Stream};
use tidings::{Node, ServiceInstance};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
};

use crate::load::{AsyncCall, no_request_fails_in_a_rolling_restart};
use crate::{InFlight, millis, within};

/// A service that takes so long to answer. It has the methods of `grpc.health.v1`, which need no code to be generated.
struct Slow {
    delay: u64,
    in_flight: InFlight,
}

#[tonic::async_trait]
impl Health for Slow {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert!(request.remote_addr().is_some(), "it knows who calls");
        let here = self.in_flight.enter();
        sleep(millis(self.delay)).await;
        drop(here);
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not for this test"))
    }
}

async fn listener() -> Listener {
    Listener::bind("grpc", "127.0.0.1:0").await.unwrap()
}

fn slow(listener: Listener, delay: u64, in_flight: &InFlight) -> TonicServer {
    let in_flight = in_flight.clone();
    let service = HealthServer::new(Slow { delay, in_flight });
    TonicServer::new(listener, Server::builder().add_service(service))
}

fn channel(address: &str) -> Channel {
    let target = Channel::from_shared(format!("http://{address}"));
    target.unwrap().connect_lazy()
}

async fn check(channel: Channel, service: &str) -> Result<ServingStatus, Status> {
    let service = service.to_owned();
    let request = HealthCheckRequest { service };
    let answer = HealthClient::new(channel).check(request).await?;
    Ok(answer.into_inner().status())
}

/// A channel to each address.
#[derive(Clone, Default)]
struct Check(Arc<Mutex<BTreeMap<String, Channel>>>);

impl AsyncCall for Check {
    async fn call(&self, endpoint: Endpoint) {
        let address = endpoint.authority().to_owned();
        let channel = {
            let mut channels = self.0.lock().unwrap();
            let entry = channels.entry(address);
            entry.or_insert_with_key(|address| channel(address)).clone()
        };
        let status = check(channel, "").await.expect("a call failed");
        assert_eq!(status, ServingStatus::Serving);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_in_flight_fails_in_a_rolling_restart() {
    let server = |in_flight| async move { slow(listener().await, 700, &in_flight) };
    no_request_fails_in_a_rolling_restart(server, Check::default()).await;
}

#[tokio::test]
async fn what_takes_longer_than_the_stop_timeout_is_cut() {
    let (listener, in_flight) = (listener().await, InFlight::default());
    let address = listener.local_addr();
    let app = App::builder()
        .name("user")
        .server(slow(listener, 3_600_000, &in_flight))
        .drain_delay(millis(0))
        .stop_timeout(millis(100))
        .without_signals()
        .build()
        .unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    let asked = tokio::spawn(check(channel(&address.to_string()), ""));
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

#[tokio::test]
async fn a_main_of_ones_own_drains_in_one_line() {
    let node = Node::builder()
        .cluster("test")
        .bind("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let node = Arc::new(node);
    let incoming = tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap());
    let incoming = incoming.unwrap();
    let address = incoming.local_addr().unwrap();
    let me = ServiceInstance::builder("user")
        .listener("grpc", address)
        .build();
    let registration = Registration::register(node.clone(), me.unwrap())
        .await
        .unwrap();
    let (signal, signalled) = oneshot::channel::<()>();
    let in_flight = InFlight::default();
    let drained = registration.drain_on(async { drop(signalled.await) }, millis(50));
    let service = Slow {
        delay: 300,
        in_flight: in_flight.clone(),
    };
    let router = Server::builder().add_service(HealthServer::new(service));
    let serving = tokio::spawn(router.serve_with_incoming_shutdown(incoming, drained));
    let asked = tokio::spawn(check(channel(&address.to_string()), ""));
    in_flight.are(1).await;
    drop(signal);
    within(serving).await.unwrap().unwrap();
    assert_eq!(
        within(asked).await.unwrap().unwrap(),
        ServingStatus::Serving
    );
    assert!(node.get_service("user").await.unwrap().is_empty());
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn grpc_health_says_what_the_registry_is_told() {
    let listener = listener().await;
    let channel = channel(&listener.local_addr().to_string());
    let (reporter, service) = tonic_health::server::health_reporter();
    let router = Server::builder().add_service(service);
    let (working, worker) = tidings::health::Check::ttl("worker", millis(60_000));
    let app = App::builder()
        .name("user")
        .server(TonicServer::new(listener, router))
        .health(|monitor| monitor.check(working))
        .drain_delay(millis(500))
        .without_signals()
        .build()
        .unwrap();
    let (stop, mut status) = (app.stop_handle(), app.status());
    let feeding = tokio::spawn(feed(reporter, ["shop.Users"], app.status()));
    let running = tokio::spawn(app.run());
    let shows = async |wanted| {
        within(async {
            // It is told by a task of its own, a moment later than the status changes.
            while check(channel.clone(), "shop.Users").await.ok() != Some(wanted) {
                sleep(millis(1)).await;
            }
        })
        .await;
    };
    within(status.standing(Standing::Unhealthy)).await.unwrap();
    shows(ServingStatus::NotServing).await;
    worker.pass();
    shows(ServingStatus::Serving).await;
    stop.stop();
    within(status.standing(Standing::Draining)).await.unwrap();
    shows(ServingStatus::NotServing).await;
    within(running).await.unwrap().unwrap();
    within(feeding).await.unwrap();
}
