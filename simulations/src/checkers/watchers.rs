//! Watchers: what a watcher saw last is the table, and the event stream, replayed from empty, gives it.
//!
//! In worlds of up to [`WATCHED_NODES`] nodes each process has a real watcher for some of its services. It is polled
//! after every turn of its process, as a task would be that is woken at once.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tidings::{
    Watcher,
    registry::{BoxFuture, Instances, WatchError},
    table::ServiceWatcher,
};

use super::{Checker, Findings};
use crate::world::{Happening, Impossible, LifeId, World};

/// Above this size processes have no watchers; their event streams are replayed all the same.
const WATCHED_NODES: usize = 64;
/// The services that are watched on each node, of those that the scenario names.
const WATCHED_SERVICES: usize = 3;

#[derive(Default)]
pub(super) struct Watchers {
    watches: BTreeMap<LifeId, Vec<Watch>>,
    lists: usize,
    events: usize,
}

/// A watcher, and what it returned last.
struct Watch {
    service: String,
    watcher: ServiceWatcher,
    last: Option<Instances>,
}

impl Checker for Watchers {
    fn name(&self) -> &'static str {
        "watchers"
    }

    fn demands(&self) -> &'static str {
        "What a watcher saw last is the table, it never sees the same list twice in a row, and the events, replayed from empty, give the table."
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        match happening {
            Happening::Turned(life) => self.turned(world, *life, findings),
            Happening::Ended(life) => {
                self.watches.remove(life);
            }
            Happening::Event {
                life,
                event,
                impossible,
                ..
            } => {
                self.events += 1;
                if let Some(why) = impossible {
                    let host = world.truth().life(*life).host;
                    let why = match why {
                        Impossible::Owner => "there never was a process of that name",
                        Impossible::Instance => "that process never had such an instance",
                        Impossible::Content => "its owner never said that of the instance",
                        Impossible::Order => "it does not follow from the events before",
                    };
                    let what = format!("node {host} told its readers \"{event}\", and {why}");
                    findings.add(world, self.name(), vec![host], what);
                }
            }
            _ => {}
        }
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        for (node, host) in world.hosts().iter().enumerate() {
            let Some(guest) = &host.guest else {
                continue;
            };
            let directory = guest.process.directory();
            for watch in self.watches.get(&guest.life).into_iter().flatten() {
                let now = directory.get(&watch.service);
                let seen = watch.last.clone().unwrap_or_default();
                if seen != now {
                    let what = format!(
                        "node {node}'s watcher of {} saw {} instances last, and there are {}",
                        watch.service,
                        seen.len(),
                        now.len()
                    );
                    findings.add(world, self.name(), vec![node], what);
                }
            }
            if let Some(what) = replay_differs(world, guest.life) {
                findings.add(
                    world,
                    self.name(),
                    vec![node],
                    format!("node {node}: {what}"),
                );
            }
        }
    }

    fn looked_at(&self) -> String {
        format!(
            "{} lists that watchers saw, {} events",
            self.lists, self.events
        )
    }
}

impl Watchers {
    fn turned(&mut self, world: &World, life: LifeId, findings: &mut Findings) {
        if world.hosts().len() > WATCHED_NODES {
            // It may have been smaller before: who is not asked any more is not judged either.
            self.watches.clear();
            return;
        }
        let Some(guest) = world.guest(life) else {
            return;
        };
        let watches = self.watches.entry(life).or_insert_with(|| {
            let services = world.scenario().services.names.min(WATCHED_SERVICES);
            let names = (0..services).map(|number| format!("service-{number}"));
            names
                .map(|service| Watch {
                    watcher: guest.process.directory().watch(&service),
                    service,
                    last: None,
                })
                .collect()
        });
        for watch in watches {
            while let Some(list) = next(&mut watch.watcher) {
                self.lists += 1;
                if watch.last.as_ref() == Some(&list) {
                    let host = world.truth().life(life).host;
                    let what = format!(
                        "node {host}'s watcher of {} saw one list twice",
                        watch.service
                    );
                    findings.add(world, "watchers", vec![host], what);
                }
                watch.last = Some(list);
            }
        }
    }
}

/// What the watcher returns now, if it does not have to wait.
fn next(watcher: &mut ServiceWatcher) -> Option<Instances> {
    let mut next: BoxFuture<'_, Result<Instances, WatchError>> = Box::pin(Watcher::next(watcher));
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(&mut next).poll(&mut context) {
        Poll::Ready(list) => list.ok(),
        Poll::Pending => None,
    }
}

/// How the replayed events differ from the table, if they do.
fn replay_differs(world: &World, life: LifeId) -> Option<String> {
    let truth = world.truth();
    let mut replayed: BTreeMap<&str, usize> = BTreeMap::new();
    let directory = world.guest(life)?.process.directory();
    for (key, version) in world.mirror(life).all_seen() {
        let key = &truth.keys()[key];
        *replayed.entry(&key.service).or_default() += 1;
        let content = key.versions[version - 1].content.as_deref();
        let listed = directory.get(&key.service);
        let is_there = listed.iter().any(|instance| Some(&**instance) == content);
        if !is_there {
            return Some(format!(
                "the events give {} {} of {}, and the table does not have it so",
                key.service, key.id, key.owner
            ));
        }
    }
    let services = directory.services();
    let listed = |service: &String| (service.clone(), directory.get(service).len());
    services.iter().map(listed).find_map(|(service, count)| {
        let given = replayed.get(service.as_str()).copied().unwrap_or(0);
        let differs = given != count;
        differs.then(|| {
            format!("the table has {count} instances of {service}, and the events give {given}")
        })
    })
}
