//! The examples as whoever tries them has them: processes that find each other, and print what happens.
//!
//! They have to be built before this runs, with the same features and profile: `cargo test --features …` without `--test`
//! does so, or else `cargo build --examples --features …`.
#![cfg(all(
    unix,
    feature = "axum",
    feature = "node",
    feature = "reqwest",
    feature = "tonic",
    feature = "tonic-health",
    feature = "tonic-server"
))]

mod support;

use support::{Process, Seed, get, get_once_well};

const EXAMPLES: [&str; 5] = [
    "http_service",
    "http_client",
    "grpc_service",
    "grpc_client",
    "gateway",
];
/// How many clients ask at once.
const CLIENTS: usize = 3;
/// How many more answers each of them has to print.
const ANSWERS: usize = 50;

#[tokio::test]
async fn each_says_how_it_is_used_and_takes_nothing_else() {
    for example in EXAMPLES {
        let help = Process::start(example, &["--help"]).ends_well().await;
        let [usage] = help.as_slice() else {
            panic!("{example}: {help:?}");
        };
        assert!(usage.starts_with("usage: [--seed IP:PORT]"), "{usage}");
        for wrong in [
            &["--colour", "red"][..],
            &["--seed"],
            &["--seed", "nowhere"],
        ] {
            let said = Process::start(example, wrong).ends_badly().await;
            assert!(said.starts_with(wrong[0]), "{example}: {said}");
        }
    }
}

#[tokio::test]
async fn no_call_over_http_fails_when_a_service_is_told_to_stop_under_load() {
    one_of_two_stops_under_load("http_service", "http_client", "user-service").await;
}

#[tokio::test]
async fn no_call_over_grpc_fails_when_a_service_is_told_to_stop_under_load() {
    one_of_two_stops_under_load("grpc_service", "grpc_client", "order-service").await;
}

async fn one_of_two_stops_under_load(service: &str, client: &str, name: &str) {
    let seed = Seed::start().await;
    let [staying, leaving] =
        ["1.0.0", "1.1.0"].map(|version| seed.process(service, &["--version", version]));
    seed.finds(name, 2).await;
    let clients: [_; CLIENTS] = std::array::from_fn(|_| seed.process(client, &["--every-ms", "2"]));
    let [by_staying, by_leaving] =
        ["1.0.0", "1.1.0"].map(|version| format!("says {name} {version} at "));
    for client in &clients {
        for by in [&by_staying, &by_leaving] {
            client.says(|line| line.contains(by)).await;
        }
    }

    leaving.signal("TERM");
    leaving.ends_well().await;
    for client in clients {
        let lines = client.says_more(ANSWERS).await;
        // What the one that left has answered may be printed a moment later.
        for line in &lines[lines.len() - ANSWERS / 2..] {
            assert!(line.contains(&by_staying), "{line}");
        }
        client.signal("INT");
        for line in client.ends_well().await {
            let is_answer = line.contains(&by_staying) || line.contains(&by_leaving);
            assert!(is_answer, "{line}");
        }
    }
    staying.signal("TERM");
    staying.ends_well().await;
}

#[tokio::test]
async fn a_client_calls_only_the_versions_that_it_was_told() {
    let seed = Seed::start().await;
    let _one = seed.process("http_service", &["--version", "1.0.0"]);
    seed.finds("user-service", 1).await;
    let client = seed.process("http_client", &["--every-ms", "20", "--version", "^2"]);
    let refused = client.says(|line| line.starts_with("failed: ")).await;
    assert!(refused.contains("user-service"), "{refused}");
    let _two = seed.process("http_service", &["--version", "2.0.0"]);
    client
        .says(|line| line.contains("says user-service 2.0.0"))
        .await;
    client.signal("INT");
    for line in client.ends_well().await {
        assert!(!line.contains("user-service 1.0.0 at"), "{line}");
    }
}

#[tokio::test]
async fn the_gateway_calls_whom_it_finds_and_says_so_when_there_is_nobody() {
    let seed = Seed::start().await;
    let users = seed.process("http_service", &[]);
    let orders = seed.process("grpc_service", &[]);
    seed.finds("user-service", 1).await;
    seed.finds("order-service", 1).await;
    let gateway = seed.process("gateway", &[]);
    let mut urls = Vec::new();
    for path in ["/users/42", "/orders/42"] {
        let line = gateway.says(|line| line.ends_with(path)).await;
        let url = line.strip_prefix("curl http://").expect("a command to try");
        urls.push(url.to_owned());
    }
    // It is found as soon as it is registered, which may be before it has found anybody.
    let user = get_once_well(&urls[0]).await;
    assert!(
        user.starts_with("user 42, says user-service 1.0.0 at "),
        "{user}"
    );
    let order = get_once_well(&urls[1]).await;
    assert!(
        order.starts_with("order 42, says order-service 1.0.0 at "),
        "{order}"
    );

    users.signal("TERM");
    users.ends_well().await;
    let (status, nobody) = get(&urls[0]).await;
    assert_eq!(status, 502, "{nobody}");
    assert!(nobody.contains("user-service"), "{nobody}");
    assert_eq!(get(&urls[1]).await.0, 200);
    for process in [orders, gateway] {
        process.signal("TERM");
        process.ends_well().await;
    }
}

/// What it says of each promise is printed by the example, and shown here when one does not hold.
#[tokio::test]
async fn what_is_promised_of_a_rollout_holds() {
    let lines = Process::start("rollout", &["--short"]).ends_well().await;
    let mut steps: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("holds"))
        .filter_map(|promise| promise.trim_start().split_once(": "))
        .map(|(step, _)| step)
        .collect();
    steps.dedup();
    let all = ["rolling restart", "SIGKILL", "canary", "moved", "all"];
    assert_eq!(steps, all, "{lines:#?}");
}
