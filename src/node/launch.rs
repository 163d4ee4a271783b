//! From settings to a running driver and the handle to it.

use std::sync::Arc;

use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::TARGET;
use super::advertise::follow::Following;
use super::advertise::host::ThisHost;
use super::advertise::{self, Advertised};
use super::builder::Settings;
use super::clock::Clock;
use super::commands::COMMAND_CAPACITY;
use super::driver::{Channels, Driver, Life};
use super::error::StartError;
use super::handle::{Inner, Node};
use super::key_watch::{KeySources, KeyWatch};
use super::seeds::Resolver;
#[cfg(feature = "snapshot")]
use super::snapshot::Keeper;
use super::socket::{RECEIVE_BUFFER_BYTES, Socket};
use super::stats::Published;
use super::transport::Transport;
use crate::gossip::security::SigningKey;
use crate::gossip::{Config, Engine, Entropy, Now, canonical};

/// Threads for work that blocks on a disk: a snapshot is read or written once at a time, and one
/// that hangs must leave room. Lookups of names have threads of their own, see `lookups`.
const DISK_THREADS: usize = 8;

pub(super) async fn on_current_runtime(settings: Settings) -> Result<Node, StartError> {
    let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
    let (node, driver) = assemble(settings, runtime.clone()).await?;
    runtime.spawn(driver.run());
    Ok(node)
}

/// Everything is made on the node's own thread, where its runtime is: the caller needs none.
pub(super) async fn on_own_thread(settings: Settings) -> Result<Node, StartError> {
    let (started, node) = oneshot::channel();
    std::thread::Builder::new()
        .name("tidings".to_owned())
        .spawn(move || live(settings, started))
        .map_err(StartError::Thread)?;
    node.await.map_err(|_| StartError::ThreadEnded)?
}

