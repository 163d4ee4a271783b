//! How far a command is: a bar, where standard error is a terminal, and nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `length` steps. indicatif draws it on standard error, and only if that is a terminal.
pub(super) fn bar(length: u64, unit: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{pos}}/{{len}} {unit} {{msg}} ({{elapsed}}, {{eta}} left)");
    let style = ProgressStyle::with_template(&template).expect("a sound template");
    ProgressBar::new(length).with_style(style)
}
