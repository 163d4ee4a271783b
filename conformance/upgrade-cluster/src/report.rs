//! The lines that a process writes to its standard output.

use std::{fmt, net::SocketAddr, str::FromStr};

/// One thing that a process did or saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The node runs, at this address.
    Started(SocketAddr),
    /// The process has stopped changing its instance; this is the last value.
    Wrote(u64),
    /// An instance has this value now.
    Seen { id: String, value: u64 },
    /// An instance is no longer there.
    Gone { id: String },
    /// Something that must not happen in a rolling upgrade: a failed member, an address conflict,
    /// lost events.
    Wrong(String),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(addr) => write!(f, "started {addr}"),
            Self::Wrote(value) => write!(f, "wrote {value}"),
            Self::Seen { id, value } => write!(f, "seen {id} {value}"),
            Self::Gone { id } => write!(f, "gone {id}"),
            Self::Wrong(what) => write!(f, "wrong {what}"),
        }
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let unknown = || format!("not a report: {line:?}");
        let (kind, rest) = line.split_once(' ').ok_or_else(unknown)?;
        Ok(match kind {
            "started" => Self::Started(rest.parse().map_err(|_| unknown())?),
            "wrote" => Self::Wrote(rest.parse().map_err(|_| unknown())?),
            "seen" => {
                let (id, value) = rest.split_once(' ').ok_or_else(unknown)?;
                Self::Seen {
                    id: id.to_owned(),
                    value: value.parse().map_err(|_| unknown())?,
                }
            }
            "gone" => Self::Gone {
                id: rest.to_owned(),
            },
            "wrong" => Self::Wrong(rest.to_owned()),
            _ => return Err(unknown()),
        })
    }
}
