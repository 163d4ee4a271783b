//! How a client is set up.

use std::sync::Arc;
use std::time::Duration;

use reqwest::ClientBuilder;
use tokio::runtime::Handle;
use url::Url;

use super::client::Connector;
use super::{Connection, HttpClient, Inner, Limits};
use crate::balance::{
    Balancer, BalancerBuilder, BuildError, PerRuntime, RetryBudget, balancer_settings,
};
use crate::registry::{Discovery, Endpoint};
use crate::select::Scheme;

/// A connection within a data centre takes a few milliseconds, and one lost SYN a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// As many as fail one after the other only when it is not the instances that fail.
const ADDRESSES: usize = 5;

/// Sets an [`HttpClient`] up; from [`HttpClient::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct HttpClientBuilder {
    balancer: BalancerBuilder,
    limits: Limits,
    tls: bool,
    host: Option<String>,
    adjust: Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>,
}

impl HttpClientBuilder {
    pub(super) fn new(discovery: Arc<dyn Discovery>, target: String) -> Self {
        Self {
            balancer: Balancer::builder(discovery, target, Scheme::Http),
            limits: Limits {
                addresses: ADDRESSES,
                attempt: None,
                connect: CONNECT_TIMEOUT,
            },
            tls: false,
            host: None,
            adjust: Box::new(|client| client),
        }
    }

    balancer_settings!();

    /// How many retries there may be of calls that were sent. Default: see [`RetryBudget`].
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.balancer = self.balancer.retry_budget(budget);
        self
    }

    /// How long a connect may take, TLS included. Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect = timeout;
        self
    }

    /// How long one try waits for the head of its answer, the connect included. An instance that
    /// answers nothing is left after this time.
    ///
    /// Default: 5 s for a call without a [timeout](super::RequestBuilder::timeout) of its own. With one, all of it; but when
    /// half of what was left of it is over, and the call may be tried again (it is idempotent, there is another
    /// instance, and the retry budget has something left), another is asked beside it, and the first answer counts.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.limits.attempt = Some(timeout);
        self
    }

    /// At how many instances a call is tried. Default: 5; 0 counts as 1.
    pub fn addresses(mut self, addresses: usize) -> Self {
        self.limits.addresses = addresses.max(1);
        self
    }

    /// Whether `https` endpoints are called, and no others, or `http` ones. Default: `http`.
    ///
    /// TLS takes a reqwest that is built with it (its feature `rustls`, `native-tls` or another).
    pub fn tls(mut self, tls: bool) -> Self {
        self.balancer = self.balancer.tls(tls);
        self.tls = tls;
        self
    }

    /// The name in the `Host` header and in certificates. Default: the service's.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adjusts the [`reqwest::Client`] of each instance, in place of an earlier adjustment: certificates,
    /// default headers, pools. It comes after the settings here. It is a new client for each address and each
    /// tokio runtime that calls it, made by its first call there, so that a cookie store would be one for each. Where reqwest is built with TLS, each also reads the root certificates of the
    /// host, some milliseconds; a `tls_backend_preconfigured` here is shared by all.
    pub fn client(
        mut self,
        adjust: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.adjust = Box::new(adjust);
        self
    }

    /// Reads the list, and follows the service from now on. Connects to nobody yet. The client may be used
    /// on any tokio runtime.
    pub fn build(self) -> Result<HttpClient, BuildError> {
        let target = self.balancer.target()?;
        let host = self.host.unwrap_or_else(|| target.service().to_owned());
        let base = base(&host, self.tls)?;
        let connector = Arc::new(Connector {
            host: base.host_str().unwrap_or_default().to_owned(),
            connect_timeout: self.limits.connect,
            adjust: self.adjust,
        });
        // What is wrong with the settings is said now, and not by each call.
        let template = connector
            .client("localhost:1")
            .map_err(|error| BuildError::Connections(error.into()))?
            .client;
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let connect = move |endpoint: &Endpoint| Connection {
            address: endpoint.authority().into(),
            connector: Arc::clone(&connector),
            of_runtimes: PerRuntime::new(runtime.clone()),
        };
        Ok(HttpClient(Arc::new(Inner {
            balancer: self.balancer.build_with(connect)?,
            base,
            template,
            limits: self.limits,
        })))
    }
}

/// The URL of a service without a path. Its host has to be a name: what looks like an address would
/// be called instead of the instance's.
fn base(host: &str, tls: bool) -> Result<Url, BuildError> {
    let refused = || BuildError::Host {
        host: host.to_owned(),
    };
    let scheme = if tls { "https" } else { "http" };
    let url: Url = format!("{scheme}://{host}")
        .parse()
        .map_err(|_| refused())?;
    let alone = url.as_str() == format!("{scheme}://{}/", url.host_str().unwrap_or_default());
    // The port that the scheme has anyway is not in the URL.
    if !alone || host.contains(':') || url.domain().is_none() {
        return Err(refused());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_nothing_else() {
        assert_eq!(
            base("Users_1.shop", true).unwrap().as_str(),
            "https://users_1.shop/"
        );
        for host in [
            "", "a b", "users:80", "users/x", "me@users", "10.0.0.1", "[::1]", "users?",
        ] {
            assert!(base(host, false).is_err(), "{host:?}");
        }
    }
}
