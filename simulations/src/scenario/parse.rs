//! From text to a scenario, and back.

use std::fmt;

use serde::Deserialize;
use toml::{Table, Value};

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
        let read = toml::Deserializer::parse(text).map_err(|error| (String::new(), error));
        let read = read.and_then(|reader| {
            serde_path_to_error::deserialize(reader)
                .map_err(|error| (error.path().to_string(), error.into_inner()))
        });
        let scenario: Self = read.map_err(|(field, error)| explain(text, origin, field, &error))?;
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

/// What the reader of TOML says, with the field that it is about.
fn explain(text: &str, origin: &str, field: String, error: &toml::de::Error) -> ScenarioError {
    let field = if field == "." { String::new() } else { field };
    let mut problem = error.message().to_owned();
    let mut place = field.clone();
    let inner = match entry(&field) {
        // The reader goes no further than to an entry of one of several kinds.
        Some(("fault", index)) if field.ends_with(']') => in_entry::<Fault>(text, "fault", index),
        Some(("work", index)) if field.ends_with(']') => in_entry::<Work>(text, "work", index),
        _ => None,
    };
    if let Some((inner, why)) = inner {
        place += &inner;
        problem = why;
    }
    let start = error.span().map(|span| span.start);
    let line = entry(&field)
        .and_then(|(list, index)| line_of_entry(text, list, index))
        .or_else(|| start.map(|start| text[..start].matches('\n').count() + 1));
    ScenarioError {
        origin: origin.to_owned(),
        line,
        field: known_part(&place, &problem).to_owned(),
        problem,
    }
}

/// Of a field that there is not, the table in which it would be: the problem names the field itself.
fn known_part<'a>(place: &'a str, problem: &str) -> &'a str {
    let unknown = problem.strip_prefix("unknown field `");
    let unknown = unknown.and_then(|rest| rest.split('`').next());
    let Some(table) = unknown.and_then(|field| place.strip_suffix(field)) else {
        return place;
    };
    table.strip_suffix('.').unwrap_or(table)
}

/// Where in an entry of a list it is that cannot be read, and why not.
fn in_entry<T>(text: &str, list: &str, index: usize) -> Option<(String, String)>
where
    T: for<'a> Deserialize<'a>,
{
    let table: Table = toml::from_str(text).ok()?;
    let entry = table.get(list)?.get(index)?;
    let problem = |value: Value| {
        T::deserialize(value)
            .err()
            .map(|error| error.message().to_owned())
    };
    let why = problem(entry.clone())?;
    let is_it = |value| problem(value).as_ref() == Some(&why);
    let is_missing = why.starts_with("missing field");
    Some((place(entry, is_missing, &is_it), why))
}

/// The field on account of which a value cannot be read: the first with which, of all that is read before it, `is_it` says
/// that it is the same mistake. Nothing, if it is the value itself, as where a field of it is missing.
fn place(value: &Value, is_missing: bool, is_it: &dyn Fn(Value) -> bool) -> String {
    let Some(table) = value.as_table().filter(|_| !is_it(Table::new().into())) else {
        return String::new();
    };
    // What kind it is comes first, for nothing is read without.
    let (kind, rest): (Vec<_>, Vec<_>) = table.iter().partition(|(key, _)| *key == "kind");
    let mut read = Table::new();
    for (key, field) in kind.into_iter().chain(rest) {
        read.insert(key.clone(), field.clone());
        if !is_it(read.clone().into()) {
            continue;
        }
        if is_missing && !field.is_table() {
            break;
        }
        let is_in_it = |field| {
            let mut with = read.clone();
            with.insert(key.clone(), field);
            is_it(with.into())
        };
        return format!(".{key}{}", place(field, is_missing, &is_in_it));
    }
    String::new()
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
