//! Clients with a constant load, and what became of each request.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
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

    async fn ask(mut self, kind: Kind) -> Result<String, String> {
        let request = match kind {
            Kind::Get => self.http.get("/work"),
            Kind::Post => self.http.post("/work"),
            Kind::Grpc => {
                let mut request = tonic::Request::new(GetOrderRequest::default());
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
    samples: Arc<Mutex<Vec<Sample>>>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Sends `rate` requests of each kind in a second, at even times.
    pub(crate) fn start(clients: Clients, rate: u32) -> Self {
        let mut load = Self {
            clients: Arc::new(RwLock::new(clients)),
            samples: Arc::default(),
            tasks: JoinSet::new(),
        };
        for kind in Kind::ALL {
            let (clients, samples) = (load.clients.clone(), load.samples.clone());
            load.tasks.spawn(async move {
                let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
                let mut asking = JoinSet::new();
                loop {
                    pace.tick().await;
                    while asking.try_join_next().is_some() {}
                    let client = clients
                        .read()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone();
                    let samples = samples.clone();
                    asking.spawn(async move {
                        let began = Instant::now();
                        let answer = client.ask(kind).await;
                        let sample = Sample {
                            kind,
                            began,
                            took: began.elapsed(),
                            answer,
                        };
                        samples
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(sample);
                    });
                }
            });
        }
        load
    }

    /// From now on requests go through others.
    pub(crate) fn use_clients(&self, clients: Clients) {
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = clients;
    }

    /// The requests that began between two times. Those that began last have to have ended: it waits for that.
    pub(crate) async fn between(&self, from: Instant, to: Instant) -> Vec<Sample> {
        tokio::time::sleep_until((to + DEADLINE + Duration::from_millis(200)).into()).await;
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |sample: &&Sample| (from..to).contains(&sample.began);
        samples.iter().filter(within).cloned().collect()
    }
}
