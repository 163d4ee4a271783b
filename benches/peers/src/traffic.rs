//! What goes over the loopback interface, counted by the kernel: the one measure that fits all subjects.
//!
//! It counts what anybody on this machine sends over loopback; see [`others`]. Only Linux is asked; elsewhere it
//! is not known.

use std::fs;
use std::ops::Sub;
use std::thread;
use std::time::Duration;

/// IPv4's and UDP's headers. TCP's are 24 bytes longer, as a rule, and count as payload here.
const HEADER_BYTES: u64 = 20 + 8;
/// How long it is looked at what others send.
const LOOK: Duration = Duration::from_millis(500);

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    with_headers: u64,
}

impl Sent {
    /// Since this network has been up.
    pub(crate) fn so_far() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/net/dev").ok()?)
    }

    fn parse(interfaces: &str) -> Option<Self> {
        let mut lines = interfaces.lines().map(str::trim_start);
        let counters = lines.find_map(|line| line.strip_prefix("lo:"))?;
        // Eight counters of what was received come first.
        let mut sent = counters.split_whitespace().skip(8).map(str::parse);
        let (with_headers, packets) = (sent.next()?.ok()?, sent.next()?.ok()?);
        Some(Self {
            packets,
            with_headers,
        })
    }

    pub(crate) fn payload_bytes(self) -> u64 {
        let headers = self.packets * HEADER_BYTES;
        self.with_headers.saturating_sub(headers)
    }
}

impl Sub for Sent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            with_headers: self.with_headers - before.with_headers,
        }
    }
}

/// How many packets were sent in half a second in which no subject ran.
pub(crate) fn others() -> Option<u64> {
    let before = Sent::so_far()?;
    thread::sleep(LOOK);
    Some((Sent::so_far()? - before).packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loopback_has_sent_is_read_without_headers() {
        let interfaces = "Inter-| Receive | Transmit\n face |bytes packets | bytes packets\n\
                          \x20   lo:  1 2 0 0 0 0 0 0  456 12 0 0 0 0 0 0\n\
                          \x20 eth0: 7 8 0 0 0 0 0 0    9 10 0 0 0 0 0 0\n";
        let sent = Sent::parse(interfaces).expect("loopback is there");
        assert_eq!((sent.packets, sent.payload_bytes()), (12, 456 - 12 * 28));
    }
}
