//! A run as one HTML page that needs nothing else: no network, no fonts, no library.
//!
//! Figures, verdicts and violations are plain HTML, readable without a script. The plots are drawn by `page.js` from
//! the data that is embedded as JSON: rows of equal values are stored as runs, so that a page of a thousand nodes and
//! hundreds of columns stays small.

mod data;
mod html;

use crate::outcome::{Outcome, Recording};

/// The page. All text that comes from a scenario is escaped.
pub fn page(outcome: &Outcome, recording: &Recording) -> String {
    let fill = [
        ("title", html::escape(&outcome.scenario)),
        ("style", include_str!("page.css").to_owned()),
        ("header", html::header(outcome, recording)),
        ("figures", html::figures(outcome)),
        ("faults", html::faults(recording)),
        ("verdicts", html::verdicts(recording)),
        ("violations", html::violations(outcome)),
        ("data", data::json(outcome, recording)),
        ("script", include_str!("page.js").to_owned()),
    ];
    let mut page = String::with_capacity(1 << 16);
    let mut rest = include_str!("page.html");
    // One pass: what is filled in is never looked at again, whatever braces are in it.
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after
            .split_once("}}")
            .expect("the template closes what it opens");
        page += before;
        let (_, value) = fill
            .iter()
            .find(|(known, _)| *known == name)
            .expect("the template names what there is");
        page += value;
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Quantiles, Spread, Violation};

    pub(super) fn outcome() -> Outcome {
        Outcome {
            scenario: "<script>alert(1)</script>".to_owned(),
            seed: 1,
            nodes: 2,
            virtual_s: 10.0,
            wall_s: 0.1,
            converged: true,
            violations: vec![Violation {
                checker: "bounds".to_owned(),
                at_s: 1.0,
                nodes: vec![0],
                what: "</script><b>".to_owned(),
                last_events: vec!["a & b".to_owned()],
            }],
            convergence_ms: Quantiles::default(),
            detection_ms: Quantiles::default(),
            sound_detection_ms: Quantiles::default(),
            heal_ms: Quantiles::default(),
            false_positives: 0,
            hostile: std::collections::BTreeMap::new(),
            packets_per_node_s: 2.0,
            bytes_per_node_s: Spread::default(),
            growth: Vec::new(),
            max_rss_mib: 1.0,
            trace_hash: "0".to_owned(),
        }
    }

    #[test]
    fn text_is_escaped_wherever_it_stands() {
        let recording = Recording {
            about: "a </script> b {{data}}".to_owned(),
            ..Recording::default()
        };
        let page = page(&outcome(), &recording);
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains("</script><b>"));
        assert!(page.contains("a &amp; b"));
        assert!(
            page.contains("a &lt;/script&gt; b {{data}}"),
            "and is not taken for the template's"
        );
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn it_asks_the_network_for_nothing() {
        let page = page(&outcome(), &Recording::default());
        for asked in ["http://", "https://", "src=", "@import", "url(", "fetch("] {
            assert!(!page.contains(asked), "{asked}");
        }
    }

    #[test]
    fn a_thousand_nodes_stay_below_three_megabytes() {
        let columns = 600;
        let row = |node: usize| (0..columns).map(move |column| (column + node) % 97);
        let recording = Recording {
            believed: (0..1_000).map(|_| vec![Some(100); columns]).collect(),
            believes: (0..1_000).map(|_| vec![Some(100); columns]).collect(),
            packets: (0..1_000)
                .map(|node| {
                    row(node)
                        .map(|value| u32::try_from(value % 4).unwrap())
                        .collect()
                })
                .collect(),
            bytes: (0..1_000)
                .map(|node| row(node).map(|value| 59 * (value % 4) as u64).collect())
                .collect(),
            ..Recording::default()
        };
        let page = page(&outcome(), &recording);
        assert!(page.len() < 3 << 20, "{} bytes", page.len());
    }
}
