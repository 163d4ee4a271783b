//! The order of turns of weighted round robin.
//!
//! nginx's smooth weighted round robin (`ngx_http_upstream_round_robin.c`, "Upstream: smooth weighted
//! round-robin balancing", 2012): at each turn everybody's counter grows by its weight, the highest has the turn and pays the
//! sum of all weights. With the weights 5, 1, 1 that is a a b a c a a, where the plain way is
//! a a a a a b c. The order repeats after as many turns as the weights sum up to, divided by their
//! greatest common divisor.
//!
//! Here the whole period is computed when the list changes, so that a turn is one step of an atomic
//! counter instead of a lock around all counters.

#[cfg(test)]
mod tests;

/// The longest period. Weights that need a longer one are scaled down to it: each instance has the
/// whole number of turns that is nearest to its share of them, and at least one, so that nobody who
/// has a weight gets nothing (and the period is a little longer or shorter). With 300 instances a
/// usual share is 14 turns, and right to 4 %. Beyond so many instances, most have one turn.
const TURNS_MAX: u64 = 4_096;

/// One period: whose turn it is, as positions in `weights`. None of these is 0. Empty when all are
/// equal, since then it is one after the other.
///
/// Takes as many steps as the product of turns and instances: 1.2 million with 300 of them and the
/// longest period, about a millisecond. It is done when weights change.
pub(super) fn smooth(weights: &[u16]) -> Vec<u32> {
    if weights.windows(2).all(|pair| pair[0] == pair[1]) {
        return Vec::new();
    }
    let turns = turns(weights);
    let period: i64 = turns.iter().sum();
    let mut due = vec![0_i64; turns.len()];
    (0..period)
        .map(|_| {
            let mut next = 0;
            for (place, turns) in turns.iter().enumerate() {
                due[place] += turns;
                if due[place] > due[next] {
                    next = place;
                }
            }
            due[next] -= period;
            u32::try_from(next).expect("a list of instances has fewer than 4 billion")
        })
        .collect()
}

/// How many turns each has in one period.
fn turns(weights: &[u16]) -> Vec<i64> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
    let turns: Vec<u64> = weights.iter().map(|w| u64::from(w / divisor)).collect();
    let period: u64 = turns.iter().sum();
    let scaled = |turns: u64| {
        if period <= TURNS_MAX {
            return turns;
        }
        // Rounded to the nearest.
        ((turns * TURNS_MAX + period / 2) / period).max(1)
    };
    let turns = turns.into_iter().map(scaled);
    turns
        .map(|turns| i64::try_from(turns).expect("at most a weight, which has 16 bits"))
        .collect()
}

fn greatest_common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
