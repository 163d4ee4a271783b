//! One process of the cluster. It uses only what every version of the library has.

use std::{error::Error, io::Write as _, time::Duration};

use tidings::{
    ClusterKey, Node, ServiceInstance,
    node::{Events, EventsError},
    table::Event,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::report::Report;

/// The service that every process offers.
const SERVICE: &str = "orders";
/// The metadata key of the value that changes.
const VALUE: &str = "value";
/// How often each process changes its instance.
const CHANGE_EVERY: Duration = Duration::from_millis(50);
/// Stops the changes.
pub(crate) const STOP: &str = "stop";
/// Leaves the cluster and ends.
pub(crate) const LEAVE: &str = "leave";
/// In place of a key: the cluster speaks in the clear.
pub(crate) const NO_KEY: &str = "-";

fn tell(report: &Report) {
    // Nobody reads any more: the end of the standard input says so too.
    let _ = writeln!(std::io::stdout(), "{report}");
}

fn instance(id: &str, value: u64) -> Result<ServiceInstance, Box<dyn Error>> {
    let builder = ServiceInstance::builder(SERVICE).id(id);
    let builder = builder.metadata(VALUE, value.to_string());
    Ok(builder.endpoint("http://127.0.0.1:8000").build()?)
}

fn seen(instance: &ServiceInstance) {
    let value = instance.metadata().get(VALUE);
    match value.and_then(|value| value.parse().ok()) {
        Some(value) => tell(&Report::Seen {
            id: instance.id().to_owned(),
            value,
        }),
        None => tell(&Report::Wrong(format!("{instance} has no value"))),
    }
}

fn happened(event: &Event) {
    match event {
        Event::Registered { instance, .. } | Event::Updated { instance, .. } => seen(instance),
        Event::Deregistered { instance, .. } => tell(&Report::Gone {
            id: instance.id().to_owned(),
        }),
        Event::Left { instances, .. } => {
            for instance in instances {
                let id = instance.id().to_owned();
                tell(&Report::Gone { id });
            }
        }
        Event::Failed { .. } | Event::Recovered { .. } | Event::AddressConflict { .. } => {
            tell(&Report::Wrong(event.to_string()));
        }
        _ => {}
    }
}

async fn present(node: &Node) -> Result<(), Box<dyn Error>> {
    for instance in node.get_service(SERVICE).await?.iter() {
        seen(instance);
    }
    Ok(())
}

/// Runs until it is told to leave, or until its standard input ends. `arguments` are the id, the
/// bind address, the key or [`NO_KEY`], the first value, and the seeds.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let [id, bind, key, first, seeds @ ..] = arguments else {
        return Err("a process takes an id, a bind address, a key, a value and seeds".into());
    };
    let builder = Node::builder().cluster("upgrade").bind(bind).seeds(seeds);
    let builder = match *key {
        NO_KEY => builder,
        key => builder.key(ClusterKey::from_base64(key)?),
    };
    let node = builder.start().await?;
    let mut events = node.events();
    let mut value: u64 = first.parse()?;
    node.register(instance(id, value)?).await?;
    tell(&Report::Started(node.advertised_addr()));
    present(&node).await?;

    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut changes = tokio::time::interval(CHANGE_EVERY);
    let mut is_changing = true;
    loop {
        tokio::select! {
            event = events.next() => take(&node, &mut events, event).await?,
            _ = changes.tick(), if is_changing => {
                value += 1;
                node.register(instance(id, value)?).await?;
            }
            order = orders.next_line() => match order?.as_deref() {
                Some(STOP) => {
                    is_changing = false;
                    tell(&Report::Wrote(value));
                }
                _ => break,
            },
        }
    }
    node.shutdown().await?;
    Ok(())
}

async fn take(
    node: &Node,
    events: &mut Events,
    event: Result<Event, EventsError>,
) -> Result<(), Box<dyn Error>> {
    match event {
        Ok(event) => happened(&event),
        Err(EventsError::Lagged(count)) => {
            *events = node.events();
            tell(&Report::Wrong(format!("{count} events were lost")));
            present(node).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
