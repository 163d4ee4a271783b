//! How long changes took to become known, deaths to be noticed, and faults to heal.
//!
//! A time is taken until the *last* of those that should know does. A dead process that somebody takes for a
//! live one again has not been dropped by the last one. Whoever ends meanwhile is no longer
//! waited for; a change that a later one overtakes is known to whoever knows the later one.

use std::collections::BTreeMap;

use tidings::gossip::Instant;

use crate::{
    outcome::{Spreading, Violation},
    scenario::Span,
    world::{FaultId, Guest, Happening, KeyId, LifeId, NameId, Told, World, bits::Bits},
};

/// As violations of what a scenario states bear it.
pub(super) const NAME: &str = "expectations";
pub(super) const DEMANDS: &str =
    "Changes, deaths and healing take no longer than the scenario states, and there are some.";
/// How many changes are recorded one by one.
const SPREADS_MAX: usize = 400;

/// A time that a scenario may state.
#[derive(Debug, Clone, Copy)]
enum Stated {
    Change,
    Detect,
    Heal,
}

/// What it says, and what was held against it.
#[derive(Debug)]
struct Limit {
    field: &'static str,
    within: Option<Span>,
    judged: usize,
}

/// A change on its way.
#[derive(Debug)]
struct Change {
    version: usize,
    at: Instant,
    waiting: Bits,
    /// Whether no fault has overlapped it.
    is_undisturbed: bool,
    /// Where its spread is recorded.
    spread: Option<usize>,
}

/// A death that not all have noticed.
#[derive(Debug)]
struct Death {
    at: Instant,
    host: usize,
    waiting: Bits,
    /// When the last one noticed so far of those that have not been impaired since.
    noticed_by_sound: Option<Instant>,
}

/// What is measured in one run.
#[derive(Debug)]
pub(super) struct Measures {
    changes: BTreeMap<KeyId, Vec<Change>>,
    deaths: BTreeMap<NameId, Death>,
    /// Since when all should come to agree again.
    healing: Option<Instant>,
    active_faults: usize,
    convergence_ms: Vec<f64>,
    detection_ms: Vec<f64>,
    sound_detection_ms: Vec<f64>,
    heal_ms: Vec<f64>,
    unmet: Vec<Violation>,
    spreads: Option<Vec<Spreading>>,
    /// By [`Stated`].
    limits: [Limit; 3],
    changes_in_all: usize,
}

impl Measures {
    pub(super) fn new(world: &World, record: bool) -> Self {
        let expect = &world.scenario().expect;
        let limit = |field, within| Limit {
            field,
            within,
            judged: 0,
        };
        Self {
            changes: BTreeMap::new(),
            deaths: BTreeMap::new(),
            healing: None,
            active_faults: 0,
            convergence_ms: Vec::new(),
            detection_ms: Vec::new(),
            sound_detection_ms: Vec::new(),
            heal_ms: Vec::new(),
            unmet: Vec::new(),
            spreads: record.then(Vec::new),
            limits: [
                limit("change_within", expect.change_within),
                limit("detect_within", expect.detect_within),
                limit("heal_within", expect.heal_within),
            ],
            changes_in_all: 0,
        }
    }

    pub(super) fn convergence_ms(&self) -> &[f64] {
        &self.convergence_ms
    }

    pub(super) fn detection_ms(&self) -> &[f64] {
        &self.detection_ms
    }

    pub(super) fn sound_detection_ms(&self) -> &[f64] {
        &self.sound_detection_ms
    }

    pub(super) fn heal_ms(&self) -> &[f64] {
        &self.heal_ms
    }

    /// How each change spread, and how many there were in all.
    pub(super) fn take_spreads(&mut self) -> (Vec<Spreading>, usize) {
        (self.spreads.take().unwrap_or_default(), self.changes_in_all)
    }

    pub(super) fn happened(&mut self, world: &World, happening: &Happening) {
        match happening {
            Happening::Written(key) => self.written(world, *key),
            Happening::Event { life, told, .. } => {
                for told in told {
                    self.told(world, *life, *told);
                }
            }
            Happening::Started(_) => self.healing = Some(world.now()),
            Happening::Leaving(life) => self.goes(world, *life),
            Happening::Ended(life) => self.ended(world, *life),
            Happening::FaultBegan(fault) => self.fault_began(*fault),
            Happening::FaultEnded(_) => {
                self.active_faults -= 1;
                self.healing = Some(world.now());
            }
            Happening::Renamed(_)
            | Happening::Sent { .. }
            | Happening::Harmed { .. }
            | Happening::Turned(_) => {}
        }
    }

