//! What each process was told by its own event stream: the events, replayed from empty.
//!
//! A mirror knows an instance by its number in the [`Truth`], and each mirror keeps a sum over what it
//! holds, as the truth does over what is so. So whether a process agrees with the world is one comparison,
//! after every event of every process.

use tidings::table::{Event, Owner};

use super::{
    bits::Bits,
    truth::{KeyId, LifeId, NameId, Truth},
};

/// What one process was told.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    /// For each key the version that it saw last, counted from 1; 0 where it sees none.
    seen: Vec<u32>,
    /// The owners that it holds as members, itself left out.
    members: Bits,
    /// A sum over all that it holds.
    sum: u64,
}

/// What an event did to a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// An instance is seen as it was in this version.
    Seen(KeyId, usize),
    /// An instance is gone because its owner took it back.
    TakenBack(KeyId),
    /// An instance is gone with its owner.
    Hidden(KeyId),
    /// A member is there.
    Member(NameId),
    /// A member is gone.
    Gone(NameId),
}

/// Why an event cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impossible {
    /// There never was a process of that name.
    Owner,
    /// That process never had such an instance.
    Instance,
    /// It never said that of the instance.
    Content,
    /// What is to change or to go is not there, or what is to come is there already.
    Order,
}

impl Mirror {
    /// The version of a key that is seen, counted from 1.
    pub fn seen(&self, key: KeyId) -> Option<usize> {
        let seen = self.seen.get(key).copied().unwrap_or(0);
        (seen > 0).then_some(seen as usize)
    }

    /// All keys that are seen, with the version, counted from 1.
    pub fn all_seen(&self) -> impl Iterator<Item = (KeyId, usize)> {
        let seen = self.seen.iter().enumerate();
        seen.filter(|(_, version)| **version > 0)
            .map(|(key, version)| (key, *version as usize))
    }

    /// The members, itself left out.
    pub const fn members(&self) -> &Bits {
        &self.members
    }

    /// The sum over all that it holds; equal to the truth's where it agrees with it.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Replays an event. What it did, in order, or why it cannot be; then the possible part of it has been
    /// done.
    pub(super) fn apply(
        &mut self,
        truth: &Truth,
        event: &Event,
        told: &mut Vec<Told>,
    ) -> Result<(), Impossible> {
        match event {
            Event::Joined { member } => self.join(truth, *member, told),
            Event::Left { member, instances } | Event::Failed { member, instances } => {
                let mut result = Ok(());
                for instance in instances {
                    match key(truth, *member, instance) {
                        Ok(key) if self.set(key, 0) != 0 => told.push(Told::Hidden(key)),
                        Ok(_) => result = Err(Impossible::Order),
                        Err(impossible) => result = Err(impossible),
                    }
                }
                let name = truth.name_of(*member).ok_or(Impossible::Owner)?;
                if !self.members.remove(name) {
                    return Err(Impossible::Order);
                }
                self.sum = self.sum.wrapping_sub(name_hash(name));
                told.push(Told::Gone(name));
                result
            }
            Event::Recovered { member, instances } => {
                let mut result = self.join(truth, *member, told);
                for instance in instances {
                    result = result.and(self.see(truth, *member, instance, false, told));
                }
                result
            }
            Event::Registered { owner, instance } => self.see(truth, *owner, instance, false, told),
            Event::Updated { owner, instance } => self.see(truth, *owner, instance, true, told),
            Event::Deregistered { owner, instance } => {
                let key = key(truth, *owner, instance)?;
                if self.set(key, 0) == 0 {
                    return Err(Impossible::Order);
                }
                told.push(Told::TakenBack(key));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn join(
        &mut self,
        truth: &Truth,
        member: Owner,
        told: &mut Vec<Told>,
    ) -> Result<(), Impossible> {
        let name = truth.name_of(member).ok_or(Impossible::Owner)?;
        if !self.members.insert(name) {
            return Err(Impossible::Order);
        }
        self.sum = self.sum.wrapping_add(name_hash(name));
        told.push(Told::Member(name));
        Ok(())
    }

    fn see(
        &mut self,
        truth: &Truth,
        owner: Owner,
        instance: &tidings::ServiceInstance,
        is_update: bool,
        told: &mut Vec<Told>,
    ) -> Result<(), Impossible> {
        let key = key(truth, owner, instance)?;
        let version = truth.version_of(key, instance).ok_or(Impossible::Content)?;
        let before = self.set(
            key,
            u32::try_from(version).expect("fewer than 2^32 versions"),
        );
        told.push(Told::Seen(key, version));
        if (before > 0) == is_update {
            Ok(())
        } else {
            Err(Impossible::Order)
        }
    }

    /// Sets what is seen of a key; what was before.
    fn set(&mut self, key: KeyId, version: u32) -> u32 {
        if key >= self.seen.len() {
            self.seen.resize(key + 1, 0);
        }
        let before = std::mem::replace(&mut self.seen[key], version);
        self.sum = self
            .sum
            .wrapping_sub(seen_hash(key, before))
            .wrapping_add(seen_hash(key, version));
        before
    }
}

fn key(
    truth: &Truth,
    owner: Owner,
    instance: &tidings::ServiceInstance,
) -> Result<KeyId, Impossible> {
    truth.name_of(owner).ok_or(Impossible::Owner)?;
    truth
        .key_of(owner, instance.name(), instance.id())
        .ok_or(Impossible::Instance)
}

/// The sum that a process has which agrees with the truth.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected {
    sum: u64,
}

impl Expected {
    /// Of the whole truth.
    pub(super) fn of(truth: &Truth) -> Self {
        let mut sum = 0_u64;
        for life in truth.lives().iter().filter(|life| life.is_alive()) {
            sum = sum.wrapping_add(name_hash(life.name));
            for key in life.holds.values() {
                sum = sum.wrapping_add(current_hash(truth, *key));
            }
        }
        Self { sum }
    }

    /// What `life`'s own mirror is to come to: it does not hold itself as a member.
    pub(super) fn for_life(self, truth: &Truth, life: LifeId) -> u64 {
        self.sum.wrapping_sub(name_hash(truth.life(life).name))
    }
}

fn current_hash(truth: &Truth, key: KeyId) -> u64 {
    let version = truth.current(key).unwrap_or(0);
    seen_hash(
        key,
        u32::try_from(version).expect("fewer than 2^32 versions"),
    )
}

fn seen_hash(key: KeyId, version: u32) -> u64 {
    if version == 0 {
        return 0;
    }
    mix((key as u64) << 32 | u64::from(version))
}

fn name_hash(name: NameId) -> u64 {
    mix(!(name as u64))
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014): each bit of the input moves half of
/// those of the output.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
