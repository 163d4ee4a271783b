mod places;

use std::{collections::BTreeSet, fs, path::Path};

use super::*;

/// A sound scenario with something put in at the top, and more behind it.
fn text(top: &str, more: &str) -> String {
    format!(
        "name = \"a\"\nabout = \"A.\"\nnodes = 10\nduration = \"60s\"\n{top}\n{more}\n[expect]\nconverge_within = \"5s\"\n"
    )
}

fn refused(top: &str, more: &str) -> String {
    Scenario::parse(&text(top, more), "a.toml")
        .unwrap_err()
        .to_string()
}

#[test]
fn every_file_that_ships_is_listed_sound_named_and_commented() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let toml = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    let names: BTreeSet<_> = toml
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: Vec<_> = shipped().iter().map(|file| file.name.to_owned()).collect();
    assert_eq!(listed, names.into_iter().collect::<Vec<_>>());
    for file in shipped() {
        let scenario =
            Scenario::parse(file.text, file.name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.name, file.name);
        assert!(
            file.text.starts_with("# "),
            "{} says what it shows",
            file.name
        );
        let again = Scenario::parse(&scenario.to_toml(), file.name).unwrap();
        assert_eq!(again, scenario);
    }
}

#[test]
#[allow(clippy::too_many_lines)] // a table, a case a line or three
fn a_bad_field_is_told_with_its_place_its_value_and_the_mend() {
    let fault = |fields: &str| format!("[[fault]]\nat = \"5s\"\n{fields}");
    let work = |fields: &str| format!("[[work]]\nat = \"5s\"\n{fields}");
    for (top, more, said) in [
        ("seeds = 11", "", "seeds: is 11, and has to be 0 to 10"),
        (
            "start_within = \"1s\"",
            "",
            "start_within: is 1s, and has to be left out where start is not \"bootstrap\"",
        ),
        ("colour = 1", "", "a.toml:5: unknown field `colour`"),
        (
            "start = \"cold\"",
            "",
            "a.toml:5: start: unknown variant `cold`, expected `converged` or `bootstrap`",
        ),
        (
            "",
            "[engine]\nprobe_timeout = \"2s\"",
            "engine.probe_timeout: 2s of 1s has to be more than zero and less than probe_period",
        ),
        (
            "",
            "[network]\nloss = nan",
            "network.loss: is NaN, and has to be a share from 0 to 1",
        ),
        (
            "",
            "[network]\nmtu = 600",
            "network.mtu: is 600, and has to be at least engine.max_datagram",
        ),
        (
            "",
            "[network]\nlatency = { uniform = \"5ms..1ms\" }",
            "begins above its end",
        ),
        (
            "",
            "[services]\nbytes = 70000",
            "services.bytes: is 70000, and has to be 0 to 63000",
        ),
        (
            "",
            &work("kind = \"update\"\nrate = 0.0"),
            "work[0].rate: is 0, and has to be more than 0",
        ),
        (
            "",
            &work("kind = \"register\"\nid = \"x\"\ncount = 2"),
            "work[0].count: is 2, and has to be 1 where an id is stated",
        ),
        (
            "",
            &fault("kind = \"crash\"\nnodes = \"some\""),
            "a.toml:6: fault[0].nodes: \"some\" names no nodes; write \"all\"",
        ),
        (
            "",
            "[security]\nkeys = []",
            "security.keys: is [], and has to be 1 to 4 different labels",
        ),
        (
            "",
            "[attacker]\nrate = 1",
            "attacker: is there, and has to be left out where there is no [security]",
        ),
        (
            "",
            "[security]\nkeys = [\"a\"]\n[attacker]\nrate = 0",
            "attacker.rate: is 0, and has to be 1 to 1000000 in a second",
        ),
        (
            "",
            &fault("kind = \"keys\"\nnodes = \"all\"\nchange = { promote = \"b\" }"),
            "fault[0].change: is there, and has to be left out where there is no [security]",
        ),
        (
            "",
            &fault("kind = \"crash\"\nnodes = \"9..12\""),
            "fault[0].nodes: is \"9..12\", and has to be numbers from 0 to 9",
        ),
        (
            "",
            &fault("kind = \"crash\"\nnodes = \"first 11\""),
            "fault[0].nodes: is \"first 11\", and has to be 1 to 10 nodes",
        ),
        (
            "",
            &fault("kind = \"crash\"\nnodes = \"all\"\neach = \"7s\""),
            "fault[0].each: is 7s, and has to be shorter: the last of 10",
        ),
        (
            "",
            &fault("kind = \"partition\"\nbetween = [\"others\", \"others\"]"),
            "fault[0].between: is \"others\" twice",
        ),
        (
            "",
            &fault("kind = \"partition\"\nbetween = [\"0\", \"others\"]\nfor = \"56s\""),
            "fault[0].for: is 56s, and has to be more than 0 s and at most 55s",
        ),
        (
            "",
            &fault("kind = \"degrade\""),
            "fault[0].loss: is 0, and has to be more than 0 where",
        ),
        (
            "",
            &fault("kind = \"pause\"\nnodes = \"0\"\nstop = \"1s\"\nfor = \"9s\""),
            "fault[0].for: is 9s, and has to be left out where run is",
        ),
        (
            "",
            &fault("kind = \"quake\""),
            "a.toml:6: fault[0].kind: unknown variant `quake`, expected one of `partition`",
        ),
        (
            "",
            &fault("kind = \"clock\"\nnodes = \"0\"\nby = \"soon\""),
            "fault[0].by: \"soon\" is no length of time; write one such as \"250ms\"",
        ),
    ] {
        let error = refused(top, more);
        assert!(
            error.starts_with("a.toml") && error.contains(said),
            "{error}\nwhere was to be said: {said}"
        );
    }
}

