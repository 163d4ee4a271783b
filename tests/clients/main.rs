//! Clients of services, with real servers on loopback.
//!
//! Each test has its own servers and its own table, which it publishes to.

mod grpc;
mod http;
#[cfg(all(feature = "reqwest", feature = "tonic", feature = "tower"))]
mod runtimes;
mod stack;
mod support;
