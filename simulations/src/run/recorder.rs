//! The course of a run, in columns of equal length.

use std::time::Duration;

use tidings::gossip::Instant;

use crate::{
    outcome::{FaultSpan, Recording, Spreading, Verdict},
    scenario::Subject,
    world::{World, bits::Bits},
};

/// How many columns a scenario's duration is cut into, roughly.
const COLUMNS: u32 = 300;
/// The shortest column.
const COLUMN_MIN: Duration = Duration::from_millis(10);

/// Makes a recording.
#[derive(Debug)]
pub(super) struct Recorder {
    column: Duration,
    next: Instant,
    recording: Recording,
    /// What each host had sent by the last column: datagrams and bytes.
    sent: Vec<(u64, u64)>,
}

impl Recorder {
    pub(super) fn new(world: &World) -> Self {
        let scenario = world.scenario();
        let length = scenario.duration.duration() + scenario.expect.hold.duration();
        let column = (length / COLUMNS).max(COLUMN_MIN);
        let subject = match scenario.subject {
            Subject::Tidings => "tidings",
            Subject::SwimBaseline => "plain foca",
        };
        Self {
            column,
            next: world.now() + column,
            recording: Recording {
                subject: subject.to_owned(),
                about: scenario.about.clone(),
                start_s: World::seconds(world.now()),
                column_s: column.as_secs_f64(),
                ..Recording::default()
            },
            sent: Vec::new(),
        }
    }

    /// When the present column ends.
    pub(super) const fn next_column(&self) -> Instant {
        self.next
    }

    /// Adds a column, if it has ended.
    pub(super) fn look(&mut self, world: &World) {
        if world.now() < self.next {
            return;
        }
        self.next = self.next + self.column;
        self.grow(world.hosts().len());
        let truth = world.truth();
        let lives = || {
            truth
                .lives()
                .iter()
                .enumerate()
                .filter(|(_, life)| life.is_alive())
        };
        let living: Bits = lives().map(|(_, life)| life.name).collect();
        let mut holders = vec![0_usize; truth.lives().len()];
        let mut holds = vec![0_usize; truth.lives().len()];
        for (life, _) in lives() {
            let members = world.mirror(life).members();
            holds[life] = members.common(&living);
            for name in members.iter().filter(|name| living.contains(*name)) {
                holders[truth.name(name).1] += 1;
            }
        }
        let others = living.len().saturating_sub(1);
        for (index, host) in world.hosts().iter().enumerate() {
            let life = host.guest.as_ref().map(|guest| guest.life);
            let share = |counts: &[usize]| life.map(|life| percent(counts[life], others));
            self.recording.believed[index].push(share(&holders));
            self.recording.believes[index].push(share(&holds));
            let (packets, bytes) =
                std::mem::replace(&mut self.sent[index], (host.packets, host.bytes));
            let packets = u32::try_from(host.packets - packets).unwrap_or(u32::MAX);
            self.recording.packets[index].push(packets);
            self.recording.bytes[index].push(host.bytes - bytes);
        }
    }

    /// Hosts that came late have empty columns before.
    fn grow(&mut self, hosts: usize) {
        let columns = self.recording.believed.first().map_or(0, Vec::len);
        self.recording.believed.resize(hosts, vec![None; columns]);
        self.recording.believes.resize(hosts, vec![None; columns]);
        self.recording.packets.resize(hosts, vec![0; columns]);
        self.recording.bytes.resize(hosts, vec![0; columns]);
        self.sent.resize(hosts, (0, 0));
    }

    pub(super) fn finish(
        mut self,
        world: &World,
        (changes, changes_in_all): (Vec<Spreading>, usize),
        verdicts: Vec<Verdict>,
    ) -> Recording {
        self.recording.changes = changes;
        self.recording.changes_in_all = changes_in_all;
        let span = |fault: &crate::world::FaultRun| FaultSpan {
            label: fault.label.clone(),
            time_s: World::seconds(fault.began)..World::seconds(fault.ended.unwrap_or(world.now())),
            nodes: fault.nodes.clone(),
            hits: fault.hits,
        };
        self.recording.faults = world.faults().iter().map(span).collect();
        self.recording.verdicts = verdicts;
        self.recording
    }
}

fn percent(count: usize, of: usize) -> u8 {
    if of == 0 {
        return 100;
    }
    u8::try_from(count * 100 / of).unwrap_or(100)
}
