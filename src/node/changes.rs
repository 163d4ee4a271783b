//! How an instance differs from what it was, in words for a log line.
//!
//! Bounds: of endpoints and of metadata keys the first [`NAMED_MAX`] are named, and the number of the others. Values of
//! metadata are not shown.

use std::fmt::{self, Display};

use crate::registry::ServiceInstance;

/// How many of a list are named.
const NAMED_MAX: usize = 8;

/// A list in a line; the part that is not named is counted.
pub(super) fn listed<T: Display>(items: impl Iterator<Item = T>) -> String {
    let mut items = items.map(|item| item.to_string());
    let mut named: Vec<_> = items.by_ref().take(NAMED_MAX).collect();
    match items.count() {
        0 => {}
        unnamed => named.push(format!("and {unnamed} more")),
    }
    named.join(" ")
}

/// What has changed from `before` to `after`: `status up -> draining, endpoints, metadata zone`.
pub(super) fn between(before: &ServiceInstance, after: &ServiceInstance) -> String {
    let mut changes = Vec::new();
    if before.status() != after.status() {
        changes.push(format!("status {} -> {}", before.status(), after.status()));
    }
    if before.version() != after.version() {
        let [was, is] = [before, after].map(|instance| Version(instance.version()));
        changes.push(format!("version {was} -> {is}"));
    }
    let sorted = |instance: &ServiceInstance| {
        let mut endpoints: Vec<_> = instance
            .endpoints()
            .iter()
            .map(|e| e.as_str().to_owned())
            .collect();
        endpoints.sort_unstable();
        endpoints
    };
    if sorted(before) != sorted(after) {
        changes.push("endpoints".to_owned());
    }
    let (was, is) = (before.metadata(), after.metadata());
    let kept = was
        .iter()
        .filter(|(key, value)| is.get(*key) != Some(*value));
    let added = is.keys().filter(|key| !was.contains_key(*key));
    let mut keys: Vec<_> = kept.map(|(key, _)| key).chain(added).collect();
    keys.sort_unstable();
    if !keys.is_empty() {
        changes.push(format!("metadata {}", listed(keys.into_iter())));
    }
    changes.join(", ")
}

/// A version, where there may be none.
struct Version<'a>(&'a str);

impl Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Status;

    fn instance(endpoints: &[&str], metadata: &[(&str, &str)]) -> ServiceInstance {
        let mut builder = ServiceInstance::builder("users").id("a");
        for endpoint in endpoints {
            builder = builder.endpoint(*endpoint);
        }
        for (key, value) in metadata {
            builder = builder.metadata(*key, *value);
        }
        builder.build().unwrap()
    }

    #[test]
    fn each_field_that_differs_is_named_and_no_other() {
        let before = instance(
            &["http://10.0.0.1:80", "grpc://10.0.0.1:90"],
            &[("zone", "a"), ("x", "1")],
        );
        let turned = instance(
            &["grpc://10.0.0.1:90", "http://10.0.0.1:80"],
            &[("zone", "a"), ("x", "1")],
        );
        assert_eq!(between(&before, &turned), "");
        let drained = before.clone().with_status(Status::Draining);
        assert_eq!(between(&before, &drained), "status up -> draining");
        let newer = before.to_builder().version("2").build().unwrap();
        assert_eq!(between(&before, &newer), "version none -> 2");
        let other = instance(&["http://10.0.0.1:80"], &[("zone", "b"), ("y", "secret")]);
        assert_eq!(between(&before, &other), "endpoints, metadata x y zone");
    }

    #[test]
    fn of_a_long_list_the_first_eight_are_named() {
        assert_eq!(
            listed((1..=9).map(|n| n * 10)),
            "10 20 30 40 50 60 70 80 and 1 more"
        );
        assert_eq!(listed(0..0), "");
    }
}
