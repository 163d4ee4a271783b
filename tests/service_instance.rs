//! What a service says about itself: the lines of the contract that hold for every registry, since
//! they are properties of the vocabulary.

use std::net::{IpAddr, TcpListener};

use serde_json::json;
use tidings::registry::{
    Endpoint, EndpointError, Field, InstanceError, Instances, ServiceInstance,
    ServiceInstanceBuilder, Status,
};

fn users() -> ServiceInstanceBuilder {
    ServiceInstance::builder("user-service")
        .id("7")
        .version("1.4.2")
        .metadata("zone", "eu-1")
        .metadata("weight", "100")
        .endpoint("http://10.0.0.9:8000")
        .endpoint("grpc://10.0.0.9:9000")
}

#[test]
fn the_id_defaults_to_a_fresh_uuid() {
    let [a, b] = [(); 2].map(|()| ServiceInstance::builder("user-service").build().unwrap());
    assert_ne!(a.id(), b.id());
    assert_eq!(uuid::Uuid::parse_str(a.id()).unwrap().get_version_num(), 4);
}

#[test]
fn it_displays_as_name_and_id() {
    assert_eq!(users().build().unwrap().to_string(), "user-service-7");
}

#[test]
fn equality_ignores_the_order_of_endpoints_and_of_metadata() {
    let reversed = ServiceInstance::builder("user-service")
        .id("7")
        .version("1.4.2")
        .endpoint("grpc://10.0.0.9:9000")
        .endpoint("http://10.0.0.9:8000")
        .metadata("weight", "100")
        .metadata("zone", "eu-1")
        .build();
    assert_eq!(users().build(), reversed);
}

#[test]
fn equality_ignores_nothing_else() {
    let original = users().build().unwrap();
    assert_eq!(original, original.to_builder().build().unwrap());
    let others = [
        users().id("8"),
        users().version("1.4.3"),
        users().metadata("zone", "eu-2"),
        users().metadata("extra", ""),
        users().clear_metadata().metadata("zone", "eu-1"),
        users().endpoint("grpc://10.0.0.9:9000"),
        users().clear_endpoints().endpoint("http://10.0.0.9:8000"),
        users().status(Status::Draining),
    ];
    for other in others {
        assert_ne!(original, other.build().unwrap());
    }
    let renamed = ServiceInstance::builder("order-service").id("7").build();
    assert_ne!(
        renamed,
        ServiceInstance::builder("user-service").id("7").build()
    );
    // The same two endpoints, but not each as often.
    let [twice_a, twice_b] = ["http://h:1", "http://h:2"].map(|twice| {
        let both = ServiceInstance::builder("n")
            .id("7")
            .endpoint("http://h:1")
            .endpoint("http://h:2");
        both.endpoint(twice).build().unwrap()
    });
    assert_ne!(twice_a, twice_b);
}

#[test]
fn it_serializes_to_the_field_names_of_kratos() {
    let instance = users().build().unwrap();
    assert_eq!(
        serde_json::to_string(&instance).unwrap(),
        r#"{"id":"7","name":"user-service","version":"1.4.2","metadata":{"weight":"100","zone":"eu-1"},"endpoints":["http://10.0.0.9:8000","grpc://10.0.0.9:9000"]}"#
    );
}

#[test]
fn json_tells_the_status_unless_it_is_up() {
    for (status, text) in [
        (Status::Draining, "draining"),
        (Status::Unhealthy, "unhealthy"),
    ] {
        let instance = users().build().unwrap().with_status(status);
        let json = serde_json::to_value(&instance).unwrap();
        assert_eq!(json["status"], text);
        assert_eq!(status.to_string(), text);
        assert_eq!(
            serde_json::from_value::<ServiceInstance>(json).unwrap(),
            instance
        );
    }
    assert!(
        serde_json::to_value(users().build().unwrap())
            .unwrap()
            .get("status")
            .is_none()
    );
}

#[test]
fn json_gives_back_what_it_was_given() {
    let instance = users().build().unwrap();
    let json = serde_json::to_string(&instance).unwrap();
    let back: ServiceInstance = serde_json::from_str(&json).unwrap();
    assert_eq!(back, instance);
    assert_eq!(back.endpoints(), instance.endpoints(), "in the same order");
    assert_eq!(
        serde_json::from_reader::<_, ServiceInstance>(json.as_bytes()).unwrap(),
        instance
    );
}

