//! A hash over everything that happens, and the last things that happened to each host.

use std::collections::VecDeque;

use tidings::{gossip::Instant, table::Event};
use xxhash_rust::xxh3::Xxh3;

use super::World;

/// How many of the last things are remembered for each host.
const REMEMBERED: usize = 24;

/// What a hashed datagram did.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    Sent,
    Arrives,
}

/// What is told of one run.
pub struct Trace {
    hash: Xxh3,
    last: Vec<VecDeque<(Instant, Last)>>,
    lines: Option<Vec<String>>,
}

/// One of the last things that happened to a host.
#[derive(Debug, Clone)]
enum Last {
    Event(Event),
    Done(String),
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            hash: Xxh3::new(),
            last: Vec::new(),
            lines: None,
        }
    }

    /// From now on what happens is kept as lines, for [`take_lines`](Self::take_lines).
    pub fn keep_lines(&mut self) {
        self.lines = Some(Vec::new());
    }

    /// The lines since this was asked last.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The hash over everything so far, as 16 hexadecimal digits.
    pub fn hash(&self) -> String {
        format!("{:016x}", self.hash.digest())
    }

    /// The last things that happened to a host, oldest first.
    pub fn last(&self, host: usize) -> Vec<String> {
        let last = self.last.get(host).into_iter().flatten();
        last.map(|(at, what)| line(*at, host, what)).collect()
    }

    /// The last `count` things that happened to any host, oldest first.
    pub fn last_of_all(&self, count: usize) -> Vec<String> {
        let hosts = self.last.iter().enumerate();
        let mut all: Vec<_> = hosts
            .flat_map(|(host, last)| last.iter().map(move |(at, what)| (*at, host, what)))
            .collect();
        all.sort_by_key(|(at, ..)| *at);
        let last = &all[all.len().saturating_sub(count)..];
        last.iter()
            .map(|(at, host, what)| line(*at, *host, what))
            .collect()
    }

    pub(super) fn mark(&mut self, at: Instant, mark: Mark, host: usize, payload: &[u8]) {
        self.stamp(at, mark as u8, host);
        self.hash.update(payload);
    }

    pub(super) fn event(&mut self, at: Instant, host: usize, event: &Event) {
        self.stamp(at, 2, host);
        self.hash.update(event.to_string().as_bytes());
        self.remember(at, host, Last::Event(event.clone()));
    }

    /// Something was done to a host.
    pub(super) fn done(&mut self, at: Instant, host: usize, what: String) {
        self.stamp(at, 3, host);
        self.hash.update(what.as_bytes());
        self.remember(at, host, Last::Done(what));
    }

    fn stamp(&mut self, at: Instant, kind: u8, host: usize) {
        let nanos = at.since_origin().as_nanos();
        self.hash.update(&nanos.to_be_bytes());
        self.hash.update(&[kind]);
        self.hash.update(&(host as u64).to_be_bytes());
    }

    fn remember(&mut self, at: Instant, host: usize, what: Last) {
        if let Some(lines) = &mut self.lines {
            lines.push(line(at, host, &what));
        }
        if host >= self.last.len() {
            self.last.resize_with(host + 1, VecDeque::new);
        }
        let last = &mut self.last[host];
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back((at, what));
    }
}

fn line(at: Instant, host: usize, what: &Last) -> String {
    let at = World::seconds(at);
    match what {
        Last::Event(event) => format!("{at:12.6} s  node {host}: {event}"),
        Last::Done(what) => format!("{at:12.6} s  node {host} {what}"),
    }
}
