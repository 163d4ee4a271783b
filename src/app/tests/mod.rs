//! In virtual time, with a book in which the registrar, the servers and the hooks write what happens.

mod budget;
mod exits;
mod health;
mod order;
mod registration;
mod stops;

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{App, AppBuilder, AppError, BoxError, Server, Serving};
use crate::registry::{BoxFuture, Endpoint, Registrar, RegistrarError, ServiceInstance};

/// What happened, in its order.
#[derive(Clone)]
struct Book(Arc<watch::Sender<Vec<String>>>);

impl Book {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    fn write(&self, entry: impl Into<String>) {
        let entry = entry.into();
        self.0.send_modify(|entries| entries.push(entry));
    }

    fn entries(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    fn has(&self, entry: &str) -> bool {
        self.0.borrow().iter().any(|written| written == entry)
    }

    /// Waits until that has happened.
    async fn shows(&self, entry: &str) {
        let mut book = self.0.subscribe();
        let is_there = |entries: &Vec<String>| entries.iter().any(|written| written == entry);
        within(book.wait_for(is_there)).await.unwrap();
    }
}

/// Awaits what must happen, within an hour of virtual time.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(secs(3600), future).await.expect("within an hour")
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// How a call of the registrar goes.
#[derive(Clone, Copy, Default, PartialEq)]
enum Answer {
    #[default]
    Well,
    Error,
    Closed,
    Hang,
    Panic,
}

/// A registrar that writes down what it is asked.
struct Recorder {
    book: Book,
    /// To `register` as up, to `register` as draining, to `deregister`.
    answers: Mutex<[Answer; 3]>,
    instances: Mutex<Vec<ServiceInstance>>,
}

impl Recorder {
    fn new(book: &Book) -> Arc<Self> {
        Self::answering(book, [Answer::Well; 3])
    }

    fn answering(book: &Book, answers: [Answer; 3]) -> Arc<Self> {
        Arc::new(Self {
            book: book.clone(),
            answers: Mutex::new(answers),
            instances: Mutex::default(),
        })
    }

    fn instance(&self) -> ServiceInstance {
        self.instances.lock().unwrap().last().unwrap().clone()
    }

    async fn answer(&self, which: usize) -> Result<(), RegistrarError> {
        let answer = self.answers.lock().unwrap()[which];
        match answer {
            Answer::Well => Ok(()),
            Answer::Error => Err(too_much()),
            Answer::Closed => Err(RegistrarError::Closed),
            Answer::Hang => pending().await,
            Answer::Panic => panic!("the registrar, for this test"),
        }
    }
}

fn too_much() -> RegistrarError {
    RegistrarError::Limit {
        limit: "bytes".to_owned(),
        value: 2,
        max: 1,
        mend: "less",
    }
}

impl Registrar for Recorder {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(async move {
            let status = instance.status();
            self.book.write(format!("register {status}"));
            self.instances.lock().unwrap().push(instance);
            self.answer(usize::from(!status.is_up())).await
        })
    }

    fn deregister(&self, _: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(async move {
            self.book.write("deregister");
            self.answer(2).await
        })
    }
}

/// What a server does after it has started.
#[derive(Clone, Copy)]
enum Deed {
    /// Serves, and takes so long to finish.
    Serve(Duration),
    AcceptAfter(Duration),
    FailAfter(Duration),
    PanicAfter(Duration),
    EndAfter(Duration),
    NeverAccept,
    NeverFinish,
}

struct Fake {
    name: &'static str,
    endpoint: &'static str,
    deed: Deed,
    book: Book,
}

impl Fake {
    fn new(name: &'static str, deed: Deed, book: &Book) -> Self {
        Self {
            name,
            endpoint: "http://127.0.0.1:8000",
            deed,
            book: book.clone(),
        }
    }

    fn well(name: &'static str, book: &Book) -> Self {
        Self::new(name, Deed::Serve(Duration::ZERO), book)
    }

    async fn run(self, serving: Serving) -> Result<(), BoxError> {
        self.book.write(format!("{} starts", self.name));
        match self.deed {
            Deed::NeverAccept => pending().await,
            Deed::AcceptAfter(delay) => sleep(delay).await,
            _ => {}
        }
        self.book.write(format!("{} accepts", self.name));
        serving.accepts();
        match self.deed {
            Deed::FailAfter(delay) => {
                sleep(delay).await;
                self.book.write(format!("{} fails", self.name));
                return Err("for this test".into());
            }
            Deed::PanicAfter(delay) => {
                sleep(delay).await;
                panic!("for this test");
            }
            Deed::EndAfter(delay) => {
                sleep(delay).await;
                return Ok(());
            }
            _ => serving.stopping().await,
        }
        self.book.write(format!("{} stops", self.name));
        match self.deed {
            Deed::Serve(finish) => sleep(finish).await,
            Deed::NeverFinish => {
                serving.cut().await;
                self.book.write(format!("{} is cut", self.name));
                pending::<()>().await;
            }
            _ => {}
        }
        self.book.write(format!("{} has stopped", self.name));
        Ok(())
    }
}

impl Server for Fake {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        vec![self.endpoint.parse().unwrap()]
    }

    fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(self.run(serving))
    }
}

/// An app that registers with `registrar`, and whose book ends with `left`.
fn builder(registrar: &Arc<Recorder>) -> AppBuilder {
    let app = App::builder()
        .name("user")
        .id("a")
        .registrar(registrar.clone())
        .without_signals();
    app.leave(hook(&registrar.book, "left"))
}

/// A hook that writes into the book.
fn hook(
    book: &Book,
    entry: &'static str,
) -> impl FnOnce() -> std::future::Ready<Result<(), BoxError>> + Send + 'static {
    let book = book.clone();
    move || {
        book.write(entry);
        std::future::ready(Ok(()))
    }
}

/// A hook that writes into the book and then fails.
fn failing(
    book: &Book,
    entry: &'static str,
) -> impl FnOnce() -> std::future::Ready<Result<(), &'static str>> + Send + 'static {
    let book = book.clone();
    move || {
        book.write(entry);
        std::future::ready(Err("for this test"))
    }
}

/// A hook that writes into the book and never ends.
fn hanging(
    book: &Book,
    entry: &'static str,
) -> impl FnOnce() -> std::future::Pending<Result<(), BoxError>> + Send + 'static {
    let book = book.clone();
    move || {
        book.write(entry);
        pending()
    }
}

/// Runs the app until the book shows `entry`, stops it, and returns how it ended.
async fn run_until(app: AppBuilder, book: &Book, entry: &str) -> Result<(), AppError> {
    let app = app.build().unwrap();
    let stop = app.stop_handle();
    let stopping = async {
        book.shows(entry).await;
        stop.stop();
    };
    tokio::join!(within(app.run()), stopping).0
}

/// Runs the app, which ends by itself.
async fn run(app: AppBuilder) -> Result<(), AppError> {
    within(app.build().unwrap().run()).await
}
