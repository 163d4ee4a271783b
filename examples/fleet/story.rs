//! What happens to the fleet, step by step, and how long until every other process had seen it.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use crate::child::{LEAVE, VERSION};
use crate::fleet::{BOUND, Fleet};
use crate::report::Fact;

const SERVICES: [&str; 3] = ["user-service", "order-service", "payment-service"];
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The roles, by process number; 0 is everybody's seed.
const UPDATED: usize = 1;
const KILLED: usize = 2;
const LEAVING: usize = 3;
const RESTARTED: usize = 4;

struct Story {
    fleet: Fleet,
    /// Whether every step was seen by everybody.
    complete: bool,
}

/// Tells it, with `nodes` processes at first; false if somebody never saw something.
pub(crate) fn tell(nodes: usize) -> Result<bool, Box<dyn Error>> {
    println!(
        "{nodes} processes, {} services, UDP on loopback; times in milliseconds\n",
        SERVICES.len()
    );
    println!(
        "{:<48}{:>9}{:>10}{:>10}{:>10}",
        "step", "seen by", "first", "median", "last"
    );
    let mut story = Story {
        fleet: Fleet::new(),
        complete: true,
    };
    story.all_see_all(nodes)?;
    story.new_version()?;
    story.killed()?;
    story.leaves()?;
    story.restarted()?;
    story.latecomer()?;
    println!();
    println!(
        "{}",
        if story.complete {
            "everybody saw everything"
        } else {
            "somebody did not see something"
        }
    );
    Ok(story.complete)
}

impl Story {
    fn start(&mut self, bind: SocketAddr, id: &str) -> Result<usize, Box<dyn Error>> {
        let service = SERVICES[self.fleet.processes.len() % SERVICES.len()];
        let seed = self.fleet.processes.first().map(|first| first.addr);
        self.fleet.start(service, id, bind, seed)
    }

    /// Waits for a process to say that it begins, for the time.
    fn starting(&mut self, number: usize) -> Result<u128, Box<dyn Error>> {
        let give_up = Instant::now() + BOUND;
        let starting = |fact: &Fact| *fact == Fact::Starting;
        let report = self.fleet.wait(number, 0, give_up, starting);
        Ok(report.ok_or("a process did not start")?.at_ns)
    }

    fn all_see_all(&mut self, nodes: usize) -> Result<(), Box<dyn Error>> {
        let first = self.start(ANY_PORT, "process-0")?;
        let since = self.starting(first)?;
        self.fleet.started(first)?;
        for number in 1..nodes {
            self.start(ANY_PORT, &format!("process-{number}"))?;
        }
        for number in 1..nodes {
            self.fleet.started(number)?;
        }
        let wanted: Vec<_> = (0..nodes)
            .map(|number| (number, self.everything_but(number)))
            .collect();
        self.step("all start: all see all", since, wanted);
        Ok(())
    }

    fn new_version(&mut self) -> Result<(), Box<dyn Error>> {
        let since = self.fleet.order(UPDATED, &format!("{VERSION} 2.0.0"))?;
        "2.0.0".clone_into(&mut self.fleet.processes[UPDATED].version);
        let seen = self.instance(UPDATED);
        self.step_of_others("one registers a new version", UPDATED, since, &[seen]);
        Ok(())
    }

    fn killed(&mut self) -> Result<(), Box<dyn Error>> {
        let since = self.fleet.kill(KILLED)?;
        let gone = [
            Fact::Failed(self.fleet.processes[KILLED].addr),
            self.gone(KILLED),
        ];
        self.step_of_others("one is killed (SIGKILL)", KILLED, since, &gone);
        Ok(())
    }

    fn leaves(&mut self) -> Result<(), Box<dyn Error>> {
        let since = self.fleet.order(LEAVING, &format!("{LEAVE} now"))?;
        self.fleet.ended(LEAVING)?;
        let left = [
            Fact::Left(self.fleet.processes[LEAVING].addr),
            self.gone(LEAVING),
        ];
        self.step_of_others("one leaves gracefully", LEAVING, since, &left);
        Ok(())
    }

