//! tonic.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tidings::app::{App, Listener};
use tidings::health::Standing;
use tidings::integrations::tonic_health::feed;
use tidings::integrations::tonic_server::TonicServer;
use tidings::registry::{Endpoint, Stream};
use tokio::time::sleep;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
};

use crate::load::{AsyncCall, no_request_fails_in_a_rolling_restart};
use crate::{InFlight, life, millis, within};

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
    let channel = channel(&listener.local_addr().to_string());
    let server = slow(listener, life::TOO_LONG_MS, &in_flight);
    let ask = async move { check(channel, "").await };
    life::what_takes_longer_than_the_stop_timeout_is_cut(server, in_flight, ask).await;
}

#[tokio::test]
async fn a_main_of_ones_own_drains_in_one_line() {
    let incoming = tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap());
    let incoming = incoming.unwrap();
    let address = incoming.local_addr().unwrap();
    let in_flight = InFlight::default();
    let service = Slow {
        delay: life::A_WHILE_MS,
        in_flight: in_flight.clone(),
    };
    let router = Server::builder().add_service(HealthServer::new(service));
    let serve = |drained| async move {
        let served = router.serve_with_incoming_shutdown(incoming, drained);
        served.await.unwrap();
    };
    let channel = channel(&address.to_string());
    let ask = async move { check(channel, "").await };
    life::a_main_of_ones_own_drains_in_one_line(("grpc", address), serve, in_flight, ask).await;
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

#[tokio::test]
async fn a_stop_says_how_many_calls_it_has_cut() {
    let (listener, in_flight) = (listener().await, InFlight::default());
    let channel = channel(&listener.local_addr().to_string());
    let server = slow(listener, life::TOO_LONG_MS, &in_flight);
    let asking = tokio::spawn(async move {
        let asked = (0..4).map(|_| check(channel.clone(), ""));
        let answers = futures_util::future::join_all(asked).await;
        answers.iter().all(Result::is_err)
    });
    let said = crate::log::cut_with(server, in_flight, 4).await;
    assert!(
        said.contains("4 requests are cut") && said.contains("connections=1"),
        "{said}"
    );
    assert!(within(asking).await.unwrap());
}
