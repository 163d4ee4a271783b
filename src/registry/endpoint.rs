//! Where an instance can be called: `scheme://host:port[?query]`, parsed once.

mod error;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use error::EndpointError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One address of a service: `scheme://host:port[?query]`.
///
/// Parsed once, by the WHATWG URL rules, and kept as canonical text: the scheme and the host in
/// lower case, an international host name in its ASCII form (`xn--…`), an IP address in its
/// shortest spelling, the port always written out (also `:80` of `http`), a lone `/` as path
/// dropped. Two endpoints are equal when these texts are. At most
/// [`MAX_ENDPOINT_BYTES`](super::MAX_ENDPOINT_BYTES) long.
///
/// ```
/// # fn main() -> Result<(), tidings::registry::EndpointError> {
/// let endpoint: tidings::registry::Endpoint = "GRPCS://Users.Example:9000/?zone=eu-1".parse()?;
/// assert_eq!(endpoint.as_str(), "grpcs://users.example:9000?zone=eu-1");
/// assert!(endpoint.is_secure());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    // First, so that the derived order and equality are decided by it: the rest follows from it.
    text: Box<str>,
    port: u16,
    scheme_end: u16,
    host_end: u16,
    authority_end: u16,
}

impl Endpoint {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme in lower case, such as `http` or `grpcs`.
    pub fn scheme(&self) -> &str {
        &self.text[..usize::from(self.scheme_end)]
    }

    /// The host: a name in its ASCII form, or an IP address; an IPv6 one without its brackets, as
    /// name resolution and [`IpAddr`] take it.
    pub fn host(&self) -> &str {
        let host = &self.text[self.host_start()..usize::from(self.host_end)];
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// The host as an IP address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        // A canonical name never parses as an address: one that ends in a number is refused.
        self.host().parse().ok()
    }

    /// The port, 1 to 65,535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, an IPv6 address in brackets: what an HTTP `Host` header or a dialer takes.
    pub fn authority(&self) -> &str {
        &self.text[self.host_start()..usize::from(self.authority_end)]
    }

    /// The query as it stands behind the `?`, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.text[usize::from(self.authority_end)..].strip_prefix('?')
    }

    /// The query's pairs, decoded, in their order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        url::form_urlencoded::parse(self.query().unwrap_or_default().as_bytes())
    }

    /// Whether calls to it use TLS: by the scheme alone, `https` and `grpcs`.
    pub fn is_secure(&self) -> bool {
        matches!(self.scheme(), "https" | "grpcs")
    }

    /// Whether the host is `0.0.0.0` or `[::]`: where a listener was bound, which nobody can call.
    pub fn is_unspecified(&self) -> bool {
        self.ip()
            .is_some_and(|ip| ip.to_canonical().is_unspecified())
    }

    /// This endpoint with `host` in place of an unspecified host; any other is returned as it is.
    #[must_use]
    pub fn resolve_host(self, host: IpAddr) -> Self {
        if !self.is_unspecified() {
            return self;
        }
        // Cannot grow over the limit: parsing has left room for the longest address.
        parse::assemble(
            self.scheme(),
            &parse::bracketed(host),
            self.port,
            self.query(),
        )
    }

    /// What a bound listener answers to: `scheme` and the address that
    /// [`local_addr`](std::net::TcpListener::local_addr) returned.
    pub(crate) fn of_listener(
        scheme: &str,
        address: std::net::SocketAddr,
    ) -> Result<Self, EndpointError> {
        // Not the address's own `Display`, which would add an IPv6 scope id that no URL can hold.
        let host = parse::bracketed(address.ip());
        format!("{scheme}://{host}:{}", address.port()).parse()
    }

    fn host_start(&self) -> usize {
        usize::from(self.scheme_end) + "://".len()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
