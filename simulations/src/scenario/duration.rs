//! Times as a scenario writes them: `"250ms"`, `"1m 30s"`, `"-1h"`, `"128ms..32s"`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A length of time: `"250ms"`, `"1m 30s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// Whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// Milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// As std has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Self).map_err(|_| {
            format!(
                "{text:?} is no length of time; write one such as \"250ms\", \"30s\" or \"1m 30s\""
            )
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A length of time, or one between two, drawn anew each time: `"2s"`, `"128ms..32s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanRange {
    /// The least.
    pub from: Span,
    /// The most; it is among those drawn.
    pub to: Span,
}

impl From<Span> for SpanRange {
    fn from(span: Span) -> Self {
        Self {
            from: span,
            to: span,
        }
    }
}

impl FromStr for SpanRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("..") else {
            return Span::from_str(text).map(Self::from);
        };
        let (from, to) = (from.trim().parse()?, to.trim().parse()?);
        if from > to {
            return Err(format!("{text:?} begins above its end"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for SpanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return self.from.fmt(f);
        }
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// A length of time, forth or back: `"1h"`, `"-1h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offset {
    /// In milliseconds.
    pub ms: i64,
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, length) = match text.strip_prefix('-') {
            Some(length) => (-1, length),
            None => (1, text),
        };
        let length: Span = length.trim().parse()?;
        let ms =
            i64::try_from(length.0.as_millis()).map_err(|_| format!("{text:?} is too long"))?;
        Ok(Self { ms: sign * ms })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.ms < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Span::from_millis(self.ms.unsigned_abs()))
    }
}

/// These are text in a scenario, and nothing else.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
pub(super) use as_text;

as_text!(Span, SpanRange, Offset);
