//! Services find each other without any registry server.

pub mod gossip;
#[cfg(feature = "node")]
pub mod node;
pub mod registry;
pub mod table;

#[cfg(feature = "node")]
pub use node::Node;
