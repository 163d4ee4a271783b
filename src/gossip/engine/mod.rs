//! The state machine itself: what comes in, what goes out, and who handles what.
//!
//! Each concern has a file of its own, as an `impl Engine` block:
//!
//! | file | concern |
//! |---|---|
//! | `outbox` | framing what goes out, counting, rate-limited logging |
//! | `inbox` | unframing what comes in, who is trusted with what |
//! | `proving` | how far the address of a sender is known: cookies, challenges, sessions |
//! | `timeouts` | what is due, and who does it |
//! | `sealing` | keys, sealing and opening, sessions, clocks that are wrong |
//! | `key_rollover` | a change of the key, by a list that each host reads |
//! | `membership` | foca's packets, timers and effects |
//! | `member` | the members, as users see them |
//! | `admission` | what of a packet is let in |
//! | `verifying` | who is let in on whose word |
//! | `probing` | the probe that foca has under way: pings sent again, blame, haste |
//! | `suspecting` | suspicions: their timers, and what ends them |
//! | `cases` | whom we suspect ourselves: others are asked, the suspect is told |
//! | `inquiries` | finding out whether a member answers, for us and for others |
//! | `hearing` | who is heard, who can be a witness, and verdicts of a node that hears nobody |
//! | `sweeping` | a look at all members, when several fail at once |
//! | `pauses` | this process was stopped |
//! | `standing` | our own identity: rebirth, stepping back |
//! | `claims` | our own address: what is claimed of it, and what others find there |
//! | `vacancy` | one that has stepped back: whether its address is free |
//! | `rejecting` | rejects of hellos that cannot be used, and what is known of seeds |
//! | `joining` | seeds, hello and welcome, cookies, calls to the lost |
//! | `introducing` | letting a process in when its advertised address has answered |
//! | `records` | our own records, others' records, owner repair |
//! | `signing` | signed records: who may write what |
//! | `dissemination` | bursts and rounds of news |
//! | `fingerprint` | what is held, in one number |
//! | `sync` | reconciliation: asking |
//! | `hearsay` | reconciliation: what a peer says of members |
//! | `serve` | reconciliation: answering |
//! | `large` | records larger than a datagram |
//! | `path_size` | whether the largest datagrams arrive |
//! | `fallback` | what is remembered from an earlier run, until it is confirmed |
//! | `leaving` | goodbye |
//! | `moving` | another address, and so another identity |
//! | `observed` | under which address peers see us |
//! | `figures` | what was counted, and how much is held |
//! | `assume` | a settled start, for tests (feature `testing`) |
//! | `lies` | a member that lies, for tests (feature `testing`) |
//! | `invariants` | what holds after every step, for tests |

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{
    cases::Case,
    dissemination::Burst,
    inquiries::Inquiry,
    large::Assemblies,
    leaving::Leave,
    moving::{Farewell, Unresolved},
    outbox::LogGate,
    probing::{Haste, Probe},
    records::OwnRecords,
    signing::Verification,
    standing::{Life, Rebirths},
    sync::Sync,
    timeouts::TimerKey,
    vacancy::Vacancy,
};
use super::{
    Config, ConfigError, Instant, Now, Stats,
    address_check::AddressCheck,
    applicants::Applicants,
    boots::Boots,
    budget::Budget,
    candidates::Candidates,
    challenges::Sent,
    contacts::Contacts,
    foca_runtime::{Effects, Swim, swim},
    heard::Heard,
    history::History,
    identity::PeerId,
    local_health::LocalHealth,
    local_verdicts::LocalVerdicts,
    members::{Members, member_hash},
    news::News,
    path_size::PathSize,
    proofs::Proofs,
    rejects::Rejects,
    security::Guard,
    seeds::Seeds,
    suspicion::Suspicion,
    sweep::Sweep,
    timers::Timers,
    verified::Verified,
    wire::frame::{ClusterTag, Nonces},
};
use crate::table::{Directory, Event, ItemHash, Replica, Told};

#[cfg(feature = "testing")]
pub use self::lies::Lie;
pub use self::member::{Member, MemberState};

mod admission;
#[cfg(feature = "testing")]
mod assume;
mod cases;
mod claims;
mod dissemination;
mod fallback;
mod figures;
mod fingerprint;
mod hearing;
mod hearsay;
mod inbox;
mod inquiries;
mod introducing;
#[cfg(any(test, feature = "testing"))]
mod invariants;
mod joining;
mod key_rollover;
mod large;
mod leaving;
#[cfg(feature = "testing")]
mod lies;
mod member;
mod membership;
mod moving;
mod observed;
mod outbox;
mod path_size;
mod pauses;
mod probing;
mod proving;
mod records;
mod rejecting;
mod sealing;
mod serve;
mod signing;
mod standing;
mod suspecting;
mod sweeping;
mod sync;
mod timeouts;
mod vacancy;
mod verifying;

