//! What signing costs a record: `cargo bench --bench signing --features testing`.
//!
//! Medians over single calls, in microseconds, for a record of one instance (some 150 bytes) and one of 64 KiB, the largest. First
//! the calls by themselves:
//!
//! - *sign*: what an owner does whenever it writes.
//! - *verify*: what a node does once with each record that is new to it, if its list names it.
//! - *verify, forged*: likewise, in vain.
//!
//! Then how many bytes a record takes on the wire more than without, and what a whole `register` takes, the record's way
//! into the table and into the queue of news included, with a key and without.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use tidings::{
    ServiceInstance, SigningKey,
    gossip::{
        Config, Engine, Entropy, Now,
        security::measuring::{has_signed, sign},
    },
};

const CALLS: u32 = 5_000;
const SIZES: [usize; 2] = [150, 65_536];

/// Takes the length of a content.
type Measure = fn(usize) -> Duration;

fn main() {
    println!("{:>16}  {:>10}  {:>10}", "us", "150 bytes", "64 KiB");
    let rows: [(&str, Measure); 3] = [
        ("sign", signing),
        ("verify", verifying),
        ("verify, forged", verifying_forged),
    ];
    for (name, measure) in rows {
        let [small, large] = SIZES.map(measure).map(us);
        println!("{name:>16}  {small:>10.1}  {large:>10.1}");
    }
    let [(without, plain), (with, signed)] = [None, Some(key())].map(registering);
    println!();
    println!("{:>16}  {:>10}  {:>10}", "", "unsigned", "signed");
    println!("{:>16}  {without:>10}  {with:>10}", "bytes");
    let [plain, signed] = [plain, signed].map(us);
    println!("{:>16}  {plain:>10.1}  {signed:>10.1}", "register, us");
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn key() -> SigningKey {
    SigningKey::from_bytes([7; 32])
}

/// The median time of so many calls.
fn median(mut call: impl FnMut(u32)) -> Duration {
    let mut times: Vec<_> = (0..CALLS)
        .map(|n| {
            let since = Instant::now();
            call(n);
            since.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn signing(bytes: usize) -> Duration {
    let (key, content) = (key(), vec![7; bytes]);
    median(|_| {
        black_box(sign(&key, black_box(&content)));
    })
}

fn verifying(bytes: usize) -> Duration {
    let (key, content) = (key(), vec![7; bytes]);
    let signature = sign(&key, &content);
    let public = key.public_key();
    median(|_| assert!(has_signed(&public, black_box(&content), &signature)))
}

fn verifying_forged(bytes: usize) -> Duration {
    let (key, content) = (key(), vec![7; bytes]);
    let mut signature = sign(&key, &content);
    signature[40] ^= 1;
    let public = key.public_key();
    median(|_| assert!(!has_signed(&public, black_box(&content), &signature)))
}

/// How long the content of one instance is, and what it takes to register it.
fn registering(sign_with: Option<SigningKey>) -> (usize, Duration) {
    let now = Now {
        unix_ms: 1_800_000_000_000,
        ..Now::default()
    };
    let advertise = "127.0.0.1:7946".parse().expect("an address");
    let mut config = Config::lan("bench", advertise);
    config.security.sign_with = sign_with;
    let entropy = Entropy {
        session: [1; 16],
        seed: [2; 32],
    };
    let mut engine = Engine::new(config, entropy, now).expect("a sound configuration");
    let instance = |version: u32| {
        ServiceInstance::builder("user-service")
            .id("0b0f7f0e-6c1c-4b2e-9d55-0a4b7b6c1f3a")
            .version(format!("1.4.{version}"))
            .metadata("zone", "eu-1")
            .endpoint("http://10.0.0.9:8000")
            .endpoint("grpc://10.0.0.9:9000")
            .build()
            .expect("a sound instance")
    };
    let instances: Vec<_> = (0..CALLS).map(instance).collect();
    let mut instances = instances.into_iter();
    let time = median(|_| {
        let next = instances.next().expect("one for each call");
        engine.register(now, next).expect("there is room");
    });
    let content = engine.own_records().map(|record| record.content().len());
    (content.sum(), time)
}
