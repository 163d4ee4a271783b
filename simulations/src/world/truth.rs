//! What is so: which processes live, and what each of them has registered.
//!
//! It is written by what is done to the world (a process is started, an instance registered) and by
//! nothing that a process says, its own name excepted. The checkers hold the processes' words against it.

use std::{collections::BTreeMap, sync::Arc};

use tidings::{ServiceInstance, gossip::Instant, table::Owner};

/// A process, from its start to its end: its number in the order of starts.
pub type LifeId = usize;
/// An instance of one owner: its number in the order of appearance.
pub type KeyId = usize;

/// A name under which a process goes or went: an address and a boot, numbered in the order of appearance.
pub type NameId = usize;

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Without a word; its host answers that nobody listens.
    Crashed,
    /// With its host.
    Silent,
    /// With a goodbye.
    Left,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Life {
    /// On which host it lives.
    pub host: usize,
    /// Under which name it writes at present.
    pub owner: Owner,
    /// The number of that name.
    pub name: NameId,
    /// When it started.
    pub started: Instant,
    /// When it began to say goodbye.
    pub leaving: Option<Instant>,
    /// When it ended, and how.
    pub ended: Option<(Instant, End)>,
    /// When it was last stopped, slowed down, or let go on; nothing if never.
    pub impaired: Option<Instant>,
    /// What it has registered now: its instances, by service and id.
    pub holds: BTreeMap<(String, String), KeyId>,
}

impl Life {
    /// Whether it runs, or is stopped and will run again.
    pub const fn is_alive(&self) -> bool {
        self.ended.is_none()
    }
}

/// What one instance was at some time.
#[derive(Debug, Clone)]
pub struct Version {
    /// Since when.
    pub at: Instant,
    /// As it was registered; nothing when it was taken back.
    pub content: Option<Arc<ServiceInstance>>,
}

/// An instance of one owner, and its history.
#[derive(Debug, Clone)]
pub struct Key {
    /// Whose it is.
    pub life: LifeId,
    /// The owner's name when it wrote it.
    pub owner: Owner,
    /// The service's name.
    pub service: String,
    /// The instance's id.
    pub id: String,
    /// What it was, oldest first; never empty.
    pub versions: Vec<Version>,
}

/// All that is so, and was.
#[derive(Debug, Default)]
pub struct Truth {
    lives: Vec<Life>,
    names: Vec<(Owner, LifeId)>,
    numbers: BTreeMap<Owner, NameId>,
    keys: Vec<Key>,
    by_name: BTreeMap<Owner, BTreeMap<(String, String), KeyId>>,
    alive: usize,
}

impl Truth {
    /// All processes that ever were.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// One of them.
    pub fn life(&self, life: LifeId) -> &Life {
        &self.lives[life]
    }

    /// All instances that ever were.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many processes live.
    pub const fn alive(&self) -> usize {
        self.alive
    }

    /// The number of a name that some process goes or went by.
    pub fn name_of(&self, owner: Owner) -> Option<NameId> {
        self.numbers.get(&owner).copied()
    }

    /// The name with that number, and whose it is or was.
    pub fn name(&self, name: NameId) -> (Owner, LifeId) {
        self.names[name]
    }

    /// The process that goes by that name now, and lives.
    pub fn living(&self, name: NameId) -> Option<LifeId> {
        let (_, life) = self.names[name];
        (self.lives[life].name == name && self.lives[life].is_alive()).then_some(life)
    }

    /// The instance of `owner` with these names.
    pub fn key_of(&self, owner: Owner, service: &str, id: &str) -> Option<KeyId> {
        let names = self.by_name.get(&owner)?;
        names.get(&(service.to_owned(), id.to_owned())).copied()
    }

    /// The latest version of a key that says `content`, counted from 1.
    pub fn version_of(&self, key: KeyId, content: &ServiceInstance) -> Option<usize> {
        let versions = &self.keys[key].versions;
        let found = versions
            .iter()
            .rposition(|version| version.content.as_deref() == Some(content));
        found.map(|index| index + 1)
    }

    /// The present version of a key, counted from 1; nothing where it is taken back, or where its
    /// process no longer lives or goes by another name.
    pub fn current(&self, key: KeyId) -> Option<usize> {
        let Key {
            life,
            owner,
            versions,
            ..
        } = &self.keys[key];
        let life = &self.lives[*life];
        let last = versions.last()?;
        (life.is_alive() && life.owner == *owner && last.content.is_some())
            .then_some(versions.len())
    }

    pub(super) fn start(&mut self, now: Instant, host: usize, owner: Owner) -> LifeId {
        let life = self.lives.len();
        let name = self.add_name(owner, life);
        self.lives.push(Life {
            host,
            owner,
            name,
            started: now,
            leaving: None,
            ended: None,
            impaired: None,
            holds: BTreeMap::new(),
        });
        self.alive += 1;
        life
    }

    fn add_name(&mut self, owner: Owner, life: LifeId) -> NameId {
        let name = self.names.len();
        self.names.push((owner, life));
        let before = self.numbers.insert(owner, name);
        assert!(before.is_none(), "two processes by the name {owner}");
        name
    }

    pub(super) fn end(&mut self, now: Instant, life: LifeId, how: End) {
        let ended = self.lives[life].ended.replace((now, how));
        assert!(ended.is_none(), "a process ends once");
        self.alive -= 1;
    }

    pub(super) fn begin_leave(&mut self, now: Instant, life: LifeId) {
        self.lives[life].leaving = Some(now);
    }

    pub(super) fn impair(&mut self, now: Instant, life: LifeId) {
        self.lives[life].impaired = Some(now);
    }

    /// The process goes by another name now, and writes again under it what it holds.
    pub(super) fn rename(&mut self, now: Instant, life: LifeId, owner: Owner) {
        self.lives[life].name = self.add_name(owner, life);
        self.lives[life].owner = owner;
        let held = std::mem::take(&mut self.lives[life].holds);
        for ((service, id), key) in held {
            let last = self.keys[key].versions.last().expect("never empty");
            let content = last.content.clone();
            self.write(now, life, service, id, content);
        }
    }

    /// The process has registered (or taken back) an instance.
    pub(super) fn write(
        &mut self,
        now: Instant,
        life: LifeId,
        service: String,
        id: String,
        content: Option<Arc<ServiceInstance>>,
    ) -> KeyId {
        let owner = self.lives[life].owner;
        let names = self.by_name.entry(owner).or_default();
        let name = (service, id);
        let key = names.get(&name).copied().unwrap_or(self.keys.len());
        if key == self.keys.len() {
            names.insert(name.clone(), key);
            self.keys.push(Key {
                life,
                owner,
                service: name.0.clone(),
                id: name.1.clone(),
                versions: Vec::new(),
            });
        }
        if content.is_some() {
            self.lives[life].holds.insert(name, key);
        } else {
            self.lives[life].holds.remove(&name);
        }
        self.keys[key].versions.push(Version { at: now, content });
        key
    }
}