#[cfg(test)]
mod tests;

/// How many answers to cookies and to packets for an older identity may leave in a second, and pings for others; and as
/// many findings.
const ANSWER_RATE: u32 = 200;
/// How many of them may leave at once.
const ANSWER_BURST: u32 = 256;

/// How many calls and suspicions may follow from others' word about members in a second.
const HEARSAY_RATE: u32 = 200;
/// How many at once: as many as there can be calls without an answer.
const HEARSAY_BURST: u32 = 1_024;

/// The randomness that an engine starts with.
#[derive(Clone)]
pub struct Entropy {
    /// The id of this run, in every datagram.
    pub session: [u8; 16],
    /// Seeds every choice, and the secret behind cookies.
    pub seed: [u8; 32],
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub payload: Bytes,
}

/// A node's whole protocol, without clock and without IO. See the [room's docs](super) for the
/// contract between it and its driver.
pub struct Engine {
    config: Config,
    cluster: ClusterTag,
    session: [u8; 16],
    /// The one before it, if there was one.
    former_session: Option<[u8; 16]>,
    rng: StdRng,
    nonces: Nonces,
    guard: Guard,
    /// Where a sealed datagram is opened.
    opened: Vec<u8>,

    me: PeerId,
    me_hash: ItemHash,
    incarnation: u16,
    life: Life,
    /// The identity with which this process began, or began again after it had stepped back.
    started: PeerId,
    rebirths: Rebirths,
    /// Whether another process has our address.
    address_check: AddressCheck,
    vacancy: Vacancy,
    conflict_told: Option<Instant>,

    swim: Swim,
    effects: Effects,
    /// How many bytes foca may answer with, where the sender has not answered us.
    most_answer: Option<usize>,
    timer_token: foca::TimerToken,
    connected: bool,
    foca_timers: BTreeMap<u64, foca::Timer<PeerId>>,
    next_foca_timer: u64,
    remove_down: BTreeMap<SocketAddr, PeerId>,
    members: Members,
    verified: Verified,
    candidates: Candidates,
    suspicions: BTreeMap<SocketAddr, Suspicion>,
    local_health: LocalHealth,
    /// The probe that foca has under way.
    probe: Option<Probe>,
    /// Under which number foca's next probe is kept among its timers.
    next_probe: Option<u64>,
    /// Likewise, when it is to ask others to probe.
    indirect_probe: Option<u64>,
    /// Since which of foca's beginnings probes have a phase of their own.
    phased: Option<foca::TimerToken>,
    /// foca's timer for gossip, while it has nothing to say.
    silent_gossip: Option<foca::Timer<PeerId>>,
    haste: Haste,
    cases: BTreeMap<SocketAddr, Case>,
    inquiries: BTreeMap<SocketAddr, Inquiry>,
    heard: Heard,
    sweep: Sweep,
    local_verdicts: LocalVerdicts,
    /// In the pings by which this node stays in touch with its witnesses.
    touch_token: u32,
    /// When something was handed in last.
    last_input: Instant,
    /// Until when a pause may have left us behind.
    unsure_until: Instant,
    /// How often a piece of news is sent, at the cluster's present size.
    copies: u8,

    replica: Replica,
    own: OwnRecords,
    unresolved: Unresolved,
    farewell: Farewell,
    verification: Verification,
    directory: Directory,
    history: History,

    news: News,
    burst: Burst,
    news_budget: Budget,
    page_budget: Budget,
    /// For answers that nobody's news should wait for.
    answer_budget: Budget,
    /// For what was found for others.
    finding_budget: Budget,
    /// For what somebody's word about members causes.
    hearsay_budget: Budget,
    /// For answers about keys.
    key_answers: Budget,
    boots: Boots,

    proofs: Proofs,
    applicants: Applicants,
    /// What may be challenged.
    sent: Sent,
    contacts: Contacts,
    seeds: Seeds,
    rejects: Rejects,
    seed_pause: Duration,
    /// The address under which peers see us, where it is not the advertised one.
    observed: Option<SocketAddr>,
    sync: Sync,
    /// Whether a live member had the same fingerprint at some time.
    has_matched: bool,
    assemblies: Assemblies,
    path_size: PathSize,
    /// Draws for the trials alone, so that they change no other choice.
    path_rng: StdRng,
    /// When the last trial began.
    path_tried: Option<Instant>,
    leave: Leave,

