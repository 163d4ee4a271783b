//! tidings in other crates' shapes: each a file, behind its feature.
//!
//! | feature | what |
//! |---|---|
//! | `tonic` | a service as a gRPC channel that generated clients take |
//! | `axum` | an axum router as a server of an [`App`](crate::app::App) |
//! | `tonic-server` | tonic services as a server of an [`App`](crate::app::App) |
//! | `tonic-health` | the standard health service, fed by the checks |
//! | `reqwest` | an HTTP client of a service |
//! | `tower` | a stream of changes and a balancing `Service`, for a stack of one's own |
//!
//! The clients take an `Arc<dyn Discovery>`: a node, or anything else that answers. What they
//! have in common is in `balance`.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "tonic-health")]
pub mod tonic_health;
#[cfg(feature = "tonic-server")]
pub mod tonic_server;
#[cfg(feature = "tower")]
pub mod tower;
