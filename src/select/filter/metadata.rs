//! Filters by what an instance says about itself.

use super::{Filter, matching, preferring};
use crate::registry::ServiceInstance;

/// The metadata key that [`zone_preferred`] looks at.
pub const ZONE: &str = "zone";

/// Keeps the instances whose metadata has this value under this key.
pub fn metadata_equals(key: impl Into<String>, value: impl Into<String>) -> impl Filter + 'static {
    let (key, value) = (key.into(), value.into());
    matching(format!("{key} = {value}"), has(key, value))
}

/// Keeps the instances whose metadata has this value under this key, and all when none has.
pub fn metadata_preferred(
    key: impl Into<String>,
    value: impl Into<String>,
) -> impl Filter + 'static {
    let (key, value) = (key.into(), value.into());
    preferring(format!("{key} = {value} preferred"), has(key, value))
}

/// Keeps the instances of this zone (metadata [`ZONE`]), and all when it has none that can be called.
pub fn zone_preferred(zone: impl Into<String>) -> impl Filter + 'static {
    metadata_preferred(ZONE, zone)
}

fn has(key: String, value: String) -> impl Fn(&ServiceInstance) -> bool + Send + Sync + 'static {
    move |instance| instance.metadata().get(&key) == Some(&value)
}