    timers: Timers<TimerKey>,
    wants_seeds: bool,
    transmits: VecDeque<Transmit>,
    /// What they take, in bytes.
    transmit_bytes: usize,
    events: VecDeque<Told>,
    stats: Stats,
    logs: LogGate,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("me", &self.me)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

fn guard(config: &Config, now: Instant) -> Guard {
    Guard::new(&config.security, &config.cluster, config.max_members, now)
}

fn contacts(config: &Config) -> Contacts {
    let (interval, eagerly_for) = (config.contact_interval, config.contact_eagerly_for);
    Contacts::new(interval, eagerly_for, config.max_contacts)
}

impl Engine {
    /// A node that starts now. It needs no peer; it asks for seeds at once ([`Self::wants_seeds`]).
    pub fn new(config: Config, entropy: Entropy, now: Now) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut rng = StdRng::from_seed(entropy.seed);
        let me = PeerId::new(config.advertise, now.unix_ms, rng.random());
        let mut replica = Replica::new(config.table.clone());
        replica.adopt(me.owner());
        let mut engine = Self {
            cluster: ClusterTag::of(&config.cluster),
            session: entropy.session,
            former_session: None,
            nonces: Nonces::default(),
            guard: guard(&config, now.instant),
            opened: Vec::new(),
            me,
            me_hash: member_hash(&me),
            incarnation: 0,
            life: Life::default(),
            started: me,
            rebirths: Rebirths::default(),
            address_check: AddressCheck::default(),
            vacancy: Vacancy::default(),
            conflict_told: None,
            swim: swim(&config, me, rng.random()),
            effects: Effects::default(),
            most_answer: None,
            timer_token: 0,
            connected: false,
            foca_timers: BTreeMap::new(),
            next_foca_timer: 0,
            remove_down: BTreeMap::new(),
            members: Members::default(),
            verified: Verified::default(),
            candidates: Candidates::new(now.instant),
            suspicions: BTreeMap::new(),
            local_health: LocalHealth::default(),
            probe: None,
            next_probe: None,
            phased: None,
            indirect_probe: None,
            silent_gossip: None,
            haste: Haste::default(),
            cases: BTreeMap::new(),
            inquiries: BTreeMap::new(),
            heard: Heard::default(),
            sweep: Sweep::default(),
            local_verdicts: LocalVerdicts::default(),
            touch_token: 0,
            last_input: now.instant,
            unsure_until: Instant::ZERO,
            copies: config.copies(1),
            replica,
            own: OwnRecords::default(),
            unresolved: Unresolved::default(),
            farewell: Farewell::default(),
            verification: Verification::new(now.instant),
            directory: Directory::new(),
            history: History::default(),
            news: News::default(),
            burst: Burst::default(),
            news_budget: Budget::new(config.news_rate, config.news_burst, now.instant),
            answer_budget: Budget::new(ANSWER_RATE, ANSWER_BURST, now.instant),
            finding_budget: Budget::new(ANSWER_RATE, ANSWER_BURST, now.instant),
            hearsay_budget: Budget::new(HEARSAY_RATE, HEARSAY_BURST, now.instant),
            key_answers: Budget::new(key_rollover::ANSWERS, key_rollover::ANSWERS, now.instant),
            boots: Boots::new(config.boot_rate, config.boot_burst, now.instant),
            page_budget: Budget::new(config.page_rate, config.page_burst, now.instant),
            proofs: Proofs::new(rng.random(), config.max_members),
            applicants: Applicants::default(),
            sent: Sent::default(),
            contacts: contacts(&config),
            seeds: Seeds::default(),
            rejects: Rejects::new(now.instant),
            seed_pause: Duration::ZERO,
            observed: None,
            sync: Sync::new(now.instant),
            has_matched: false,
            assemblies: Assemblies::default(),
            path_size: PathSize::default(),
            path_rng: path_size::rng(entropy.seed),
            path_tried: None,
            leave: Leave::default(),
            timers: Timers::default(),
            wants_seeds: false,
            transmits: VecDeque::new(),
            transmit_bytes: 0,
            events: VecDeque::new(),
            stats: Stats::default(),
            logs: LogGate::default(),
            rng,
            config,
        };
        engine.timers.set(TimerKey::Seeds, now.instant);
        engine.members.note_changed(me.addr);
        Ok(engine)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front()?;
        self.transmit_bytes -= outbox::cost(&transmit);
        Some(transmit)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.poll_told().map(|told| told.event)
    }

    /// The same, with what was before, where it is an update.
    pub(crate) fn poll_told(&mut self) -> Option<Told> {
        if self.events.is_empty() {
            self.events = self.replica.take_told();
        }
        self.events.pop_front()
    }

    /// Makes what has changed visible to the readers of [`Self::directory`]. Call it after each
    /// batch of inputs; until then readers see the state before the batch.
    pub fn publish(&mut self) {
        self.confirm_stale();
        self.note_gone();
        self.replica.publish(&self.directory);
    }

    /// What readers see.
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// This node's identity at present.
    pub const fn identity(&self) -> PeerId {
        self.me
    }
}
