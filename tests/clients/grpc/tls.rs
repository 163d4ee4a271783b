//! Names and certificates.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tidings::select::Strategy;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use super::{builder, client};
use crate::support::echo::{EchoClient, Server};
use crate::support::{SERVICE, Table, frozen, frozen_at, within};

async fn server_of(name: &str) -> (Server, ClientTlsConfig) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem());
    let server = Server::start_tls(ServerTlsConfig::new().identity(identity)).await;
    let trusted = Certificate::from_pem(cert.pem());
    (server, ClientTlsConfig::new().ca_certificate(trusted))
}

#[tokio::test]
async fn certificates_are_of_the_services_name() {
    let (server, tls) = server_of(SERVICE).await;
    let table = Table::of("grpcs", [server.address]);
    let channel = builder(&table).tls(tls).build().unwrap();
    within(EchoClient::new(channel).echo("hello"))
        .await
        .unwrap();
}

#[tokio::test]
async fn certificates_of_another_name_are_refused_unless_it_is_set() {
    let (server, tls) = server_of("other.example").await;
    let table = Table::of("grpcs", [server.address]);
    let channel = builder(&table).tls(tls.clone()).build().unwrap();
    let error = within(EchoClient::new(channel).echo("hello"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let named = builder(&table).tls(tls).server_name("other.example");
    let mut client = EchoClient::new(named.build().unwrap());
    within(client.echo("hello")).await.unwrap();
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn calls_that_wait_for_a_connection_leave_for_another_instance() {
    let (server, tls) = server_of(SERVICE).await;
    // It accepts, and never says hello.
    let table = Table::of("grpcs", [frozen().await, server.address]);
    let channel = builder(&table).tls(tls).strategy(Strategy::RoundRobin);
    let timeout = Duration::from_millis(100);
    let channel = channel.connect_timeout(timeout).build().unwrap();
    let began = Instant::now();
    let calls = (0..20).map(async |_| {
        let mut client = EchoClient::new(channel.clone());
        within(client.echo("hello")).await.unwrap();
    });
    join_all(calls).await;
    assert_eq!(server.calls(), 20);
    // And not one behind the other.
    assert!(began.elapsed() < 10 * timeout, "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_call_waits_for_a_connection_that_ended_and_is_not_made_again() {
    let (first, tls) = server_of(SERVICE).await;
    let table = Table::of("grpcs", [first.address]);
    let builder = builder(&table).tls(tls);
    let timeout = Duration::from_millis(100);
    let channel = builder.connect_timeout(timeout).build().unwrap();
    let mut client = EchoClient::new(channel.clone());
    within(client.echo("hello")).await.unwrap();
    frozen_at(first.kill().await).await;
    let calls = (0..20).map(async |_| {
        let mut client = EchoClient::new(channel.clone());
        within(client.echo("hello")).await.unwrap_err().code()
    });
    let began = Instant::now();
    assert_eq!(join_all(calls).await, [Code::Unavailable; 20]);
    assert!(began.elapsed() < 10 * timeout, "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_tls_no_grpcs_endpoint_is_called() {
    let (server, _) = server_of(SERVICE).await;
    let table = Table::of("grpcs", [server.address]);
    let error = within(client(&table).echo("hello")).await.unwrap_err();
    assert!(error.message().contains("`grpc` endpoint"), "{error}");
}
