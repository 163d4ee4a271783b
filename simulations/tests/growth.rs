//! Nothing grows: the hour of churn in small, which the scenario does at its full length in a run by hand.

use simulations::{
    run::{Options, run},
    scenario::{Scenario, shipped},
};

#[test]
fn in_five_minutes_of_churn_nothing_grows() {
    let file = shipped()
        .iter()
        .find(|file| file.name == "churn-1h")
        .unwrap();
    let small = [
        ("nodes = 200\n", "nodes = 50\n"),
        ("duration = \"1h\"", "duration = \"5m\""),
        ("max_contacts = 128", "max_contacts = 64"),
        ("200..1100", "50..125"),
    ];
    let text = small.iter().fold(file.text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let scenario =
        Scenario::parse(&text, "churn-1h.toml").unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, 1, Options::default()).outcome;
    assert_eq!(outcome.violations, []);
    let largest = |what: &str| {
        let found = outcome.growth.iter().find(|growth| growth.what == what);
        found.unwrap().late
    };
    assert!(largest("known_members") > 120 && largest("contacts") == 64);
    assert!(
        outcome.detection_ms.samples > 900,
        "{:?}",
        outcome.detection_ms
    );
}
