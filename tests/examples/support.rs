//! Processes of the examples: started, listened to, told to stop, and killed when a test is over in whatever way.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tidings::Node;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long anything may take that must happen: far above what it takes, so that only a hang reaches it.
const BOUND: Duration = Duration::from_secs(30);
/// How often something is asked again that is waited for.
const RETRY: Duration = Duration::from_millis(20);

/// The first node of the examples' cluster, in this process, so that no port has to be chosen.
pub(crate) struct Seed(Node);

impl Seed {
    pub(crate) async fn start() -> Self {
        let node = Node::builder().cluster("shop").bind("127.0.0.1:0");
        Self(within("the seed", node.start()).await.expect("starts"))
    }

    /// An example that joins it.
    pub(crate) fn process(&self, example: &str, arguments: &[&str]) -> Process {
        let seed: SocketAddr = self.0.local_addr();
        let seed = seed.to_string();
        let arguments = [&["--seed", &seed], arguments].concat();
        Process::start(example, &arguments)
    }

    /// Waits until so many instances of the service are found.
    pub(crate) async fn finds(&self, service: &str, count: usize) {
        let found = self.0.wait_for(service, count, BOUND).await;
        found.unwrap_or_else(|error| panic!("{service}: {error}"));
    }
}

/// A process. It is killed when this is dropped.
pub(crate) struct Process {
    example: String,
    child: Child,
    said: watch::Receiver<Vec<String>>,
    complained: JoinHandle<String>,
}

impl Process {
    pub(crate) fn start(example: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(path(example))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        let (listening, said) = watch::channel(Vec::new());
        let output = child.stdout.take().expect("it is piped");
        tokio::spawn(listen(output, listening));
        let mut errors = child.stderr.take().expect("it is piped");
        let complained = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            example: example.to_owned(),
            child,
            said,
            complained,
        }
    }

    /// Waits until it has printed such a line.
    pub(crate) async fn says(&self, is_it: impl Fn(&str) -> bool) -> String {
        let mut said = self.said.clone();
        let has_said = said.wait_for(|lines| lines.iter().any(|line| is_it(line)));
        let lines = self.still(has_said).await;
        let found = lines.iter().find(|line| is_it(line));
        found.expect("it was waited for").clone()
    }

    /// Waits until it has printed so many lines more, and returns all.
    pub(crate) async fn says_more(&self, lines: usize) -> Vec<String> {
        let mut said = self.said.clone();
        let enough = said.borrow().len() + lines;
        self.still(said.wait_for(|lines| lines.len() >= enough))
            .await
    }

    async fn still<E>(
        &self,
        waiting: impl Future<Output = Result<watch::Ref<'_, Vec<String>>, E>>,
    ) -> Vec<String> {
        match timeout(BOUND, waiting).await {
            Ok(Ok(lines)) => lines.clone(),
            waited => {
                let ended = if waited.is_ok() { "ended" } else { "hangs" };
                panic!("{} {ended}: {:#?}", self.example, self.said.borrow())
            }
        }
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.expect("there is `kill`").success(), "{name}");
    }

    /// Waits until it has ended as it should, and returns what it has printed.
    pub(crate) async fn ends_well(self) -> Vec<String> {
        let (is_well, lines, complaints) = self.ended().await;
        assert!(is_well && complaints.is_empty(), "{complaints}{lines:#?}");
        lines
    }

    /// Waits until it has ended with an error, and returns that.
    pub(crate) async fn ends_badly(self) -> String {
        let (is_well, lines, complaints) = self.ended().await;
        assert!(!is_well && lines.is_empty(), "{lines:?}");
        complaints
    }

    async fn ended(mut self) -> (bool, Vec<String>, String) {
        let status = within(&self.example, self.child.wait()).await;
        let complaints = within(&self.example, self.complained).await;
        // The end of its output comes with the end of the process.
        let printed = async { while self.said.changed().await.is_ok() {} };
        within(&self.example, printed).await;
        let lines = self.said.borrow().clone();
        let is_well = status.expect("it was started").success();
        (is_well, lines, complaints.expect("no panic"))
    }
}

async fn listen(output: impl AsyncRead + Unpin, said: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.send_modify(|said| said.push(line));
    }
}

/// Where cargo has put the example: beside the directory of this test.
fn path(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("it runs");
    let profile = test.parent().and_then(std::path::Path::parent);
    let path = profile
        .expect("target/debug/deps")
        .join("examples")
        .join(example);
    assert!(
        path.exists(),
        "{} is not built: `cargo build --examples`, with the features of this test",
        path.display()
    );
    path
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let output = timeout(BOUND, future).await;
    output.unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

/// Asks for `host:port/path`, and returns the status and the body.
pub(crate) async fn get(url: &str) -> (u16, String) {
    let (host, path) = url.split_once('/').expect("a path");
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    let answer = async {
        let mut connection = TcpStream::connect(host).await?;
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = within(url, answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Asks until the answer is a good one, and returns its body.
pub(crate) async fn get_once_well(url: &str) -> String {
    let answer = async {
        loop {
            if let (200, body) = get(url).await {
                return body;
            }
            sleep(RETRY).await;
        }
    };
    within(url, answer).await
}
