use std::net::IpAddr;

use super::{Endpoint, EndpointError};
use crate::registry::MAX_ENDPOINT_BYTES;

fn endpoint(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> EndpointError {
    match text.parse::<Endpoint>() {
        Ok(endpoint) => panic!("{text} was taken for {endpoint}"),
        Err(error) => {
            assert!(
                error.to_string().starts_with("endpoint `"),
                "names the field: {error}"
            );
            error
        }
    }
}

fn assert_unparsable(text: &str, reason: &str) {
    match refusal(text) {
        EndpointError::Unparsable { reason: told, .. } => {
            assert!(
                told.contains(reason),
                "{text}: {told:?} does not say {reason:?}"
            );
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn its_parts_can_be_read() {
    let endpoint = endpoint("grpc://users.example:9000?zone=eu-1&note=a%20b&flag");
    assert_eq!(
        endpoint.as_str(),
        "grpc://users.example:9000?zone=eu-1&note=a%20b&flag"
    );
    assert_eq!(endpoint.scheme(), "grpc");
    assert_eq!(endpoint.host(), "users.example");
    assert_eq!(endpoint.port(), 9000);
    assert_eq!(endpoint.authority(), "users.example:9000");
    assert_eq!(endpoint.query(), Some("zone=eu-1&note=a%20b&flag"));
    let pairs: Vec<_> = endpoint.query_pairs().collect();
    let expected = [("zone", "eu-1"), ("note", "a b"), ("flag", "")];
    assert_eq!(
        pairs,
        expected.map(|(key, value)| (key.into(), value.into()))
    );
    assert_eq!(endpoint.ip(), None);
}

#[test]
fn without_a_query_there_are_no_pairs() {
    for text in ["http://h:80", "http://h:80/", "http://h:80?"] {
        assert_eq!(endpoint(text).query(), None, "{text}");
        assert_eq!(endpoint(text).query_pairs().count(), 0, "{text}");
    }
}

#[test]
fn a_port_that_is_written_is_kept_also_the_default_one() {
    assert_eq!(endpoint("http://h:80").as_str(), "http://h:80");
    assert_eq!(endpoint("https://h:443").port(), 443);
    assert_eq!(endpoint("ws://h:80").port(), 80);
    assert_eq!(endpoint("http://h:65535").port(), 65535);
    assert_eq!(endpoint("http://h:0080").as_str(), "http://h:80");
}

#[test]
fn a_port_that_is_not_written_is_not_assumed() {
    for text in [
        "http://h",
        "http://h/",
        "https://h?a=b",
        "grpc://h",
        "grpc://h:",
        "http://[::1]",
        "http://h:",
    ] {
        assert!(
            matches!(refusal(text), EndpointError::MissingPort { .. }),
            "{text}"
        );
    }
}

#[test]
fn port_zero_is_refused() {
    for text in ["http://h:0", "grpc://[::1]:0", "http://h:000"] {
        assert!(
            matches!(refusal(text), EndpointError::ZeroPort { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_port_that_is_no_port_is_refused() {
    for text in [
        "http://h:65536",
        "grpc://h:65536",
        "http://h:8o",
        "grpc://h:-1",
        "grpc://h:+1",
    ] {
        assert!(
            matches!(refusal(text), EndpointError::Unparsable { .. }),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_url_is_refused() {
    assert_unparsable("", "://");
    assert_unparsable("h:80", "://");
    assert_unparsable("http:h:80", "://");
    assert_unparsable("://h:80", "relative URL without a base");
    assert_unparsable("1http://h:80", "relative URL without a base");
    assert_unparsable("http://h:80 ", "' '");
    assert_unparsable("http://h:\t80", "'\\t'");
    assert_unparsable("http://h\u{0}:80", "'\\0'");
    assert_unparsable("grpc://h%zz:80", "host `h%zz`");
    assert_unparsable("grpc://[::g]:80", "IPv6");
    assert_unparsable("grpc://[::1:80", "IPv6");
    assert_unparsable("grpc://1.2.3.256:80", "IPv4");
}

#[test]
fn a_missing_host_is_refused() {
    for text in [
        "http://",
        "grpc://:80",
        "grpc:///h:80",
        "http:///h:80",
        "grpc://?a",
    ] {
        assert!(
            matches!(refusal(text), EndpointError::MissingHost { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_path_or_a_fragment_is_refused_and_a_lone_slash_dropped() {
    assert_eq!(endpoint("http://h:80/").as_str(), "http://h:80");
    assert_eq!(endpoint("grpc://h:80/?a=b").as_str(), "grpc://h:80?a=b");
    for text in ["http://h:80/v1", "grpc://h:80/v1?a=b", "http://h:80//"] {
        assert!(
            matches!(refusal(text), EndpointError::Path { .. }),
            "{text}"
        );
    }
    for text in ["http://h:80#top", "grpc://h:80/#top", "grpc://h:80#"] {
        assert!(
            matches!(refusal(text), EndpointError::Fragment { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    for text in [
        "http://root:secret@h:80",
        "grpc://secret@h:80",
        "http://secret@h",
        "http://secret@",
    ] {
        let refusal = refusal(text);
        assert!(matches!(refusal, EndpointError::UserInfo { .. }), "{text}");
        assert!(
            !format!("{refusal} {refusal:?}").contains("secret"),
            "{refusal:?}"
        );
    }
    let long = format!("http://root:secret@h:80?{}", "x".repeat(MAX_ENDPOINT_BYTES));
    assert!(!refusal(&long).to_string().contains("secret"));
    assert!(
        !refusal("http://root:secret@h:80 ")
            .to_string()
            .contains("secret")
    );
}

#[test]
fn an_at_sign_behind_the_authority_is_no_password() {
    assert_eq!(endpoint("grpc://h:80?owner=a@b").query(), Some("owner=a@b"));
}

#[test]
fn addresses_are_written_in_their_shortest_form() {
    let six = endpoint("grpcs://[2001:0db8::0001]:9000");
    assert_eq!(six.as_str(), "grpcs://[2001:db8::1]:9000");
    assert_eq!(six.host(), "2001:db8::1");
    assert_eq!(six.authority(), "[2001:db8::1]:9000");
    assert_eq!(six.ip(), Some("2001:db8::1".parse().unwrap()));
    // As browsers read it, and whether or not the scheme is one that they know.
    assert_eq!(endpoint("http://0x7f.1:80").host(), "127.0.0.1");
    assert_eq!(endpoint("grpc://0x7f.1:80").host(), "127.0.0.1");
}

#[test]
fn names_are_written_in_lower_case_ascii_for_every_scheme() {
    for scheme in ["http", "grpc", "GRPC"] {
        let endpoint = endpoint(&format!("{scheme}://Bücher.Example:80"));
        assert_eq!(endpoint.host(), "xn--bcher-kva.example", "{scheme}");
        assert_eq!(endpoint.scheme(), scheme.to_ascii_lowercase());
    }
}

#[test]
fn tls_is_told_by_the_scheme_alone() {
    for (text, secure) in [
        ("https://h:80", true),
        ("grpcs://h:80", true),
        ("HTTPS://h:80", true),
        ("http://h:443", false),
        ("grpc://h:443?isSecure=true", false),
        ("wss://h:443", false),
    ] {
        assert_eq!(endpoint(text).is_secure(), secure, "{text}");
    }
}

#[test]
fn an_unspecified_host_is_recognised_in_every_spelling() {
    for text in [
        "http://0.0.0.0:80",
        "http://[::]:80",
        "grpc://0:80",
        "grpc://[0:0::0]:80",
        "http://[::ffff:0:0]:80",
    ] {
        assert!(endpoint(text).is_unspecified(), "{text}");
    }
    for text in ["http://127.0.0.1:80", "http://[::1]:80", "http://zero:80"] {
        assert!(!endpoint(text).is_unspecified(), "{text}");
    }
}

#[test]
fn only_an_unspecified_host_is_replaced() {
    let resolve = |text, host: &str| endpoint(text).resolve_host(host.parse::<IpAddr>().unwrap());
    assert_eq!(
        resolve("http://0.0.0.0:80?a=b", "10.0.0.9"),
        endpoint("http://10.0.0.9:80?a=b")
    );
    assert_eq!(
        resolve("grpc://[::]:80", "2001:db8::1"),
        endpoint("grpc://[2001:db8::1]:80")
    );
    assert_eq!(
        resolve("grpc://[::]:80", "10.0.0.9"),
        endpoint("grpc://10.0.0.9:80")
    );
    assert_eq!(resolve("grpc://h:80", "10.0.0.9"), endpoint("grpc://h:80"));
    assert_eq!(
        resolve("grpc://127.0.0.1:80", "10.0.0.9"),
        endpoint("grpc://127.0.0.1:80")
    );
}

#[test]
fn a_listener_is_an_endpoint_also_with_an_ipv6_scope() {
    let of = |address: &str| Endpoint::of_listener("http", address.parse().unwrap());
    assert_eq!(
        of("10.0.0.9:8000").unwrap().as_str(),
        "http://10.0.0.9:8000"
    );
    assert_eq!(
        of("[fe80::1%3]:8000").unwrap().as_str(),
        "http://[fe80::1]:8000"
    );
    assert!(of("[::]:8000").unwrap().is_unspecified());
    assert!(matches!(
        of("10.0.0.9:0"),
        Err(EndpointError::ZeroPort { .. })
    ));
    assert!(Endpoint::of_listener("no scheme", "10.0.0.9:80".parse().unwrap()).is_err());
}

#[test]
fn its_length_has_a_limit() {
    let of_length = |len: usize| {
        let start = "http://h:80?";
        format!("{start}{}", "x".repeat(len - start.len()))
    };
    assert_eq!(
        endpoint(&of_length(MAX_ENDPOINT_BYTES)).as_str().len(),
        MAX_ENDPOINT_BYTES
    );
    assert_eq!(
        refusal(&of_length(MAX_ENDPOINT_BYTES + 1)),
        EndpointError::TooLong {
            endpoint: format!("{}…", &of_length(64)),
            len: MAX_ENDPOINT_BYTES + 1,
            max: MAX_ENDPOINT_BYTES,
        }
    );
}

#[test]
fn its_canonical_text_is_what_is_limited() {
    // A quote is one byte here and three (`%22`) there.
    let quotes = format!("http://h:80?{}", "\"".repeat(200));
    assert!(quotes.len() < MAX_ENDPOINT_BYTES);
    assert!(matches!(
        refusal(&quotes),
        EndpointError::TooLong { len: 612, .. }
    ));
}

#[test]
fn an_unspecified_host_keeps_room_for_the_longest_address() {
    let longest = "http://[2001:db80:1111:2222:3333:4444:5555:6666]:80?";
    let query = "x".repeat(MAX_ENDPOINT_BYTES - longest.len());
    let unresolved = endpoint(&format!("http://0.0.0.0:80?{query}"));
    let resolved =
        unresolved.resolve_host("2001:db80:1111:2222:3333:4444:5555:6666".parse().unwrap());
    assert_eq!(resolved.as_str().len(), MAX_ENDPOINT_BYTES);
    let over = refusal(&format!("http://0.0.0.0:80?{query}x"));
    assert!(matches!(over, EndpointError::TooLong { .. }));
}

#[test]
fn its_canonical_text_parses_to_itself() {
    for text in [
        "GRPC://Bücher.Example:0080/?q=ü \"".replace(' ', "+"),
        "http://[::ffff:1.2.3.4]:80?a'b".into(),
        "x+y.z://a_b:1?%zz?/".into(),
    ] {
        let once = endpoint(&text);
        assert_eq!(endpoint(once.as_str()), once, "{text}");
    }
}
