use super::{Target, TargetError};

fn service(text: &str) -> String {
    text.parse::<Target>().unwrap().service().to_owned()
}

fn refused(text: &str) -> TargetError {
    text.parse::<Target>().unwrap_err()
}

#[test]
fn two_and_three_slashes_name_the_same_service() {
    for text in [
        "discovery:///order-service",
        "discovery://order-service",
        "discovery://order-service/",
        "DISCOVERY:///order-service",
    ] {
        assert_eq!(service(text), "order-service", "{text}");
    }
}

#[test]
fn a_name_keeps_its_case_and_its_dots() {
    assert_eq!(service("discovery:///Shop.Orders.v1"), "Shop.Orders.v1");
    assert_eq!(service("discovery://Shop.Orders.v1"), "Shop.Orders.v1");
}

#[test]
fn a_name_is_decoded() {
    assert_eq!(service("discovery:///bestell%20dienst"), "bestell dienst");
    assert_eq!(
        service("discovery:///bestellungen-%C3%BC"),
        "bestellungen-ü"
    );
    assert_eq!(service("discovery:///ü"), "ü");
    assert_eq!(service("discovery://100%25"), "100%");
    assert_eq!(service("discovery:///a%2Fb"), "a/b");
}

#[test]
fn what_is_displayed_is_parsed_again() {
    for text in [
        "discovery:///a%2Fb",
        "discovery://Shop",
        "discovery:///ü%20",
        "discovery:///100%25",
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string().parse(), Ok(target), "{text}");
    }
}

#[test]
fn another_scheme_is_named() {
    assert!(
        matches!(refused("http://orders"), TargetError::Scheme { scheme, .. } if scheme == "http")
    );
    assert!(
        matches!(refused("dns:///orders"), TargetError::Scheme { scheme, .. } if scheme == "dns")
    );
    assert!(matches!(refused("orders"), TargetError::Unparsable { .. }));
    assert!(matches!(
        refused("discovery:orders"),
        TargetError::Slashes { .. }
    ));
    assert!(matches!(
        refused("discovery:/orders"),
        TargetError::Slashes { .. }
    ));
}

#[test]
fn no_name_is_refused() {
    for text in ["discovery://", "discovery:///", "discovery:///.."] {
        assert!(
            matches!(refused(text), TargetError::EmptyName { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_path_is_told_from_the_name() {
    for (text, behind) in [
        ("discovery:///orders/v1/list", "/v1/list"),
        ("discovery://orders/v1/list", "/v1/list"),
        ("discovery:///orders/", "/"),
    ] {
        match refused(text) {
            TargetError::Path { name, path, .. } => {
                assert_eq!((&*name, &*path), ("orders", behind), "{text}");
            }
            other => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn what_belongs_to_an_address_is_refused() {
    assert!(matches!(
        refused("discovery://orders:80"),
        TargetError::Port { port: 80, .. }
    ));
    assert!(
        matches!(refused("discovery://orders?a=1"), TargetError::Query { query, .. } if query == "a=1")
    );
    assert!(matches!(
        refused("discovery:///orders#top"),
        TargetError::Fragment { .. }
    ));
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    let error = refused("discovery://me:secret@orders");
    assert!(matches!(error, TargetError::UserInfo { .. }));
    for text in [
        "discovery://me:secret@orders",
        "http://me:secret@orders",
        "discovery://me:secret@orders:port",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        assert!(error.to_string().contains("://***@orders"), "{error}");
    }
}

#[test]
fn a_name_that_no_service_can_have_is_refused() {
    let long = format!("discovery:///{}", "x".repeat(256));
    assert_eq!(refused(&long), TargetError::TooLong { len: 256 });
    assert!(matches!(
        refused("discovery:///%FF"),
        TargetError::NotUtf8 { .. }
    ));
}
