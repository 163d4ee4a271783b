//! How a service behaves when its cluster splits, as a test of that service: real nodes on a network in
//! memory, in virtual time.
//!
//! ```sh
//! cargo test --example partition_test --features testing
//! ```

// Run as a program it only says how to run it as a test.
#![cfg_attr(not(test), allow(dead_code, unused_imports))]

use std::time::Duration;

use tidings::{Node, ServiceInstance, table::ServiceHandle, testing::Network};

/// The service under test: it sends each payment to the next one that offers `payments`.
struct Checkout {
    payments: ServiceHandle,
    turn: usize,
}

impl Checkout {
    fn new(node: &Node) -> Self {
        Self {
            payments: node.service("payments"),
            turn: 0,
        }
    }

    /// Who is to take the next payment; nobody if nobody offers that.
    fn route(&mut self) -> Option<String> {
        let payments = self.payments.instances();
        self.turn += 1;
        let next = payments.get(self.turn % payments.len().max(1))?;
        Some(next.id().to_owned())
    }
}

async fn node(network: &Network, address: &str) -> Node {
    let node = Node::builder()
        .cluster("shop")
        .network(network)
        .bind(address);
    node.seeds(["10.0.0.1:7946"]).start().await.expect("starts")
}

async fn offer_payments(node: &Node, id: &str) {
    let instance = ServiceInstance::builder("payments").id(id).build();
    node.register(instance.expect("sound"))
        .await
        .expect("registers");
}

#[tokio::test(start_paused = true)]
async fn checkout_uses_what_it_reaches_and_all_of_it_after_the_split() {
    let network = Network::new();
    let shop = node(&network, "10.0.0.1:7946").await;
    let near = node(&network, "10.0.0.2:7946").await;
    let far = node(&network, "10.0.0.3:7946").await;
    offer_payments(&near, "near").await;
    offer_payments(&far, "far").await;
    shop.wait_for("payments", 2, Duration::from_secs(5))
        .await
        .expect("in time");

    let mut checkout = Checkout::new(&shop);
    network.partition([&shop, &near], [&far]);
    tokio::time::sleep(Duration::from_secs(30)).await; // no real time at all
    for _ in 0..10 {
        assert_eq!(checkout.route().as_deref(), Some("near"));
    }
    assert!(network.stats().cut > 0, "the partition happened");

    network.heal();
    shop.wait_for("payments", 2, Duration::from_secs(5))
        .await
        .expect("they find each other");
    assert_ne!(checkout.route(), checkout.route(), "both are used again");
}

fn main() {
    println!("This is a test: cargo test --example partition_test --features testing");
}