    /// Looks whether all agree again.
    pub(super) fn look(&mut self, world: &World) {
        if let Some(since) = self.healing
            && world.all_agree()
        {
            self.healing = None;
            if since == world.now() {
                return; // there was nothing to heal
            }
            let took = ms(since, world.now());
            self.heal_ms.push(took);
            let what = "until all agreed again after a fault had ended, or a process had started";
            self.judge(world, Stated::Heal, took, what, Vec::new());
        }
    }

    fn fault_began(&mut self, _: FaultId) {
        self.active_faults += 1;
        self.healing = None;
        for change in self.changes.values_mut().flatten() {
            change.is_undisturbed = false;
        }
    }

    fn written(&mut self, world: &World, key: KeyId) {
        let truth = world.truth();
        let writer = truth.keys()[key].life;
        let version = truth.keys()[key].versions.len();
        let is_taken_back = truth.keys()[key].versions[version - 1].content.is_none();
        let lives = truth.lives().iter().enumerate();
        let others = lives.filter(|(life, state)| state.is_alive() && *life != writer);
        let waiting: Bits = others
            .map(|(life, _)| life)
            .filter(|life| !is_taken_back || world.mirror(*life).seen(key).is_some())
            .collect();
        if waiting.is_empty() {
            return;
        }
        self.changes_in_all += 1;
        let spread = self.begin_spread(world, key, waiting.len());
        self.changes.entry(key).or_default().push(Change {
            version,
            at: world.now(),
            waiting,
            is_undisturbed: self.active_faults == 0,
            spread,
        });
    }

    fn begin_spread(&mut self, world: &World, key: KeyId, of: usize) -> Option<usize> {
        let spreads = self
            .spreads
            .as_mut()
            .filter(|spreads| spreads.len() < SPREADS_MAX)?;
        let key = &world.truth().keys()[key];
        let what = match key.versions.len() {
            _ if key
                .versions
                .last()
                .is_some_and(|version| version.content.is_none()) =>
            {
                "taken back"
            }
            1 => "registered",
            _ => "updated",
        };
        spreads.push(Spreading {
            label: format!("{} {} {what}", key.service, key.id),
            at_s: World::seconds(world.now()),
            node: world.truth().life(key.life).host,
            of,
            known_ms: Vec::new(),
        });
        Some(spreads.len() - 1)
    }

    fn told(&mut self, world: &World, life: LifeId, told: Told) {
        match told {
            Told::Seen(key, version) => self.known(world, life, key, version),
            Told::TakenBack(key) | Told::Hidden(key) => {
                let versions = &world.truth().keys()[key].versions;
                let taken_back = versions
                    .iter()
                    .rposition(|version| version.content.is_none());
                if let Some(index) = taken_back {
                    self.known(world, life, key, index + 1);
                }
            }
            Told::Gone(name) => self.noticed(world, life, name),
            Told::Member(name) => self.believed_again(world, life, name),
        }
    }

    /// `life` knows a key in this version, or that it was taken back in it.
    fn known(&mut self, world: &World, life: LifeId, key: KeyId, version: usize) {
        let Some(changes) = self.changes.get_mut(&key) else {
            return;
        };
        let mut done = Vec::new();
        for change in changes
            .iter_mut()
            .filter(|change| change.version <= version)
        {
            if !change.waiting.remove(life) {
                continue;
            }
            let took = ms(change.at, world.now());
            if let (Some(spreads), Some(spread)) = (&mut self.spreads, change.spread) {
                spreads[spread].known_ms.push(took);
            }
            if change.waiting.is_empty() {
                done.push((took, change.is_undisturbed));
            }
        }
        changes.retain(|change| !change.waiting.is_empty());
        if changes.is_empty() {
            self.changes.remove(&key);
        }
        for (took, is_undisturbed) in done {
            self.convergence_ms.push(took);
            if is_undisturbed {
                let what = format!(
                    "until node {} knew a change as the last one",
                    host(world, life)
                );
                self.judge(world, Stated::Change, took, &what, vec![host(world, life)]);
            }
        }
    }

    fn noticed(&mut self, world: &World, life: LifeId, name: NameId) {
        let Some(death) = self.deaths.get_mut(&name) else {
            return;
        };
        if !death.waiting.remove(life) {
            return;
        }
        let impaired = world.truth().life(life).impaired;
        let is_impaired = world.guest(life).is_none_or(Guest::is_impaired);
        if !is_impaired && impaired.is_none_or(|at| at < death.at) {
            death.noticed_by_sound = Some(world.now());
        }
        if death.waiting.is_empty() {
            let by_sound = death.noticed_by_sound.map(|at| ms(death.at, at));
            self.sound_detection_ms.extend(by_sound);
            let (took, dead) = (ms(death.at, world.now()), death.host);
            self.deaths.remove(&name);
            self.detection_ms.push(took);
            let last = host(world, life);
            let what = format!("until node {last} had dropped node {dead} as the last one");
            self.judge(world, Stated::Detect, took, &what, vec![last, dead]);
        }
    }

