//! The running processes, what they have reported, and what of it is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use crate::report::Report;

/// How long any one thing may take.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A process that runs.
struct Running {
    child: Child,
    orders: ChildStdin,
    addr: SocketAddr,
    /// The newest value that it has seen of each instance, and when.
    seen: BTreeMap<String, (u64, Instant)>,
    /// The value at which it stopped changing its own.
    wrote: Option<u64>,
}

/// All processes, by the id of their instance.
pub(crate) struct Cluster {
    key: String,
    running: BTreeMap<String, Running>,
    /// Instances that may be missing, because their process is being replaced.
    absent: BTreeSet<String>,
    /// Counts the processes that were started, so that a report names the one it came from.
    starts: usize,
    by_start: BTreeMap<usize, String>,
    reports: Receiver<(usize, Report)>,
    reporting: Sender<(usize, Report)>,
    /// What must not have happened.
    pub(crate) wrong: Vec<String>,
    /// The longest time for which a process saw no change of an instance that kept changing.
    pub(crate) longest_gap: Duration,
    pub(crate) changes_seen: u64,
}

impl Cluster {
    pub(crate) fn new(key: &str) -> Self {
        let (reporting, reports) = mpsc::channel();
        Self {
            key: key.to_owned(),
            running: BTreeMap::new(),
            absent: BTreeSet::new(),
            starts: 0,
            by_start: BTreeMap::new(),
            reports,
            reporting,
            wrong: Vec::new(),
            longest_gap: Duration::ZERO,
            changes_seen: 0,
        }
    }

    /// Starts a process, and waits until its node runs.
    pub(crate) fn start(
        &mut self,
        program: &Path,
        id: &str,
        bind: SocketAddr,
        first: u64,
    ) -> Result<SocketAddr, Box<dyn Error>> {
        let seeds = self.running.values().map(|other| other.addr.to_string());
        let mut child = Command::new(program)
            .args(["process", id, &bind.to_string(), &self.key])
            .arg(first.to_string())
            .args(seeds)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().ok_or("no standard input")?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let (number, reporting) = (self.starts, self.reporting.clone());
        self.starts += 1;
        self.by_start.insert(number, id.to_owned());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let report = line.parse().unwrap_or_else(Report::Wrong);
                if reporting.send((number, report)).is_err() {
                    return;
                }
            }
        });
        let running = Running {
            child,
            orders,
            addr: bind,
            seen: BTreeMap::new(),
            wrote: None,
        };
        self.running.insert(id.to_owned(), running);
        let is_started = |cluster: &Self| cluster.running[id].addr.port() != 0;
        if bind.port() == 0 {
            self.wait(&format!("{id} to start"), is_started)?;
        }
        Ok(self.running[id].addr)
    }

    /// The instance of `id` may be missing from now on.
    pub(crate) fn excuse(&mut self, id: &str) {
        self.absent.insert(id.to_owned());
    }

    /// The instance of `id` has to be there from now on.
    pub(crate) fn expect(&mut self, id: &str) {
        self.absent.remove(id);
    }

    /// Lets a process leave, and waits for its end.
    pub(crate) fn leave(&mut self, id: &str) -> Result<SocketAddr, Box<dyn Error>> {
        let mut left = self.running.remove(id).ok_or("no such process")?;
        writeln!(left.orders, "{}", crate::process::LEAVE)?;
        let status = left.child.wait()?;
        if !status.success() {
            self.wrong.push(format!("{id} ended with {status}"));
        }
        Ok(left.addr)
    }

    /// Takes in what the processes report for so long.
    pub(crate) fn watch(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.take_one(until) {}
    }

    /// Waits until every process has seen a value of every other one that is at least `least`.
    pub(crate) fn all_see(&mut self, id: &str, least: u64) -> Result<(), Box<dyn Error>> {
        self.wait(&format!("all to see {least} of {id}"), |cluster| {
            let mut others = cluster.running.values();
            others.all(|other| other.seen.get(id).is_some_and(|(seen, _)| *seen >= least))
        })
    }

    /// Waits until a process has seen every other one.
    pub(crate) fn sees_all(&mut self, id: &str) -> Result<(), Box<dyn Error>> {
        self.wait(&format!("{id} to see all"), |cluster| {
            let seen = &cluster.running[id].seen;
            cluster.running.keys().all(|other| seen.contains_key(other))
        })
    }

    /// Stops all changes, and waits until every process has seen the last of every one.
    pub(crate) fn settle(&mut self) -> Result<(), Box<dyn Error>> {
        for process in self.running.values_mut() {
            writeln!(process.orders, "{}", crate::process::STOP)?;
        }
        self.wait("the last values", |cluster| {
            let mut all = cluster.running.values();
            all.all(|process| process.wrote.is_some())
        })?;
        let last = |process: &Running| process.wrote.unwrap_or_default();
        let wrote = self
            .running
            .iter()
            .map(|(id, process)| (id.clone(), last(process)));
        for (id, value) in wrote.collect::<Vec<_>>() {
            self.all_see(&id, value)?;
        }
        Ok(())
    }

    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + BOUND;
        while !done(self) {
            if !self.take_one(until) {
                return Err(format!("waited {BOUND:?} for {what}").into());
            }
        }
        Ok(())
    }

    /// Takes in one report. Says whether there was one in time.
    fn take_one(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let Ok((number, report)) = self.reports.recv_timeout(left) else {
            return false;
        };
        let by = self.by_start[&number].clone();
        let Some(process) = self.running.get_mut(&by) else {
            return true;
        };
        match report {
            Report::Started(addr) => process.addr = addr,
            Report::Wrote(value) => process.wrote = Some(value),
            Report::Seen { id, value } => {
                self.changes_seen += 1;
                let now = Instant::now();
                let before = process.seen.insert(id.clone(), (value, now));
                if let Some((_, at)) = before
                    && !self.absent.contains(&id)
                {
                    self.longest_gap = self.longest_gap.max(now - at);
                }
                if let Some((older, _)) = before
                    && older > value
                {
                    self.wrong
                        .push(format!("{by} saw {id} go back from {older} to {value}"));
                }
            }
            Report::Gone { id } => {
                process.seen.remove(&id);
                if !self.absent.contains(&id) {
                    self.wrong.push(format!("{by} lost {id}, which runs"));
                }
            }
            Report::Wrong(what) => self.wrong.push(format!("{by}: {what}")),
        }
        true
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.running.values_mut() {
            // A process that has ended by itself is as good.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
