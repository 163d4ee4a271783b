//! Clients of services, with real servers on loopback.
//!
//! Each test has its own servers and its own table, which it publishes to.
#![cfg(feature = "fixed")]

mod support;

#[cfg(feature = "tonic")]
mod grpc;
#[cfg(feature = "reqwest")]
mod http;
#[cfg(feature = "tower")]
mod stack;
