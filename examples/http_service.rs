//! An HTTP service: `user-service`, by axum. Start it in several terminals, and `http_client` in another.
//!
//! ```text
//! cargo run --example http_service --features axum [-- --version 1.1.0] [--seed IP:PORT]
//! ```
//!
//! Ctrl-C stops it without a failed request: it drains first. Its checks find out when its own runtime is stuck.

#[path = "shop/mod.rs"]
mod shop;

use std::error::Error;
use std::process::ExitCode;

use axum::{Router, extract::Path, routing::get};
use tidings::app::{App, Listener};
use tidings::health::Check;
use tidings::integrations::axum::AxumServer;

#[tokio::main]
async fn main() -> ExitCode {
    shop::told(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let arguments = shop::Arguments::read(&["--version"])?;
    let version = arguments.get("--version", "1.0.0").to_owned();
    let listener = Listener::bind("http", "127.0.0.1:0").await?;
    let me = format!("user-service {version} at {}", listener.local_addr());

    let by = me.clone();
    let user = async move |Path(id): Path<String>| format!("user {id}, says {by}\n");
    let router = Router::new().route("/users/{id}", get(user));

    let node = arguments.node().await?;
    let pulse = Check::pulse()?;
    let app = App::builder()
        .name("user-service")
        .version(version)
        .node(node)
        .server(AxumServer::new(listener, router))
        .health(|monitor| monitor.check(pulse))
        .build()?;
    println!("I am {me}");
    Ok(app.run().await?)
}
