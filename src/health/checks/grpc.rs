//! What `grpc.health.v1` says.

use tonic::transport::Endpoint as Target;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Check, CheckError, Found, Probe};
use crate::registry::{BoxFuture, Endpoint};

impl Check {
    /// Passes when the server answers `grpc.health.v1.Health/Check` of `service` with `SERVING`; an
    /// empty `service` is the server as a whole. Each time a new connection: that one is accepted is
    /// part of the question.
    ///
    /// `endpoint` is `grpc://host:port`, without TLS: the service is asked on its own host.
    ///
    /// # Errors
    ///
    /// [`CheckError::Address`] when that is no endpoint, or not one of `grpc://`.
    pub fn grpc(endpoint: impl AsRef<str>, service: impl Into<String>) -> Result<Self, CheckError> {
        let (endpoint, service) = (endpoint.as_ref(), service.into());
        let refused = |reason: String| CheckError::Address {
            address: endpoint.to_owned(),
            reason,
        };
        let parsed: Endpoint = endpoint
            .parse()
            .map_err(|error: crate::registry::EndpointError| refused(error.to_string()))?;
        if parsed.scheme() != "grpc" {
            let reason = "only `grpc://` is asked: give the service a plain port for it";
            return Err(refused(reason.to_owned()));
        }
        let authority = parsed.authority();
        let target = Target::from_shared(format!("http://{authority}"))
            .map_err(|error| refused(error.to_string()))?;
        let name = format!("grpc {authority} {service}").trim_end().to_owned();
        Ok(Self::asked(name, Grpc { target, service }))
    }
}

struct Grpc {
    target: Target,
    service: String,
}

impl Grpc {
    async fn ask(&self) -> Found {
        let channel = self.target.connect().await;
        let channel = channel.map_err(|error| full(&error))?;
        let service = self.service.clone();
        let asked = HealthClient::new(channel)
            .check(HealthCheckRequest { service })
            .await;
        let answer =
            asked.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            other => Err(format!("the answer is {}", other.as_str_name())),
        }
    }
}

/// The error with its causes: tonic's own says no more than "transport error".
fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Probe for Grpc {
    fn probe(&mut self) -> BoxFuture<'_, Found> {
        Box::pin(self.ask())
    }
}
