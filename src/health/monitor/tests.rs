//! In virtual time, on the test's own runtime.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::*;
use crate::health::{Check, DEFAULT_TTL, Policy, Standing};
use crate::registry::{BoxFuture, Registrar, RegistrarError, ServiceInstance, Status};

/// A registrar that keeps a book of its changes.
struct Book {
    entries: Mutex<Vec<Entry>>,
    /// Calls that are still refused, and as what.
    refusals: AtomicUsize,
    refusal: RegistrarError,
    hangs: AtomicBool,
    registered: watch::Sender<Option<ServiceInstance>>,
    attempts: AtomicUsize,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Registered(Status),
    Deregistered,
}

use Entry::{Deregistered, Registered};

impl Book {
    fn new() -> Arc<Self> {
        Self::refusing(0, RegistrarError::Closed)
    }

    fn refusing(calls: usize, refusal: RegistrarError) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            refusals: calls.into(),
            refusal,
            hangs: false.into(),
            registered: watch::Sender::new(None),
            attempts: 0.into(),
        })
    }

    async fn call(
        &self,
        entry: Entry,
        instance: Option<ServiceInstance>,
    ) -> Result<(), RegistrarError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let refuse = |left: usize| left.checked_sub(1);
        if self
            .refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuse)
            .is_ok()
        {
            return Err(self.refusal.clone());
        }
        self.entries.lock().unwrap().push(entry);
        self.registered.send_replace(instance);
        Ok(())
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    fn registered(&self) -> Option<ServiceInstance> {
        self.registered.borrow().clone()
    }

    /// Waits until this is how the instance is registered.
    async fn shows(&self, status: Option<Status>) -> Instant {
        let mut registered = self.registered.subscribe();
        let is_shown = |instance: &Option<ServiceInstance>| {
            instance.as_ref().map(ServiceInstance::status) == status
        };
        within(registered.wait_for(is_shown)).await.unwrap();
        Instant::now()
    }
}

impl Registrar for Book {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(self.call(Registered(instance.status()), Some(instance)))
    }

    fn deregister(&self, _: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(self.call(Deregistered, None))
    }
}

/// Awaits what must happen, within an hour of virtual time.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(secs(3600), future).await.expect("within an hour")
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const UP: Option<Status> = Some(Status::Up);
const UNHEALTHY: Option<Status> = Some(Status::Unhealthy);

fn instance() -> ServiceInstance {
    ServiceInstance::builder("user").id("a").build().unwrap()
}

fn builder(book: &Arc<Book>) -> MonitorBuilder {
    Monitor::builder(book.clone(), instance()).on_current_runtime()
}

/// A check that passes while the switch is on.
fn switch() -> (Check, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(true));
    let read = switch.clone();
    let check = Check::closure("switch", move || {
        let is_on = read.load(Ordering::Relaxed);
        async move { if is_on { Ok(()) } else { Err("switched off") } }
    });
    (check, switch)
}

