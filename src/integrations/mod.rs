//! What other crates need to be used with this one: each a file, behind its feature.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tonic-health")]
pub mod tonic_health;
#[cfg(feature = "tonic-server")]
pub mod tonic_server;
