//! Clients of services, with real servers on loopback.
//!
//! Each test has its own servers and its own table, which it publishes to.

mod grpc;
mod http;
mod stack;
mod support;