    fn restarted(&mut self) -> Result<(), Box<dyn Error>> {
        let address = self.fleet.processes[RESTARTED].addr;
        let killed = self.fleet.kill(RESTARTED)?;
        let again = self.start(address, "process-again")?;
        let since = self.starting(again)?;
        self.fleet.started(again)?;
        let there = self.instance(again);
        self.step_of_others(
            "one is killed and started again: it is there",
            again,
            since,
            &[there],
        );
        let gone = self.gone(RESTARTED);
        self.step_of_others("    and what it was before is gone", again, killed, &[gone]);
        Ok(())
    }

    fn latecomer(&mut self) -> Result<(), Box<dyn Error>> {
        let late = self.start(ANY_PORT, "process-late")?;
        let since = self.starting(late)?;
        self.fleet.started(late)?;
        let everything = self.everything_but(late);
        self.step(
            "a latecomer arrives: it sees all",
            since,
            vec![(late, everything)],
        );
        let seen = [
            Fact::Member(self.fleet.processes[late].addr),
            self.instance(late),
        ];
        self.step_of_others("    and all see it", late, since, &seen);
        Ok(())
    }

    /// What `number` must see of all others that run.
    fn everything_but(&self, number: usize) -> Vec<Fact> {
        let facts = |other: usize| {
            let member = Fact::Member(self.fleet.processes[other].addr);
            [member, self.instance(other)]
        };
        self.fleet
            .others(number)
            .into_iter()
            .flat_map(facts)
            .collect()
    }

    fn instance(&self, number: usize) -> Fact {
        let process = &self.fleet.processes[number];
        Fact::Instance {
            id: process.id.clone(),
            version: process.version.clone(),
        }
    }

    fn gone(&self, number: usize) -> Fact {
        Fact::Gone {
            id: self.fleet.processes[number].id.clone(),
        }
    }

    /// A step that everybody who runs must see, but for the one that it is about.
    fn step_of_others(&mut self, name: &str, about: usize, since_ns: u128, facts: &[Fact]) {
        let others = self.fleet.others(about);
        self.step(
            name,
            since_ns,
            others.into_iter().map(|n| (n, facts.to_vec())).collect(),
        );
    }

    /// Waits until each observer has seen its facts, and prints how long it took.
    fn step(&mut self, name: &str, since_ns: u128, wanted: Vec<(usize, Vec<Fact>)>) {
        let observers = wanted.len();
        let give_up = Instant::now() + BOUND;
        let mut times_ns = Vec::new();
        for (observer, facts) in wanted {
            match self.last_of(observer, since_ns, give_up, &facts) {
                Some(at_ns) => times_ns.push(at_ns - since_ns),
                None => self.complete = false,
            }
        }
        times_ns.sort_unstable();
        let seen_by = format!("{}/{observers}", times_ns.len());
        let (first, median) = (times_ns.first(), times_ns.get(times_ns.len() / 2));
        let last = times_ns.last().filter(|_| times_ns.len() == observers);
        let [first, median, last] = [first, median, last].map(|time_ns| match time_ns {
            Some(ns) => format!("{}.{:02}", ns / 1_000_000, ns % 1_000_000 / 10_000),
            None => "never".to_owned(),
        });
        println!("{name:<48}{seen_by:>9}{first:>10}{median:>10}{last:>10}");
    }

    /// When an observer had seen all of its facts; says which one it did not see.
    fn last_of(
        &mut self,
        observer: usize,
        since_ns: u128,
        give_up: Instant,
        facts: &[Fact],
    ) -> Option<u128> {
        let mut last_ns = since_ns;
        for fact in facts {
            let Some(report) = self
                .fleet
                .wait(observer, since_ns, give_up, |seen| seen == fact)
            else {
                eprintln!("process {observer} did not see {fact:?}, but since then it saw:");
                for report in self.fleet.seen_since(observer, since_ns) {
                    eprintln!("    {report}");
                }
                return None;
            };
            last_ns = last_ns.max(report.at_ns);
        }
        Some(last_ns)
    }
}
