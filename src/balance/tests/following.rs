//! Whatever becomes of the task and of the watcher, a pick has the newest list.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::*;
use crate::balance::source::RETRY_GAP;
use crate::registry::{StopHandle, Stream, WatchError};

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

async fn picked(balancer: &Balancer) -> String {
    let call = balancer.pick(&[]).await.unwrap();
    call.instance().id().to_owned()
}

#[test]
fn a_pick_has_the_list_that_was_published_before_it_without_a_task() {
    let directory = Directory::new();
    let first = runtime();
    let balancer = first.block_on(async { builder(&directory).build().unwrap() });
    // Nobody drives it, and so no task runs.
    for id in ["a", "b", "c"] {
        publish(&directory, &[id]);
        assert_eq!(balancer.len(), 1);
        assert_eq!(runtime().block_on(picked(&balancer)), id);
    }
}

#[test]
fn a_task_that_ended_with_its_runtime_is_begun_again_on_the_next() {
    let directory = Directory::new();
    let discovery: Arc<dyn Discovery> = Arc::new(Table(directory.clone()));
    let first = runtime();
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let balancer = first.block_on(async {
        let builder = Balancer::builder(discovery, "discovery:///orders", Scheme::Http);
        let balancer = builder.build_with(move |_| counted.fetch_add(1, SeqCst));
        balancer.unwrap()
    });
    drop(first);
    for (second, id) in [(runtime(), "a"), (runtime(), "b")] {
        second.block_on(async {
            drop(balancer.pick(&[]).await);
            taken().await;
            let before = made.load(SeqCst);
            publish(&directory, &[id]);
            // Nobody picks: it is the task that takes the list.
            taken().await;
            assert_eq!(made.load(SeqCst), before + 1);
        });
    }
}

/// A discovery whose watchers do what a test tells them.
#[derive(Clone, Default)]
struct Fickle(Arc<State>);

#[derive(Default)]
struct State {
    directory: Directory,
    /// How the present watcher ends, when it is polled next.
    end: Mutex<Option<End>>,
    watched: AtomicUsize,
    /// Until this is told, a watch has to wait.
    opens: Option<Notify>,
    is_open: AtomicBool,
}

#[derive(Clone, Copy)]
enum End {
    Stopped,
    Closed,
    Over,
    Panics,
}

struct FickleWatcher {
    inner: crate::table::ServiceWatcher,
    state: Arc<State>,
}

impl Stream for FickleWatcher {
    type Item = Result<Instances, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let end = self.state.end.lock().unwrap().take();
        match end {
            None => Pin::new(&mut self.inner).poll_next(cx),
            Some(End::Stopped) => Poll::Ready(Some(Err(WatchError::Stopped))),
            Some(End::Closed) => Poll::Ready(Some(Err(WatchError::Closed))),
            Some(End::Over) => Poll::Ready(None),
            Some(End::Panics) => std::panic::resume_unwind(Box::new("as told")),
        }
    }
}

impl Watcher for FickleWatcher {
    fn next(&mut self) -> BoxFuture<'_, Result<Instances, WatchError>> {
        Box::pin(self.inner.next())
    }

    fn stop_handle(&self) -> StopHandle {
        self.inner.stop_handle()
    }
}

impl Discovery for Fickle {
    fn get_service<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoveryError>> {
        Box::pin(async move { Ok(self.0.directory.get(name)) })
    }

    fn watch<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watcher>, DiscoveryError>> {
        Box::pin(async move {
            if let Some(opens) = &self.0.opens
                && !self.0.is_open.load(SeqCst)
            {
                opens.notified().await;
            }
            self.0.watched.fetch_add(1, SeqCst);
            Ok(Box::new(FickleWatcher {
                inner: self.0.directory.watch(name),
                state: Arc::clone(&self.0),
            }) as Box<dyn Watcher>)
        })
    }

    fn wait_for<'a>(
        &'a self,
        _: &'a str,
        _: usize,
        _: Duration,
    ) -> BoxFuture<'a, Result<Instances, WaitError>> {
        Box::pin(std::future::ready(Err(WaitError::Closed)))
    }
}

fn of(fickle: &Fickle) -> Balancer {
    let discovery = Arc::new(fickle.clone());
    let builder = Balancer::builder(discovery, "discovery:///orders", Scheme::Http);
    builder.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_ends_is_replaced_while_its_discovery_lives() {
    for end in [End::Stopped, End::Over, End::Panics, End::Closed] {
        let fickle = Fickle::default();
        publish(&fickle.0.directory, &["a"]);
        let balancer = of(&fickle);
        assert_eq!(picked(&balancer).await, "a");
        *fickle.0.end.lock().unwrap() = Some(end);
        publish(&fickle.0.directory, &["b"]);
        taken().await;
        // Whoever is not called learns of the next list as well.
        tokio::time::sleep(2 * RETRY_GAP).await;
        assert_eq!(fickle.0.watched.load(SeqCst), 2);
        assert_eq!(picked(&balancer).await, "b");
        publish(&fickle.0.directory, &["c"]);
        assert_eq!(picked(&balancer).await, "c");
    }
}

#[test]
fn a_discovery_that_has_to_wait_is_waited_for_on_whatever_runtime() {
    let fickle = Fickle(Arc::new(State {
        opens: Some(Notify::new()),
        ..State::default()
    }));
    publish(&fickle.0.directory, &["a"]);
    let first = runtime();
    let balancer = first.block_on(async { of(&fickle) });
    drop(first);
    runtime().block_on(async {
        balancer.pick(&[]).await.unwrap_err();
        fickle.0.is_open.store(true, SeqCst);
        fickle.0.opens.as_ref().unwrap().notify_waiters();
        assert_eq!(picked(&balancer).await, "a");
    });
}
