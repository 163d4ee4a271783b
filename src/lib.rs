//! Services find each other without any registry server.

pub mod registry;
pub mod table;
pub mod gossip;
#[cfg(feature = "node")]
pub mod node;
