//! The processes, and what is done to them.

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tidings::Node;
use tidings::ServiceInstance;

use crate::replica;

/// Longer than anything here takes on a slow machine.
const BOUND: Duration = Duration::from_secs(30);

/// A process. It is killed when this is dropped.
pub(crate) struct Replica {
    pub(crate) kind: &'static str,
    child: Child,
}

impl Replica {
    /// Starts one, and waits until it is found.
    pub(crate) async fn start(
        node: &Node,
        seed: SocketAddr,
        kind: &'static str,
        version: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let child = Command::new(std::env::current_exe()?)
            .args([replica::MARK, kind, version, &seed.to_string()])
            .stdin(Stdio::piped())
            .spawn()?;
        let replica = Self { kind, child };
        replica.wait_until(node, true).await?;
        Ok(replica)
    }

    fn is(&self, instance: &ServiceInstance) -> bool {
        let pid = self.child.id().to_string();
        instance.metadata().get(replica::PID) == Some(&pid) && instance.status().is_up()
    }

    /// Waits until it is found, or is not any more.
    pub(crate) async fn wait_until(
        &self,
        node: &Node,
        is_there: bool,
    ) -> Result<(), Box<dyn Error>> {
        let waiting = async {
            let mut watcher = node.watch(self.kind).await?;
            if !is_there && node.get_service(self.kind).await?.is_empty() {
                return Ok(());
            }
            loop {
                let instances = watcher.next().await?;
                if instances.iter().any(|instance| self.is(instance)) == is_there {
                    return Ok::<_, Box<dyn Error>>(());
                }
            }
        };
        let waited = tokio::time::timeout(BOUND, waiting).await;
        waited.map_err(|_| format!("{}: not seen to change within {BOUND:?}", self.kind))?
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status()?;
        sent.success()
            .then_some(())
            .ok_or_else(|| format!("SIG{name} could not be sent to {pid}").into())
    }

    /// SIGKILL. Returns when it was sent.
    pub(crate) fn kill(&mut self) -> Result<Instant, Box<dyn Error>> {
        self.child.kill()?;
        Ok(Instant::now())
    }

    /// SIGTERM, and waits until the process has ended.
    pub(crate) async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        self.signal("TERM")?;
        let by = Instant::now() + BOUND;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > by {
                return Err(format!("{} does not stop within {BOUND:?}", self.kind).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
