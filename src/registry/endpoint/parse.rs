//! From a text to an [`Endpoint`].
//!
//! The `url` crate parses the whole by the WHATWG rules. Two things are done here because it does
//! not: it drops a port that is the scheme's default, so the port is read from the text itself; and
//! for schemes that it does not know (`grpc`) it leaves the host as it stands, so the host goes
//! through the rules for `http`'s hosts.

use std::net::IpAddr;

use url::{Host, Url};

use super::{Endpoint, EndpointError};
use crate::registry::MAX_ENDPOINT_BYTES;
use crate::registry::instance_error::excerpt;

/// `[` + the 39 characters of a full IPv6 address + `]`.
const LONGEST_ADDRESS: usize = 41;

pub(super) fn parse(text: &str) -> Result<Endpoint, EndpointError> {
    if text.len() > MAX_ENDPOINT_BYTES {
        return Err(too_long(text, text.len()));
    }
    // `Url` would silently take these out.
    if let Some(blank) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(unparsable(
            text,
            format!("it contains the character {blank:?}"),
        ));
    }
    let authority = authority(text)?;
    let url = Url::parse(text).map_err(|error| unparsable(text, error.to_string()))?;
    refuse_extras(text, &url)?;
    let (host, port) = split_port(text, authority)?;
    let host = canonical_host(text, host)?;

    let endpoint = assemble(url.scheme(), &host, port, url.query());
    let mut len = endpoint.text.len();
    if endpoint.is_unspecified() {
        len += LONGEST_ADDRESS - host.len();
    }
    if len > MAX_ENDPOINT_BYTES {
        return Err(too_long(text, len));
    }
    Ok(endpoint)
}

/// Puts the canonical text together. All parts are canonical already, and within the limit or about
/// to be measured: the offsets fit in 16 bits either way.
pub(super) fn assemble(scheme: &str, host: &str, port: u16, query: Option<&str>) -> Endpoint {
    let mut text = format!("{scheme}://{host}:{port}");
    let offset = |len: usize| u16::try_from(len).expect("an endpoint's text is far below 64 KiB");
    let authority_end = offset(text.len());
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        text.push('?');
        text.push_str(query);
    }
    Endpoint {
        scheme_end: offset(scheme.len()),
        host_end: offset(scheme.len() + "://".len() + host.len()),
        authority_end,
        port,
        text: text.into_boxed_str(),
    }
}

/// An address as URLs write it.
pub(super) fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// What stands between `://` and the path, query or fragment, behind the user name and password.
fn authority(text: &str) -> Result<&str, EndpointError> {
    let Some((_scheme, rest)) = text.split_once("://") else {
        return Err(unparsable(text, "there is no `://` behind a scheme".into()));
    };
    // A browser takes `\` for `/`, and so does `Url` with the schemes that it knows.
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    if authority.contains('@') {
        return Err(EndpointError::UserInfo {
            endpoint: shown(text),
        });
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(EndpointError::MissingHost {
            endpoint: shown(text),
        });
    }
    Ok(authority)
}

fn refuse_extras(text: &str, url: &Url) -> Result<(), EndpointError> {
    let endpoint = || shown(text);
    if !matches!(url.path(), "" | "/") {
        return Err(EndpointError::Path {
            endpoint: endpoint(),
            path: excerpt(url.path()),
        });
    }
    if let Some(fragment) = url.fragment() {
        return Err(EndpointError::Fragment {
            endpoint: endpoint(),
            fragment: excerpt(fragment),
        });
    }
    Ok(())
}

fn split_port<'a>(text: &str, authority: &'a str) -> Result<(&'a str, u16), EndpointError> {
    // The colons of an IPv6 address stand before its bracket.
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let colon = authority[after_address..]
        .find(':')
        .map(|colon| after_address + colon);
    let Some((host, port)) = colon.map(|colon| (&authority[..colon], &authority[colon + 1..]))
    else {
        return Err(EndpointError::MissingPort {
            endpoint: shown(text),
        });
    };
    if port.is_empty() {
        return Err(EndpointError::MissingPort {
            endpoint: shown(text),
        });
    }
    match port.parse() {
        Ok(0) => Err(EndpointError::ZeroPort {
            endpoint: shown(text),
        }),
        Ok(port) => Ok((host, port)),
        Err(error) => Err(unparsable(text, format!("port `{port}`: {error}"))),
    }
}

fn canonical_host(text: &str, host: &str) -> Result<String, EndpointError> {
    match Host::parse(host) {
        Ok(host) => Ok(host.to_string()),
        Err(error) => Err(unparsable(text, format!("host `{host}`: {error}"))),
    }
}

fn too_long(text: &str, len: usize) -> EndpointError {
    EndpointError::TooLong {
        endpoint: shown(text),
        len,
        max: MAX_ENDPOINT_BYTES,
    }
}

fn unparsable(text: &str, reason: String) -> EndpointError {
    EndpointError::Unparsable {
        endpoint: shown(text),
        reason,
    }
}

/// The text as an error may show it: short, and without anybody's password.
fn shown(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + "://".len());
    let end = text[start..]
        .find(['/', '\\', '?', '#'])
        .map_or(text.len(), |end| start + end);
    match text[start..end].rfind('@') {
        Some(at) => excerpt(&format!("{}***{}", &text[..start], &text[start + at..])),
        None => excerpt(text),
    }
}
