//! Where a node runs: on its own thread, or as a task of the caller's runtime.

#![cfg(feature = "node")]

mod node_support;

use std::sync::mpsc;
use std::time::Duration;

use node_support::{BOUND, builder, end_of, instance, offers, pair, sees, start, within};
use tidings::Node;
use tidings::table::Event;

/// Starts two nodes in a runtime that is then blocked until told otherwise: one on its own thread, one on the
/// runtime itself.
fn on_a_runtime_that_blocks(
    seed: std::net::SocketAddr,
    started: tokio::sync::oneshot::Sender<[Node; 2]>,
    blocked: &mpsc::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let own_thread = start(builder(&[seed])).await;
        let this_thread = start(builder(&[seed]).on_current_runtime()).await;
        for node in [&own_thread, &this_thread] {
            within("joined", node.wait_for("seed", 1, BOUND))
                .await
                .expect("found");
        }
        started
            .send([own_thread, this_thread])
            .expect("the test waits");
        // Blocks the runtime's only thread, as a user's bug would.
        blocked.recv().expect("told");
    });
}

#[tokio::test]
async fn a_blocked_runtime_does_not_stop_a_node_on_its_own_thread() {
    let seed = start(builder(&[])).await;
    seed.register(instance("seed", "a"))
        .await
        .expect("registered");
    let ((started, nodes), (unblock, blocked)) = (tokio::sync::oneshot::channel(), mpsc::channel());
    let address = seed.advertised_addr();
    let runtime = std::thread::spawn(move || on_a_runtime_that_blocks(address, started, &blocked));
    let mut events = seed.events();
    let [own_thread, this_thread] = within("the nodes", nodes).await.expect("started");
    sees(&seed, &own_thread).await;
    sees(&seed, &this_thread).await;

    // The one that shares the blocked thread shows how long the thread has been blocked: long enough.
    let end = end_of(this_thread.advertised_addr(), &mut events).await;
    assert!(matches!(end, Event::Failed { .. }), "{end}");
    let member = |member: &tidings::gossip::Member| member.addr == own_thread.advertised_addr();
    assert!(
        seed.members().iter().any(member),
        "the node on its own thread is a member"
    );
    own_thread
        .register(instance("users", "b"))
        .await
        .expect("it answers");
    within("the service", seed.wait_for("users", 1, BOUND))
        .await
        .expect("it speaks");
    unblock.send(()).expect("blocked");
    runtime.join().expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn nodes_on_the_current_runtime_live_in_its_virtual_time() {
    let wall = std::time::Instant::now();
    let first = start(builder(&[]).on_current_runtime()).await;
    let second = start(builder(&[first.advertised_addr()]).on_current_runtime()).await;
    sees(&first, &second).await;
    offers(&second, &first).await;

    let mut events = first.events();
    let before = tokio::time::Instant::now();
    second.abort();
    // A host that is gone says nothing; a port that is closed would be known at once.
    let taken = within("the port", async {
        loop {
            match std::net::UdpSocket::bind(second.advertised_addr()) {
                Ok(socket) => break socket,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let _silent = taken.await;
    let end = end_of(second.advertised_addr(), &mut events).await;
    assert!(matches!(end, Event::Failed { .. }), "{end}");
    assert!(
        before.elapsed() > Duration::from_secs(1),
        "it took its time to be sure"
    );
    assert!(
        wall.elapsed() < before.elapsed(),
        "and that time was virtual"
    );
}

#[tokio::test]
async fn nodes_share_a_runtime_and_leave_it() {
    let first = start(builder(&[]).on_current_runtime()).await;
    let second = start(builder(&[first.advertised_addr()]).on_current_runtime()).await;
    sees(&first, &second).await;
    sees(&second, &first).await;
    let mut events = first.events();
    within("shutdown", second.shutdown()).await.expect("left");
    let end = end_of(second.advertised_addr(), &mut events).await;
    assert!(matches!(end, Event::Left { .. }), "{end}");
}

#[test]
fn a_node_whose_runtime_ends_is_closed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let node = runtime.block_on(start(builder(&[]).on_current_runtime()));
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    other.expect("a runtime").block_on(async {
        node.get_service("users").await.expect_err("closed");
        node.register(instance("users", "a"))
            .await
            .expect_err("closed");
        within("shutdown", node.shutdown())
            .await
            .expect("nothing to do");
    });
}

#[tokio::test]
async fn many_threads_use_one_node() {
    let [first, second] = pair().await;
    let registering = (0..4).map(|thread| {
        let node = first.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                for id in 0..8 {
                    let id = format!("{thread}-{id}");
                    node.register(instance("users", &id))
                        .await
                        .expect("registered");
                }
            });
        })
    });
    let threads: Vec<_> = registering.collect();
    within("all of them", second.wait_for("users", 32, BOUND))
        .await
        .expect("found");
    for thread in threads {
        thread.join().expect("no panic");
    }
}
