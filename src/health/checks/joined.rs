//! Whether others can find the instance at all.

use std::sync::Arc;

use super::{Check, Found, Probe};
use crate::registry::{BoxFuture, Registrar};

impl Check {
    /// Passes once `registrar` has joined its cluster, and from then on. Named `joined`.
    ///
    /// A node without seeds passes at once, and so does one whose seeds are all itself: the first process of a cluster would
    /// never be ready otherwise. A node that is left alone later goes on passing, because the last process that serves must
    /// not be taken out for having no peer; `NodeStats::joined` and the event `Isolated` tell of that.
    ///
    /// Where processes start one after the other, each waiting for the one before to be ready, the first must be able to
    /// pass: give it no seeds but itself. (Kubernetes: `podManagementPolicy: Parallel`, and `publishNotReadyAddresses` on
    /// the service that the seeds are resolved by.)
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tidings::{Registrar, health::Check};
    /// # fn example(node: impl Registrar + 'static) {
    /// let joined = Check::joined(Arc::new(node));
    /// # }
    /// ```
    pub fn joined(registrar: Arc<dyn Registrar>) -> Self {
        let joined = Joined {
            registrar,
            has_joined: false,
        };
        Self::asked("joined", joined)
    }
}

struct Joined {
    registrar: Arc<dyn Registrar>,
    has_joined: bool,
}

impl Probe for Joined {
    fn probe(&mut self) -> BoxFuture<'_, Found> {
        if !self.has_joined
            && let Some(reason) = self.registrar.isolation()
        {
            return Box::pin(std::future::ready(Err(reason)));
        }
        self.has_joined = true;
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::registry::{RegistrarError, ServiceInstance};

    #[derive(Default)]
    struct Lonely(AtomicBool);

    impl Registrar for Lonely {
        fn register(&self, _: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
            Box::pin(async { Ok(()) })
        }

        fn deregister(&self, _: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
            Box::pin(async { Ok(()) })
        }

        fn isolation(&self) -> Option<String> {
            self.0.load(Ordering::Relaxed).then(|| "alone".to_owned())
        }
    }

    #[tokio::test]
    async fn it_passes_once_the_registrar_has_joined_and_from_then_on() {
        let registrar = Arc::new(Lonely::default());
        registrar.0.store(true, Ordering::Relaxed);
        let mut joined = Joined {
            registrar: registrar.clone(),
            has_joined: false,
        };
        assert_eq!(joined.probe().await, Err("alone".to_owned()));
        registrar.0.store(false, Ordering::Relaxed);
        assert_eq!(joined.probe().await, Ok(()));
        registrar.0.store(true, Ordering::Relaxed);
        assert_eq!(joined.probe().await, Ok(()));
    }
}
