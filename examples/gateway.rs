//! A gateway: one instance with an HTTP and a gRPC endpoint, that calls `user-service` and `order-service` behind it.
//!
//! ```text
//! cargo run --example gateway --features axum,tonic-server,tonic,reqwest [-- --zone eu-1] [--users ^1] [--seed IP:PORT]
//! ```
//!
//! With `http_service` and `grpc_service` in other terminals, `curl` what it prints. It prefers instances of its own zone,
//! takes only the versions of `user-service` that it was told, and offers itself as long as it has somebody
//! to call: a check says so. Ctrl-C drains it.

#[path = "shop/mod.rs"]
mod shop;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Router, routing::get};
use orders::order_service_client::OrderServiceClient;
use orders::order_service_server::{OrderService, OrderServiceServer};
use orders::{GetOrderRequest, Order};
use tidings::app::{App, Listener};
use tidings::health::Check;
use tidings::integrations::axum::AxumServer;
use tidings::integrations::reqwest::HttpClient;
use tidings::integrations::tonic::Channel;
use tidings::integrations::tonic_server::TonicServer;
use tidings::select::filter;
use tonic::{Request, Response, Status};

/// What is behind the gateway.
#[derive(Clone)]
struct Behind {
    users: HttpClient,
    orders: OrderServiceClient<Channel>,
}

async fn user(
    State(behind): State<Behind>,
    Path(id): Path<String>,
) -> Result<String, (StatusCode, String)> {
    let failed = |error: &dyn Error| (StatusCode::BAD_GATEWAY, format!("{error}\n"));
    let answer = behind.users.get(&format!("/users/{id}")).send().await;
    let answer = answer.map_err(|error| failed(&error))?;
    answer.text().await.map_err(|error| failed(&error))
}

async fn order(
    State(mut behind): State<Behind>,
    Path(id): Path<String>,
) -> Result<String, (StatusCode, String)> {
    let asked = behind.orders.get_order(GetOrderRequest { id }).await;
    let order = asked
        .map_err(|status| (StatusCode::BAD_GATEWAY, format!("{}\n", status.message())))?
        .into_inner();
    Ok(format!("order {}, says {}\n", order.id, order.answered_by))
}

#[tonic::async_trait]
impl OrderService for Behind {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        self.orders.clone().get_order(request.into_inner()).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    shop::told(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // The examples' reqwest has TLS, and leaves the choice of its cryptography to the program.
    let ring = tokio_rustls::rustls::crypto::ring::default_provider();
    ring.install_default().expect("nobody has chosen before");
    let arguments = shop::Arguments::read(&["--zone", "--users"])?;
    let zone = arguments.get("--zone", "eu-1").to_owned();
    let node = Arc::new(arguments.node().await?);
    let users = HttpClient::builder(node.clone(), "discovery:///user-service")
        .version(arguments.get("--users", "^1"))
        .filter(filter::zone_preferred(zone.as_str()))
        .build()?;
    let orders = Channel::builder(node.clone(), "discovery:///order-service")
        .filter(filter::zone_preferred(zone.as_str()))
        .build()?;
    let behind = Behind {
        users,
        orders: OrderServiceClient::new(orders),
    };

    let http = Listener::bind("http", "127.0.0.1:0").await?;
    let grpc = Listener::bind("grpc", "127.0.0.1:0").await?;
    println!("curl http://{}/users/42", http.local_addr());
    println!("curl http://{}/orders/42", http.local_addr());
    let router = Router::new()
        .route("/users/{id}", get(user))
        .route("/orders/{id}", get(order))
        .with_state(behind.clone());
    let services = tonic::transport::Server::builder().add_service(OrderServiceServer::new(behind));

    let pulse = Check::pulse()?;
    let (is_there, asked) = (node.service("user-service"), node.service("order-service"));
    let backends = Check::closure("backends", move || {
        let missing = [&is_there, &asked].map(|service| service.instances().is_empty());
        async move {
            match missing {
                [false, false] => Ok(()),
                _ => Err("nobody is behind this gateway"),
            }
        }
    });
    let app = App::builder()
        .name("gateway")
        .version("1.0.0")
        .metadata("zone", zone)
        .node(node.clone())
        .server(AxumServer::new(http, router))
        .server(TonicServer::new(grpc, services))
        .health(|monitor| monitor.check(pulse).check(backends))
        .build()?;
    Ok(app.run().await?)
}
