//! Clients with a constant load, and what became of each request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use orders::GetOrderRequest;
use orders::order_service_client::OrderServiceClient;
use tidings::Discovery;
use tidings::integrations::reqwest::HttpClient;
use tidings::integrations::tonic::Channel;
use tokio::task::JoinSet;

use crate::replica::{GRPC, HTTP};

/// How long one try of an HTTP request waits. What is frozen is left after it.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(500);
/// How long a request waits in all.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Post,
    Grpc,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Get, Self::Post, Self::Grpc];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Grpc => "gRPC",
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// By which replicas know it.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// The version that has answered, or why there is no answer.
    pub(crate) answer: Result<String, String>,
}

/// What requests go through.
#[derive(Clone)]
pub(crate) struct Clients {
    http: HttpClient,
    grpc: OrderServiceClient<Channel>,
}

impl Clients {
    pub(crate) fn new(
        discovery: &Arc<dyn Discovery>,
        versions: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let http = HttpClient::builder(discovery.clone(), format!("discovery:///{HTTP}"))
            .version(versions)
            .attempt_timeout(ATTEMPT)
            .build()?;
        let grpc = Channel::builder(discovery.clone(), format!("discovery:///{GRPC}"))
            .version(versions)
            .build()?;
        Ok(Self {
            http,
            grpc: OrderServiceClient::new(grpc),
        })
    }

    async fn ask(mut self, kind: Kind, id: u64) -> Result<String, String> {
        let request = match kind {
            Kind::Get => self.http.get(&format!("/work/{id}")),
            Kind::Post => self.http.post(&format!("/work/{id}")),
            Kind::Grpc => {
                let mut request = tonic::Request::new(GetOrderRequest { id: id.to_string() });
                request.set_timeout(DEADLINE);
                let order = self.grpc.get_order(request).await;
                return order
                    .map(|order| order.into_inner().answered_by)
                    .map_err(|status| format!("{:?}: {}", status.code(), status.message()));
            }
        };
        let answer = request.timeout(DEADLINE).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let answer = answer
            .error_for_status()
            .map_err(|error| error.to_string())?;
        answer.text().await.map_err(|error| error.to_string())
    }
}

/// The load, from its start until it is dropped.
pub(crate) struct Load {
    clients: Arc<RwLock<Clients>>,
    book: Arc<Mutex<Book>>,
    tasks: JoinSet<()>,
}

/// What was asked.
#[derive(Default)]
struct Book {
    requests: u64,
    /// Those that have not ended: when they began, by their ids.
    under_way: BTreeMap<u64, Instant>,
    ended: Vec<Sample>,
}

impl Load {
    /// Sends `rate` requests of each kind in a second, at even times.
    pub(crate) fn start(clients: Clients, rate: u32) -> Self {
        let mut load = Self {
            clients: Arc::new(RwLock::new(clients)),
            book: Arc::default(),
            tasks: JoinSet::new(),
        };
        for kind in Kind::ALL {
            let (clients, book) = (load.clients.clone(), load.book.clone());
            load.tasks.spawn(async move {
                let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
                let mut asking = JoinSet::new();
                loop {
                    pace.tick().await;
                    while asking.try_join_next().is_some() {}
                    asking.spawn(ask(clients.clone(), kind, book.clone()));
                }
            });
        }
        load
    }

    /// From now on requests go through others.
    pub(crate) fn use_clients(&self, clients: Clients) {
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = clients;
    }

    /// The requests that began between two times. It waits until they have ended.
    pub(crate) async fn between(&self, from: Instant, to: Instant) -> Vec<Sample> {
        let has_ended = || {
            locked(&self.book)
                .under_way
                .values()
                .all(|began| *began >= to)
        };
        while !has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let within = |sample: &&Sample| (from..to).contains(&sample.began);
        locked(&self.book)
            .ended
            .iter()
            .filter(within)
            .cloned()
            .collect()
    }
}

/// Asks once, which takes [`DEADLINE`] at most.
async fn ask(clients: Arc<RwLock<Clients>>, kind: Kind, book: Arc<Mutex<Book>>) {
    let began = Instant::now();
    // After the time is taken: what began after the clients were changed goes through the new ones.
    let client = clients
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let id = {
        let mut book = locked(&book);
        let id = book.requests;
        book.requests += 1;
        book.under_way.insert(id, began);
        id
    };
    let answer = client.ask(kind, id).await;
    let mut book = locked(&book);
    book.under_way.remove(&id);
    book.ended.push(Sample {
        id,
        kind,
        began,
        took: began.elapsed(),
        answer,
    });
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
