//! From text to a scenario, and back.

use std::fmt;

use serde::Deserialize;

use super::{Fault, Scenario, Work};

/// Why a scenario cannot be used. Its text says where, which field, what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, or where else the scenario comes from.
    pub origin: String,
    /// The line, from 1, where that is known.
    pub line: Option<usize>,
    /// The field, as in `fault[2].between`, where it is one.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            line,
            field,
            problem,
        } = self;
        f.write_str(origin)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        if !field.is_empty() {
            write!(f, ": {field}")?;
        }
        write!(f, ": {problem}")
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// Reads a scenario; `origin` is named in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| explain(text, origin, &error))?;
        scenario.validated(origin)
    }

    /// The same scenario with another number of nodes.
    pub fn with_nodes(mut self, nodes: usize) -> Result<Self, ScenarioError> {
        self.nodes = nodes;
        self.seeds = self.seeds.min(nodes);
        let origin = format!("{} with {nodes} nodes", self.name);
        self.validated(&origin)
    }

    /// The scenario as a file that [`parse`](Self::parse) reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a scenario has no value that TOML cannot hold")
    }
}

/// What the reader of TOML says, with the entry that it is about.
fn explain(text: &str, origin: &str, error: &toml::de::Error) -> ScenarioError {
    let (field, problem) = in_list::<Fault>(text, "fault")
        .or_else(|| in_list::<Work>(text, "work"))
        .unwrap_or_else(|| (String::new(), error.message().to_owned()));
    let line = if let Some((list, index)) = entry(&field) {
        line_of_entry(text, list, index)
    } else {
        let start = error.span().map(|span| span.start);
        start.map(|start| text[..start].matches('\n').count() + 1)
    };
    ScenarioError {
        origin: origin.to_owned(),
        line,
        field,
        problem,
    }
}

/// The first entry of a list that cannot be read, and why: the reader itself does not say which one it is.
fn in_list<T: for<'a> Deserialize<'a>>(text: &str, list: &str) -> Option<(String, String)> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let entries = table.get(list)?.as_array()?;
    entries.iter().enumerate().find_map(|(index, entry)| {
        let error = T::deserialize(entry.clone()).err()?;
        Some((format!("{list}[{index}]"), error.message().to_owned()))
    })
}

/// `fault[2]` as its parts.
fn entry(field: &str) -> Option<(&str, usize)> {
    let (list, rest) = field.split_once('[')?;
    Some((list, rest.split(']').next()?.parse().ok()?))
}

/// The line of the `index`th `[[list]]`, from 1.
fn line_of_entry(text: &str, list: &str, index: usize) -> Option<usize> {
    let header = format!("[[{list}]]");
    let lines = text.lines().enumerate();
    let mut headers = lines.filter(|(_, line)| line.trim_start().starts_with(&header));
    headers.nth(index).map(|(line, _)| line + 1)
}
