//! Whether a connection is accepted.

use tokio::net::TcpStream;

use super::{Check, CheckError, Found, Probe};
use crate::registry::{BoxFuture, Endpoint, EndpointError};

impl Check {
    /// Passes when a TCP connection to `host:port` is accepted; it is closed at once. An IPv6 host
    /// stands in brackets.
    ///
    /// The operating system accepts for a process that has stopped, too, as long as its backlog has
    /// room: say more with `http`, `grpc` or a closure.
    ///
    /// # Errors
    ///
    /// [`CheckError::Address`] when that is no host with a port.
    pub fn tcp(address: impl AsRef<str>) -> Result<Self, CheckError> {
        let address = address.as_ref();
        let refused = |error: EndpointError| CheckError::Address {
            address: address.to_owned(),
            reason: format!("{error} (what is wanted is `host:port`)"),
        };
        let endpoint: Endpoint = format!("tcp://{address}").parse().map_err(refused)?;
        let authority = endpoint.authority().to_owned();
        Ok(Self::asked(format!("tcp {authority}"), Tcp { authority }))
    }
}

struct Tcp {
    authority: String,
}

impl Probe for Tcp {
    fn probe(&mut self) -> BoxFuture<'_, Found> {
        Box::pin(async {
            let connected = TcpStream::connect(&self.authority).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
    }
}
