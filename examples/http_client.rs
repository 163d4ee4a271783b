//! An HTTP client of `user-service`: asks once in a while, and prints who has answered.
//!
//! ```text
//! cargo run --example http_client --features reqwest [-- --version ^1] [--every-ms 500] [--seed IP:PORT]
//! ```
//!
//! Start and stop `http_service`s meanwhile.

#[path = "shop/asking.rs"]
mod asking;
#[path = "shop/mod.rs"]
mod shop;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tidings::balance::Empty;
use tidings::integrations::reqwest::HttpClient;

#[tokio::main]
async fn main() -> ExitCode {
    shop::told(ask().await)
}

async fn ask() -> Result<(), Box<dyn Error>> {
    // The examples' reqwest has TLS, and leaves the choice of its cryptography to the program.
    let ring = tokio_rustls::rustls::crypto::ring::default_provider();
    ring.install_default().expect("nobody has chosen before");
    let arguments = shop::Arguments::read(&["--version", "--every-ms"])?;
    let every = asking::every(&arguments)?;
    let node = Arc::new(arguments.node().await?);
    let users = HttpClient::builder(node.clone(), "discovery:///user-service")
        .version(arguments.get("--version", "*"))
        .empty(Empty::WaitUpTo(Duration::from_secs(2))) // until the first one is found
        .build()?;

    asking::keep_asking(every, async |id| {
        let answer = users.get(&format!("/users/{id}")).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let text = async { answer.error_for_status()?.text().await };
        let text = text.await.map_err(|error| error.to_string())?;
        Ok(text.trim_end().to_owned())
    })
    .await?;
    Ok(node.shutdown().await?)
}