    /// `life` takes a dead process for a live one once more: it has to drop it again.
    fn believed_again(&mut self, world: &World, life: LifeId, name: NameId) {
        let truth = world.truth();
        let dead = truth.life(truth.name(name).1);
        let Some((at, _)) = dead.ended.filter(|_| dead.name == name) else {
            return;
        };
        if !truth.life(life).is_alive() || truth.life(life).started >= at {
            return; // a later one has it from others, who have to drop it first
        }
        let host = dead.host;
        let death = self.deaths.entry(name).or_insert_with(|| Death {
            at,
            host,
            waiting: Bits::default(),
            noticed_by_sound: None,
        });
        death.waiting.insert(life);
    }

    fn ended(&mut self, world: &World, life: LifeId) {
        let truth = world.truth();
        self.changes.retain(|key, changes| {
            for change in changes.iter_mut() {
                change.waiting.remove(life);
            }
            changes.retain(|change| !change.waiting.is_empty());
            let is_writers = truth.keys()[*key].life == life;
            !changes.is_empty() && !is_writers
        });
        for death in self.deaths.values_mut() {
            death.waiting.remove(life);
        }
        self.deaths.retain(|_, death| !death.waiting.is_empty());
        if truth.life(life).leaving.is_none() {
            self.goes(world, life);
        }
    }

    /// `life` has ended, or says goodbye: it is waited until all who hold it have dropped it.
    fn goes(&mut self, world: &World, life: LifeId) {
        let truth = world.truth();
        let (name, host) = (truth.life(life).name, truth.life(life).host);
        let lives = truth.lives().iter().enumerate();
        let others = lives.filter(|(other, state)| state.is_alive() && *other != life);
        let waiting: Bits = others
            .filter(|(other, _)| world.mirror(*other).members().contains(name))
            .map(|(other, _)| other)
            .collect();
        if !waiting.is_empty() {
            let at = world.now();
            let death = Death {
                at,
                host,
                waiting,
                noticed_by_sound: None,
            };
            self.deaths.insert(name, death);
        }
    }

    fn judge(&mut self, world: &World, stated: Stated, took: f64, what: &str, nodes: Vec<usize>) {
        let limit = &mut self.limits[stated as usize];
        let Some(within) = limit.within else {
            return;
        };
        limit.judged += 1;
        if took > within.duration().as_secs_f64() * 1_000.0 {
            let what = format!("it took {took:.1} ms {what}; the scenario states {within}");
            self.unmet(world, nodes, what);
        }
    }

    fn unmet(&mut self, world: &World, nodes: Vec<usize>, what: String) {
        let last_events = nodes.iter().flat_map(|node| world.trace().last(*node));
        self.unmet.push(Violation {
            checker: NAME.to_owned(),
            at_s: World::seconds(world.now()),
            last_events: last_events.collect(),
            nodes,
            what,
        });
    }

    /// What took longer than the scenario states, or was stated of what there never was.
    pub(super) fn take_unmet(&mut self, world: &World) -> Vec<Violation> {
        let deaths = self.deaths.values().map(|death| (death.at, death.host));
        for (at, dead) in deaths.collect::<Vec<_>>() {
            let what = format!("and not all have dropped node {dead} yet");
            self.judge_open(world, Stated::Detect, at, &what, vec![dead]);
        }
        if let Some(since) = self.healing {
            let what = "and not all agree yet after a fault has ended, or a process has started";
            self.judge_open(world, Stated::Heal, since, what, Vec::new());
        }
        if !world.scenario().expect.may_miss {
            let limits = self.limits.iter();
            let vacuous = limits.filter(|limit| limit.within.is_some() && limit.judged == 0);
            for field in vacuous.map(|limit| limit.field).collect::<Vec<_>>() {
                let what = format!("vacuous: {field} is stated, and there was nothing to judge");
                self.unmet(world, Vec::new(), what);
            }
        }
        std::mem::take(&mut self.unmet)
    }

    /// Judges what has not come to its end: only that it has taken too long already is known.
    fn judge_open(
        &mut self,
        world: &World,
        stated: Stated,
        since: Instant,
        what: &str,
        nodes: Vec<usize>,
    ) {
        let took = world.now() - since;
        let within = self.limits[stated as usize].within;
        if within.is_some_and(|within| took > within.duration()) {
            self.judge(world, stated, ms(since, world.now()), what, nodes);
        }
    }
}

fn host(world: &World, life: LifeId) -> usize {
    world.truth().life(life).host
}

fn ms(since: Instant, now: Instant) -> f64 {
    (now - since).as_secs_f64() * 1_000.0
}
