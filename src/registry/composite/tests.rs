use std::sync::Mutex;

use futures_util::FutureExt;

use super::*;

/// Writes down what it was asked, and answers with what it was made with: nothing is a call that
/// hangs.
struct Recorder {
    answer: Option<Answer>,
    asked: Mutex<Vec<String>>,
}

impl Recorder {
    fn answering(answer: Answer) -> Arc<Self> {
        Self::of(Some(answer))
    }

    fn hanging() -> Arc<Self> {
        Self::of(None)
    }

    fn of(answer: Option<Answer>) -> Arc<Self> {
        let asked = Mutex::default();
        Arc::new(Self { answer, asked })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn ask(&self, what: String) -> BoxFuture<'_, Answer> {
        self.asked.lock().unwrap().push(what);
        match self.answer.clone() {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => Box::pin(std::future::pending()),
        }
    }
}

impl Registrar for Recorder {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Answer> {
        self.ask(format!("register {instance}"))
    }

    fn deregister(&self, instance: &ServiceInstance) -> BoxFuture<'_, Answer> {
        self.ask(format!("deregister {instance}"))
    }
}

fn instance() -> ServiceInstance {
    ServiceInstance::builder("user").id("a").build().unwrap()
}

fn limit(limit: &str) -> RegistrarError {
    RegistrarError::Limit {
        limit: limit.to_owned(),
        value: 2,
        max: 1,
        mend: "less",
    }
}

fn registered(composite: &CompositeRegistrar) -> Option<Answer> {
    composite.register(instance()).now_or_never()
}

fn deregistered(composite: &CompositeRegistrar) -> Option<Answer> {
    composite.deregister(&instance()).now_or_never()
}

#[test]
fn every_registrar_is_asked() {
    let registrars = [(); 3].map(|()| Recorder::answering(Ok(())));
    let [leader, second, third] = registrars.clone();
    let composite = CompositeRegistrar::new(leader)
        .follower(second)
        .follower(third);
    assert_eq!(registered(&composite), Some(Ok(())));
    assert_eq!(deregistered(&composite), Some(Ok(())));
    for registrar in registrars {
        assert_eq!(registrar.asked(), ["register user-a", "deregister user-a"]);
    }
}

#[test]
fn where_the_leader_refuses_nobody_registers() {
    let leader = Recorder::answering(Err(limit("leader")));
    let follower = Recorder::answering(Ok(()));
    let composite = CompositeRegistrar::new(leader).follower(follower.clone());
    assert_eq!(registered(&composite), Some(Err(limit("leader"))));
    assert_eq!(follower.asked(), [""; 0]);
}

#[test]
fn a_followers_error_keeps_no_other_follower_from_registering() {
    let failing = Recorder::answering(Err(limit("second")));
    let last = Recorder::answering(Ok(()));
    let composite = CompositeRegistrar::new(Recorder::answering(Ok(())))
        .follower(failing)
        .follower(last.clone());
    assert_eq!(registered(&composite), Some(Ok(())));
    assert_eq!(
        registered(&composite.require_all()),
        Some(Err(limit("second")))
    );
    assert_eq!(last.asked(), ["register user-a"; 2]);
}

#[test]
fn deregistering_asks_all_and_returns_the_first_error() {
    let last = Recorder::answering(Ok(()));
    let composite = CompositeRegistrar::new(Recorder::answering(Ok(())))
        .follower(Recorder::answering(Err(limit("second"))))
        .follower(Recorder::answering(Err(limit("third"))))
        .follower(last.clone());
    assert_eq!(deregistered(&composite), Some(Err(limit("second"))));
    assert_eq!(last.asked(), ["deregister user-a"]);
}

#[test]
fn a_registrar_that_hangs_keeps_nobody_from_deregistering() {
    let follower = Recorder::answering(Ok(()));
    let composite = CompositeRegistrar::new(Recorder::hanging()).follower(follower.clone());
    assert_eq!(deregistered(&composite), None, "it waits for all");
    assert_eq!(follower.asked(), ["deregister user-a"]);
}
