//! What the failure detection does beyond SWIM, part by part.

/// The parts of the failure detection. All are on by default; each can be switched off alone, to see
/// what it is worth. A node needs none of the others to have the same ones on.
///
/// The first, second and fourth are those of Lifeguard (Dadgar, Phillips and Currey, *Lifeguard: Local Health
/// Awareness for More Accurate Failure Detection*, arXiv 1707.00788, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
#[non_exhaustive]
pub struct Detection {
    /// A node that has reason to doubt itself (late timers, missing answers, suspicions of itself) waits longer
    /// before it blames others: up to nine times as long.
    pub local_health: bool,
    /// Who suspects asks others whether they reach the suspect; the time to refute shrinks with each
    /// who does not. Off: every suspicion lasts half of the longest time.
    pub confirm: bool,
    /// An unanswered ping is sent again, several times, before anybody is blamed. Off: once, and the blame
    /// comes at the end of the period, as in SWIM.
    pub resend: bool,
    /// The suspect is told first and directly, again and again.
    pub buddy: bool,
    /// A pause of the process is noticed by its late timers: nobody is blamed for what was missed in it.
    pub pauses: bool,
    /// A death makes a node probe faster for some seconds: deaths come in groups.
    pub hurry: bool,
    /// Word of the operating system that a port is closed makes the node look at once. A member is dropped by it
    /// only if others who are asked agree: without `confirm`, only in a cluster of two.
    pub evidence: bool,
    /// Two members that fail within two probe periods make the node look at all members at once, outside
    /// of the probe rotation: majorities die together. See the scenario `majority-silent-100`.
    pub sweep: bool,
    /// A node that hears nobody keeps its verdicts to itself, and takes them back when it hears somebody.
    /// Off: it declares everybody down, and tells so when it hears again.
    pub local_verdicts: bool,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            local_health: true,
            confirm: true,
            resend: true,
            buddy: true,
            pauses: true,
            hurry: true,
            evidence: true,
            sweep: true,
            local_verdicts: true,
        }
    }
}

impl Detection {
    /// SWIM alone: every part is off.
    pub const fn none() -> Self {
        Self {
            local_health: false,
            confirm: false,
            resend: false,
            buddy: false,
            pauses: false,
            hurry: false,
            evidence: false,
            sweep: false,
            local_verdicts: false,
        }
    }
}
