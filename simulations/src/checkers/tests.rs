//! Each checker finds what it is there for, in a world with one broken process, and is silent in a sound one.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tidings::{
    ServiceInstance,
    gossip::{Engine, Entropy, Instant, Now, PeerId, Transmit},
    table::{Directory, Event, Record},
};

use crate::{
    process::{Gauges, PeerIdentity, Process},
    run::{Options, watch},
    scenario::Scenario,
    world::{Spawn, World, engine_config},
};

/// What a process does wrong, five seconds after it has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    ForgetsAMember,
    GoesBackToWhatItSaw,
    DeclaresALiveOneFailed,
    SaysThatALiveOneLeft,
    TellsAnEventTwice,
    HoldsAForgedRecord,
    SendsTooMuch,
    SetsEverMoreTimers,
    HearsNothing,
    TakesBackWhatIsRegisteredAnew,
    WritesTwiceUnderOneNumber,
}

/// An engine with a flaw.
struct Flawed {
    engine: Engine,
    flaw: Flaw,
    begins: Instant,
    is_on: bool,
    is_done: bool,
    /// The last registration that it told its readers of, and the last update.
    seen: [Option<Event>; 2],
}

impl Flawed {
    /// Whether it does wrong now, for the first time.
    fn errs(&mut self, flaw: Flaw) -> bool {
        let errs = self.flaw == flaw && self.is_on && !self.is_done;
        self.is_done |= errs;
        errs
    }

    fn false_event(&mut self) -> Option<Event> {
        let [registered, updated] = self.seen.clone();
        let live = self
            .engine
            .members()
            .into_iter()
            .find(|member| !member.is_self)?;
        let member = tidings::table::Owner {
            addr: live.addr,
            boot: live.boot,
        };
        let instances = Vec::new();
        if updated.is_some() && self.errs(Flaw::GoesBackToWhatItSaw) {
            // As an update, so that it is in order: only what it says is old.
            let Some(Event::Registered { owner, instance }) = registered else {
                unreachable!("nothing is updated that was not registered");
            };
            return Some(Event::Updated { owner, instance });
        }
        if registered.is_some() && self.errs(Flaw::TellsAnEventTwice) {
            return registered;
        }
        if registered.is_some() && self.errs(Flaw::TakesBackWhatIsRegisteredAnew) {
            let Some(Event::Registered { owner, instance }) = registered else {
                unreachable!("only what is registered is kept there");
            };
            return Some(Event::Deregistered { owner, instance });
        }
        if self.errs(Flaw::DeclaresALiveOneFailed) {
            return Some(Event::Failed { member, instances });
        }
        let left = self.errs(Flaw::SaysThatALiveOneLeft);
        left.then_some(Event::Left { member, instances })
    }
}

