//! Why a text is no endpoint.

/// Why a text was refused as an [`Endpoint`](super::Endpoint). Nothing was built.
///
/// Each variant carries the text as it was given, shortened when it is long, and without the user
/// name and password that it may hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is longer than [`MAX_ENDPOINT_BYTES`](crate::registry::MAX_ENDPOINT_BYTES), or its
    /// canonical form would be. An unspecified host counts as the longest IPv6 address, because it
    /// will be replaced by an address that is not known yet.
    #[error(
        "endpoint `{endpoint}` has {len} bytes, more than {max}: shorten its host or its query"
    )]
    TooLong {
        /// The text.
        endpoint: String,
        /// Its length in bytes, in the canonical form when it got that far.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The text is not a URL with an authority.
    #[error(
        "endpoint `{endpoint}` is not a URL ({reason}): write it as `scheme://host:port`, such as \
         `http://10.0.0.9:8000`"
    )]
    Unparsable {
        /// The text.
        endpoint: String,
        /// What the parser stumbled over.
        reason: String,
    },
    /// No host stands between the scheme and the port.
    #[error("endpoint `{endpoint}` has no host: write it as `scheme://host:port`")]
    MissingHost {
        /// The text.
        endpoint: String,
    },
    /// The text does not carry a port. A scheme's default port is not assumed: `grpc` has none.
    #[error("endpoint `{endpoint}` has no port: write it out, also the default port of its scheme")]
    MissingPort {
        /// The text.
        endpoint: String,
    },
    /// The port is 0: the port of a listener before it was bound.
    #[error(
        "endpoint `{endpoint}` has port 0, which nobody can call: bind the listener first and use \
         the port that it got"
    )]
    ZeroPort {
        /// The text.
        endpoint: String,
    },
    /// The text carries a user name or a password, which would be told to every node of the
    /// cluster.
    #[error(
        "endpoint `{endpoint}` carries a user name or password: leave them out, every node of the \
         cluster would learn them"
    )]
    UserInfo {
        /// The text, with `***` for the user name and password.
        endpoint: String,
    },
    /// The text has a path other than `/`: an endpoint is an address, not a resource.
    #[error("endpoint `{endpoint}` has the path `{path}`: leave it out, or put it in the metadata")]
    Path {
        /// The text.
        endpoint: String,
        /// The path.
        path: String,
    },
    /// The text has a fragment (`#…`).
    #[error("endpoint `{endpoint}` has the fragment `#{fragment}`: leave it out")]
    Fragment {
        /// The text.
        endpoint: String,
        /// The fragment.
        fragment: String,
    },
}
