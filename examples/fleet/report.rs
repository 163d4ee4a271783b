//! What a service process tells the one that started it: a line for each thing it does and sees.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Something that a process did or saw.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// It is about to start its node.
    Starting,
    /// Its node runs, at this address.
    Started(SocketAddr),
    /// It is about to register, or to leave, as it was told.
    Acting,
    /// It sees this member.
    Member(SocketAddr),
    /// It saw this member leave.
    Left(SocketAddr),
    /// It saw this member fail.
    Failed(SocketAddr),
    /// It sees this instance, in this version.
    Instance { id: String, version: String },
    /// It no longer sees this instance.
    Gone { id: String },
}

/// A fact and its time, in nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) at_ns: u128,
    pub(crate) fact: Fact,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at_ns)?;
        match &self.fact {
            Fact::Starting => write!(f, "starting"),
            Fact::Started(addr) => write!(f, "started {addr}"),
            Fact::Acting => write!(f, "acting"),
            Fact::Member(addr) => write!(f, "member {addr}"),
            Fact::Left(addr) => write!(f, "left {addr}"),
            Fact::Failed(addr) => write!(f, "failed {addr}"),
            Fact::Instance { id, version } => write!(f, "instance {id} {version}"),
            Fact::Gone { id } => write!(f, "gone {id}"),
        }
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let address = |text: &str| text.parse().map_err(|_| format!("no address: {line:?}"));
        let words: Vec<&str> = line.split(' ').collect();
        let (at_ns, fact) = match words.as_slice() {
            [at, "starting"] => (at, Fact::Starting),
            [at, "started", addr] => (at, Fact::Started(address(addr)?)),
            [at, "acting"] => (at, Fact::Acting),
            [at, "member", addr] => (at, Fact::Member(address(addr)?)),
            [at, "left", addr] => (at, Fact::Left(address(addr)?)),
            [at, "failed", addr] => (at, Fact::Failed(address(addr)?)),
            [at, "instance", id, version] => (
                at,
                Fact::Instance {
                    id: (*id).into(),
                    version: (*version).into(),
                },
            ),
            [at, "gone", id] => (at, Fact::Gone { id: (*id).into() }),
            _ => return Err(format!("not understood: {line:?}")),
        };
        let at_ns = at_ns.parse().map_err(|_| format!("no time: {line:?}"))?;
        Ok(Self { at_ns, fact })
    }
}
