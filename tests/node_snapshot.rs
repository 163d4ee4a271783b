//! A table on the disk: what a process that starts in an outage has to show.

#![cfg(feature = "snapshot")]

mod node_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use node_support::{BOUND, builder, eventually, instance, join, offers, sees, start, within};
use tidings::Node;
use tidings::node::NodeBuilder;
use tidings::registry::Instances;

/// A file in a directory of its own, that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(test: &str) -> Self {
        let directory = format!("tidings-{}-snapshot-{test}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(&directory).expect("a directory");
        Self(directory.join("table.json"))
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).expect("there")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().expect("a directory"));
    }
}

fn client(file: &File) -> NodeBuilder {
    builder(&[]).snapshot_file(&file.0)
}

async fn shut_down(node: &Node) {
    within("shutdown", node.shutdown()).await.expect("heard");
}

fn ids(instances: &Instances) -> Vec<&str> {
    instances.iter().map(|instance| instance.id()).collect()
}

/// A client has seen `users-a` of a server, has registered `clients-mine`, and has been shut down. The server runs.
async fn seen_once(file: &File) -> Node {
    let server = join([]).await;
    let client = start(client(file).seeds([server.advertised_addr()])).await;
    client
        .register(instance("clients", "mine"))
        .await
        .expect("registered");
    offers(&server, &client).await;
    within("the client", server.wait_for("clients", 1, BOUND))
        .await
        .expect("found");
    shut_down(&client).await;
    assert_eq!(client.stats().snapshot.writes, 1);
    server
}

