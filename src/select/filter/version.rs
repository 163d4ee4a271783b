//! Filters by version.

use semver::{Version, VersionReq};

use super::{Filter, matching};
use crate::registry::ServiceInstance;

/// Keeps the instances whose version meets a requirement of semantic versioning, in Cargo's notation:
/// `^1.2`, `>=1.4, <2`, `=2.0.1`, `*`. A requirement without an operator is one with `^`.
///
/// A version may begin with `v`. One that is no semantic version (`1.2`, `latest`, none) does not
/// match, and a pre-release matches only a requirement that names one of the same version.
///
/// # Errors
///
/// [`VersionError`] when the requirement is none.
pub fn version(requirement: &str) -> Result<impl Filter + 'static, VersionError> {
    let parsed: VersionReq = requirement.parse().map_err(|error| VersionError {
        requirement: requirement.to_owned(),
        source: error,
    })?;
    let name = format!("version {requirement}");
    Ok(matching(name, move |instance| meets(instance, &parsed)))
}

fn meets(instance: &ServiceInstance, requirement: &VersionReq) -> bool {
    let version = instance.version();
    let version = version.strip_prefix('v').unwrap_or(version);
    Version::parse(version).is_ok_and(|version| requirement.matches(&version))
}

/// Why a text is no version requirement.
#[derive(Debug, thiserror::Error)]
#[error(
    "version requirement {requirement:?} is none ({source}): write it as `^1.2`, `>=1.4, <2` or `=2.0.1`"
)]
pub struct VersionError {
    requirement: String,
    source: semver::Error,
}

impl VersionError {
    /// The text.
    pub fn requirement(&self) -> &str {
        &self.requirement
    }
}
