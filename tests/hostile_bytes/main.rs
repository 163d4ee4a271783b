//! No bytes make a decoder or the engine panic, hold on to memory or break what it promises.
//!
//! The entry points are those of the fuzz targets in `tests/fuzz`, which run for as long as one likes. This is the bounded
//! run, the same every time: the seeds as they are, and each of them with bytes changed. On failure it says which target
//! broke at which bytes, in the smallest form that it finds, and with which seed.
#![cfg(feature = "testing")]

mod targets;

use std::{collections::BTreeSet, fs, panic, path::PathBuf};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{RngSeed, TestRunner},
};
use targets::{TARGETS, Target};
use tidings::gossip::fuzzing::seeds;

/// Draws all that is changed. Another number is another run.
const SEED: u64 = 2026;
/// What one input of a decoder may allocate at a time. Decoding has a limit of 4 MiB, and what was decoded is compared with a
/// copy of itself.
const DECODER_BYTES_MAX: u64 = 16 << 20;
/// The same of a whole script: three engines and all that they hold and send.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;

fn fuzz_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The seeds of a target, by name.
fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    let directory = fuzz_directory().join("seeds").join(target);
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Changes some bytes, brings some in, and cuts some off.
fn changed(
    mut bytes: Vec<u8>,
    edits: &[(Index, u8)],
    brought: &(Index, Vec<u8>),
    cut: Option<Index>,
) -> Vec<u8> {
    for (at, value) in edits {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
    }
    let at = brought.0.index(bytes.len() + 1);
    bytes.splice(at..at, brought.1.iter().copied());
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len() + 1));
    }
    bytes
}

fn runs(target: &Target, cases: u32, bytes_max: u64) {
    let run = |bytes: &[u8]| {
        // What is being measured has to come to its end.
        let mut outcome = Ok(());
        let allocated = allocation_counter::measure(|| {
            outcome = panic::catch_unwind(|| (target.run)(bytes));
        });
        outcome.unwrap_or_else(|cause| panic::resume_unwind(cause));
        assert!(allocated.bytes_max <= bytes_max, "{allocated:?}");
    };
    let seeds = seeds_of(target.name);
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    for seed in &seeds {
        run(seed);
    }

    let strategy = (
        any::<Index>(),
        proptest::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        (
            any::<Index>(),
            proptest::collection::vec(any::<u8>(), 0..24),
        ),
        proptest::option::weighted(0.2, any::<Index>()),
    );
    let strategy = strategy.prop_map(move |(pick, edits, brought, cut)| {
        changed(pick.get(&seeds).clone(), &edits, &brought, cut)
    });
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(SEED),
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |bytes| {
        run(&bytes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{} with seed {SEED}: {error}", target.name);
    }
}

fn is_script(target: &Target) -> bool {
    target.name.starts_with("handle_")
}

#[test]
fn no_bytes_make_a_decoder_panic_or_break_its_promise() {
    for target in TARGETS.iter().filter(|target| !is_script(target)) {
        runs(target, 6_000, DECODER_BYTES_MAX);
    }
}

#[test]
fn no_datagrams_make_an_engine_panic_or_break_its_promises() {
    for target in TARGETS.iter().filter(|target| is_script(target)) {
        runs(target, 250, SCRIPT_BYTES_MAX);
    }
}

#[test]
fn the_seeds_are_real_datagrams_of_every_kind() {
    let kinds = |datagrams: &[Vec<u8>]| -> BTreeSet<u8> {
        datagrams.iter().map(|d| seeds::kind_of(d)).collect()
    };
    let all: BTreeSet<u8> = (1..=14).collect();
    assert_eq!(kinds(seeds::datagrams()), all, "of today");
    assert_eq!(kinds(&seeds_of("datagram")), all, "in tests/fuzz/seeds");
}

/// The fuzz targets are outside of the workspace, so nothing else would miss one.
#[test]
fn every_entry_point_is_a_fuzz_target() {
    let manifest = fs::read_to_string(fuzz_directory().join("Cargo.toml")).unwrap();
    for Target { name, .. } in TARGETS {
        let path = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let source = fs::read_to_string(fuzz_directory().join(&path)).expect(&path);
        assert!(source.contains(&format!("run(\"{name}\"")), "{path}");
    }
}