fn too_much() -> RegistrarError {
    RegistrarError::Limit {
        limit: "bytes".to_owned(),
        value: 2,
        max: 1,
        mend: "less",
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_registered_unhealthy_and_up_once_every_check_has_passed() {
    let book = Book::new();
    let (ttl, handle) = Check::ttl("worker", DEFAULT_TTL);
    let monitor = builder(&book)
        .check(switch().0)
        .check(ttl)
        .start()
        .await
        .unwrap();
    assert_eq!(book.entries(), [Registered(Status::Unhealthy)]);
    sleep(secs(60)).await;
    assert_eq!(monitor.health().failing(), "worker: no result yet");
    handle.pass();
    book.shows(UP).await;
}

#[tokio::test(start_paused = true)]
async fn one_without_checks_is_up_at_once() {
    let book = Book::new();
    let _monitor = builder(&book).start().await.unwrap();
    assert_eq!(book.entries(), [Registered(Status::Up)]);
}

#[tokio::test(start_paused = true)]
async fn a_check_turns_it_after_three_failures_and_back_after_two_successes() {
    let book = Book::new();
    let (check, switch) = switch();
    let monitor = builder(&book).check(check).start().await.unwrap();
    let up = book.shows(UP).await;
    switch.store(false, Ordering::Relaxed);
    let down = book.shows(UNHEALTHY).await;
    // Three intervals of 2 s, each a tenth shorter or longer by chance.
    assert!((secs(5)..secs(7)).contains(&(down - up)), "{:?}", down - up);
    assert_eq!(monitor.health().failing(), "switch: switched off");
    switch.store(true, Ordering::Relaxed);
    let up = book.shows(UP).await;
    assert!((secs(3)..secs(5)).contains(&(up - down)), "{:?}", up - down);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_does_not_answer_in_time_fails() {
    let book = Book::new();
    let check = Check::closure("slow", || async {
        sleep(secs(5)).await;
        Ok::<_, String>(())
    });
    let monitor = builder(&book).check(check).start().await.unwrap();
    let mut status = monitor.status();
    let failing = async {
        loop {
            let health = status.changed().await.expect("it runs");
            if health.failing() != "slow: no result yet" {
                return health.failing();
            }
        }
    };
    assert_eq!(within(failing).await, "slow: no answer within 1s");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_fails_and_is_asked_again() {
    let book = Book::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let check = Check::closure("panics", move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(call > 1, "for this test");
            Ok::<_, String>(())
        }
    });
    let _monitor = builder(&book).check(check).start().await.unwrap();
    book.shows(UP).await;
    assert_eq!(
        calls.load(Ordering::Relaxed),
        4,
        "two panics, two successes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_nothing_is_unhealthy_when_its_time_is_over() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", DEFAULT_TTL);
    let _monitor = builder(&book).check(check).start().await.unwrap();
    for _ in 0..5 {
        handle.pass();
        book.shows(UP).await;
        sleep(secs(19)).await;
    }
    assert_eq!(book.entries().len(), 2);
    let silent = Instant::now();
    let down = book.shows(UNHEALTHY).await;
    assert!(
        down - silent <= Duration::from_millis(1_010),
        "{:?}",
        down - silent
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_service_says_of_itself_counts_at_once() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", DEFAULT_TTL);
    let monitor = builder(&book).check(check).start().await.unwrap();
    handle.pass();
    let up = book.shows(UP).await;
    handle.fail("the queue is full");
    assert_eq!(book.shows(UNHEALTHY).await, up);
    assert_eq!(monitor.health().failing(), "worker: the queue is full");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_flaps_without_pause_is_told_of_twice_for_each_hold() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", DEFAULT_TTL);
    let _monitor = builder(&book).check(check).start().await.unwrap();
    // No hold ends in the moment of a fall, where it would be chance which of the two is seen first.
    let (up, period) = (Duration::from_millis(20), Duration::from_millis(47));
    let start = Instant::now();
    for round in 0..1_276 {
        handle.pass();
        sleep_until(start + period * round + up).await;
        handle.fail("flaps");
        sleep_until(start + period * (round + 1)).await;
    }
    // In that minute there is room for holds of 1, 2, 4, 8, 16 and a part of 32 s.
    let told = book.entries().len();
    assert!((8..=16).contains(&told), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_too_long_is_deregistered_until_it_passes() {
    let book = Book::new();
    let (check, switch) = switch();
    let policy = Policy {
        deregister_after: Some(secs(600)),
        ..Policy::default()
    };
    let _monitor = builder(&book)
        .policy(policy)
        .check(check)
        .start()
        .await
        .unwrap();
    book.shows(UP).await;
    switch.store(false, Ordering::Relaxed);
    let down = book.shows(UNHEALTHY).await;
    let gone = book.shows(None).await;
    assert_eq!((gone - down).as_secs(), 600);
    switch.store(true, Ordering::Relaxed);
    book.shows(UP).await;
    assert_eq!(
        book.entries()[1..],
        [
            Registered(Status::Up),
            Registered(Status::Unhealthy),
            Deregistered,
            Registered(Status::Up)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn draining_wins_over_the_checks_until_they_may_decide_again() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", secs(3600));
    let monitor = builder(&book).check(check).start().await.unwrap();
    handle.pass();
    book.shows(UP).await;
    monitor.drain();
    book.shows(Some(Status::Draining)).await;
    handle.fail("no");
    sleep(secs(60)).await;
    assert_eq!(book.registered().unwrap().status(), Status::Draining);
    monitor.resume();
    book.shows(UNHEALTHY).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_drains_can_wait_until_the_registrar_has_taken_it() {
    let book = Book::refusing(0, too_much());
    let monitor = builder(&book).start().await.unwrap();
    assert!(monitor.registered_as(Standing::Up).await);
    book.refusals.store(3, Ordering::Relaxed);
    monitor.drain();
    assert!(within(monitor.registered_as(Standing::Draining)).await);
    assert_eq!(book.registered().unwrap().status(), Status::Draining);
    assert_eq!(
        book.attempts.load(Ordering::Relaxed),
        5,
        "three were refused"
    );
    let waiting = monitor.registered_as(Standing::Up);
    let (is_up, stopped) = tokio::join!(within(waiting), monitor.stop());
    assert_eq!(
        (is_up, stopped),
        (false, Ok(())),
        "it does not wait for ever"
    );
}

#[tokio::test(start_paused = true)]
async fn the_longest_times_are_never_and_no_overflow() {
    let book = Book::new();
    let (ttl, handle) = Check::ttl("worker", Duration::MAX);
    let (check, _switch) = switch();
    let rare = check.interval(Duration::MAX).timeout(Duration::MAX);
    let _monitor = builder(&book).check(ttl).check(rare).start().await.unwrap();
    handle.pass();
    book.shows(UP).await;
    sleep(secs(3600 * 24 * 3)).await;
    assert_eq!(book.entries().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_drains_at_first_is_registered_so() {
    let book = Book::new();
    let draining = instance().with_status(Status::Draining);
    let builder = Monitor::builder(book.clone(), draining).on_current_runtime();
    let _monitor = builder.check(switch().0).start().await.unwrap();
    sleep(secs(60)).await;
    assert_eq!(book.entries(), [Registered(Status::Draining)]);
}

#[tokio::test(start_paused = true)]
async fn an_update_changes_everything_but_the_status() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", secs(3600));
    let monitor = builder(&book).check(check).start().await.unwrap();
    let newer = instance().to_builder().version("2").build().unwrap();
    monitor.update(newer).unwrap();
    sleep(secs(1)).await;
    let shown = book.registered().unwrap();
    assert_eq!((shown.version(), shown.status()), ("2", Status::Unhealthy));
    handle.pass();
    book.shows(UP).await;
    assert_eq!(book.registered().unwrap().version(), "2");
    let other = ServiceInstance::builder("user").id("b").build().unwrap();
    let error = monitor.update(other).unwrap_err();
    assert!(
        error.to_string().contains("`user-a` and not `user-b`"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_fails_is_asked_again_ever_slower_with_the_newest_state() {
    let book = Book::refusing(0, too_much());
    let (check, handle) = Check::ttl("worker", secs(36_000));
    let monitor = builder(&book).check(check).start().await.unwrap();
    book.refusals.store(20, Ordering::Relaxed);
    handle.pass();
    within(monitor.status().standing(Standing::Up))
        .await
        .unwrap();
    sleep(secs(300)).await;
    let attempts = book.attempts.load(Ordering::Relaxed);
    // 0.1 + 0.2 + … + 25.6 s, and then one each 30 s.
    assert!((15..=20).contains(&attempts), "{attempts}");
    assert_eq!(book.entries(), [Registered(Status::Unhealthy)]);
    // Two changes, of which only the last counts once the registrar answers.
    handle.fail("no");
    within(monitor.status().standing(Standing::Unhealthy))
        .await
        .unwrap();
    sleep(secs(3)).await;
    handle.pass();
    within(monitor.status().standing(Standing::Up))
        .await
        .unwrap();
    book.shows(UP).await;
    assert_eq!(
        book.entries(),
        [Registered(Status::Unhealthy), Registered(Status::Up)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_refuses_at_first_is_an_error_and_nothing_runs() {
    let book = Book::refusing(1, too_much());
    let error = builder(&book).check(switch().0).start().await.unwrap_err();
    assert!(matches!(&error, MonitorError::Registrar(refusal) if *refusal == too_much()));
    sleep(secs(60)).await;
    assert_eq!(book.entries(), []);
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_hangs_holds_up_neither_start_nor_stop() {
    let book = Book::new();
    book.hangs.store(true, Ordering::Relaxed);
    let error = builder(&book).start().await.unwrap_err();
    assert!(matches!(error, MonitorError::Timeout { waited } if waited == REGISTRAR_TIMEOUT));
    book.hangs.store(false, Ordering::Relaxed);
    let monitor = builder(&book).start().await.unwrap();
    book.hangs.store(true, Ordering::Relaxed);
    let stopped = within(monitor.stop()).await;
    assert_eq!(
        stopped,
        Err(StopError::Timeout {
            waited: REGISTRAR_TIMEOUT
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_is_closed_ends_it() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", DEFAULT_TTL);
    let monitor = builder(&book).check(check).start().await.unwrap();
    book.refusals.store(usize::MAX, Ordering::Relaxed);
    handle.pass();
    let mut status = monitor.status();
    within(async { while status.changed().await.is_some() {} }).await;
    assert_eq!(monitor.update(instance()), Err(UpdateError::Ended));
    assert_eq!(monitor.stop().await, Err(RegistrarError::Closed.into()));
}

#[tokio::test(start_paused = true)]
async fn stopping_deregisters_and_again_says_the_same() {
    let book = Book::new();
    let (check, handle) = Check::ttl("worker", DEFAULT_TTL);
    let monitor = builder(&book).check(check).start().await.unwrap();
    assert_eq!(monitor.stop().await, Ok(()));
    assert_eq!(monitor.stop().await, Ok(()));
    handle.pass();
    sleep(secs(60)).await;
    assert_eq!(
        book.entries(),
        [Registered(Status::Unhealthy), Deregistered]
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_it_deregisters() {
    let book = Book::new();
    drop(builder(&book).check(switch().0).start().await.unwrap());
    book.shows(None).await;
    assert_eq!(book.entries().last(), Some(&Deregistered));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_nobody_waits_for_leaves_nothing_registered() {
    let book = Book::new();
    let mut starting = Box::pin(builder(&book).start());
    assert!(futures_util::poll!(&mut starting).is_pending());
    drop(starting);
    sleep(secs(1)).await;
    assert_eq!(book.entries(), [Registered(Status::Up), Deregistered]);
}
