//! What the examples of services and clients have in common: a node of the cluster `shop` on this machine.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use tidings::Node;
use tidings::node::StartError;

/// The address of the first node, by which the others find it, unless `--seed` says another one.
const SEED: &str = "127.0.0.1:7946";

/// `--name value` pairs of the command line.
pub(crate) struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads them; only those that are `known` are taken. `--help` ends the process.
    pub(crate) fn read(known: &[&str]) -> Result<Self, Box<dyn Error>> {
        let usage = || {
            let known: Vec<_> = known.iter().map(|name| format!("[{name} X]")).collect();
            format!("usage: [--seed IP:PORT] {}", known.join(" "))
        };
        let mut found = Vec::new();
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            if name == "--help" {
                println!("{}", usage());
                std::process::exit(0);
            }
            if name != "--seed" && !known.contains(&name.as_str()) {
                return Err(format!("{name}: {}", usage()).into());
            }
            let value = words
                .next()
                .ok_or_else(|| format!("{name} needs a value: {}", usage()))?;
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// What was said last of `name`, or else `default`.
    pub(crate) fn get<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        let said = self.0.iter().rfind(|(said, _)| said == name);
        said.map_or(default, |(_, value)| value)
    }

    /// A node of the cluster. The first process gets the seed's port, every other one a free one.
    pub(crate) async fn node(&self) -> Result<Node, Box<dyn Error>> {
        let seed: SocketAddr = self
            .get("--seed", SEED)
            .parse()
            .map_err(|_| "--seed: an address and a port, as 127.0.0.1:7946")?;
        let node = |bind: SocketAddr| Node::builder().cluster("shop").bind(bind).seeds([seed]);
        match node(seed).start().await {
            Err(StartError::Bind { .. }) => Ok(node(SocketAddr::new(seed.ip(), 0)).start().await?),
            first => Ok(first?),
        }
    }
}

/// Says what went wrong, as one line.
pub(crate) fn told(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
