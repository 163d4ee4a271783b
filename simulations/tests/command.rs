//! The command as a user calls it: what it prints, and with which status it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn simulations(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulations"))
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of this test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

const SMALL: &str = "name = \"small\"\nabout = \"Four nodes.\"\nnodes = 4\nduration = \"5s\"\n\
    [[work]]\nat = \"1s\"\nkind = \"update\"\nrate = 4.0\n";

#[test]
fn list_names_every_scenario_with_its_size_and_length() {
    let output = simulations(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = text(&output.stdout);
    assert!(text.lines().count() >= 30, "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("partition-heal"))
        .unwrap();
    assert!(line.contains("128 nodes") && line.contains("45s"), "{line}");
}

#[test]
fn a_result_has_every_field_and_one_seed_gives_one_trace_in_two_processes() {
    let small = file(
        "trace.toml",
        &format!("{SMALL}[expect]\nconverge_within = \"5s\"\n"),
    );
    let run = |seed: &str| {
        let output = simulations(&["run", small.to_str().unwrap(), "--seed", seed, "--json"]);
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), String::new()),
            "a pipe gets no bar"
        );
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let [one, again, other] = ["1", "1", "2"].map(run);
    for field in [
        "scenario",
        "seed",
        "nodes",
        "virtual_s",
        "wall_s",
        "converged",
        "violations",
        "convergence_ms",
        "detection_ms",
        "sound_detection_ms",
        "heal_ms",
        "false_positives",
        "packets_per_node_s",
        "bytes_per_node_s",
        "max_rss_mib",
        "trace_hash",
    ] {
        assert!(!one[field].is_null(), "{field} is missing in {one}");
    }
    assert_eq!(one["trace_hash"], again["trace_hash"]);
    assert_ne!(one["trace_hash"], other["trace_hash"]);
}

#[test]
fn a_violation_ends_with_1_and_says_where_to_look() {
    let impossible =
        format!("{SMALL}[expect]\nconverge_within = \"5s\"\nchange_within = \"1us\"\n");
    let path = file("impossible.toml", &impossible);
    let output = simulations(&["run", path.to_str().unwrap(), "--seed", "7"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("small: VIOLATED"));
    let said = text(&output.stderr);
    for part in [
        "violation of expectations, seed 7, at ",
        "nodes ",
        "the scenario states 1us",
        " | ",
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
}

#[test]
fn a_bad_call_ends_with_2_and_names_field_value_and_mend() {
    let bad = |name: &str, more: &str| {
        file(
            name,
            &format!("{SMALL}{more}\n[expect]\nconverge_within = \"5s\"\n"),
        )
    };
    let loss = bad("loss.toml", "[network]\nloss = 1.5");
    let typo = bad(
        "typo.toml",
        "[[fault]]\nat = \"1s\"\nkind = \"crash\"\nnode = \"0\"",
    );
    for (args, said) in [
        (
            &["run", "partition-heel"][..],
            "\"partition-heel\", and has to be the path of a .toml file or one of: address-reuse",
        ),
        (&["run", "no/such.toml"], "cannot read no/such.toml"),
        (
            &["run", loss.to_str().unwrap()],
            "loss.toml: network.loss: is 1.5, and has to be a share from 0 to 1",
        ),
        (
            &["run", typo.to_str().unwrap()],
            "typo.toml:9: fault[0]: unknown field `node`, expected one of `nodes`",
        ),
        (
            &["run", "crash", "--nodes", "0"],
            "nodes: is 0, and has to be 1 to 10000",
        ),
        (
            &["run", "crash", "--report", "/no/such/place.html"],
            "report is /no/such/place.html, which cannot be written",
        ),
        (&["swarm", "--seeds", "9..1"], "begins above its end"),
        (
            &["swarm", "--seeds", "1", "--nodes", "2"],
            "2 is not in 3..=200",
        ),
        (&["fly"], "unrecognized subcommand"),
        (&["compare", "no", "such"], "cannot read no"),
    ] {
        let output = simulations(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

#[test]
fn two_results_are_shown_side_by_side() {
    let small = file(
        "pair.toml",
        &format!("{SMALL}[expect]\nconverge_within = \"5s\"\n"),
    );
    let result = |subject: &str| {
        let args = [
            "run",
            small.to_str().unwrap(),
            "--subject",
            subject,
            "--json",
        ];
        file(
            &format!("{subject}.json"),
            &text(&simulations(&args).stdout),
        )
    };
    let [ours, plain] = ["tidings", "swim-baseline"].map(result);
    let output = simulations(&["compare", ours.to_str().unwrap(), plain.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    for figure in ["convergence_ms p50", "packets_per_node_s", "trace_hash"] {
        assert!(table.contains(figure), "{table}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let huge = file("huge.toml", "");
    let sparse = fs::File::options().write(true).open(&huge).unwrap();
    sparse.set_len((64 << 20) + 1).unwrap();
    let huge = huge.to_str().unwrap();
    for args in [&["compare", huge, huge][..], &["run", huge]] {
        let output = simulations(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(": it is larger than 64 MiB"), "{said}");
    }
}

#[test]
fn the_swarm_holds_and_its_seeds_can_be_replayed() {
    let output = simulations(&["swarm", "--seeds", "1..3", "--minutes", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("swarm 1..3: holds\n  3 worlds"));
    let output = simulations(&["replay", "--seed", "2", "--minutes", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.starts_with("# name = \"swarm-2\""), "{told}");
    assert!(told.contains(" joined") && told.contains("swarm-2: holds"));
}

#[test]
fn a_report_is_written() {
    let small = file(
        "report.toml",
        &format!("{SMALL}[expect]\nconverge_within = \"5s\"\n"),
    );
    let report = file("out.html", "");
    let output = simulations(&[
        "run",
        small.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        fs::read_to_string(report)
            .unwrap()
            .contains("<canvas id=\"belief\"")
    );
}

/// How the command ends where nobody reads what it says.
fn unread(args: &[&str]) -> Option<i32> {
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulations"));
    let status = command
        .args(args)
        .stdout(closed())
        .stderr(closed())
        .status();
    status.unwrap().code()
}

#[test]
fn the_status_tells_the_verdict_also_where_nobody_reads() {
    let never = format!("{SMALL}[expect]\nconverge_within = \"5s\"\nchange_within = \"1us\"\n");
    let violated = file("unread.toml", &never);
    for more in [&[][..], &["--json"]] {
        let args = [&["run", violated.to_str().unwrap()], more].concat();
        assert_eq!(unread(&args), Some(1), "{more:?}");
    }
    assert_eq!(unread(&["run", "no-such-scenario"]), Some(2));
    assert_eq!(unread(&["list"]), Some(0));
}

#[test]
fn a_swarm_ends_with_the_highest_seed_there_is() {
    let seeds = format!("{}..{}", u64::MAX - 1, u64::MAX);
    let output = simulations(&[
        "swarm",
        "--seeds",
        &seeds,
        "--nodes",
        "3",
        "--minutes",
        "1",
        "--json",
    ]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["runs"], 2, "{summary}");
}

#[test]
#[cfg(unix)]
fn a_report_may_go_to_a_device() {
    let small = file(
        "device.toml",
        &format!("{SMALL}[expect]\nconverge_within = \"5s\"\n"),
    );
    let output = simulations(&["run", small.to_str().unwrap(), "--report", "/dev/null"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
