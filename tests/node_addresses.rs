//! Hosts whose addresses are not there yet, change, or resolve to loopback: real processes in network
//! namespaces of their own. As root, with iproute2:
//!
//! ```sh
//! cargo test -p tidings --test node_addresses -- --ignored --test-threads 1
//! ```

#![cfg(all(feature = "node", target_os = "linux"))]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidings::{Node, registry::ServiceInstance};

/// How long anything may take that must happen.
const BOUND: Duration = Duration::from_secs(20);
/// How soon a node has to be at its host's new address, and a moment for what is read and printed.
const FOLLOWED: Duration = Duration::from_millis(3_300);

const BIND: &str = "TIDINGS_TEST_BIND";
const SEEDS: &str = "TIDINGS_TEST_SEEDS";

/// A node in a process of its own, which the tests below start. By itself it does nothing.
#[tokio::test]
#[ignore = "a part of the other tests"]
async fn node_process() {
    let Ok(bind) = std::env::var(BIND) else {
        return;
    };
    let seeds = std::env::var(SEEDS).unwrap_or_default();
    let seeds = seeds.split(',').filter(|seed| !seed.is_empty());
    let builder = Node::builder().cluster("test").bind(&bind).seeds(seeds);
    let node = builder.plaintext().start().await.expect("starts");
    let here = ServiceInstance::builder("users")
        .id(&bind)
        .endpoint("http://0.0.0.0:8000");
    let here = here.build().expect("an instance");
    if bind.starts_with("0.0.0.0") {
        node.register(here).await.expect("registered");
    }
    let mut before = String::new();
    // Until it is killed.
    loop {
        let members = node.members();
        let members: Vec<_> = members.iter().map(|one| one.addr.to_string()).collect();
        let users = node.get_service("users").await.expect("open");
        let users = users.iter().flat_map(|one| one.endpoints().to_vec());
        let users: Vec<_> = users.map(|at| at.to_string()).collect();
        let state = format!(
            "state advertised={} members={} users={}",
            node.advertised_addr(),
            members.join(","),
            users.join(","),
        );
        if state != before {
            println!("{state}");
            before = state;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.expect("ip runs").success(), "ip {arguments}");
}

/// Two hosts on one link: `eth0` in each.
struct Hosts {
    names: [String; 2],
}

impl Hosts {
    fn new(test: &str) -> Self {
        let id = std::process::id();
        let names = ["a", "b"].map(|host| format!("tidings-{id}-{test}-{host}"));
        for name in &names {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        let [a, b] = &names;
        ip(&format!(
            "-n {a} link add eth0 type veth peer name eth0 netns {b}"
        ));
        for name in &names {
            ip(&format!("-n {name} link set eth0 up"));
        }
        Self { names }
    }

    fn address(&self, host: usize, change: &str, address: &str) {
        ip(&format!(
            "-n {} addr {change} dev eth0 {address}",
            self.names[host]
        ));
    }

    /// The host's own name resolves to 127.0.1.1, as Debian's installer has it.
    fn debian(&self, host: usize, name: &str) {
        let directory = format!("/etc/netns/{}", self.names[host]);
        fs::create_dir_all(&directory).expect("made");
        let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n");
        fs::write(format!("{directory}/hosts"), hosts).expect("written");
    }

    fn start(&self, host: usize, bind: &str, seeds: &str) -> Process {
        let test = std::env::current_exe().expect("this test");
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.names[host]])
            .arg(test)
            .args(["--ignored", "--exact", "node_process", "--nocapture"])
            .env(BIND, bind)
            .env(SEEDS, seeds)
            .stdout(Stdio::piped())
            .spawn()
            .expect("ip runs");
        let states: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, out) = (Arc::clone(&states), child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(at) = line.find("state ") {
                    seen.lock().expect("no panic").push(line[at..].to_owned());
                }
            }
        });
        Process { child, states }
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
            let _ = fs::remove_dir_all(format!("/etc/netns/{name}"));
        }
    }
}

struct Process {
    child: Child,
    states: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn states(&self) -> Vec<String> {
        self.states.lock().expect("no panic").clone()
    }

