//! What happens in which order when all goes well.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn everything_happens_in_its_order() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .before_start(hook(&book, "before start"))
        .after_start(hook(&book, "after start"))
        .before_stop(hook(&book, "before stop"))
        .after_stop(hook(&book, "after stop"));
    run_until(app, &book, "after start").await.unwrap();
    assert_eq!(
        book.entries(),
        [
            "before start",
            "http starts",
            "http accepts",
            "register up",
            "after start",
            "register draining",
            "before stop",
            "deregister",
            "http stops",
            "http has stopped",
            "after stop",
            "left",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn several_servers_are_one_instance_with_an_endpoint_each() {
    let book = Book::new();
    let recorder = Recorder::new(&book);
    let mut grpc = Fake::well("grpc", &book);
    grpc.endpoint = "grpc://127.0.0.1:9000";
    let app = builder(&recorder)
        .version("1.4.2")
        .metadata("zone", "eu-1")
        .server(Fake::well("http", &book))
        .server(grpc)
        .endpoint("tcp://127.0.0.1:7000");
    run_until(app, &book, "register up").await.unwrap();
    let expected = ServiceInstance::builder("user")
        .id("a")
        .version("1.4.2")
        .metadata("zone", "eu-1")
        .endpoint("http://127.0.0.1:8000")
        .endpoint("grpc://127.0.0.1:9000")
        .endpoint("tcp://127.0.0.1:7000")
        .build();
    let first = recorder.instances.lock().unwrap()[0].clone();
    assert_eq!(first, expected.unwrap());
    let registered = |entry: &&String| *entry == "register up";
    assert_eq!(book.entries().iter().filter(registered).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_can_be_left_out_of_the_instance() {
    let book = Book::new();
    let recorder = Recorder::new(&book);
    let mut metrics = Fake::well("metrics", &book);
    metrics.endpoint = "http://127.0.0.1:9100";
    let app = builder(&recorder)
        .unlisted_server(metrics)
        .server(Fake::well("http", &book));
    run_until(app, &book, "register up").await.unwrap();
    let instance = recorder.instance();
    assert_eq!(instance.endpoints().len(), 1);
    assert_eq!(instance.endpoints()[0].port(), 8000);
    assert!(
        book.has("metrics has stopped"),
        "it is a server like another"
    );
}

#[tokio::test(start_paused = true)]
async fn it_registers_only_when_every_server_accepts() {
    let book = Book::new();
    let slow = Fake::new("slow", Deed::AcceptAfter(secs(5)), &book);
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .server(slow);
    run_until(app, &book, "register up").await.unwrap();
    let entries = book.entries();
    let at = |entry: &str| entries.iter().position(|written| written == entry);
    assert!(at("slow accepts") < at("register up"), "{entries:?}");
    assert!(at("http accepts") < at("slow accepts"), "{entries:?}");
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_stage_run_in_the_order_in_which_they_were_added() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .before_start(hook(&book, "1"))
        .before_start(hook(&book, "2"))
        .after_stop(hook(&book, "3"))
        .after_stop(hook(&book, "4"));
    run_until(app, &book, "register up").await.unwrap();
    let mut hooks = book.entries();
    hooks.retain(|entry| entry.len() == 1);
    assert_eq!(hooks, ["1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn between_draining_and_deregistering_is_the_delay() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .drain_delay(secs(5));
    let app = app.build().unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    book.shows("register up").await;
    stop.stop();
    book.shows("register draining").await;
    let draining = Instant::now();
    book.shows("deregister").await;
    assert_eq!(draining.elapsed().as_secs(), 5);
    within(running).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_registrar_it_serves_and_without_a_server_it_is_registered() {
    let book = Book::new();
    let app = App::builder().name("user").without_signals();
    let app = app
        .server(Fake::well("http", &book))
        .after_start(hook(&book, "after start"));
    run_until(app, &book, "after start").await.unwrap();
    assert!(book.has("http has stopped"));

    let book = Book::new();
    let app = builder(&Recorder::new(&book));
    run_until(app, &book, "register up").await.unwrap();
    assert_eq!(
        book.entries(),
        ["register up", "register draining", "deregister", "left"]
    );
}

#[test]
fn what_makes_no_instance_is_refused_before_anything_starts() {
    use crate::registry::InstanceError;
    let error = App::builder().build().unwrap_err();
    assert!(matches!(error, InstanceError::EmptyName), "{error}");
    let error = App::builder().name("user").endpoint("nowhere").build();
    assert!(matches!(error, Err(InstanceError::Endpoint(_))));
}
