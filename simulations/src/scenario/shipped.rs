//! The scenarios that come with the crate.

/// A scenario that comes with the crate: a file of `simulations/scenarios/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Its name, as the command takes it.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

/// The files, by name.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*]
    };
}

/// All of them, by name.
pub const fn shipped() -> &'static [Shipped] {
    files![
        "address-reuse",
        "attack",
        "big-records",
        "bootstrap",
        "bootstrap-1000",
        "burst-loss",
        "churn-1h",
        "clock-back-1h",
        "corrupted",
        "crash",
        "deaf-node-returns",
        "duplicate-instance-id",
        "fake-members",
        "flapping-link",
        "graceful-leave",
        "idle-1000",
        "idle-5000",
        "insider-deaths",
        "insider-lies",
        "isolated-node-returns",
        "key-rollout",
        "key-rotation",
        "large",
        "latecomer",
        "lifeguard",
        "loss-10",
        "loss-30",
        "majority-closed-10",
        "majority-closed-100",
        "majority-silent-10",
        "majority-silent-100",
        "majority-silent-32",
        "mass-silence",
        "minority-partition",
        "one-way-partition",
        "partition-heal",
        "pause-30s",
        "register-burst",
        "reorder-duplicate",
        "rolling-restart",
        "rolling-restart-new-addresses",
        "seeds-gone",
        "silent-host-loss",
        "single-changes",
        "slow-cpu",
        "steady-changes",
        "stopped-again",
        "stranger-lies",
        "swim-baseline",
        "two-node-partition",
        "two-of-three-gone",
        "update-storm",
        "wan-three-regions",
    ]
}
