//! Nodes as a scenario names them: `"all"`, `"seeds"`, `"first 1/2"`, `"random 10%"`, `"0, 4..8"`.
//!
//! A set is relative to the size of the cluster wherever it can be, so that a scenario means the same with
//! another `--nodes`.

use std::{fmt, ops::Range, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::duration::as_text;

/// Some of the nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeSet {
    /// `all`.
    All,
    /// `seeds`: those that everybody starts from.
    Seeds,
    /// `others`: all but those in the other set of a pair; all but the seeds where it stands alone.
    Others,
    /// `first 3`, `first 1/2`, `first 10%`.
    First(Share),
    /// `last 3`.
    Last(Share),
    /// `random 3`: drawn from those that run when it begins.
    Random(Share),
    /// `0, 4..8`: by number, from 0; the end of a range is not in it.
    Listed(Vec<Range<usize>>),
}

/// How many of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// A number of nodes.
    Count(usize),
    /// A part of them, above 0 and up to 1; rounded, and at least one node.
    Part {
        /// Above the line.
        numerator: u32,
        /// Below it.
        denominator: u32,
    },
}

impl Share {
    /// Of `nodes`.
    pub fn of(self, nodes: usize) -> usize {
        match self {
            Self::Count(count) => count.min(nodes),
            Self::Part {
                numerator,
                denominator,
            } => {
                let (numerator, denominator) = (numerator as usize, denominator as usize);
                let rounded = (nodes * numerator + denominator / 2) / denominator;
                rounded.clamp(1, nodes.max(1))
            }
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!("{text:?} is no number of nodes; write one such as \"3\", \"1/2\" or \"10%\"")
        };
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| refused());
        let (numerator, denominator) = if let Some(percent) = text.strip_suffix('%') {
            (number(percent)?, 100)
        } else if let Some((numerator, denominator)) = text.split_once('/') {
            (number(numerator)?, number(denominator)?)
        } else {
            return Ok(Self::Count(number(text)? as usize));
        };
        if numerator == 0 || numerator > denominator {
            return Err(format!(
                "{text:?} is no part of the nodes; write one above 0 and up to 1"
            ));
        }
        Ok(Self::Part {
            numerator,
            denominator,
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Part {
                numerator,
                denominator: 100,
            } => write!(f, "{numerator}%"),
            Self::Part {
                numerator,
                denominator,
            } => write!(f, "{numerator}/{denominator}"),
        }
    }
}

impl FromStr for NodeSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.split_once(' ') {
            Some(("first", share)) => return Ok(Self::First(share.trim().parse()?)),
            Some(("last", share)) => return Ok(Self::Last(share.trim().parse()?)),
            Some(("random", share)) => return Ok(Self::Random(share.trim().parse()?)),
            _ => {}
        }
        match text {
            "all" => Ok(Self::All),
            "seeds" => Ok(Self::Seeds),
            "others" => Ok(Self::Others),
            _ => text.split(',').map(range).collect::<Option<_>>().map(Self::Listed).ok_or_else(|| {
                format!(
                    "{text:?} names no nodes; write \"all\", \"seeds\", \"others\", \"first 3\", \"last 1/2\", \
                     \"random 10%\" or numbers such as \"0, 4..8\""
                )
            }),
        }
    }
}

fn range(text: &str) -> Option<Range<usize>> {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    match text.split_once("..") {
        Some((start, end)) => Some(number(start)?..number(end)?),
        None => number(text).map(|node| node..node + 1),
    }
}

impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Seeds => f.write_str("seeds"),
            Self::Others => f.write_str("others"),
            Self::First(share) => write!(f, "first {share}"),
            Self::Last(share) => write!(f, "last {share}"),
            Self::Random(share) => write!(f, "random {share}"),
            Self::Listed(ranges) => {
                for (index, range) in ranges.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    if range.len() == 1 {
                        write!(f, "{comma}{}", range.start)?;
                    } else {
                        write!(f, "{comma}{}..{}", range.start, range.end)?;
                    }
                }
                Ok(())
            }
        }
    }
}

as_text!(NodeSet);