    /// Waits until the process shows this, and says how long it took.
    fn shows(&self, expected: &str) -> Duration {
        let start = Instant::now();
        while self.states().last().is_none_or(|state| state != expected) {
            let states = self.states();
            assert!(start.elapsed() < BOUND, "no {expected:?} in {states:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        start.elapsed()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn state(advertised: &str, members: &str, users: &str) -> String {
    format!("state advertised={advertised} members={members} users={users}")
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn a_host_whose_own_name_is_127_0_1_1_advertises_its_address() {
    let hosts = Hosts::new("name");
    hosts.debian(0, "debian");
    hosts.address(0, "add", "10.99.0.1/24");
    hosts.address(1, "add", "10.99.0.2/24");
    let seeds = "debian:7946,10.99.0.2:7946";
    let other = hosts.start(1, "10.99.0.2:7946", "");
    let debian = hosts.start(0, "0.0.0.0:7946", seeds);
    let (members, users) = ("10.99.0.1:7946,10.99.0.2:7946", "http://10.99.0.1:8000");
    debian.shows(&state("10.99.0.1:7946", members, users));
    other.shows(&state("10.99.0.2:7946", members, users));
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn a_node_follows_its_host_to_another_address_within_three_seconds() {
    let hosts = Hosts::new("dhcp");
    hosts.address(0, "add", "10.99.0.1/24");
    hosts.address(1, "add", "10.99.0.2/24");
    let other = hosts.start(1, "10.99.0.2:7946", "");
    let node = hosts.start(0, "0.0.0.0:7946", "10.99.0.2:7946");
    let at = |last: u8| {
        let members = match last {
            1 => "10.99.0.1:7946,10.99.0.2:7946".to_owned(),
            _ => format!("10.99.0.2:7946,10.99.0.{last}:7946"),
        };
        let users = format!("http://10.99.0.{last}:8000");
        let state = |addr: &str| state(addr, &members, &users);
        [
            state(&format!("10.99.0.{last}:7946")),
            state("10.99.0.2:7946"),
        ]
    };
    let [here, there] = at(1);
    node.shows(&here);
    other.shows(&there);
    for (before, after) in [(1, 11), (11, 12)] {
        hosts.address(0, "del", &format!("10.99.0.{before}/24"));
        hosts.address(0, "add", &format!("10.99.0.{after}/24"));
        let changed = Instant::now();
        let [here, there] = at(after);
        node.shows(&here);
        other.shows(&there);
        let took = changed.elapsed();
        println!("to 10.99.0.{after} in {took:?}");
        assert!(took < FOLLOWED, "{took:?}");
    }
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn a_host_without_an_address_starts_alone_and_joins_when_it_has_one() {
    let hosts = Hosts::new("none");
    hosts.debian(0, "debian");
    hosts.address(1, "add", "10.99.0.2/24");
    let other = hosts.start(1, "10.99.0.2:7946", "10.99.0.1:7946");
    let node = hosts.start(0, "0.0.0.0:7946", "debian:7946,10.99.0.2:7946");
    let alone = state("127.0.0.1:7946", "127.0.0.1:7946", "http://127.0.0.1:8000");
    node.shows(&alone);
    // It stays so, whoever calls the address that it is to have.
    std::thread::sleep(Duration::from_secs(3));
    hosts.address(0, "add", "10.99.0.1/24");
    let given = Instant::now();
    let (members, users) = ("10.99.0.1:7946,10.99.0.2:7946", "http://10.99.0.1:8000");
    node.shows(&state("10.99.0.1:7946", members, users));
    other.shows(&state("10.99.0.2:7946", members, users));
    let took = given.elapsed();
    println!("joined in {took:?}");
    assert!(took < FOLLOWED, "{took:?}");
    let told = other.states();
    assert!(
        !told.iter().any(|state| state.contains("127.0.0.1")),
        "{told:#?}"
    );
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn a_node_on_all_addresses_and_one_on_loopback_of_the_same_host_see_each_other() {
    let hosts = Hosts::new("local");
    hosts.address(0, "add", "10.99.0.1/24");
    let local = hosts.start(0, "127.0.0.1:7947", "");
    let open = hosts.start(0, "0.0.0.0:7946", "127.0.0.1:7947");
    let (members, users) = ("10.99.0.1:7946,127.0.0.1:7947", "http://10.99.0.1:8000");
    open.shows(&state("10.99.0.1:7946", members, users));
    local.shows(&state("127.0.0.1:7947", members, users));
    // Each has probed the other by then.
    std::thread::sleep(Duration::from_secs(8));
    for node in [&open, &local] {
        let states = node.states();
        assert!(
            states.last().expect("some").contains(members),
            "{states:#?}"
        );
        let complete = states.iter().filter(|state| state.contains(members));
        assert!(complete.count() <= 2, "nobody came and went: {states:#?}");
    }
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn nodes_that_are_bound_to_a_link_by_its_zone_see_each_other() {
    let hosts = Hosts::new("zone");
    hosts.address(0, "add", "fe80::a/64 nodad");
    hosts.address(1, "add", "fe80::b/64 nodad");
    let first = hosts.start(0, "[fe80::a%eth0]:7946", "");
    let second = hosts.start(1, "[fe80::b%eth0]:7946", "[fe80::a%eth0]:7946");
    let members = "[fe80::a]:7946,[fe80::b]:7946";
    first.shows(&state("[fe80::a]:7946", members, ""));
    second.shows(&state("[fe80::b]:7946", members, ""));
}
