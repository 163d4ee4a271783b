//! A process that is broken in one way.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use tidings::{
    ServiceInstance,
    gossip::{Engine, Entropy, Instant, Now, PeerId, Transmit},
    table::{Directory, Event, Record},
};

use crate::{
    process::{Gauges, PeerIdentity, Process},
    scenario::{KeyChange, Scenario},
    world::{Spawn, engine_config},
};

/// What a process does wrong, five seconds after it has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    ForgetsAMember,
    GoesBackToWhatItSaw,
    DeclaresALiveOneFailed,
    SaysThatALiveOneLeft,
    TellsAnEventTwice,
    HoldsAForgedRecord,
    SendsTooMuch,
    SetsEverMoreTimers,
    Leaks,
    HearsNothing,
    TakesBackWhatIsRegisteredAnew,
    WritesTwiceUnderOneNumber,
    TellsOfAGoodbyeAsOfAFailure,
    Panics,
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
        assert!(!self.errs(Flaw::Panics), "this process is broken");
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
        if let Event::Left { member, instances } = &event
            && self.errs(Flaw::TellsOfAGoodbyeAsOfAFailure)
        {
            let (member, instances) = (*member, instances.clone());
            return Some(Event::Failed { member, instances });
        }
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

    fn change_keys(&mut self, change: &KeyChange) -> Result<(), String> {
        self.engine.change_keys(change)
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
        if self.flaw == Flaw::Leaks {
            gauges.sizes.parked = usize::try_from(self.engine.stats().datagrams_received).unwrap();
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
pub(super) fn spawn(flaw: Flaw) -> Spawn {
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
        Leaks,
        HearsNothing,
        TakesBackWhatIsRegisteredAnew,
        WritesTwiceUnderOneNumber,
        TellsOfAGoodbyeAsOfAFailure,
        Panics
    )
}
