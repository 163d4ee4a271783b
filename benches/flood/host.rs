//! What Linux says of sockets and threads; elsewhere it is not known.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

/// The datagrams that the kernel has dropped at an IPv4 socket, for want of room in its buffer.
pub(crate) fn dropped_at(address: SocketAddr) -> Option<u64> {
    let port = format!(":{:04X}", address.port());
    let sockets = fs::read_to_string("/proc/net/udp").ok()?;
    let socket = sockets.lines().find(|line| {
        let local = line.split_whitespace().nth(1);
        local.is_some_and(|local| local.ends_with(&port))
    })?;
    socket.split_whitespace().last()?.parse().ok()
}

/// The threads of this process on which nodes run.
pub(crate) fn node_threads() -> BTreeSet<String> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return BTreeSet::new();
    };
    let ids = tasks.flatten().map(|task| task.file_name());
    let ids = ids.filter_map(|id| id.into_string().ok());
    ids.filter(|id| {
        let name = fs::read_to_string(format!("/proc/self/task/{id}/comm"));
        name.is_ok_and(|name| name.trim() == "tidings")
    })
    .collect()
}

/// How long a thread of this process was on a core.
pub(crate) fn thread_cpu(id: &str) -> Option<Duration> {
    let times = fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).ok()?;
    let nanos = times.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
