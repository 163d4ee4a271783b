//! The smallest real service. Start it in two terminals: each prints the other.

use tidings::Node;
use tidings::node::StartError;
use tidings::registry::ServiceInstance;

const SEED: &str = "127.0.0.1:7946";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = |bind| Node::builder().cluster("embed").bind(bind).seeds([SEED]);
    // The first terminal gets the seed's port, every other one a free port.
    let node = match node(SEED).start().await {
        Err(StartError::Bind { .. }) => node("127.0.0.1:0").start().await?,
        first => first?,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let me = ServiceInstance::builder("greeter").listener("http", listener.local_addr()?);
    let me = me.build()?;
    println!("I am {me} at {}", me.endpoints()[0]);
    node.register(me.clone()).await?;

    let mut greeters = node.watch("greeter").await?;
    loop {
        tokio::select! {
            changed = greeters.next() => {
                for other in changed?.iter().filter(|other| other.id() != me.id()) {
                    println!("there is {other} at {}", other.endpoints()[0]);
                }
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    Ok(node.shutdown().await?)
}
