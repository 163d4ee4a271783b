//! What the flooded node is sent: five kinds, in turn.
//!
//! - *random*: 0 to 1,200 random bytes.
//! - *forged, known*: the clear header of a member's datagram with a nonce of this moment, and a random body.
//! - *forged, new*: likewise with a random session.
//! - *replayed*: what members have said to an address at which nobody answers, again and again. The newest of it, so that it
//!   is not out of date.
//! - *foreign*: what a node says that has no key, where the others have one, and that has one, where they have none.
//!
//! Nothing here knows the cluster's key, or more of the format than where the header's fields are: all but the random bytes was
//! heard from real nodes.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Where the session's id and the nonce stand in the header, and where the body begins.
const SESSION: std::ops::Range<usize> = 2..18;
const NONCE: std::ops::Range<usize> = 18..26;
const BODY_AT: usize = 30;
/// Where a body that is not sealed says its kind, and how many there are, more or less.
const KIND_AT: usize = BODY_AT + 16;
const KINDS: u8 = 16;
const DATAGRAM_BYTES_MAX: usize = 1_200;
/// The shortest body that may be sealed.
const BODY_BYTES_MIN: usize = 33;
/// How many random bodies there are of each kind.
const BODIES: usize = 256;
/// How many datagrams of members are kept.
const HEARD_MAX: usize = 64;
/// How long the nodes may take to say something.
const BOUND: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Random,
    ForgedKnown,
    ForgedNew,
    Replayed,
    Foreign,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Random,
        Self::ForgedKnown,
        Self::ForgedNew,
        Self::Replayed,
        Self::Foreign,
    ];
}

/// Where datagrams of real nodes end, as at an address that was a node's once. Clones share them.
#[derive(Clone)]
pub(crate) struct Sink {
    socket: Arc<UdpSocket>,
    pub(crate) address: SocketAddr,
}

impl Sink {
    pub(crate) fn bind() -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let socket = Arc::new(socket);
        Ok(Self { socket, address })
    }

    fn hear(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; 2 * DATAGRAM_BYTES_MAX];
        let length = self.socket.recv(&mut buffer).ok()?;
        (length > BODY_AT).then(|| buffer[..length].to_vec())
    }

    /// Waits until something was said.
    pub(crate) async fn first(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        let since = Instant::now();
        while since.elapsed() < BOUND {
            if let Some(heard) = self.hear() {
                return Ok(heard);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("no node has said anything".into())
    }
}

pub(crate) struct Garbage {
    sink: Sink,
    /// What members have said, the newest last.
    heard: Vec<Vec<u8>>,
    foreign: Vec<u8>,
    random: Vec<Vec<u8>>,
    rng: StdRng,
    datagram: Vec<u8>,
}

impl Garbage {
    pub(crate) fn new(sink: Sink, first: Vec<u8>, foreign: Vec<u8>) -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let random = (0..BODIES).map(|_| {
            let mut bytes = vec![0; rng.random_range(0..=DATAGRAM_BYTES_MAX)];
            rng.fill_bytes(&mut bytes);
            bytes
        });
        Self {
            random: random.collect(),
            sink,
            heard: vec![first],
            foreign,
            rng,
            datagram: Vec::with_capacity(2 * DATAGRAM_BYTES_MAX),
        }
    }

    /// Takes in what members have said since.
    pub(crate) fn listen(&mut self) {
        while let Some(heard) = self.sink.hear() {
            if self.heard.len() == HEARD_MAX {
                self.heard.remove(0);
            }
            self.heard.push(heard);
        }
    }

    /// The next datagram of a kind.
    pub(crate) fn next(&mut self, kind: Kind) -> &[u8] {
        let any = self.rng.random_range(0..BODIES);
        match kind {
            Kind::Random => &self.random[any],
            Kind::ForgedKnown => self.forge(any, false),
            Kind::ForgedNew => self.forge(any, true),
            Kind::Replayed => &self.heard[any % self.heard.len()],
            Kind::Foreign => &self.foreign,
        }
    }

    fn forge(&mut self, any: usize, is_new: bool) -> &[u8] {
        let heard = &self.heard[any % self.heard.len()];
        let datagram = &mut self.datagram;
        datagram.clear();
        datagram.extend_from_slice(&heard[..BODY_AT]);
        let body = &self.random[any];
        let body = &body[..body.len().min(DATAGRAM_BYTES_MAX - BODY_AT)];
        datagram.extend_from_slice(body);
        datagram.resize(datagram.len().max(BODY_AT + BODY_BYTES_MIN), 0);
        // A random one would be skipped nearly always, and not be decoded, where nothing is sealed.
        datagram[KIND_AT] %= KINDS;
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let unix_ms = u64::try_from(unix_ms).unwrap_or(u64::MAX);
        let nonce = (unix_ms << 20) | self.rng.random_range(1..1 << 20);
        datagram[NONCE].copy_from_slice(&nonce.to_be_bytes());
        if is_new {
            self.rng.fill_bytes(&mut datagram[SESSION]);
        }
        datagram
    }
}
