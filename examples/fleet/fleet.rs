//! The processes, and what they have reported.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::child::{FIRST_VERSION, MARK};
use crate::report::{Fact, Report};

/// How long anything may take to be seen.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// One process, running or not.
pub(crate) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) addr: SocketAddr,
    pub(crate) is_up: bool,
    reports: Vec<Report>,
}

/// All processes that were started, by number. What still runs is killed when this is dropped.
pub(crate) struct Fleet {
    pub(crate) processes: Vec<Process>,
    reports: Receiver<(usize, Report)>,
    reporting: Sender<(usize, Report)>,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let (reporting, reports) = mpsc::channel();
        Self {
            processes: Vec::new(),
            reports,
            reporting,
        }
    }

    /// Starts a process and returns its number; [`started`](Self::started) tells its address.
    pub(crate) fn start(
        &mut self,
        service: &str,
        id: &str,
        bind: SocketAddr,
        seed: Option<SocketAddr>,
    ) -> Result<usize, Box<dyn Error>> {
        let number = self.processes.len();
        let mut child = Command::new(std::env::current_exe()?)
            .args([MARK, service, id, &bind.to_string()])
            .args(seed.map(|seed| seed.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (orders, output) = (child.stdin.take(), child.stdout.take());
        let reporting = self.reporting.clone();
        std::thread::spawn(move || {
            let lines = output
                .into_iter()
                .flat_map(|output| BufReader::new(output).lines());
            for line in lines.map_while(Result::ok) {
                match line.parse() {
                    Ok(report) => drop(reporting.send((number, report))),
                    Err(error) => eprintln!("process {number}: {error}"),
                }
            }
        });
        self.processes.push(Process {
            child,
            orders,
            id: id.to_owned(),
            version: FIRST_VERSION.to_owned(),
            addr: bind,
            is_up: true,
            reports: Vec::new(),
        });
        Ok(number)
    }

    /// Waits for a process's node to run, and learns its address.
    pub(crate) fn started(&mut self, number: usize) -> Result<SocketAddr, Box<dyn Error>> {
        let started = |fact: &Fact| matches!(fact, Fact::Started(_));
        match self.wait(number, 0, Instant::now() + BOUND, started) {
            Some(Report {
                fact: Fact::Started(addr),
                ..
            }) => {
                self.processes[number].addr = addr;
                Ok(addr)
            }
            _ => Err(format!("process {number} did not start").into()),
        }
    }

    /// Gives a process an order, and returns when it began to follow it.
    pub(crate) fn order(&mut self, number: usize, order: &str) -> Result<u128, Box<dyn Error>> {
        let since = now_ns();
        let orders = self.processes[number]
            .orders
            .as_mut()
            .ok_or("takes no orders")?;
        writeln!(orders, "{order}")?;
        let acting = |fact: &Fact| *fact == Fact::Acting;
        let acting = self.wait(number, since, Instant::now() + BOUND, acting);
        Ok(acting
            .ok_or_else(|| format!("process {number} did not act"))?
            .at_ns)
    }

    /// Kills a process (SIGKILL) and returns when.
    pub(crate) fn kill(&mut self, number: usize) -> Result<u128, Box<dyn Error>> {
        let at_ns = now_ns();
        let process = &mut self.processes[number];
        process.child.kill()?;
        process.child.wait()?;
        process.is_up = false;
        Ok(at_ns)
    }

    /// Waits for a process to end by itself.
    pub(crate) fn ended(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let process = &mut self.processes[number];
        process.is_up = false;
        let status = process.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("process {number}: {status}").into())
        }
    }

    /// The numbers of those that run, without `except`.
    pub(crate) fn others(&self, except: usize) -> Vec<usize> {
        (0..self.processes.len())
            .filter(|&n| n != except && self.processes[n].is_up)
            .collect()
    }

    /// The first report of `number` since `since_ns` that is `wanted`; `None` if there is none until
    /// `give_up`.
    pub(crate) fn wait(
        &mut self,
        number: usize,
        since_ns: u128,
        give_up: Instant,
        wanted: impl Fn(&Fact) -> bool,
    ) -> Option<Report> {
        let matches = |report: &&Report| report.at_ns >= since_ns && wanted(&report.fact);
        loop {
            if let Some(found) = self.processes[number].reports.iter().find(matches) {
                return Some(found.clone());
            }
            let left = give_up.saturating_duration_since(Instant::now());
            let (from, report) = self.reports.recv_timeout(left).ok()?;
            self.processes[from].reports.push(report);
        }
    }

    /// What a process has reported since then.
    pub(crate) fn seen_since(
        &self,
        number: usize,
        since_ns: u128,
    ) -> impl Iterator<Item = &Report> {
        let since = move |report: &&Report| report.at_ns >= since_ns;
        self.processes[number].reports.iter().filter(since)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.is_up) {
            // One that has ended by itself is as good.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

fn now_ns() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |at| at.as_nanos())
}
