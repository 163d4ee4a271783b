//! Endpoints that others cannot call.
//!
//! A service that is registered at `http://127.0.0.1:8000` by a node that other hosts reach is called
//! by each of them on its own host. It is a warning and no error: behind a sidecar, or where all
//! callers are on one host, it is what was meant.

use std::net::SocketAddr;

use crate::registry::{Endpoint, ServiceInstance};

/// The first endpoint on loopback, of an instance that is registered with a node that advertises
/// `advertised`; none where that is loopback as well.
pub(super) fn unreachable(instance: &ServiceInstance, advertised: SocketAddr) -> Option<&Endpoint> {
    if advertised.ip().is_loopback() {
        return None;
    }
    instance.endpoints().iter().find(|at| is_loopback(at))
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let name = endpoint.host().trim_end_matches('.');
    match endpoint.ip() {
        Some(ip) => ip.to_canonical().is_loopback(),
        None => {
            name.eq_ignore_ascii_case("localhost")
                || name.to_ascii_lowercase().ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(endpoint: &str, advertised: &str) -> bool {
        let instance = ServiceInstance::builder("users")
            .endpoint("http://10.0.0.9:1")
            .endpoint(endpoint)
            .build()
            .expect("an instance");
        unreachable(&instance, advertised.parse().expect("an address")).is_some()
    }

    #[test]
    fn a_loopback_endpoint_of_a_node_that_others_reach_is_found() {
        for endpoint in [
            "http://127.0.0.1:8000",
            "http://127.0.1.1:8000",
            "grpc://[::1]:8000",
            "http://[::ffff:127.0.0.1]:8000",
            "http://localhost:8000",
            "http://LOCALHOST:8000",
            "http://users.localhost:8000",
        ] {
            assert!(found(endpoint, "10.0.0.9:7946"), "{endpoint}");
            assert!(!found(endpoint, "127.0.0.1:7946"), "all are on this host");
        }
    }

    #[test]
    fn any_other_endpoint_is_fine() {
        for endpoint in [
            "http://10.0.0.9:8000",
            "http://0.0.0.0:8000",
            "http://users.internal:8000",
            "http://localhost.internal:8000",
        ] {
            assert!(!found(endpoint, "10.0.0.9:7946"), "{endpoint}");
        }
    }
}