/// The node's whole life, on its own thread.
fn live(settings: Settings, started: oneshot::Sender<Result<Node, StartError>>) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .thread_name("tidings")
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(StartError::Thread(error)))),
    };
    runtime.block_on(async {
        match assemble(settings, Handle::current()).await {
            // If nobody waits any more, the handle is dropped here, and the driver with it.
            Ok((node, driver)) => {
                if started.send(Ok(node)).is_ok() {
                    driver.run().await;
                }
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
    // A lookup that hangs in the system's resolver must not hold the thread.
    runtime.shutdown_background();
}

/// What a node has of the world.
struct World {
    socket: Transport,
    clock: Clock,
    entropy: Entropy,
}

impl World {
    fn new(settings: &Settings) -> Result<Self, StartError> {
        #[cfg(feature = "testing")]
        if let Some(network) = &settings.network {
            let bind = settings.bind;
            let port = network.bind(bind);
            let port = port.map_err(|source| StartError::Bind { bind, source })?;
            return Ok(Self {
                socket: Transport::Memory(port),
                clock: Clock::of(network.clone()),
                entropy: network.entropy(),
            });
        }
        Ok(Self {
            socket: Transport::Udp(Socket::bind(settings.bind)?),
            clock: Clock::start(),
            entropy: entropy()?,
        })
    }
}

async fn assemble(settings: Settings, runtime: Handle) -> Result<(Node, Driver), StartError> {
    let world = World::new(&settings)?;
    let Settings {
        cluster,
        advertise,
        seeds,
        event_capacity,
        profile,
        detection,
        security,
        lookups,
        keys,
        ..
    } = settings;
    let World {
        socket,
        clock,
        entropy,
    } = world;
    let local_addr = socket.local_addr();
    // The snapshot is read meanwhile: what helps where no seed resolves waits for none of them.
    let choice = advertise::choose(local_addr, advertise, &seeds, &lookups, &ThisHost);
    #[cfg(feature = "snapshot")]
    let (choice, mut snapshot) = {
        let node = advertise.unwrap_or(local_addr);
        let (kept, cluster) = (settings.snapshot, cluster.as_str());
        let open = async {
            match kept {
                Some(kept) => Some(Keeper::open(kept, cluster, node, clock.now()).await),
                None => None,
            }
        };
        tokio::join!(choice, open)
    };
    #[cfg(not(feature = "snapshot"))]
    let choice = choice.await;
    let advertised = choice?;
    let advertised_addr = advertised.address;
    #[cfg(feature = "snapshot")]
    if let Some((keeper, _)) = &mut snapshot {
        keeper.moved(advertised_addr);
    }
    let has_key = !security.keyring.is_empty();
    let signs_as = security.sign_with.as_ref().map(SigningKey::public_key);
    tracing::info!(
        target: TARGET, event = "started", node = %advertised_addr, bound = %local_addr, cluster,
        seeds = seeds.len(), receive_buffer_asked = RECEIVE_BUFFER_BYTES,
        receive_buffer_granted = socket.granted_bytes(), keys = has_key.then(|| tracing::field::debug(security.keyring.ids())),
        rollout = has_key.then(|| tracing::field::debug(security.rollout)), signs_as = signs_as.map(tracing::field::display),
        "node started"
    );
    let following = follow(&socket, local_addr, advertised);

    let mut config = Config::of(profile, cluster, advertised_addr);
    config.bind = canonical(local_addr);
    config.detection = detection;
    config.security = security;
    let (mut engine, keys) = engine(config, entropy, clock.now(), keys)?;
    let directory = engine.directory().clone();
    let published = Arc::new(Published::new(advertised_addr));
    // This node itself is a member from the start.
    while let Some((addr, member)) = engine.poll_member() {
        published.set_member(addr, member);
    }
    let (commands, commands_taken) = mpsc::channel(COMMAND_CAPACITY);
    let (abort, aborted) = watch::channel(false);
    let (life_told, life) = watch::channel(Life::Running);
    let (joined_told, joined) = watch::channel(false);
    let (events, _) = broadcast::channel(event_capacity);

    let inner = Inner {
        commands,
        abort,
        life,
        joined,
        events: events.downgrade(),
        published: Arc::clone(&published),
        directory,
        runtime,
        local_addr,
    };
    let channels = Channels {
        commands: commands_taken,
        abort: aborted,
        events,
        published,
        life: life_told,
        joined: joined_told,
    };
    let resolver = Resolver::new(seeds, lookups);
    let driver = Driver::new(engine, socket, clock, advertised_addr, resolver, channels);
    let driver = match following {
        Some(following) => driver.following(following),
        None => driver,
    };
    let driver = driver.following_keys(keys);
    #[cfg(feature = "snapshot")]
    let driver = match snapshot {
        Some((keeper, remembered)) => driver.remembering(keeper, remembered),
        None => driver,
    };
    let node = Node::new(inner);
    Ok((node, driver.watching_isolation()))
}

/// The engine, and the watch over the files that its keys come from.
fn engine(
    config: Config,
    entropy: Entropy,
    now: Now,
    keys: KeySources,
) -> Result<(Engine, Option<KeyWatch>), StartError> {
    let watched: Vec<_> = config.security.keyring.keys().cloned().collect();
    let mut engine = Engine::new(config, entropy, now)?;
    let keys = KeyWatch::of(keys);
    if keys.is_some() {
        // From a ring that is as large as a list may be: it fits.
        let followed = engine.follow_keys(now, watched);
        debug_assert!(followed.is_ok(), "{followed:?}");
    }
    Ok((engine, keys))
}

/// Warns of an address that others do not reach, and watches over one that was chosen here.
fn follow(
    socket: &Transport,
    bound: std::net::SocketAddr,
    advertised: Advertised,
) -> Option<Following> {
    if !matches!(socket, Transport::Udp(_)) {
        return None;
    }
    advertise::warn_of(bound, advertised);
    if !advertised.follows {
        return None;
    }
    match Following::start(bound, advertised, Arc::new(ThisHost)) {
        Ok(following) => Some(following),
        Err(error) => {
            tracing::warn!(
                target: TARGET, node = %advertised.address, %error,
                "the host's addresses are not watched: the node stays at this one"
            );
            None
        }
    }
}

fn entropy() -> Result<Entropy, StartError> {
    let failed = |error: rand::rngs::SysError| StartError::Entropy {
        reason: error.to_string(),
    };
    let (mut session, mut seed) = ([0; 16], [0; 32]);
    SysRng.try_fill_bytes(&mut session).map_err(failed)?;
    SysRng.try_fill_bytes(&mut seed).map_err(failed)?;
    Ok(Entropy { session, seed })
}

#[cfg(all(test, feature = "snapshot"))]
mod tests;
