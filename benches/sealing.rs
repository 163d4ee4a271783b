//! What sealing costs a datagram: `cargo bench --bench sealing --features testing`.
//!
//! Medians over single calls, in nanoseconds, less what it takes to read the clock, for the smallest datagram of a probe (54
//! bytes before the seal) and the largest (1,200 bytes, with the seal). With the feature `aws-lc-rs` too, they are those of
//! AWS-LC.
//!
//! - *seal*: with the cipher that a sender keeps.
//! - *open*: of a session that is known, as nearly every datagram is.
//! - *first contact*: of a session that is not, so that its key is derived and its window made.
//! - *forged, known session*: the header is that of somebody who is known, the tag is wrong.
//! - *forged, new session*: likewise of nobody, so that a key is derived in vain.
//! - *replayed*: was received already. The tag is not looked at.
//! - *out of the skew*: of no known session and of another time. Four tags a second are looked at, none of the others.

use std::{
    cell::RefCell,
    hint::black_box,
    time::{Duration, Instant},
};

use tidings::{
    ClusterKey,
    gossip::{
        Now, Security,
        security::{Keyring, measuring::Party},
    },
};

const CALLS: u32 = 20_000;
const HEADERS_BYTES: usize = 30 + 17;
const SEAL_BYTES: usize = 16;
const SIZES: [usize; 2] = [54, 1_200 - SEAL_BYTES];
const UNIX_MS: u64 = 1_800_000_000_000;

/// Takes the length of a payload, and gives nanoseconds.
type Measure = fn(usize) -> u64;

fn main() {
    println!("{:>24}  {:>10}  {:>10}", "ns", "54 bytes", "1,200 bytes");
    let rows: [(&str, Measure); 7] = [
        ("seal", seal),
        ("open", open),
        ("first contact", first_contact),
        ("forged, known session", forged_known),
        ("forged, new session", forged_new),
        ("replayed", replayed),
        ("out of the skew", skewed),
    ];
    for (name, measure) in rows {
        let [small, large] = SIZES.map(|size| measure(size - HEADERS_BYTES));
        println!("{name:>24}  {small:>10}  {large:>10}");
    }
}

fn now() -> Now {
    Now {
        unix_ms: UNIX_MS,
        ..Now::default()
    }
}

fn party(session: u32) -> Party {
    let mut security = Security::default();
    security.keyring = Keyring::of([ClusterKey::from_bytes([7; 32])]).expect("one key");
    let mut id = [0; 16];
    id[..4].copy_from_slice(&session.to_be_bytes());
    Party::new(&security, "bench", id, now())
}

fn sealed(sender: &mut Party, now: Now, payload: usize) -> Vec<u8> {
    let (nonce, mut datagram) = sender.write(now, payload);
    sender.seal(nonce, &mut datagram);
    datagram
}

fn forged(mut datagram: Vec<u8>) -> Vec<u8> {
    *datagram.last_mut().expect("not empty") ^= 1;
    datagram
}

/// A receiver that knows the session of the sender.
fn pair(payload: usize) -> (Party, Party) {
    let (mut sender, mut receiver) = (party(0), party(u32::MAX));
    assert!(receiver.open(now(), &sealed(&mut sender, now(), payload)));
    (sender, receiver)
}

/// The median time of `call` on each of what `make` makes.
fn median<T>(mut make: impl FnMut(u32) -> T, mut call: impl FnMut(T)) -> u64 {
    let mut times: Vec<_> = (0..CALLS)
        .map(|n| {
            let input = black_box(make(n));
            let since = Instant::now();
            call(input);
            since.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times[times.len() / 2].saturating_sub(reading_the_clock());
    u64::try_from(median.as_nanos()).expect("not that long")
}

fn reading_the_clock() -> Duration {
    let mut times: Vec<_> = (0..CALLS).map(|_| Instant::now().elapsed()).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn seal(payload: usize) -> u64 {
    let sender = RefCell::new(party(0));
    median(
        |_| sender.borrow_mut().write(now(), payload),
        |(nonce, mut datagram)| {
            sender.borrow_mut().seal(nonce, &mut datagram);
            black_box(datagram);
        },
    )
}

fn open(payload: usize) -> u64 {
    let (mut sender, mut receiver) = pair(payload);
    median(
        |_| sealed(&mut sender, now(), payload),
        |datagram| assert!(receiver.open(now(), &datagram)),
    )
}

fn first_contact(payload: usize) -> u64 {
    // A receiver knows so many sessions at most.
    let receiver = RefCell::new(party(u32::MAX));
    median(
        |n| {
            if n % 1_000 == 0 {
                *receiver.borrow_mut() = party(u32::MAX);
            }
            sealed(&mut party(n), now(), payload)
        },
        |datagram| assert!(receiver.borrow_mut().open(now(), &datagram)),
    )
}

fn forged_known(payload: usize) -> u64 {
    let (mut sender, mut receiver) = pair(payload);
    median(
        |_| forged(sealed(&mut sender, now(), payload)),
        |datagram| assert!(!receiver.open(now(), &datagram)),
    )
}

fn forged_new(payload: usize) -> u64 {
    let mut receiver = party(u32::MAX);
    median(
        |n| forged(sealed(&mut party(n), now(), payload)),
        |datagram| assert!(!receiver.open(now(), &datagram)),
    )
}

fn replayed(payload: usize) -> u64 {
    let (mut sender, mut receiver) = pair(payload);
    let datagram = sealed(&mut sender, now(), payload);
    assert!(receiver.open(now(), &datagram));
    median(
        |_| datagram.clone(),
        |datagram| assert!(!receiver.open(now(), &datagram)),
    )
}

fn skewed(payload: usize) -> u64 {
    let mut receiver = party(u32::MAX);
    let early = Now {
        unix_ms: UNIX_MS - 3_600_000,
        ..now()
    };
    median(
        |n| sealed(&mut party(n), early, payload),
        |datagram| assert!(!receiver.open(now(), &datagram)),
    )
}