impl Process for Flawed {
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8]) {
        if self.flaw != Flaw::HearsNothing {
            self.engine.handle_datagram(now, from, datagram);
        }
    }

    fn handle_unreachable(&mut self, now: Now, to: SocketAddr) {
        self.engine.handle_unreachable(now, to);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.is_on |= now.instant >= self.begins;
        self.engine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.engine.poll_transmit()?;
        if self.errs(Flaw::SendsTooMuch) {
            let payload = Bytes::from(vec![0; 1_300]);
            return Some(Transmit {
                payload,
                ..transmit
            });
        }
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<Event> {
        let Some(event) = self.engine.poll_event() else {
            return self.false_event();
        };
        match &event {
            Event::Registered { instance, .. } if instance.id() == "again" => {
                self.seen[0] = Some(event.clone());
            }
            Event::Registered { owner, .. } if *owner != self.engine.identity().owner() => {
                // One that is there when the next comes: the scenario's first instance of another.
                self.seen[0].get_or_insert(event.clone());
            }
            Event::Updated { owner, instance } => {
                let is_of_first = self.seen[0].as_ref().is_some_and(|seen| {
                    matches!(seen, Event::Registered { owner: of, instance: first }
                        if of == owner && first.id() == instance.id())
                });
                if is_of_first {
                    self.seen[1] = Some(event.clone());
                }
            }
            _ => {}
        }
        Some(event)
    }

    fn publish(&mut self) {
        self.engine.publish();
    }

    fn directory(&self) -> &Directory {
        self.engine.directory()
    }

    fn assume(&mut self, now: Now, members: &[PeerId], records: &[Record]) {
        self.engine.assume(now, members, records);
    }

    fn register(&mut self, now: Now, instance: ServiceInstance) -> Result<(), String> {
        Process::register(&mut self.engine, now, instance)
    }

    fn deregister(&mut self, now: Now, service: &str, id: &str) -> Result<(), String> {
        Process::deregister(&mut self.engine, now, service, id)
    }

    fn leave(&mut self, now: Now) {
        self.engine.leave(now);
    }

    fn has_left(&self) -> bool {
        self.engine.has_left()
    }

    fn wants_seeds(&mut self) -> bool {
        self.engine.wants_seeds()
    }

    fn handle_seeds(&mut self, now: Now, seeds: Vec<SocketAddr>) {
        self.engine.handle_seeds(now, seeds);
    }

    fn identity(&self) -> PeerId {
        self.engine.identity()
    }

    fn members(&self) -> Vec<PeerIdentity> {
        let mut members = Process::members(&self.engine);
        if self.flaw == Flaw::ForgetsAMember && self.is_on {
            members.pop();
        }
        members
    }

    fn records(&self) -> Vec<Record> {
        let mut records = Process::records(&self.engine);
        if self.flaw == Flaw::HoldsAForgedRecord && self.is_on {
            let theirs = records.pop().expect("somebody registered something");
            let (owner, service) = (theirs.owner(), theirs.service().clone());
            let forged = Bytes::from_static(b"forged");
            records.push(Record::new(
                owner,
                service,
                theirs.seq(),
                forged,
                Vec::new(),
            ));
        }
        records
    }

    fn own_records(&self) -> Vec<Record> {
        let mut records = Process::own_records(&self.engine);
        if self.flaw == Flaw::WritesTwiceUnderOneNumber && self.is_on {
            let own = records.pop().expect("it registered something");
            let (owner, service) = (own.owner(), own.service().clone());
            let other = Bytes::from_static(b"another");
            records.push(Record::new(owner, service, own.seq(), other, Vec::new()));
        }
        records
    }

    fn gauges(&self) -> Gauges {
        let mut gauges = self.engine.gauges();
        if self.flaw == Flaw::SetsEverMoreTimers && self.is_on {
            gauges.timers = 10_000;
        }
        gauges
    }
}

fn flawed(
    flaw: Flaw,
    scenario: &Scenario,
    addr: SocketAddr,
    entropy: Entropy,
    now: Now,
) -> Box<dyn Process> {
    let engine = Engine::new(engine_config(scenario, addr), entropy, now).unwrap();
    // The second host's process is the broken one.
    if addr.ip().to_string() != "10.0.0.2" {
        return Box::new(engine);
    }
    Box::new(Flawed {
        engine,
        flaw,
        begins: now.instant + Duration::from_secs(5),
        is_on: false,
        is_done: false,
        seen: [None, None],
    })
}

/// A function of its own for each flaw: that is what a world takes.
fn spawn(flaw: Flaw) -> Spawn {
    macro_rules! spawns {
        ($($name:ident),*) => {
            match flaw {
                $(Flaw::$name => |scenario, addr, entropy, now| flawed(Flaw::$name, scenario, addr, entropy, now)),*
            }
        };
    }
    spawns!(
        ForgetsAMember,
        GoesBackToWhatItSaw,
        DeclaresALiveOneFailed,
        SaysThatALiveOneLeft,
        TellsAnEventTwice,
        HoldsAForgedRecord,
        SendsTooMuch,
        SetsEverMoreTimers,
        HearsNothing,
        TakesBackWhatIsRegisteredAnew,
        WritesTwiceUnderOneNumber
    )
}

fn scenario(more: &str) -> Scenario {
    let text = format!(
        "name = \"flawed\"\nabout = \"One process is broken.\"\nnodes = 4\nstart = \"bootstrap\"\nduration = \"20s\"\n{more}\n\
         [[work]]\nat = \"1s\"\nkind = \"update\"\nrate = 2.0\n\
         [expect]\nconverge_within = \"5s\"\n"
    );
    Scenario::parse(&text, "flawed").unwrap_or_else(|error| panic!("{error}"))
}

/// The checkers that found something in a world with that flaw.
fn found(world: World) -> BTreeSet<String> {
    let run = watch(world, Options::default());
    let violations = run.outcome.violations.into_iter();
    violations.map(|violation| violation.checker).collect()
}

