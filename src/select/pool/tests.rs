mod p2c;
mod retries;
mod state;
mod strategies;
mod threads;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::Pool;
use crate::registry::{Instances, ServiceInstance, ServiceInstanceBuilder};
use crate::select::{Pick, Scheme, Strategy};

const ALL: [Strategy; 4] = [
    Strategy::Random,
    Strategy::RoundRobin,
    Strategy::Weighted,
    Strategy::P2c,
];

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An instance of the id, with the address `<id>:80`.
fn named(id: &str) -> ServiceInstanceBuilder {
    ServiceInstance::builder("orders")
        .id(id)
        .endpoint(format!("http://{id}:80"))
}

fn instance(id: &str) -> ServiceInstance {
    named(id).build().unwrap()
}

fn weighing(id: &str, weight: &str) -> ServiceInstance {
    named(id).metadata("weight", weight).build().unwrap()
}

fn numbered(count: usize) -> Instances {
    (0..count)
        .map(|id| instance(&format!("host-{id:03}")))
        .collect()
}

fn pool_of(strategy: Strategy, instances: impl IntoIterator<Item = ServiceInstance>) -> Pool {
    let pool = Pool::builder("orders", Scheme::Http)
        .strategy(strategy)
        .build();
    pool.update(&instances.into_iter().collect());
    pool
}

fn id<C>(pick: &Pick<C>) -> String {
    pick.instance().id().to_owned()
}

/// How often each id is picked, when each call is over at once and all come at one moment.
fn picked(pool: &Pool, calls: usize, seed: u64) -> BTreeMap<String, usize> {
    let mut rng = rng(seed);
    let mut picked = BTreeMap::new();
    for _ in 0..calls {
        *picked
            .entry(id(&pool.pick(ms(1), &mut rng).unwrap()))
            .or_default() += 1;
    }
    picked
}

fn counts(picked: &BTreeMap<String, usize>) -> Vec<usize> {
    picked.values().copied().collect()
}

fn address(id: &str) -> Arc<str> {
    format!("{id}:80").into()
}
