//! One replica: a process with one server and a node, that prints the id of each request that it has read, before anything
//! else is done with it.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use orders::order_service_server::{OrderService, OrderServiceServer};
use orders::{GetOrderRequest, Order};
use tidings::Node;
use tidings::app::{App, AppBuilder, Listener};
use tidings::integrations::axum::AxumServer;
use tidings::integrations::tonic_server::TonicServer;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

/// The first argument of a process that is a replica; then follow kind, version and the seed.
pub(crate) const MARK: &str = "--replica";
/// The kinds, which are the services' names as well.
pub(crate) const HTTP: &str = "http-service";
pub(crate) const GRPC: &str = "grpc-service";
/// The metadata by which an instance is known as a process of ours.
pub(crate) const PID: &str = "pid";
/// How long an answer takes.
const WORK: Duration = Duration::from_millis(2);

struct Orders(String);

#[tonic::async_trait]
impl OrderService for Orders {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        let id = request.into_inner().id;
        work(&id).await;
        Ok(Response::new(Order {
            id,
            answered_by: self.0.clone(),
        }))
    }
}

pub(crate) fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let [kind, version, seed] = arguments else {
        return Err("a replica is started by the rollout".into());
    };
    tokio::runtime::Runtime::new()?.block_on(serve(kind, version, seed))
}

async fn serve(kind: &str, version: &str, seed: &str) -> Result<(), Box<dyn Error>> {
    let node = Node::builder()
        .cluster("rollout")
        .bind("127.0.0.1:0")
        .seeds([seed])
        .start()
        .await?;
    let app = App::builder()
        .name(kind)
        .version(version)
        .metadata(PID, std::process::id().to_string())
        .node(node)
        .stop_on(end_of_input());
    Ok(with_server(app, kind, version)
        .await?
        .build()?
        .run()
        .await?)
}

async fn with_server(
    app: AppBuilder,
    kind: &str,
    version: &str,
) -> Result<AppBuilder, Box<dyn Error>> {
    let version = version.to_owned();
    if kind == GRPC {
        let listener = Listener::bind("grpc", "127.0.0.1:0").await?;
        let router = tonic::transport::Server::builder()
            .add_service(OrderServiceServer::new(Orders(version)));
        return Ok(app.server(TonicServer::new(listener, router)));
    }
    let listener = Listener::bind("http", "127.0.0.1:0").await?;
    let answer = async move |Path(id): Path<String>| {
        work(&id).await;
        version
    };
    let router = Router::new().route("/work/{id}", get(answer.clone()).post(answer));
    Ok(app.server(AxumServer::new(listener, router)))
}

/// What a request is for. That it was read is in the log before: a pipe keeps what a process wrote before it was killed.
async fn work(id: &str) {
    // Nobody listens any more when whoever started this process is gone.
    let _ = writeln!(std::io::stdout(), "{id}");
    tokio::time::sleep(WORK).await;
}

/// Ready when whoever started this process is gone.
async fn end_of_input() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = ended.send(());
    });
    let _ = end.await;
}
