//! A gRPC client of `order-service`: asks once in a while, and prints who has answered.
//!
//! ```text
//! cargo run --example grpc_client --features tonic [-- --version ^1] [--every-ms 500] [--seed IP:PORT]
//! ```
//!
//! Start and stop `grpc_service`s meanwhile.

#[path = "shop/asking.rs"]
mod asking;
#[path = "shop/mod.rs"]
mod shop;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use orders::GetOrderRequest;
use orders::order_service_client::OrderServiceClient;
use tidings::balance::Empty;
use tidings::integrations::tonic::Channel;

#[tokio::main]
async fn main() -> ExitCode {
    shop::told(ask().await)
}

async fn ask() -> Result<(), Box<dyn Error>> {
    let arguments = shop::Arguments::read(&["--version", "--every-ms"])?;
    let every = asking::every(&arguments)?;
    let node = Arc::new(arguments.node().await?);
    let channel = Channel::builder(node.clone(), "discovery:///order-service")
        .version(arguments.get("--version", "*"))
        .empty(Empty::WaitUpTo(Duration::from_secs(2))) // until the first one is found
        .build()?;
    let orders = OrderServiceClient::new(channel);

    asking::keep_asking(every, async |id| {
        let mut request = tonic::Request::new(GetOrderRequest { id: id.to_string() });
        request.set_timeout(Duration::from_secs(1));
        let order = orders.clone().get_order(request).await;
        let order = order.map_err(|status| status.message().to_owned())?;
        let order = order.into_inner();
        Ok(format!("order {}, says {}", order.id, order.answered_by))
    })
    .await?;
    Ok(node.shutdown().await?)
}
