//! Answers that send the client elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::StatusCode;

use super::{answering, builder, text};
use crate::support::web::{Manner, Server};
use crate::support::{Table, instance, within};

#[tokio::test]
async fn a_redirect_is_followed_within_the_service_and_at_the_same_instance() {
    let server = Server::start(Manner::Redirects("/new".into())).await;
    let other = answering().await;
    let table = Table::of("http", [server.address]);
    let users = builder(&table).build().unwrap();
    assert_eq!(text(users.get("/old")).await, "GET /new orders.example ");
    let by_name = Server::start(Manner::Redirects("http://orders.example/new".into())).await;
    table.publish([instance("http", by_name.address)]);
    let users = builder(&table).build().unwrap();
    assert_eq!(text(users.get("/old")).await, "GET /new orders.example ");
    let elsewhere = Manner::Redirects(format!("http://{}/new", other.address));
    let elsewhere = Server::start(elsewhere).await;
    table.publish([instance("http", elsewhere.address)]);
    let users = builder(&table).build().unwrap();
    let response = within(users.get("/old").send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(other.calls(), 0);
}

#[tokio::test]
async fn a_post_that_was_done_and_led_to_where_nobody_is_is_not_sent_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const ANSWER: &[u8] = b"HTTP/1.1 303 See Other\r\nlocation: /orders/1\r\nconnection: close\r\n\
        content-length: 0\r\n\r\n";
    let done = Arc::new(AtomicUsize::new(0));
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let size = stream.read(&mut request).await.unwrap();
            done.fetch_add(
                usize::from(request[..size].starts_with(b"POST")),
                Ordering::SeqCst,
            );
            drop(listener);
            stream.write_all(ANSWER).await.unwrap();
        });
    }
    let table = Table::of("http", addresses);
    let orders = builder(&table).build().unwrap();
    let sent = within(orders.post("/orders").body("one").send()).await;
    assert!(sent.is_err(), "nobody is where it was led");
    assert_eq!(done.load(Ordering::SeqCst), 1);
}
