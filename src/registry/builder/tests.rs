use std::collections::HashSet;

use super::super::{
    EndpointError, Field, InstanceError, MAX_ENDPOINTS, MAX_ID_BYTES, MAX_METADATA_KEY_BYTES,
    MAX_METADATA_PAIRS, MAX_METADATA_VALUE_BYTES, MAX_NAME_BYTES, MAX_VERSION_BYTES,
    ServiceInstance, ServiceInstanceBuilder, Status,
};

fn builder() -> ServiceInstanceBuilder {
    ServiceInstance::builder("user-service")
}

/// A text of `len` bytes, most of them in characters of two.
fn text(len: usize) -> String {
    let text = format!("{}{}", "x".repeat(len % 2), "ü".repeat(len / 2));
    assert_eq!(text.len(), len);
    text
}

fn too_long(error: Result<ServiceInstance, InstanceError>) -> (Field, usize, usize) {
    match error {
        Err(InstanceError::TooLong {
            field,
            value,
            len,
            max,
        }) => {
            assert!(
                value.ends_with('…') && value.len() < 70,
                "an error shows a beginning: {value}"
            );
            (field, len, max)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_instance_needs_nothing_but_a_name() {
    let instance = builder().build().unwrap();
    assert_eq!(instance.name(), "user-service");
    assert_eq!(instance.version(), "");
    assert!(instance.metadata().is_empty());
    assert!(instance.endpoints().is_empty());
    assert_eq!(instance.status(), Status::Up);
}

#[test]
fn each_instance_gets_a_fresh_uuid() {
    let ids: HashSet<_> = (0..100)
        .map(|_| builder().build().unwrap().id().to_owned())
        .collect();
    assert_eq!(ids.len(), 100);
    for id in ids {
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
    }
}

#[test]
fn a_name_has_1_to_255_bytes() {
    assert_eq!(
        ServiceInstance::builder("").build(),
        Err(InstanceError::EmptyName)
    );
    assert!(
        ServiceInstance::builder(text(MAX_NAME_BYTES))
            .build()
            .is_ok()
    );
    assert_eq!(
        too_long(ServiceInstance::builder(text(256)).build()),
        (Field::Name, 256, 255)
    );
}

#[test]
fn an_id_has_1_to_255_bytes() {
    assert_eq!(builder().id("").build(), Err(InstanceError::EmptyId));
    assert!(builder().id(text(MAX_ID_BYTES)).build().is_ok());
    assert_eq!(
        too_long(builder().id(text(256)).build()),
        (Field::Id, 256, 255)
    );
}

#[test]
fn a_version_has_up_to_128_bytes() {
    assert!(builder().version(text(MAX_VERSION_BYTES)).build().is_ok());
    assert_eq!(
        too_long(builder().version(text(129)).build()),
        (Field::Version, 129, 128)
    );
}

#[test]
fn metadata_has_up_to_64_pairs() {
    let with_pairs = |pairs| {
        (0..pairs)
            .fold(builder(), |builder, pair| {
                builder.metadata(pair.to_string(), "")
            })
            .build()
    };
    assert_eq!(with_pairs(MAX_METADATA_PAIRS).unwrap().metadata().len(), 64);
    assert_eq!(
        with_pairs(65),
        Err(InstanceError::TooManyMetadataPairs { count: 65, max: 64 })
    );
}

#[test]
fn the_same_metadata_key_again_is_the_same_pair() {
    let instance = builder()
        .metadata("zone", "eu-1")
        .metadata("zone", "eu-2")
        .build()
        .unwrap();
    assert_eq!(instance.metadata().len(), 1);
    assert_eq!(instance.metadata()["zone"], "eu-2");
}

#[test]
fn a_metadata_key_has_up_to_128_bytes() {
    assert!(
        builder()
            .metadata(text(MAX_METADATA_KEY_BYTES), "")
            .build()
            .is_ok()
    );
    let error = too_long(builder().metadata(text(129), "").build());
    assert_eq!(error, (Field::MetadataKey, 129, 128));
}

#[test]
fn a_metadata_value_has_up_to_1024_bytes() {
    assert!(
        builder()
            .metadata("k", text(MAX_METADATA_VALUE_BYTES))
            .build()
            .is_ok()
    );
    match builder().metadata("k", text(1025)).build() {
        Err(InstanceError::MetadataValueTooLong {
            key,
            len: 1025,
            max: 1024,
            ..
        }) => {
            assert_eq!(key, "k");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn there_are_up_to_32_endpoints() {
    let with_endpoints = |count| {
        (1..=count)
            .fold(builder(), |builder, port| {
                builder.endpoint(format!("grpc://h:{port}"))
            })
            .build()
    };
    assert_eq!(with_endpoints(MAX_ENDPOINTS).unwrap().endpoints().len(), 32);
    assert_eq!(
        with_endpoints(33),
        Err(InstanceError::TooManyEndpoints { count: 33, max: 32 })
    );
}

#[test]
fn the_first_endpoint_that_is_refused_is_reported() {
    let error = builder()
        .endpoint("http://h:0")
        .endpoint("h")
        .endpoint("http://h:80")
        .build();
    let endpoint = "http://h:0".into();
    assert_eq!(
        error,
        Err(InstanceError::Endpoint(EndpointError::ZeroPort {
            endpoint
        }))
    );
}

#[test]
fn what_is_cleared_is_gone() {
    let instance = builder()
        .metadata("zone", "eu-1")
        .clear_metadata()
        .endpoint("grpc://h:80")
        .endpoint("no endpoint")
        .clear_endpoints()
        .build()
        .unwrap();
    assert!(instance.metadata().is_empty() && instance.endpoints().is_empty());
}

#[test]
fn an_error_names_the_field_the_value_and_the_mend() {
    let message = builder()
        .version(format!("1.0.0+{}", "0".repeat(200)))
        .build()
        .unwrap_err();
    let expected = format!(
        "version `1.0.0+{}…` has 206 bytes, more than 128: shorten it",
        "0".repeat(58)
    );
    assert_eq!(message.to_string(), expected);
}
