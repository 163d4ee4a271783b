//! The name of a service as a URL: `discovery:///name`.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::registry::MAX_NAME_BYTES;

/// The one scheme.
const SCHEME: &str = "discovery";

/// Whom to call: `discovery:///name` or `discovery://name`, both of which mean the service `name`.
///
/// A name's characters that a URL does not hold are percent-encoded. `Display` is the form with three
/// slashes.
///
/// ```
/// use tidings::select::Target;
///
/// # fn main() -> Result<(), tidings::select::TargetError> {
/// let target: Target = "discovery:///order-service".parse()?;
/// assert_eq!(target.service(), "order-service");
/// assert_eq!(target, "discovery://order-service".parse()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    service: String,
}

/// Why a text is no [`Target`]. Each variant has the text as it was given, without the user name and
/// password that it may hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It is no URL.
    #[error("target {target:?} is not a URL ({reason}): write `discovery:///name`")]
    Unparsable {
        /// The text.
        target: String,
        /// What the parser stumbled over.
        reason: String,
    },
    /// Its scheme is another one.
    #[error("target {target:?} has the scheme `{scheme}`: write `discovery:///name`")]
    Scheme {
        /// The text.
        target: String,
        /// Its scheme.
        scheme: String,
    },
    /// There are no slashes behind the scheme.
    #[error("target {target:?} has no `//` behind its scheme: write `discovery:///name`")]
    Slashes {
        /// The text.
        target: String,
    },
    /// No name stands in it.
    #[error("target {target:?} names no service: write `discovery:///name`")]
    EmptyName {
        /// The text.
        target: String,
    },
    /// There is a path behind the name.
    #[error(
        "target {target:?} has the path `{path}` behind the name `{name}`: a target is a service, \
         and the path belongs to the call"
    )]
    Path {
        /// The text.
        target: String,
        /// What stands for the name.
        name: String,
        /// What stands behind it.
        path: String,
    },
    /// It has a port.
    #[error("target {target:?} has the port {port}: leave it out, each instance tells its own")]
    Port {
        /// The text.
        target: String,
        /// The port.
        port: u16,
    },
    /// It has a user name or a password.
    #[error("target {target:?} carries a user name or password: leave them out")]
    UserInfo {
        /// The text.
        target: String,
    },
    /// It has a query.
    #[error("target {target:?} has the query `?{query}`: leave it out, filters say what is wanted")]
    Query {
        /// The text.
        target: String,
        /// The query.
        query: String,
    },
    /// It has a fragment.
    #[error("target {target:?} has the fragment `#{fragment}`: leave it out")]
    Fragment {
        /// The text.
        target: String,
        /// The fragment.
        fragment: String,
    },
    /// The name is not a text once it is decoded.
    #[error("target {target:?} has a name that is not UTF-8 once it is decoded")]
    NotUtf8 {
        /// The text.
        target: String,
    },
    /// The name is longer than [`MAX_NAME_BYTES`], so that there can be no such service.
    #[error("target has a name of {len} bytes, more than {MAX_NAME_BYTES}: no service has it")]
    TooLong {
        /// How long it is.
        len: usize,
    },
}

impl Target {
    /// The service's name; never empty.
    pub fn service(&self) -> &str {
        &self.service
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let target = || shown(text);
        let url = Url::parse(text).map_err(|error| TargetError::Unparsable {
            target: target(),
            reason: error.to_string(),
        })?;
        if url.scheme() != SCHEME {
            return Err(TargetError::Scheme {
                target: target(),
                scheme: url.scheme().to_owned(),
            });
        }
        if !url[url::Position::AfterScheme..].starts_with("://") {
            return Err(TargetError::Slashes { target: target() });
        }
        let (name, path) = name_and_path(&url);
        refuse_extras(text, &url, name, path)?;
        let service = String::from_utf8(decoded(name))
            .map_err(|_| TargetError::NotUtf8 { target: target() })?;
        match service.len() {
            0 => Err(TargetError::EmptyName { target: target() }),
            len if len > MAX_NAME_BYTES => Err(TargetError::TooLong { len }),
            _ => Ok(Self { service }),
        }
    }
}

/// The name, still encoded: the host, or without one the first segment of the path. And what stands
/// behind it.
fn name_and_path(url: &Url) -> (&str, &str) {
    match url.host_str() {
        Some(host) if !host.is_empty() => {
            (host, url.path().strip_suffix('/').unwrap_or(url.path()))
        }
        _ => {
            let path = url.path().strip_prefix('/').unwrap_or(url.path());
            path.split_at(path.find('/').unwrap_or(path.len()))
        }
    }
}

fn refuse_extras(text: &str, url: &Url, name: &str, path: &str) -> Result<(), TargetError> {
    let target = || shown(text);
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::UserInfo { target: target() });
    }
    if let Some(port) = url.port() {
        return Err(TargetError::Port {
            target: target(),
            port,
        });
    }
    if let Some(query) = url.query() {
        return Err(TargetError::Query {
            target: target(),
            query: query.to_owned(),
        });
    }
    if let Some(fragment) = url.fragment() {
        return Err(TargetError::Fragment {
            target: target(),
            fragment: fragment.to_owned(),
        });
    }
    if !path.is_empty() {
        return Err(TargetError::Path {
            target: target(),
            name: name.to_owned(),
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// The text with `***` for a user name and password.
fn shown(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://***{}", &rest[at..]),
        None => text.to_owned(),
    }
}

/// With each `%` and two hexadecimal digits as the byte that they mean.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) if digit(*high).and(digit(*low)).is_some() => {
                let value = digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0);
                (value, behind)
            }
            _ => (*first, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}:///")?;
        for byte in self.service.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}
