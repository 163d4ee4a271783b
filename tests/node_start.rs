//! What a node refuses before it starts, and what it takes.

#![cfg(feature = "node")]

mod node_support;

use node_support::{builder, free_address, instance, join, start, within};
use tidings::Node;
use tidings::node::{NodeBuilder, StartError};

/// The error that `start` must give.
async fn refused(builder: NodeBuilder) -> StartError {
    within("start", builder.start()).await.expect_err("refused")
}

#[tokio::test]
async fn a_node_without_a_cluster_does_not_start() {
    let error = refused(Node::builder().bind("127.0.0.1:0")).await;
    assert!(matches!(error, StartError::ClusterMissing));
    assert!(error.to_string().contains(".cluster("), "{error}");
}

#[tokio::test]
async fn an_address_other_than_loopback_wants_plaintext() {
    for bind in [
        "0.0.0.0:0",
        "[::]:0",
        "192.0.2.9:7946",
        "[2001:db8::9]:7946",
        "[::ffff:10.0.0.9]:1",
    ] {
        let error = refused(Node::builder().cluster("test").bind(bind)).await;
        assert!(
            matches!(error, StartError::NotLoopback { .. }),
            "{bind}: {error}"
        );
        assert!(error.to_string().contains(".plaintext()"), "{error}");
    }
}

#[tokio::test]
async fn plaintext_opens_every_address_and_loopback_is_advertised_only_where_there_is_no_other() {
    // The address of the default route: none, and this host may have only loopback.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let has_another = probe.connect("203.0.113.1:9").is_ok();
    let seed = free_address();
    let open = builder(&[seed]).bind("0.0.0.0:0").plaintext();
    let node = start(open).await;
    assert!(node.local_addr().ip().is_unspecified());
    let advertised = node.advertised_addr();
    assert!(
        !(has_another && advertised.ip().is_loopback()),
        "{advertised}"
    );
    assert!(!advertised.ip().is_unspecified());
    assert_eq!(advertised.port(), node.local_addr().port());
}

#[tokio::test]
async fn a_zone_is_refused_with_the_reason_where_it_cannot_be_kept() {
    let base = || {
        Node::builder()
            .cluster("test")
            .bind("127.0.0.1:0")
            .plaintext()
    };
    for (builder, setting, reason) in [
        (base().bind("[fe80::1]:7946"), "`bind`", "wants its zone"),
        (base().bind("[::1%1]:7946"), "`bind`", "only a link-local"),
        (base().bind("[fe80::1%nowhere]:7946"), "`bind`", "interface"),
        (
            base().advertise("[fe80::1%2]:7946"),
            "`advertise`",
            "leave it out",
        ),
        (
            base().seeds(["[fe80::7%2]:7946"]),
            "`seeds`",
            "bound to its link",
        ),
        (
            base().seeds(["[fe80::7]:7946"]),
            "`seeds`",
            "bound to its link",
        ),
        (
            base().bind("[fe80::1%2]:7946").seeds(["[fe80::7%3]:7946"]),
            "`seeds`",
            "another one than that of `bind`",
        ),
    ] {
        let error = refused(builder).await.to_string();
        assert!(error.contains(setting) && error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn the_advertised_address_can_be_another_than_the_bound_one() {
    let node = start(builder(&[]).advertise("192.0.2.9:7946")).await;
    assert_eq!(node.advertised_addr().to_string(), "192.0.2.9:7946");
    assert!(node.local_addr().ip().is_loopback());
}

#[tokio::test]
async fn a_malformed_setting_is_named_with_its_value() {
    let base = || Node::builder().cluster("test").bind("127.0.0.1:0");
    for (builder, field, value) in [
        (base().bind("localhost:7946"), "`bind`", "localhost:7946"),
        (base().bind("127.0.0.1"), "`bind`", "127.0.0.1"),
        (base().advertise("shop"), "`advertise`", "shop"),
        (
            base().advertise("0.0.0.0:7946"),
            "`advertise`",
            "0.0.0.0:7946",
        ),
        (
            base().seeds(["10.0.0.7:7946", "seed.internal"]),
            "`seeds`",
            "seed.internal",
        ),
        (
            base().seeds(["http://seed.internal:7946"]),
            "`seeds`",
            "http://seed.internal:7946",
        ),
    ] {
        let error = refused(builder).await.to_string();
        assert!(
            error.contains(field) && error.contains(&format!("{value:?}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let first = join([]).await;
    let error = refused(builder(&[]).bind(first.local_addr())).await;
    assert!(matches!(error, StartError::Bind { .. }));
    assert!(
        error.to_string().contains(&first.local_addr().to_string()),
        "{error}"
    );
}

#[test]
fn a_current_runtime_is_needed_only_where_it_was_asked_for() {
    // Polled by hand: there is no runtime here at all.
    let mut start = std::pin::pin!(builder(&[]).on_current_runtime().start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = start.as_mut().poll(&mut context) else {
        panic!("refused at once");
    };
    assert!(matches!(result, Err(StartError::NoRuntime)));
}

#[test]
fn a_node_on_its_own_thread_needs_no_clock_and_no_io_of_its_callers_runtime() {
    let bare = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a bare runtime");
    bare.block_on(async {
        let node = builder(&[]).start().await.expect("starts");
        node.register(instance("users", "a"))
            .await
            .expect("registered");
        let error = node
            .wait_for("users", 2, std::time::Duration::from_millis(5))
            .await;
        assert!(error.is_err(), "one is not two");
        node.shutdown().await.expect("left");
    });
}
