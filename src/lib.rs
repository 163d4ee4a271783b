//! Service discovery without a registry server: each process embeds one node, and the nodes tell
//! each other what their processes offer.
//!
//! # The promise
//!
//! - A process **starts without a peer**, finds its cluster in the background and never gives up
//!   trying. There is no server that has to be there first.
//! - **What a process registers, every other process can read**: a change is on its way to everybody
//!   when [`register`](Node::register) returns, and whoever misses it finds out by itself and
//!   fetches what it lacks.
//! - **Reading costs nothing that waits**: each process holds the whole table, and a
//!   [`ServiceHandle`](table::ServiceHandle) reads its service by one atomic load.
//! - **Nobody overwrites anybody**: only the process that registered an instance changes it. The
//!   table is eventually consistent, and there is no conflict in it to merge.
//! - **A process that dies is noticed and taken out**, one that leaves is told apart from it, and
//!   one that was declared dead by mistake comes back by itself.
//! - **Everything is bounded**, and says so where it is: names, records, queues, the table.
//!
//! The README says what happens in which failure, and after what time.
//!
//! # Example
//!
//! ```no_run
//! # #[cfg(feature = "node")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tidings::{Node, ServiceInstance};
//!
//! let node = Node::builder()
//!     .cluster("shop")
//!     .bind("127.0.0.1:7946")
//!     .seeds(["127.0.0.1:7947"])
//!     .start()
//!     .await?;
//!
//! let me = ServiceInstance::builder("user-service")
//!     .version("1.4.2")
//!     .endpoint("http://127.0.0.1:8000")
//!     .build()?;
//! node.register(me).await?;
//!
//! let orders = node.service("order-service");
//! match orders.instances().first() {
//!     Some(instance) => println!("call {}", instance.endpoints()[0]),
//!     None => println!("nobody offers that now"),
//! }
//! node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! | room | what is in it | may use |
//! |---|---|---|
//! | [`registry`] | the vocabulary: what a service says about itself, and may ask about others | nothing |
//! | [`table`] | what this process knows of everybody, and how it is read | `registry` |
//! | [`select`] | which instance gets the next call: filters, four pickers, feedback | `registry` |
//! | [`gossip`] | the engine, without clock and IO: membership, dissemination, reconciliation, the wire | `registry`, `table` |
//! | [`health`] | checks, and what becomes of their results: whether an instance is offered | `registry` |
//! | [`fixed`] | a discovery from a list, for tests and for addresses that do not change | `registry`, `table` |
//! | [`node`] | the tokio driver: socket, clock, the one task, and the handle | `registry`, `table`, `select`, `gossip` |
//! | `app` | the life of a service: servers, registration, signals, draining | `registry`, `health` |
//! | `balance` | what clients have in common: a pool that follows its service, retries, ejection | `registry`, `select` |
//! | `integrations` | other crates, a file for each: tonic, reqwest, tower, axum | `registry`, `select`, `health`, `app`, `balance` |
//!
//! Only `node`, the checks of `health`, `app`, and what is built on `balance` touch the world, each behind a
//! feature; `node`, `health` and `fixed` are on by default. Without them there is no tokio: the
//! [`Engine`](gossip::Engine) takes datagrams and the time, and gives datagrams and events, to whatever
//! drives it.
// The README's examples have to compile. The last is a test, which stands in `examples/partition_test.rs`.
#![cfg_attr(
    all(
        doctest,
        feature = "axum",
        feature = "health",
        feature = "node",
        feature = "reqwest",
        feature = "tonic"
    ),
    doc = include_str!("../README.md")
)]

#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "balance")]
pub mod balance;
#[cfg(feature = "fixed")]
pub mod fixed;
pub mod gossip;
pub mod health;
#[cfg(any(
    feature = "axum",
    feature = "reqwest",
    feature = "tonic",
    feature = "tonic-health",
    feature = "tonic-server",
    feature = "tower"
))]
pub mod integrations;
#[cfg(feature = "node")]
pub mod node;
pub mod registry;
pub mod select;
pub mod table;

#[cfg(feature = "fixed")]
pub use fixed::StaticDiscovery;
pub use gossip::security::{ClusterKey, PublicKey, Rollout, SigningKey, Trusted};
#[cfg(feature = "node")]
pub use node::Node;
#[cfg(feature = "testing")]
pub use node::testing;
pub use registry::{Discovery, Registrar, ServiceInstance, Watcher};