#[test]
fn json_of_a_go_service_with_nil_maps_and_slices_is_read() {
    let bare = ServiceInstance::builder("user-service")
        .id("7")
        .build()
        .unwrap();
    for json in [
        json!({"id": "7", "name": "user-service", "version": "", "metadata": null, "endpoints": null}),
        json!({"id": "7", "name": "user-service"}),
        json!({"id": "7", "name": "user-service", "lastSeen": 1}),
    ] {
        assert_eq!(
            serde_json::from_value::<ServiceInstance>(json).unwrap(),
            bare
        );
    }
}

#[test]
fn json_is_refused_for_what_the_builder_refuses() {
    for (json, expected) in [
        (json!({"id": "7", "name": ""}), "name is empty"),
        (json!({"id": "", "name": "n"}), "id is empty"),
        (json!({"name": "n"}), "missing field `id`"),
        (
            json!({"id": "7", "name": "n", "endpoints": ["http://h"]}),
            "endpoint `http://h` has no port",
        ),
        (
            json!({"id": "7", "name": "n", "version": "v".repeat(129)}),
            "more than 128",
        ),
        (
            json!({"id": "7", "name": "n", "metadata": {"k": "v".repeat(1025)}}),
            "more than 1024",
        ),
        (
            json!({"id": "7", "name": "n", "status": "sleepy"}),
            "unknown variant `sleepy`",
        ),
    ] {
        let error = serde_json::from_value::<ServiceInstance>(json)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected),
            "{error:?} does not say {expected:?}"
        );
    }
}

#[test]
fn an_endpoint_is_its_text_in_json() {
    let endpoint: Endpoint = serde_json::from_value(json!("HTTP://h:80/")).unwrap();
    assert_eq!(
        serde_json::to_value(&endpoint).unwrap(),
        json!("http://h:80")
    );
    assert!(serde_json::from_value::<Endpoint>(json!("http://h:0")).is_err());
}

#[test]
fn what_cannot_be_called_is_refused_with_the_field_the_value_and_the_reason() {
    let refused = |endpoint: &str| match users().endpoint(endpoint).build() {
        Err(InstanceError::Endpoint(error)) => error,
        other => panic!("{endpoint}: {other:?}"),
    };
    for (endpoint, reason) in [
        ("10.0.0.9:8000", "is not a URL"),
        ("http://10.0.0.9", "has no port"),
        ("http://10.0.0.9:0", "has port 0"),
        ("http://:8000", "has no host"),
        ("grpc://:8000", "has no host"),
        ("http://10.0.0.9:8000/v1", "has the path `/v1`"),
        ("http://10.0.0.9:8000#a", "has the fragment `#a`"),
    ] {
        let message = refused(endpoint).to_string();
        assert!(
            message.starts_with(&format!("endpoint `{endpoint}` {reason}")),
            "{message}"
        );
    }
    let message = refused("http://root:secret@10.0.0.9:8000").to_string();
    assert!(
        message.starts_with("endpoint `http://***@10.0.0.9:8000` carries a user name"),
        "{message}"
    );
}

#[test]
fn every_field_has_its_limit() {
    let over = |builder: ServiceInstanceBuilder| builder.build().unwrap_err();
    let x = |len: usize| "x".repeat(len);
    assert_eq!(over(ServiceInstance::builder("")), InstanceError::EmptyName);
    for (error, over_field, over_max) in [
        (over(ServiceInstance::builder(x(256))), Field::Name, 255),
        (over(users().id(x(256))), Field::Id, 255),
        (over(users().version(x(129))), Field::Version, 128),
        (over(users().metadata(x(129), "")), Field::MetadataKey, 128),
    ] {
        let InstanceError::TooLong {
            field, len, max, ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((field, len, max), (over_field, over_max + 1, over_max));
    }
    let value = over(users().metadata("k", x(1025)));
    assert!(matches!(
        value,
        InstanceError::MetadataValueTooLong {
            len: 1025,
            max: 1024,
            ..
        }
    ));
    let pairs = (0..65).fold(users().clear_metadata(), |b, n| {
        b.metadata(n.to_string(), "")
    });
    assert_eq!(
        over(pairs),
        InstanceError::TooManyMetadataPairs { count: 65, max: 64 }
    );
    let endpoints = (1..=31).fold(users(), |b, port| b.endpoint(format!("http://h:{port}")));
    assert_eq!(
        over(endpoints),
        InstanceError::TooManyEndpoints { count: 33, max: 32 }
    );
    let long = over(users().endpoint(format!("http://h:80?{}", x(501))));
    let too_long = EndpointError::TooLong {
        endpoint: format!("http://h:80?{}…", x(52)),
        len: 513,
        max: 512,
    };
    assert_eq!(long, InstanceError::Endpoint(too_long));
}

#[test]
fn a_bind_to_port_0_and_an_unspecified_host_becomes_an_address_that_can_be_called() {
    let advertised: IpAddr = "192.0.2.9".parse().unwrap();
    for bind in ["0.0.0.0:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(bind) else {
            assert_eq!(bind, "[::]:0", "only IPv6 may be missing here");
            continue;
        };
        let bound = listener.local_addr().unwrap();
        let instance = users()
            .clear_endpoints()
            .listener("http", bound)
            .build()
            .unwrap();
        assert_eq!(
            instance.has_unspecified_host(),
            Some(&instance.endpoints()[0])
        );

        let resolved = instance.resolve_hosts(advertised);
        assert_eq!(resolved.has_unspecified_host(), None);
        let expected = format!("http://192.0.2.9:{}", bound.port());
        assert_eq!(resolved.endpoints()[0].as_str(), expected);
    }
}

