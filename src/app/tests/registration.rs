//! A registration alone, for whoever has a main of their own.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::app::{Listener, Registration};

fn instance() -> ServiceInstance {
    ServiceInstance::builder("user").id("a").build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_the_signal_tells_it_waits_the_delay_and_deregisters() {
    let book = Book::new();
    let registration = Registration::register(Recorder::new(&book), instance());
    let registration = registration.await.unwrap();
    let (signal, signalled) = oneshot::channel::<()>();
    let drained = tokio::spawn(registration.drain_on(async { drop(signalled.await) }, secs(2)));
    sleep(secs(60)).await;
    assert_eq!(book.entries(), ["register up"]);
    let signal_at = Instant::now();
    drop(signal);
    book.shows("register draining").await;
    assert!(!book.has("deregister"));
    within(drained).await.unwrap();
    assert_eq!(signal_at.elapsed().as_secs(), 2);
    let happened = ["register up", "register draining", "deregister"];
    assert_eq!(book.entries(), happened);
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_is_dropped_deregisters() {
    let book = Book::new();
    let registration = Registration::register(Recorder::new(&book), instance());
    drop(registration.await.unwrap());
    book.shows("deregister").await;

    let book = Book::new();
    let registration = Registration::register(Recorder::new(&book), instance());
    drop(registration.await.unwrap().drain_on(pending(), secs(1)));
    book.shows("deregister").await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_not_answered_is_deregistered() {
    let book = Book::new();
    let recorder = Recorder::answering(&book, [Answer::Hang, Answer::Well, Answer::Well]);
    let registering = Registration::register(recorder, instance());
    within(registering).await.unwrap_err();
    assert_eq!(book.entries(), ["register up", "deregister"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_is_registered_and_deregistering_again_says_the_same() {
    let book = Book::new();
    let recorder = Recorder::new(&book);
    let registration = Registration::register(recorder.clone(), instance());
    let registration = registration.await.unwrap();
    let newer = instance().to_builder().version("2").build().unwrap();
    registration.update(newer).unwrap();
    sleep(secs(1)).await;
    assert_eq!(recorder.instance().version(), "2");
    registration.deregister().await.unwrap();
    registration.deregister().await.unwrap();
    assert_eq!(book.entries(), ["register up", "register up", "deregister"]);
}

#[tokio::test]
async fn a_listener_has_the_port_that_it_is_really_bound_to_and_a_host_for_the_registrar() {
    let listener = Listener::bind("http", "127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().port();
    assert_ne!(port, 0);
    let endpoints = listener.endpoints();
    assert_eq!(endpoints[0].as_str(), format!("http://127.0.0.1:{port}"));

    let everywhere = Listener::bind("grpc", "0.0.0.0:0").await.unwrap();
    assert!(everywhere.endpoints()[0].is_unspecified());
}

#[tokio::test]
async fn where_it_is_bound_and_where_it_is_called_are_two_settings() {
    let listener = Listener::bind("http", "127.0.0.1:0").await.unwrap();
    let listener = listener.advertise("https://users.example:443").unwrap();
    let listener = listener.advertise("http://10.0.0.9:80").unwrap();
    let endpoints = listener.endpoints();
    let endpoints: Vec<_> = endpoints.iter().map(Endpoint::as_str).collect();
    assert_eq!(
        endpoints,
        ["https://users.example:443", "http://10.0.0.9:80"]
    );
}

#[tokio::test]
async fn a_host_can_be_advertised_with_the_port_that_was_free() {
    let listener = Listener::bind("http", "0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().port();
    let mut listener = listener;
    for host in ["users.example", "10.0.0.9", "2001:db8::9"] {
        listener = listener.advertise_host(host).unwrap();
    }
    let endpoints = listener.endpoints();
    let endpoints: Vec<_> = endpoints.iter().map(Endpoint::as_str).collect();
    let hosts = ["users.example", "10.0.0.9", "[2001:db8::9]"];
    assert_eq!(endpoints, hosts.map(|host| format!("http://{host}:{port}")));
}

#[tokio::test]
async fn a_port_that_is_taken_is_found_out_before_anything_starts() {
    let listener = Listener::bind("http", "127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    let error = Listener::bind("http", &address).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("`{address}` cannot be bound"))
    );
}