#[test]
fn another_number_of_nodes_is_checked_as_well() {
    let listed = text(
        "",
        "[[fault]]\nat = \"5s\"\nkind = \"crash\"\nnodes = \"7\"",
    );
    let scenario = Scenario::parse(&listed, "a.toml").unwrap();
    assert_eq!(scenario.clone().with_nodes(20).unwrap().nodes, 20);
    let error = scenario.clone().with_nodes(5).unwrap_err().to_string();
    assert_eq!(
        error,
        "a with 5 nodes: fault[0].nodes: is \"7\", and has to be numbers from 0 to 4, ranges with their end above their start"
    );
    assert!(scenario.with_nodes(0).is_err());
}

#[test]
fn sets_shares_and_times_are_written_as_they_are_read() {
    for set in [
        "all",
        "seeds",
        "others",
        "first 3",
        "last 1/2",
        "random 10%",
        "0, 4..8",
    ] {
        assert_eq!(set.parse::<NodeSet>().unwrap().to_string(), set);
    }
    for time in ["250ms", "128ms..32s"] {
        assert_eq!(time.parse::<SpanRange>().unwrap().to_string(), time);
    }
    assert_eq!("-1h".parse::<Offset>().unwrap().to_string(), "-1h");
    let half = Share::Part {
        numerator: 1,
        denominator: 2,
    };
    assert_eq!([half.of(1), half.of(5), half.of(128)], [1, 3, 64]);
}

#[test]
fn a_share_is_somebody_and_not_more_than_all() {
    for share in ["0%", "0/2", "0/0", "1/0", "3/2", "101%"] {
        let error = format!("first {share}").parse::<NodeSet>().unwrap_err();
        let said = format!("{share:?} is no part of the nodes; write one above 0 and up to 1");
        assert_eq!(error, said);
    }
}

