//! Which of an instance's endpoints are called.

/// The protocol that a pool speaks. With or without TLS, it decides which endpoint of an instance
/// is called: the first of the wished scheme, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `grpc`, or `grpcs` with TLS.
    Grpc,
    /// `http`, or `https` with TLS.
    Http,
}

impl Scheme {
    /// The scheme as endpoints write it.
    pub const fn as_str(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Grpc, false) => "grpc",
            (Self::Grpc, true) => "grpcs",
            (Self::Http, false) => "http",
            (Self::Http, true) => "https",
        }
    }
}
