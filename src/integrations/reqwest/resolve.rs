//! The service's name as the address of one instance.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// Resolves every name to one `host:port`. There is only one name to resolve, since redirects stay
/// within the service.
pub(super) struct Fixed(pub(super) Arc<str>);

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        if let Ok(address) = self.0.parse::<SocketAddr>() {
            let addresses: Addrs = Box::new(std::iter::once(address));
            return Box::pin(std::future::ready(Ok(addresses)));
        }
        let address = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses: Vec<_> = lookup_host(&*address).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