/// The examples in the format's reference are sound, and it names every field.
#[test]
fn the_reference_of_the_format_is_complete_and_its_examples_can_be_read() {
    let page = include_str!("../../scenarios/README.md");
    let mut examples = page.split("```toml\n").skip(1);
    let whole = examples.next().unwrap().split("```").next().unwrap();
    Scenario::parse(whole, "the first example").unwrap_or_else(|error| panic!("{error}"));
    for example in examples {
        let example = example.split("```").next().unwrap();
        let whole = text("", example);
        Scenario::parse(&whole, "an example").unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
    let sources = [
        include_str!("mod.rs"),
        include_str!("fault.rs"),
        include_str!("network.rs"),
        include_str!("security.rs"),
        include_str!("workload.rs"),
    ];
    for line in sources.iter().flat_map(|source| source.lines()) {
        let line = line.trim().trim_start_matches("pub ");
        let Some((field, _)) = line.split_once(": ") else {
            continue;
        };
        let is_field = line.ends_with(',')
            && field.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            && !field.is_empty();
        let field = if field == "lasts" { "for" } else { field };
        let is_named = page.contains(&format!("`{field}`"));
        assert!(
            !is_field || field == "kind" || is_named,
            "{field} is not in the reference"
        );
    }
}

#[test]
fn a_time_that_no_world_can_have_is_refused_and_makes_no_world_panic() {
    let long = "500000000000years";
    let fault = |rest: &str| format!("[[fault]]\n{rest}\n");
    for (field, more) in [
        (
            "delay",
            fault(&format!("kind = \"degrade\"\ndelay = \"1ms..{long}\"")),
        ),
        (
            "per_datagram",
            fault(&format!(
                "kind = \"slow\"\nnodes = \"0\"\nper_datagram = \"{long}\""
            )),
        ),
        (
            "stop",
            fault(&format!(
                "kind = \"pause\"\nnodes = \"0\"\nrun = \"1s\"\nstop = \"{long}\""
            )),
        ),
        (
            "run",
            fault(&format!(
                "kind = \"pause\"\nnodes = \"0\"\nrun = \"{long}\"\nstop = \"1s\""
            )),
        ),
        (
            "down",
            fault(&format!(
                "kind = \"flap\"\nbetween = [\"0\", \"1\"]\ndown = \"{long}\"\nup = \"1s\""
            )),
        ),
        (
            "up",
            fault(&format!(
                "kind = \"flap\"\nbetween = [\"0\", \"1\"]\ndown = \"1s\"\nup = \"{long}\""
            )),
        ),
        (
            "by",
            fault("kind = \"clock\"\nnodes = \"0\"\nby = \"2000years\""),
        ),
        (
            "clock",
            fault("kind = \"restart\"\nnodes = \"0\"\nclock = \"-2000years\""),
        ),
        (
            "rate",
            "[[work]]\nkind = \"update\"\nrate = 1e-300\n".to_owned(),
        ),
        (
            "burst_loss.every",
            format!("[network]\nburst_loss = {{ every = \"{long}\", lasts = \"1s\" }}\n"),
        ),
        (
            "engine.probe_period",
            format!("[engine]\nprobe_period = \"{long}\"\n"),
        ),
        (
            "engine.max_members",
            "[engine]\nmax_members = 3\n".to_owned(),
        ),
        (
            "expect.hold",
            format!("[expect]\nconverge_within = \"5s\"\nhold = \"{long}\"\n"),
        ),
        (
            "expect.converge_within",
            format!("[expect]\nconverge_within = \"{long}\"\n"),
        ),
    ] {
        let expect = "[expect]\nconverge_within = \"5s\"\n";
        let expect = if more.contains("[expect]") {
            ""
        } else {
            expect
        };
        let text =
            format!("name = \"t\"\nabout = \"t\"\nnodes = 4\nduration = \"9s\"\n{more}{expect}");
        let error = Scenario::parse(&text, "t").expect_err(field).to_string();
        assert!(error.contains(field), "{error}");
    }
}
