//! "Registrar", and what "`ServiceInstance`" says about registering.

use tidings::registry::{Discovery, Registrar, RegistrarError, ServiceInstance, Status};

use super::{Fixture, USERS, deregister, get, ids, look, next, register, users, watch};

pub(crate) async fn a_registered_instance_is_in_the_table_when_register_returns<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    let instance = users("a").version("1.4.2").metadata("zone", "eu-1");
    register(subject, instance.clone()).await;
    let found = get(subject, USERS).await;
    assert_eq!(*found[0], instance.build().unwrap());
    let seen = look(&mut *watch(subject, USERS).await);
    assert_eq!(seen, Some(Ok(found)), "a watcher has it too, at once");
}

pub(crate) async fn one_that_is_alone_finds_itself<F: Fixture>(fixture: &F) {
    // The fixture has no peer, which is the point.
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let found = subject.wait_for(USERS, 1, super::BOUND).await.unwrap();
    assert_eq!(ids(&found), ["a"]);
}

pub(crate) async fn the_same_name_and_id_again_replaces<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(
        subject,
        users("a").version("1").endpoint("grpc://10.0.0.9:9000"),
    )
    .await;
    let replacement = users("a").version("2");
    register(subject, replacement.clone()).await;
    let found = get(subject, USERS).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        *found[0],
        replacement.build().unwrap(),
        "nothing of the first is left"
    );
}

pub(crate) async fn registering_the_same_again_changes_nothing<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let mut watcher = watch(subject, USERS).await;
    let before = next(&mut *watcher).await;
    register(subject, users("a")).await;
    assert_eq!(look(&mut *watcher), None, "no watcher is told");
    assert_eq!(get(subject, USERS).await, before);
}

pub(crate) async fn several_names_may_share_one_id<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    register(subject, ServiceInstance::builder("order-service").id("a")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["a"]);
    assert_eq!(ids(&get(subject, "order-service").await), ["a"]);
    assert_eq!(
        get(subject, "order-service").await[0].name(),
        "order-service"
    );
}

pub(crate) async fn several_ids_may_share_one_name<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    register(subject, users("b")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["a", "b"]);
}

pub(crate) async fn metadata_version_weight_and_status_change_while_an_instance_lives<
    F: Fixture,
>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    register(subject, users("a").version("1").metadata("weight", "100")).await;
    let mut watcher = watch(subject, USERS).await;
    let mut last = next(&mut *watcher).await;
    for change in [
        users("a").version("1").metadata("weight", "50"),
        users("a")
            .version("1")
            .metadata("weight", "50")
            .metadata("zone", "eu-1"),
        users("a")
            .version("2")
            .metadata("weight", "50")
            .metadata("zone", "eu-1"),
        users("a").version("2").status(Status::Draining),
        users("a").version("2").status(Status::Unhealthy),
        users("a").version("2").endpoint("grpc://10.0.0.9:9000"),
        users("a").version("2"),
    ] {
        register(subject, change.clone()).await;
        let seen = next(&mut *watcher).await;
        assert_ne!(seen, last);
        assert_eq!(*seen[0], change.build().unwrap());
        last = seen;
    }
}

pub(crate) async fn an_unspecified_host_is_resolved_before_anybody_sees_it<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    let bound = users("a")
        .endpoint("grpc://0.0.0.0:9000?zone=eu-1")
        .endpoint("http://[::]:9001");
    register(subject, bound).await;
    let found = get(subject, USERS).await;
    assert_eq!(found[0].has_unspecified_host(), None);
    let host = match fixture.address() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let resolved = users("a")
        .endpoint(format!("grpc://{host}:9000?zone=eu-1"))
        .endpoint(format!("http://{host}:9001"));
    assert_eq!(*found[0], resolved.build().unwrap());
}

pub(crate) async fn deregistering_goes_by_name_and_id<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a").version("1")).await;
    register(subject, users("b")).await;
    register(subject, ServiceInstance::builder("order-service").id("a")).await;
    // Nothing but name and id as it was registered.
    deregister(
        subject,
        ServiceInstance::builder(USERS).id("a").version("2"),
    )
    .await;
    assert_eq!(ids(&get(subject, USERS).await), ["b"]);
    assert_eq!(ids(&get(subject, "order-service").await), ["a"]);
}

pub(crate) async fn deregistering_an_unknown_instance_is_ok<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    deregister(subject, users("a")).await;
    register(subject, users("a")).await;
    deregister(subject, users("b")).await;
    deregister(subject, ServiceInstance::builder("order-service").id("a")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["a"]);
}

pub(crate) async fn deregistering_again_is_ok<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    deregister(subject, users("a")).await;
    deregister(subject, users("a")).await;
    assert!(get(subject, USERS).await.is_empty());
}

pub(crate) async fn what_was_deregistered_can_be_registered_again<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a").version("2")).await;
    deregister(subject, users("a")).await;
    register(subject, users("a").version("1")).await;
    assert_eq!(get(subject, USERS).await[0].version(), "1");
}

pub(crate) async fn after_a_shut_down_registering_is_an_error_that_says_so<F: Fixture>(
    fixture: &F,
) {
    fixture.shut_down().await;
    let registering = fixture.subject().register(users("a").build().unwrap());
    let error = super::within("register", registering).await.unwrap_err();
    assert_eq!(error, RegistrarError::Closed);
    assert!(error.to_string().contains("shut down"), "{error}");
}

pub(crate) async fn after_a_shut_down_deregistering_is_an_error_that_says_so<F: Fixture>(
    fixture: &F,
) {
    register(&**fixture.subject(), users("a")).await;
    fixture.shut_down().await;
    let instance = users("a").build().unwrap();
    let deregistering = fixture.subject().deregister(&instance);
    let error = super::within("deregister", deregistering)
        .await
        .unwrap_err();
    assert_eq!(error, RegistrarError::Closed);
}
