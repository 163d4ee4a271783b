//! This crate. A time is taken where a node's events are read.

use std::net::SocketAddr;

use tidings::Node;
use tidings::node::{Events, EventsError};
use tidings::registry::ServiceInstance;
use tidings::table::Event;

use super::{Start, Subject};
use crate::Failure;
use crate::sightings::{Eyes, Fact};

const SERVICE: &str = "bench";

pub(crate) struct Tidings {
    node: Node,
}

impl Subject for Tidings {
    async fn start(start: Start) -> Result<Self, Failure> {
        let builder = Node::builder().cluster("bench").bind("127.0.0.1:0");
        let builder = builder.seeds(start.seed).on_current_runtime();
        let node = builder.start().await?;
        let observer = Observer {
            node: node.clone(),
            eyes: start.eyes,
        };
        tokio::spawn(observer.observe(node.events()));
        Ok(Self { node })
    }

    fn address(&self) -> SocketAddr {
        self.node.advertised_addr()
    }

    async fn register(&self, revision: u32) -> Result<(), Failure> {
        let builder = ServiceInstance::builder(SERVICE).id(self.address().to_string());
        let builder = builder.version(revision.to_string());
        let instance = builder.endpoint("http://10.0.0.9:8000").build()?;
        Ok(self.node.register(instance).await?)
    }
}

struct Observer {
    node: Node,
    eyes: Eyes,
}

impl Observer {
    async fn observe(self, mut events: Events) {
        self.present();
        loop {
            match events.next().await {
                Ok(event) => self.event(&event),
                Err(EventsError::Lagged(_)) => self.present(),
                Err(_) => return,
            }
        }
    }

    /// What is there already.
    fn present(&self) {
        for member in self.node.members().iter() {
            self.eyes.sees(Fact::Member(member.addr));
        }
        for instance in &self.node.service(SERVICE).snapshot() {
            self.instance(instance);
        }
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Joined { member } => self.eyes.sees(Fact::Member(member.addr)),
            Event::Recovered { member, instances } => {
                self.eyes.sees(Fact::Member(member.addr));
                for instance in instances {
                    self.instance(instance);
                }
            }
            Event::Left { member, .. } | Event::Failed { member, .. } => {
                self.eyes.sees(Fact::Gone(member.addr));
            }
            Event::Registered { instance, .. } | Event::Updated { instance, .. } => {
                self.instance(instance);
            }
            _ => {}
        }
    }

    fn instance(&self, instance: &ServiceInstance) {
        if let (Ok(of), Ok(revision)) = (instance.id().parse(), instance.version().parse()) {
            self.eyes.sees(Fact::Registration { of, revision });
        }
    }
}
