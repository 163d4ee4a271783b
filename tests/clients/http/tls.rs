//! Names and certificates.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use tidings::integrations::reqwest::{HttpClientBuilder, HttpError};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::{builder, text};
use crate::support::web::{Server, crypto};
use crate::support::{SERVICE, Table, within};

async fn server_of(name: &str) -> (Server, Certificate) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let server = Server::start_tls(TlsAcceptor::from(Arc::new(config))).await;
    (
        server,
        Certificate::from_pem(cert.pem().as_bytes()).unwrap(),
    )
}

fn trusting(table: &Table, root: Certificate) -> HttpClientBuilder {
    builder(table)
        .tls(true)
        .client(move |client| client.tls_certs_only([root.clone()]))
}

#[tokio::test]
async fn the_host_and_the_certificates_are_of_the_services_name() {
    crypto();
    let (server, root) = server_of(SERVICE).await;
    let table = Table::of("https", [server.address]);
    let users = trusting(&table, root).build().unwrap();
    assert_eq!(text(users.get("/")).await, "GET / orders.example ");
}

#[tokio::test]
async fn certificates_of_another_name_are_refused_unless_it_is_set() {
    crypto();
    let (server, root) = server_of("other.example").await;
    let table = Table::of("https", [server.address]);
    let users = trusting(&table, root.clone()).build().unwrap();
    let error = within(users.post("/").send()).await.unwrap_err();
    assert!(
        matches!(&error, HttpError::Request(error) if error.is_connect()),
        "{error}"
    );
    let users = trusting(&table, root)
        .host("other.example")
        .build()
        .unwrap();
    assert_eq!(text(users.get("/")).await, "GET / other.example ");
}
