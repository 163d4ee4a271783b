//! What one instance may weigh. Lengths are in bytes of UTF-8, not in characters.
//!
//! Every node of a cluster holds every instance, and news of it travels in datagrams of 1,200 bytes
//! by default. The limits leave room for any description that has been seen in practice and keep a
//! mistake (a file in a metadata value) from becoming everybody's.

/// The longest service name: 255 bytes. The shortest is one byte.
pub const MAX_NAME_BYTES: usize = 255;

/// The longest instance id: 255 bytes. The shortest is one byte.
pub const MAX_ID_BYTES: usize = 255;

/// The longest version: 128 bytes. It is free text and may be empty; 128 bytes hold any semantic
/// version with a full commit hash in its build part.
pub const MAX_VERSION_BYTES: usize = 128;

/// The most metadata pairs of one instance: 64.
pub const MAX_METADATA_PAIRS: usize = 64;

/// The longest metadata key: 128 bytes.
pub const MAX_METADATA_KEY_BYTES: usize = 128;

/// The longest metadata value: 1,024 bytes.
pub const MAX_METADATA_VALUE_BYTES: usize = 1024;

/// The most endpoints of one instance: 32. None at all is allowed: a worker that only calls others
/// can be seen too.
pub const MAX_ENDPOINTS: usize = 32;

/// The longest endpoint: 512 bytes, in its canonical text (see [`Endpoint`](super::Endpoint)).
pub const MAX_ENDPOINT_BYTES: usize = 512;

/// The largest encoded record: 64 KiB. A record is all of one process's instances of one service;
/// its size is known only when it is encoded, so a [`Registrar`](super::Registrar) checks it at
/// `register`.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
