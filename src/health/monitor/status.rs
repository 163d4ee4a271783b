//! How an instance is, for whoever wants to know.

use tokio::sync::watch;

use crate::health::{CheckReport, Standing, Verdict};

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// What the registrar is told.
    pub standing: Standing,
    /// Every check, in the order in which they were added.
    pub checks: Vec<CheckReport>,
}

impl Health {
    /// The checks that do not pass, each with its reason, as one line; empty if all pass.
    pub fn failing(&self) -> String {
        let fails = |check: &&CheckReport| check.verdict == Verdict::Failing;
        let line = |check: &CheckReport| {
            let reason = check.reason.as_deref().unwrap_or("passes again");
            format!("{}: {reason}", check.name)
        };
        let lines: Vec<_> = self.checks.iter().filter(fails).map(line).collect();
        lines.join("; ")
    }
}

/// Follows how an instance is. A clone has seen what this one has seen.
///
/// Level-triggered: what changed while nobody looked is one change.
#[derive(Clone, Debug)]
pub struct StatusWatch(pub(super) watch::Receiver<Health>);

impl StatusWatch {
    /// One of which `health` is the first that it sees, and what changes it.
    #[cfg(feature = "app")]
    pub(crate) fn of(health: Health) -> (watch::Sender<Health>, Self) {
        let (sender, mut receiver) = watch::channel(health);
        receiver.mark_changed();
        (sender, Self(receiver))
    }

    /// How it is now; after the monitor has ended, how it was last.
    pub fn current(&self) -> Health {
        self.0.borrow().clone()
    }

    /// Waits until it is otherwise than it was when this was last asked; the first time returns at
    /// once. `None` when the monitor has ended. Cancel-safe.
    pub async fn changed(&mut self) -> Option<Health> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }

    /// Waits until its standing is `standing`. `None` when the monitor has ended before.
    pub async fn standing(&mut self, standing: Standing) -> Option<Health> {
        let reached = self.0.wait_for(|health| health.standing == standing).await;
        reached.ok().map(|health| health.clone())
    }
}