#[tokio::test]
async fn a_client_that_is_restarted_in_an_outage_and_again_has_addresses_until_somebody_is_there() {
    let file = File::new("outage");
    seen_once(&file).await.abort();
    let written = file.text();
    for _ in 0..2 {
        let client = start(client(&file)).await;
        let found = client.get_service("users").await.expect("open");
        assert_eq!((ids(&found), found.is_stale()), (vec!["a"], true));
        assert!(client.service("users").instances().is_stale());
        let waited = client.wait_for("users", 1, Duration::ZERO).await;
        assert_eq!(ids(&waited.expect("a stale one counts")), ["a"]);
        let own = client.get_service("clients").await.expect("open");
        assert!(own.is_empty(), "what it registers is its own to say");
        shut_down(&client).await;
        assert_eq!(file.text(), written);
    }

    let client = start(client(&file)).await;
    let mut events = client.events();
    let mut watcher = client.watch("users").await.expect("open");
    let first = within("the stale list", watcher.next())
        .await
        .expect("open");
    assert!(first.is_stale());
    assert!(
        events.try_next().expect("runs").is_none(),
        "no event tells of it"
    );
    let server = join([&client]).await;
    server
        .register(instance("users", "b"))
        .await
        .expect("registered");
    let confirmed = async {
        loop {
            let list = watcher.next().await.expect("open");
            if !list.is_stale() {
                return list;
            }
        }
    };
    let confirmed = within("the confirmed list", confirmed).await;
    assert_eq!(ids(&confirmed), ["b"]);
    let stale = || client.stats().gossip.stale_instances;
    eventually("the count", || stale() == 0).await;
    shut_down(&client).await;
    assert!(file.text().contains(r#""id":"b""#) && !file.text().contains(r#""id":"a""#));
}

/// Each confirms the other, and knows nothing of the rest.
#[tokio::test]
async fn two_that_restart_in_one_outage_and_find_each_other_forget_nobody_else() {
    let files = [File::new("first"), File::new("second")];
    let server = join([]).await;
    for (file, id) in files.iter().zip(["x", "y"]) {
        let seeds = [server.advertised_addr()];
        let client = start(client(file).seeds(seeds)).await;
        let registered = client.register(instance("clients", id)).await;
        registered.expect("registered");
        offers(&server, &client).await;
        shut_down(&client).await;
    }
    server.abort();
    for _ in 0..2 {
        let first = start(client(&files[0])).await;
        let second = start(client(&files[1]).seeds([first.advertised_addr()])).await;
        for (node, id) in [(&first, "x"), (&second, "y")] {
            let found = node.get_service("users").await.expect("open");
            assert_eq!((ids(&found), found.is_stale()), (vec!["a"], true));
            let registered = node.register(instance("clients", id)).await;
            registered.expect("registered");
        }
        for node in [&first, &second] {
            let is_confirmed = || node.stats().gossip.stale_instances == 0;
            eventually("they confirm each other", is_confirmed).await;
        }
        shut_down(&first).await;
        shut_down(&second).await;
    }
    // Whoever was there last saw the other one leave.
    assert!(
        files[0].text().contains(r#""id":"a""#),
        "{}",
        files[0].text()
    );
}

#[tokio::test]
async fn a_list_that_turns_out_to_be_right_is_told_once_more_as_confirmed() {
    let file = File::new("right");
    let server = seen_once(&file).await;
    // On this thread it finds nobody before it is waited for.
    let client = start(client(&file).on_current_runtime()).await;
    let mut watcher = client.watch("users").await.expect("open");
    let stale = within("the stale list", watcher.next())
        .await
        .expect("open");
    let confirmed = within("the confirmed list", watcher.next())
        .await
        .expect("open");
    assert_eq!((ids(&stale), stale.is_stale()), (vec!["a"], true));
    assert_eq!((ids(&confirmed), confirmed.is_stale()), (vec!["a"], false));
    sees(&server, &client).await;
}

#[tokio::test]
async fn a_node_without_any_seed_finds_its_cluster_through_the_addresses_it_remembers() {
    let file = File::new("rejoin");
    let server = seen_once(&file).await;
    let client = start(client(&file)).await;
    sees(&client, &server).await;
    sees(&server, &client).await;
}

#[tokio::test]
async fn too_old_instances_are_not_shown_and_the_addresses_are_called_all_the_same() {
    let file = File::new("old");
    let server = seen_once(&file).await;
    let client = start(client(&file).snapshot_max_age(Duration::ZERO)).await;
    sees(&client, &server).await;
    let found = within("the service", client.wait_for("users", 1, BOUND)).await;
    assert!(!found.expect("found").is_stale());
}

#[tokio::test]
async fn one_that_is_aborted_writes_nothing() {
    let file = File::new("abort");
    let server = join([]).await;
    let client = start(client(&file).seeds([server.advertised_addr()])).await;
    offers(&server, &client).await;
    client.abort();
    within("the end", client.stopped()).await;
    assert!(!file.0.exists());
}

#[tokio::test]
async fn no_file_fails_a_start() {
    let file = File::new("damaged");
    let directory = file.0.parent().expect("a directory").to_owned();
    let below_a_file = file.0.join("table.json");
    for (path, content) in [
        (&*file.0, Some(&b"\xff\x00 no JSON"[..])),
        (&*file.0, Some(b"")),
        (&*file.0, Some(br#"{"format":1,"cluster":"another"}"#)),
        (&*directory, None),
        (&*below_a_file, None),
        (Path::new("/dev/zero"), None),
    ] {
        if let Some(content) = content {
            fs::write(path, content).expect("written");
        }
        let node = start(builder(&[]).snapshot_file(path)).await;
        let failed = || node.stats().snapshot.reads_failed == 1;
        eventually(&format!("{}", path.display()), failed).await;
        assert!(node.services().is_empty());
        shut_down(&node).await;
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_to_holds_nobody_up() {
    let file = File::new("unwritable");
    let nowhere = file.0.join("gone").join("table.json");
    let server = join([]).await;
    let client = builder(&[server.advertised_addr()]).snapshot_file(nowhere);
    let client = start(client).await;
    offers(&server, &client).await;
    shut_down(&client).await;
    let stats = client.stats().snapshot;
    assert_eq!((stats.writes, stats.writes_failed), (0, 1));
}

#[cfg(feature = "testing")]
#[tokio::test(start_paused = true)]
async fn what_changes_is_written_while_the_node_runs() {
    let file = File::new("running");
    let network = tidings::testing::Network::new();
    let server = builder(&[]).network(&network).bind("10.0.0.1:7946");
    let server = start(server).await;
    let seeds = [server.advertised_addr()];
    let client = builder(&seeds).network(&network).bind("10.0.0.2:7946");
    let client = start(client.snapshot_file(&file.0)).await;
    offers(&server, &client).await;
    let writes = || client.stats().snapshot.writes;
    eventually("the first", || writes() == 1).await;
    assert!(file.text().contains(r#""id":"a""#));
    let began = tokio::time::Instant::now();
    server
        .register(instance("users", "b"))
        .await
        .expect("registered");
    eventually("the second", || writes() == 2).await;
    assert!(file.text().contains(r#""id":"b""#));
    assert!(
        began.elapsed() >= Duration::from_secs(25),
        "{:?}",
        began.elapsed()
    );
}
