//! What is fuzzed: shared by the fuzz targets in `tests/fuzz` and by the test beside this file.

use tidings::{ServiceInstance, gossip::fuzzing};

/// An entry point. It takes any bytes, and panics if what has to hold does not.
pub(crate) struct Target {
    /// Of its fuzz target and of the directory of its seeds.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: [Target; 12] = [
    target("datagram", fuzzing::decoders::datagram),
    target("message", fuzzing::decoders::message),
    target("swim", fuzzing::decoders::swim),
    target("content", fuzzing::decoders::content),
    target("extensions", fuzzing::decoders::extensions),
    target("sealed", fuzzing::decoders::sealed),
    target("endpoint", fuzzing::decoders::endpoint),
    target("instance_json", instance_json),
    target("key_text", fuzzing::decoders::key_text),
    target("snapshot", tidings::testing::read_snapshot),
    target("handle_datagram", fuzzing::handle_datagram),
    target("handle_sealed_datagram", fuzzing::handle_sealed_datagram),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// An instance in JSON, as whoever stores or sends one may have it.
fn instance_json(bytes: &[u8]) {
    if let Ok(instance) = serde_json::from_slice::<ServiceInstance>(bytes) {
        let written = serde_json::to_vec(&instance).expect("every instance can be written");
        let again = serde_json::from_slice::<ServiceInstance>(&written).expect("and read again");
        assert_eq!(again, instance);
    }
}

/// Runs the target of that name.
#[allow(dead_code)] // not used where all of them are run
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("it is one of them").run)(bytes);
}
