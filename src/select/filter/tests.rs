use std::sync::Arc;

use super::{
    Candidates, Filter, matching, metadata_equals, metadata_preferred, preferring, version,
    zone_preferred,
};
use crate::registry::{Instances, ServiceInstance};
use crate::select::candidate::Found;

fn instance(id: &str, version: &str, zone: &str) -> ServiceInstance {
    ServiceInstance::builder("orders")
        .id(id)
        .version(version)
        .metadata("zone", zone)
        .endpoint("http://10.0.0.1:80")
        .build()
        .unwrap()
}

/// The ids that are left of a list.
fn left(filter: &impl Filter, instances: impl IntoIterator<Item = ServiceInstance>) -> Vec<String> {
    let list: Instances = instances.into_iter().collect();
    let found = list.iter().filter_map(|one| Found::new(one, "http"));
    let mut candidates = Candidates::new(found.collect());
    filter.apply(&mut candidates);
    let left: Vec<_> = candidates.iter().map(|one| one.id().to_owned()).collect();
    assert_eq!(
        (candidates.len(), candidates.is_empty()),
        (left.len(), left.is_empty())
    );
    left
}

fn versions_left(requirement: &str, versions: &[&str]) -> Vec<String> {
    let instances = versions
        .iter()
        .map(|version| instance(version, version, ""));
    // An id is never empty.
    left(&version(requirement).unwrap(), instances)
}

#[test]
fn a_version_requirement_is_cargos() {
    let versions = ["0.9.0", "1.2.0", "1.3.7", "2.0.0", "1.9.0-rc.1"];
    assert_eq!(versions_left("^1.2", &versions), ["1.2.0", "1.3.7"]);
    assert_eq!(versions_left("1.2", &versions), ["1.2.0", "1.3.7"]);
    assert_eq!(versions_left("=1.2.0", &versions), ["1.2.0"]);
    assert_eq!(versions_left(">=1.3, <3", &versions), ["1.3.7", "2.0.0"]);
    assert_eq!(versions_left(">=1.9.0-rc.0, <2", &versions), ["1.9.0-rc.1"]);
}

#[test]
fn a_version_may_begin_with_v_and_one_that_is_none_does_not_match() {
    assert_eq!(
        versions_left("*", &["v1.2.0", "latest", "1.2", "vv1.0.0"]),
        ["v1.2.0"]
    );
    assert!(left(&version("*").unwrap(), [instance("a", "", "")]).is_empty());
}

#[test]
fn a_requirement_that_is_none_is_told() {
    let error = version("one point two").err().unwrap();
    assert_eq!(error.requirement(), "one point two");
    assert!(error.to_string().contains("\"one point two\""), "{error}");
}

#[test]
fn metadata_is_compared_as_a_whole() {
    let zones = || {
        [
            instance("a", "", "eu-1"),
            instance("b", "", "eu-10"),
            instance("c", "", ""),
        ]
    };
    assert_eq!(left(&metadata_equals("zone", "eu-1"), zones()), ["a"]);
    assert!(left(&metadata_equals("rack", "eu-1"), zones()).is_empty());
    assert_eq!(
        left(&metadata_preferred("rack", "r1"), zones()),
        ["a", "b", "c"]
    );
}

#[test]
fn a_zone_is_preferred_and_all_are_taken_when_it_is_empty() {
    let zones = || [instance("a", "", "eu-1"), instance("b", "", "eu-2")];
    assert_eq!(left(&zone_preferred("eu-2"), zones()), ["b"]);
    assert_eq!(left(&zone_preferred("us-1"), zones()), ["a", "b"]);
}

#[test]
fn closures_look_at_the_instance() {
    let two = || [instance("a", "", ""), instance("b", "", "")];
    assert_eq!(left(&matching("b", |one| one.id() == "b"), two()), ["b"]);
    assert!(left(&matching("c", |one| one.id() == "c"), two()).is_empty());
    assert_eq!(
        left(&preferring("c", |one| one.id() == "c"), two()),
        ["a", "b"]
    );
}

#[test]
fn a_filter_of_ones_own_sees_the_list() {
    struct Half;
    impl Filter for Half {
        fn name(&self) -> &'static str {
            "half"
        }
        fn apply(&self, candidates: &mut Candidates<'_>) {
            let mut left = candidates.len() / 2;
            candidates.retain(|_| {
                left.checked_sub(1).is_some_and(|less| {
                    left = less;
                    true
                })
            });
        }
    }
    let four = ["a", "b", "c", "d"].map(|id| instance(id, "", ""));
    assert_eq!(left(&Half, four.clone()), ["a", "b"]);
    let shared: Arc<dyn Filter> = Arc::new(Half);
    assert_eq!((shared.name(), left(&shared, four).len()), ("half", 2));
}

#[test]
fn a_name_says_what_is_asked_for() {
    assert_eq!(version("^1.2").unwrap().name(), "version ^1.2");
    assert_eq!(metadata_equals("rack", "r1").name(), "rack = r1");
    assert_eq!(zone_preferred("eu-1").name(), "zone = eu-1 preferred");
}
