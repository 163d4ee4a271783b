//! A gRPC service: `order-service`, by tonic. Start it in several terminals, and `grpc_client` in another.
//!
//! ```text
//! cargo run --example grpc_service --features tonic-server,tonic-health [-- --version 1.1.0] [--seed IP:PORT]
//! ```
//!
//! Its proto is `examples/orders/proto/orders.proto`; the code is generated without `protoc`. Whoever asks by
//! `grpc.health.v1` hears what the registry is told.

#[path = "shop/mod.rs"]
mod shop;

use std::error::Error;
use std::process::ExitCode;

use orders::order_service_server::{OrderService, OrderServiceServer, SERVICE_NAME};
use orders::{GetOrderRequest, Order};
use tidings::app::{App, Listener};
use tidings::integrations::tonic_health::feed;
use tidings::integrations::tonic_server::TonicServer;
use tonic::{Request, Response, Status};

struct Orders {
    me: String,
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        Ok(Response::new(Order {
            id: request.into_inner().id,
            answered_by: self.me.clone(),
        }))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    shop::told(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let arguments = shop::Arguments::read(&["--version"])?;
    let version = arguments.get("--version", "1.0.0").to_owned();
    let listener = Listener::bind("grpc", "127.0.0.1:0").await?;
    let me = format!("order-service {version} at {}", listener.local_addr());

    let by = me.clone();
    let (reporter, health) = tonic_health::server::health_reporter();
    let router = tonic::transport::Server::builder()
        .add_service(OrderServiceServer::new(Orders { me: by }))
        .add_service(health);

    let node = arguments.node().await?;
    let app = App::builder()
        .name("order-service")
        .version(version)
        .node(node)
        .server(TonicServer::new(listener, router))
        .build()?;
    println!("I am {me}");
    tokio::spawn(feed(reporter, [SERVICE_NAME], app.status()));
    Ok(app.run().await?)
}
