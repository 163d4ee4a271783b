//! Which nonces of one session were received: each counts once.
//!
//! RFC 6479 keeps a bitmap behind the highest number. Here it would not do: a nonce is at least the Unix time
//! in milliseconds times 2^20, so two that follow each other are often billions apart. So the nonces themselves are
//! kept, the newest [`KEPT`] of them.
//!
//! Invariants: no nonce is admitted twice, and none below the floor. The floor never sinks. It begins where the
//! skew of clocks ends, or what was said before this node first heard the session could be said again; it rises to the
//! lowest nonce that is kept when there is room for no more, and stays within the skew of the newest.

/// How many nonces are kept: a datagram that so many later ones have overtaken is dropped, as the network may have
/// done. 8 bytes each.
pub(super) const KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Window {
    /// Ascending, at most [`KEPT`].
    received: Vec<u64>,
    /// Below it nothing is admitted.
    floor: u64,
}

impl Window {
    pub(super) const fn above(floor: u64) -> Self {
        Self {
            received: Vec::new(),
            floor,
        }
    }

    /// Whether it is neither known nor too old to tell.
    pub(super) fn admits(&self, nonce: u64) -> bool {
        nonce >= self.floor && self.received.binary_search(&nonce).is_err()
    }

    /// Takes in a nonce that is [admitted](Self::admits) and whose datagram was authentic. `span` is how far, in nonces,
    /// one may be behind the newest.
    pub(super) fn record(&mut self, nonce: u64, span: u64) {
        let Err(at) = self.received.binary_search(&nonce) else {
            return;
        };
        if self.received.len() < KEPT {
            self.received.insert(at, nonce);
        } else if at == 0 {
            self.floor = self.floor.max(nonce + 1);
        } else {
            let lowest = self.received.remove(0);
            self.received.insert(at - 1, nonce);
            self.floor = self.floor.max(lowest + 1);
        }
        let floor = self.newest().saturating_sub(span);
        self.floor = self.floor.max(floor);
    }

    pub(super) fn newest(&self) -> u64 {
        self.received.last().copied().unwrap_or(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: u64 = 1_000_000;

    /// Whether it was admitted; then it is recorded.
    fn take(window: &mut Window, nonce: u64) -> bool {
        let admitted = window.admits(nonce);
        if admitted {
            window.record(nonce, SPAN);
        }
        admitted
    }

    #[test]
    fn each_nonce_counts_once_in_whatever_order() {
        let mut window = Window::above(0);
        let order = [5, 900, 7, 6, 901, 20];
        assert!(order.iter().all(|nonce| take(&mut window, *nonce)));
        assert!(order.iter().all(|nonce| !take(&mut window, *nonce)));
        assert_eq!(window.newest(), 901);
    }

    #[test]
    fn what_the_window_has_no_room_for_is_refused_though_it_was_never_received() {
        let mut window = Window::above(0);
        for nonce in 0..64 {
            assert!(take(&mut window, 1_000 + 2 * nonce));
        }
        assert!(take(&mut window, 1_001), "the 65th pushes the lowest out");
        assert!(!take(&mut window, 1_000), "and that one is not forgotten");
        assert!(!take(&mut window, 999));
        assert_eq!(window.received.len(), KEPT);
    }

    #[test]
    fn one_that_all_that_are_kept_have_overtaken_counts_once() {
        let mut window = Window::above(0);
        assert!((0..64).all(|nonce| take(&mut window, 1_000 + nonce)));
        assert!(take(&mut window, 900));
        assert!(!take(&mut window, 900) && !take(&mut window, 899));
        assert!(take(&mut window, 901));
    }

    #[test]
    fn what_was_said_before_the_floor_is_refused() {
        let mut window = Window::above(500);
        assert!(take(&mut window, 700));
        assert!(!take(&mut window, 499));
        assert!(take(&mut window, 500));
    }

    #[test]
    fn what_is_far_behind_the_newest_is_refused() {
        let mut window = Window::above(0);
        assert!(take(&mut window, 5 * SPAN));
        assert!(take(&mut window, 4 * SPAN));
        assert!(!take(&mut window, 4 * SPAN - 1));
    }

    #[test]
    fn the_last_nonce_of_all_is_one_like_any_other() {
        let mut window = Window::above(0);
        assert!(take(&mut window, u64::MAX));
        assert!(!take(&mut window, u64::MAX));
        assert!(take(&mut window, u64::MAX - SPAN));
        assert!(!take(&mut window, 0));
    }
}