fn with(flaw: Flaw) -> BTreeSet<String> {
    found(World::with_processes(&scenario(""), 1, spawn(flaw)))
}

fn names(checkers: &[&str]) -> BTreeSet<String> {
    checkers.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_sound_world_is_found_sound() {
    assert_eq!(found(World::new(&scenario(""), 1)), names(&[]));
}

#[test]
fn a_member_that_is_forgotten_is_found_when_tables_are_compared() {
    assert_eq!(with(Flaw::ForgetsAMember), names(&["convergence"]));
}

#[test]
fn a_node_that_goes_back_to_an_older_state_is_found() {
    assert!(with(Flaw::GoesBackToWhatItSaw).contains("dead-stays-dead"));
}

#[test]
fn a_healthy_member_that_is_declared_failed_is_found() {
    let found = with(Flaw::DeclaresALiveOneFailed);
    assert!(found.contains("nothing-live-lost"), "{found:?}");
    assert!(
        found.contains("liveness"),
        "and its instances do not come back: {found:?}"
    );
}

#[test]
fn a_live_member_that_is_said_to_have_left_is_found() {
    assert!(with(Flaw::SaysThatALiveOneLeft).contains("nothing-live-lost"));
}

#[test]
fn a_taking_back_that_comes_after_the_registration_that_followed_it_is_found() {
    let again = "nodes = \"0\"\nservice = \"service-0\"\nid = \"again\"\n";
    let work = format!(
        "[[work]]\nat = \"1s\"\nkind = \"register\"\n{again}\
         [[work]]\nat = \"2s\"\nkind = \"deregister\"\nnodes = \"0\"\n\
         [[work]]\nat = \"3s\"\nkind = \"register\"\n{again}"
    );
    let flaw = spawn(Flaw::TakesBackWhatIsRegisteredAnew);
    let found = found(World::with_processes(&scenario(&work), 1, flaw));
    assert!(found.contains("dead-stays-dead"), "{found:?}");
}

#[test]
fn an_owner_that_writes_twice_under_one_number_is_found_by_its_own_word() {
    let run = watch(
        World::with_processes(&scenario(""), 1, spawn(Flaw::WritesTwiceUnderOneNumber)),
        Options::default(),
    );
    let twice = |violation: &crate::outcome::Violation| violation.what.contains("twice under seq");
    assert!(run.outcome.violations.iter().any(twice));
}

#[test]
fn an_event_that_does_not_follow_from_those_before_is_found() {
    assert_eq!(
        with(Flaw::TellsAnEventTwice),
        names(&["dead-stays-dead", "watchers"])
    );
}

#[test]
fn a_record_that_its_owner_did_not_write_is_found() {
    assert_eq!(with(Flaw::HoldsAForgedRecord), names(&["single-writer"]));
}

#[test]
fn a_datagram_over_the_limit_and_ever_more_timers_are_found() {
    assert_eq!(with(Flaw::SendsTooMuch), names(&["bounds"]));
    assert_eq!(with(Flaw::SetsEverMoreTimers), names(&["bounds"]));
}

#[test]
fn a_process_that_never_finds_anybody_is_found() {
    let found = with(Flaw::HearsNothing);
    assert!(
        found.contains("liveness") && found.contains("convergence"),
        "{found:?}"
    );
}

#[test]
fn a_fault_that_hits_nothing_is_found() {
    let cut =
        "[[fault]]\nat = \"2s\"\nfor = \"1s\"\nkind = \"partition\"\nbetween = [\"0\", \"0\"]\n";
    assert_eq!(
        found(World::new(&scenario(cut), 1)),
        names(&["fault-happened"])
    );
}

#[test]
fn a_world_in_which_nobody_is_left_is_found_vacuous() {
    let crash = "[[fault]]\nat = \"5s\"\nkind = \"crash\"\nnodes = \"all\"\n";
    let found = found(World::new(&scenario(crash), 1));
    assert_eq!(found, names(&["fault-happened"]));
}

#[test]
fn a_time_that_is_stated_and_not_kept_is_found() {
    let mut scenario = scenario("");
    scenario.expect.change_within = Some("1us".parse().unwrap());
    assert_eq!(found(World::new(&scenario, 1)), names(&["expectations"]));
}
