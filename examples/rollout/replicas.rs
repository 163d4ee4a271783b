//! The processes, and what is done to them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidings::Node;
use tidings::ServiceInstance;

use crate::replica;

/// Longer than anything here takes on a slow machine.
const BOUND: Duration = Duration::from_secs(30);

/// What a replica has read: how often each request, by its id.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<BTreeMap<u64, u32>>>);

impl Log {
    /// Writes down what the process prints, until it has ended and everything of it is here.
    fn follow(&self, output: ChildStdout) {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if let Ok(id) = line.parse() {
                let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *read.entry(id).or_default() += 1;
            }
        }
    }

    /// Waits for the next one, for as long as there may be none where a load is on.
    fn grows(&self) {
        let length = || self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        let (before, by) = (length(), Instant::now() + Duration::from_secs(1));
        while length() == before && Instant::now() < by {
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// How often it has read that request.
    pub(crate) fn reads(&self, id: u64) -> u32 {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(&id).copied().unwrap_or_default()
    }
}

/// A process. It is killed when this is dropped.
pub(crate) struct Replica {
    pub(crate) kind: &'static str,
    pub(crate) log: Log,
    child: Child,
    following: Option<std::thread::JoinHandle<()>>,
}

impl Replica {
    /// Starts one, and waits until it is found.
    pub(crate) async fn start(
        node: &Node,
        seed: SocketAddr,
        kind: &'static str,
        version: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([replica::MARK, kind, version, &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let log = Log::default();
        let (output, reads) = (child.stdout.take(), log.clone());
        let following =
            std::thread::spawn(move || output.map_or((), |output| reads.follow(output)));
        let replica = Self {
            kind,
            log,
            child,
            following: Some(following),
        };
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

    /// SIGKILL, just after it has read something, so that it dies with that in flight. Returns when the process is gone, and its sockets with it; then its log is whole.
    pub(crate) fn kill(&mut self) -> Result<Instant, Box<dyn Error>> {
        self.log.grows();
        self.child.kill()?;
        self.child.wait()?;
        let gone = Instant::now();
        let following = self.following.take();
        following
            .map_or(Ok(()), std::thread::JoinHandle::join)
            .map_err(|_| "the log was not read")?;
        Ok(gone)
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