#[test]
fn a_host_of_another_family_does_not_take_the_place_of_an_unspecified_one() {
    let at = |endpoint: &str, host: &str| {
        let instance = users()
            .clear_endpoints()
            .endpoint(endpoint)
            .build()
            .unwrap();
        let resolved = instance.resolve_hosts(host.parse().unwrap());
        resolved.endpoints()[0].as_str().to_owned()
    };
    for (bound, host, offered) in [
        ("http://0.0.0.0:80", "2001:db8::9", "http://0.0.0.0:80"),
        ("http://0.0.0.0:80", "192.0.2.9", "http://192.0.2.9:80"),
        (
            "http://0.0.0.0:80",
            "::ffff:192.0.2.9",
            "http://192.0.2.9:80",
        ),
        (
            "http://[::ffff:0.0.0.0]:80",
            "2001:db8::9",
            "http://[::ffff:0.0.0.0]:80",
        ),
        // A listener there hears both.
        ("http://[::]:80", "2001:db8::9", "http://[2001:db8::9]:80"),
        ("http://[::]:80", "192.0.2.9", "http://192.0.2.9:80"),
    ] {
        let found = at(bound, host);
        let same: tidings::registry::Endpoint = offered.parse().unwrap();
        assert_eq!(found, same.as_str(), "{bound} at {host}");
    }
}

#[test]
fn only_unspecified_hosts_are_resolved() {
    let instance = users().endpoint("grpc://0.0.0.0:9001?a=b").build().unwrap();
    let resolved = instance.resolve_hosts("192.0.2.9".parse().unwrap());
    let expected = users()
        .endpoint("grpc://192.0.2.9:9001?a=b")
        .build()
        .unwrap();
    assert_eq!(resolved, expected);
    assert_eq!(
        resolved.endpoints(),
        expected.endpoints(),
        "in the same order"
    );
}

#[test]
fn tls_is_told_by_the_scheme() {
    let secure = ["https://h:1", "grpcs://h:1"];
    let plain = ["http://h:443", "grpc://h:443", "grpc://h:1?isSecure=true"];
    let is_secure = |text: &str| text.parse::<Endpoint>().unwrap().is_secure();
    assert!(secure.into_iter().all(is_secure));
    assert!(!plain.into_iter().any(is_secure));
}

#[test]
fn a_changed_copy_keeps_its_identity() {
    let original = users().build().unwrap();
    let changed = original
        .to_builder()
        .version("2.0.0")
        .metadata("weight", "0")
        .build()
        .unwrap();
    assert_eq!(
        (changed.name(), changed.id()),
        (original.name(), original.id())
    );
    assert_eq!(
        (changed.version(), &*changed.metadata()["weight"]),
        ("2.0.0", "0")
    );
    assert_eq!(changed.endpoints(), original.endpoints());
    let draining = original.with_status(Status::Draining);
    assert_eq!(
        draining.to_builder().build().unwrap().status(),
        Status::Draining
    );
}

#[test]
fn a_list_of_instances_is_in_the_order_of_their_ids() {
    let instance = |id: &str| users().id(id).build().unwrap();
    let list: Instances = ["b", "a", "c"].into_iter().map(instance).collect();
    assert_eq!(
        list.iter()
            .map(|instance| instance.id())
            .collect::<String>(),
        "abc"
    );
}
