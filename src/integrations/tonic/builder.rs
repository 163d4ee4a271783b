//! How a channel is set up.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::runtime::Handle;
use tonic::transport::{self, Endpoint};

use super::{Channel, Connection, Lines};
use crate::balance::{Balancer, BalancerBuilder, BuildError, PerRuntime, balancer_settings};
use crate::registry::{self, Discovery};
use crate::select::Scheme;

/// A connection within a data centre takes a few milliseconds, and one lost SYN a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// As many as fail one after the other only when it is not the instances that fail.
const ADDRESSES: usize = 5;
/// The least interval that gRPC's guide has (`keepalive`, "client-side"): servers may hold shorter ones
/// against a client.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Sets a [`Channel`] up; from [`Channel::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct ChannelBuilder {
    balancer: BalancerBuilder,
    addresses: usize,
    connect_timeout: Duration,
    keep_alive: Option<(Duration, Duration)>,
    adjust: Box<dyn Fn(Endpoint) -> Endpoint + Send + Sync>,
    #[cfg(feature = "tonic-tls")]
    tls: Option<transport::ClientTlsConfig>,
    #[cfg(feature = "tonic-tls")]
    server_name: Option<String>,
}

impl ChannelBuilder {
    pub(super) fn new(discovery: Arc<dyn Discovery>, target: String) -> Self {
        Self {
            balancer: Balancer::builder(discovery, target, Scheme::Grpc),
            addresses: ADDRESSES,
            connect_timeout: CONNECT_TIMEOUT,
            keep_alive: Some((PING_INTERVAL, PING_TIMEOUT)),
            adjust: Box::new(|endpoint| endpoint),
            #[cfg(feature = "tonic-tls")]
            tls: None,
            #[cfg(feature = "tonic-tls")]
            server_name: None,
        }
    }

    balancer_settings!();

    /// How long a call waits for a connection to an instance, TLS included, before it goes to another.
    /// Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// At how many instances a call is tried that none of them got. Default: 5; 0 counts as 1.
    pub fn addresses(mut self, addresses: usize) -> Self {
        self.addresses = addresses.max(1);
        self
    }

    /// While calls are out on a connection, an HTTP/2 ping each `interval`, and the connection ends when
    /// there is no answer to it within `timeout`; or no pings. Default: 10 s and 5 s.
    ///
    /// A server may refuse a client that pings often: grpc-go's wants 5 minutes between pings, unless
    /// its `EnforcementPolicy` says otherwise, and ends connections with calls that are silent for long.
    /// tonic's servers take any.
    pub fn keep_alive(mut self, interval_and_timeout: Option<(Duration, Duration)>) -> Self {
        self.keep_alive = interval_and_timeout;
        self
    }

    /// Adjusts how each instance is connected, in place of an earlier adjustment: windows, limits, the user
    /// agent. It comes after the settings here.
    pub fn endpoint(
        mut self,
        adjust: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static,
    ) -> Self {
        self.adjust = Box::new(adjust);
        self
    }

    /// Calls `grpcs` endpoints, with TLS, and no others. The name that certificates have to have is the
    /// [server name](Self::server_name), whatever `tls` says. Default: `grpc`, without TLS.
    #[cfg(feature = "tonic-tls")]
    pub fn tls(mut self, tls: transport::ClientTlsConfig) -> Self {
        self.balancer = self.balancer.tls(true);
        self.tls = Some(tls);
        self
    }

    /// The name in the instances' certificates. Default: the service's.
    #[cfg(feature = "tonic-tls")]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Reads the list, and follows the service from now on. Connects to nobody yet. The channel may be used
    /// on any tokio runtime.
    pub fn build(self) -> Result<Channel, BuildError> {
        let target = self.balancer.target()?;
        let connect_timeout = self.connect_timeout;
        let connector = Connector {
            authority: target.service().to_owned(),
            connect_timeout,
            keep_alive: self.keep_alive,
            adjust: self.adjust,
            #[cfg(feature = "tonic-tls")]
            tls: self.tls.map(|tls| {
                let service = || target.service().to_owned();
                tls.domain_name(self.server_name.unwrap_or_else(service))
                    .timeout(connect_timeout)
            }),
        };
        // What is wrong with the settings is said now, and not by each call.
        connector
            .endpoint("localhost:1")
            .map_err(|error| BuildError::Connections(error.into()))?;
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let connect = move |endpoint: &registry::Endpoint| -> Connection {
            let endpoint = connector.endpoint(endpoint.authority());
            endpoint
                .map(|endpoint| Lines {
                    endpoint,
                    connect_timeout,
                    of_runtimes: PerRuntime::new(runtime.clone()),
                })
                .map_err(Arc::new)
        };
        Ok(Channel {
            addresses: self.addresses,
            balancer: self.balancer.build_with(connect)?,
        })
    }
}

struct Connector {
    /// What calls are addressed to.
    authority: String,
    connect_timeout: Duration,
    keep_alive: Option<(Duration, Duration)>,
    adjust: Box<dyn Fn(Endpoint) -> Endpoint + Send + Sync>,
    #[cfg(feature = "tonic-tls")]
    tls: Option<transport::ClientTlsConfig>,
}

impl Connector {
    fn endpoint(&self, address: &str) -> Result<Endpoint, transport::Error> {
        let scheme = self.scheme();
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .connect_timeout(self.connect_timeout);
        // A service's name need not be one that a URI can hold; then it is the address.
        let origin = format!("{scheme}://{}", self.authority);
        if let Ok(origin) = origin.parse::<Uri>() {
            endpoint = endpoint.origin(origin);
        }
        if let Some((interval, timeout)) = self.keep_alive {
            endpoint = endpoint
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(timeout);
        }
        #[cfg(feature = "tonic-tls")]
        if let Some(tls) = &self.tls {
            endpoint = endpoint.tls_config(tls.clone())?;
        }
        Ok((self.adjust)(endpoint))
    }

    #[cfg(feature = "tonic-tls")]
    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    #[cfg(not(feature = "tonic-tls"))]
    #[expect(clippy::unused_self, reason = "with TLS there are two")]
    fn scheme(&self) -> &'static str {
        "http"
    }
}
