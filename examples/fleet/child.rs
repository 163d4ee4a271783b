//! One service process: a node, one instance, and a report of everything that it sees.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tidings::Node;
use tidings::node::{Events, EventsError};
use tidings::registry::ServiceInstance;
use tidings::table::Event;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::report::{Fact, Report};

/// The first argument of a process that is one of the fleet; then follow service, id, bind address and,
/// unless it is the first, a seed.
pub(crate) const MARK: &str = "--child";

/// What a process registers at first.
pub(crate) const FIRST_VERSION: &str = "1.0.0";

/// Registers that version of its instance.
pub(crate) const VERSION: &str = "version";
/// Shuts down.
pub(crate) const LEAVE: &str = "leave";

/// Reports on the standard output, with times that never go back.
struct Reporter {
    started: Instant,
    started_ns: u128,
}

impl Reporter {
    fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_ns: since_epoch.map_or(0, |at| at.as_nanos()),
        }
    }

    fn tell(&self, fact: Fact) {
        let at_ns = self.started_ns + self.started.elapsed().as_nanos();
        // Nobody listens any more: the end of the standard input says so too.
        let _ = writeln!(std::io::stdout(), "{}", Report { at_ns, fact });
    }

    fn instances(&self, instances: &[Arc<ServiceInstance>]) {
        for instance in instances {
            let (id, version) = (instance.id().into(), instance.version().into());
            self.tell(Fact::Instance { id, version });
        }
    }

    fn gone(&self, instances: &[Arc<ServiceInstance>]) {
        for instance in instances {
            self.tell(Fact::Gone {
                id: instance.id().into(),
            });
        }
    }

    fn event(&self, event: Event) {
        match event {
            Event::Joined { member } => self.tell(Fact::Member(member.addr)),
            Event::Recovered { member, instances } => {
                self.tell(Fact::Member(member.addr));
                self.instances(&instances);
            }
            Event::Left { member, instances } => {
                self.tell(Fact::Left(member.addr));
                self.gone(&instances);
            }
            Event::Failed { member, instances } => {
                self.tell(Fact::Failed(member.addr));
                self.gone(&instances);
            }
            Event::Registered { instance, .. } | Event::Updated { instance, .. } => {
                self.instances(&[instance]);
            }
            Event::Deregistered { instance, .. } => self.gone(&[instance]),
            _ => {}
        }
    }

    /// Everything that is there already, for a subscription that has just begun.
    async fn present(&self, node: &Node) -> Result<(), Box<dyn Error>> {
        for member in node.members().iter() {
            self.tell(Fact::Member(member.addr));
        }
        for service in node.services() {
            self.instances(&node.get_service(&service).await?);
        }
        Ok(())
    }
}

/// Runs until it is told to leave, or nobody is there to tell it.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let [service, id, bind, seeds @ ..] = arguments else {
        return Err("a child wants a service, an id, a bind address and seeds".into());
    };
    let reporter = Reporter::new();
    reporter.tell(Fact::Starting);
    let node = Node::builder()
        .cluster("fleet")
        .bind(bind)
        .seeds(seeds)
        .start()
        .await?;
    let mut events = node.events();
    reporter.tell(Fact::Started(node.advertised_addr()));
    let instance = |version: &str| {
        let builder = ServiceInstance::builder(*service).id(*id).version(version);
        builder.endpoint("http://0.0.0.0:8000").build()
    };
    node.register(instance(FIRST_VERSION)?).await?;
    reporter.present(&node).await?;

    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            event = events.next() => see(&reporter, &node, &mut events, event).await?,
            order = orders.next_line() => match order?.as_deref().and_then(|order| order.split_once(' ')) {
                Some((VERSION, version)) => {
                    reporter.tell(Fact::Acting);
                    node.register(instance(version)?).await?;
                }
                // Told to leave, or whoever started this process has gone.
                _ => break,
            },
        }
    }
    reporter.tell(Fact::Acting);
    node.shutdown().await?;
    Ok(())
}

async fn see(
    reporter: &Reporter,
    node: &Node,
    events: &mut Events,
    event: Result<Event, EventsError>,
) -> Result<(), Box<dyn Error>> {
    match event {
        Ok(event) => reporter.event(event),
        Err(EventsError::Lagged(_)) => {
            *events = node.events();
            reporter.present(node).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
