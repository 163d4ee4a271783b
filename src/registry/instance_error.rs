//! Why a [`ServiceInstance`](super::ServiceInstance) was not built.

use std::fmt;

use super::EndpointError;

/// A field of an instance that holds text, as [`InstanceError::TooLong`] names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `name`, at most [`MAX_NAME_BYTES`](super::MAX_NAME_BYTES).
    Name,
    /// `id`, at most [`MAX_ID_BYTES`](super::MAX_ID_BYTES).
    Id,
    /// `version`, at most [`MAX_VERSION_BYTES`](super::MAX_VERSION_BYTES).
    Version,
    /// A key of `metadata`, at most [`MAX_METADATA_KEY_BYTES`](super::MAX_METADATA_KEY_BYTES).
    MetadataKey,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Id => "id",
            Self::Version => "version",
            Self::MetadataKey => "metadata key",
        })
    }
}

/// Why an instance was refused, by the builder, by a deserializer or by a registrar. Nothing was
/// built, and nothing that was registered has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// The service name is empty.
    #[error("name is empty: name the service, such as `user-service`")]
    EmptyName,
    /// The id was set, to nothing.
    #[error("id is empty: set one, or none at all to get a fresh UUID")]
    EmptyId,
    /// A text is over its limit.
    #[error("{field} `{value}` has {len} bytes, more than {max}: shorten it")]
    TooLong {
        /// Which field.
        field: Field,
        /// The beginning of its value.
        value: String,
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A metadata value is over [`MAX_METADATA_VALUE_BYTES`](super::MAX_METADATA_VALUE_BYTES).
    #[error(
        "metadata value of `{key}` (`{value}`) has {len} bytes, more than {max}: shorten it, or \
         publish a reference to it"
    )]
    MetadataValueTooLong {
        /// Its key.
        key: String,
        /// The beginning of the value.
        value: String,
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// There are more than [`MAX_METADATA_PAIRS`](super::MAX_METADATA_PAIRS) metadata pairs.
    #[error("metadata has {count} pairs, more than {max}: remove some")]
    TooManyMetadataPairs {
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// There are more than [`MAX_ENDPOINTS`](super::MAX_ENDPOINTS) endpoints.
    #[error("endpoints has {count} entries, more than {max}: remove some")]
    TooManyEndpoints {
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A text is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// An endpoint's host is `0.0.0.0` or `[::]`, and the registrar has no address of this host to
    /// put in its place, or one of IPv6 for `0.0.0.0`, which hears IPv4 alone.
    #[error(
        "endpoint `{endpoint}` has an unspecified host, which nobody can call, and the node has no \
         address of its family: name the host by `.advertise_host` of the listener, bind `[::]` where the node \
         advertises IPv6, or give the node an address to advertise"
    )]
    UnspecifiedHost {
        /// The endpoint.
        endpoint: String,
    },
}

/// The beginning of a text, for an error: at most 64 bytes and then an ellipsis.
pub(super) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 64;
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = (0..=SHOWN)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}
