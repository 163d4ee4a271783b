//! Worlds in which something once did not hold. Each is a file in `simulations/regressions/`, named by what went wrong,
//! whose first line names the seed: the world as it was then, whatever the swarm draws from that seed today.

use std::{fs, path::Path};

use simulations::{
    run::{Options, run},
    scenario::Scenario,
};

#[test]
fn what_went_wrong_once_does_so_no_more() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.display().to_string();
        let first = text.lines().next().unwrap_or_default();
        let seed = first
            .strip_prefix("# seed ")
            .and_then(|seed| seed.parse().ok());
        let seed = seed
            .unwrap_or_else(|| panic!("{name} begins with {first:?}, and not with \"# seed N\""));
        let scenario = Scenario::parse(&text, &name).unwrap_or_else(|error| panic!("{error}"));
        let outcome = run(&scenario, seed, Options::default()).outcome;
        assert_eq!(outcome.violations, [], "{name}");
    }
}
