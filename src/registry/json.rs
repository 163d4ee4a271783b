//! The JSON of an instance: Kratos's field names, and the builder's checks on the way in.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ServiceInstance, Status};

impl Serialize for ServiceInstance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tells_status = !self.status.is_up();
        let mut fields =
            serializer.serialize_struct("ServiceInstance", 5 + usize::from(tells_status))?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("version", &self.version)?;
        fields.serialize_field("metadata", &self.metadata)?;
        fields.serialize_field("endpoints", &self.endpoints)?;
        if tells_status {
            fields.serialize_field("status", &self.status)?;
        }
        fields.end()
    }
}

/// What may stand in JSON. Go writes a nil map or slice as `null`.
#[derive(Deserialize)]
#[serde(rename = "ServiceInstance")]
struct Unchecked {
    id: String,
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    endpoints: Option<Vec<String>>,
    #[serde(default)]
    status: Option<Status>,
}

impl<'de> Deserialize<'de> for ServiceInstance {
    /// Refuses what the builder refuses. `id` and `name` must be there; anything else may be
    /// missing or `null`, which is empty; a field of another name is skipped.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unchecked = Unchecked::deserialize(deserializer)?;
        let mut builder = Self::builder(unchecked.name)
            .id(unchecked.id)
            .version(unchecked.version.unwrap_or_default())
            .status(unchecked.status.unwrap_or_default());
        for (key, value) in unchecked.metadata.unwrap_or_default() {
            builder = builder.metadata(key, value);
        }
        for endpoint in unchecked.endpoints.unwrap_or_default() {
            builder = builder.endpoint(endpoint);
        }
        builder.build().map_err(serde::de::Error::custom)
    }
}
