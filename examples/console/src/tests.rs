//! What a console is told of a program on each flavour, asked over gRPC as tokio-console asks.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use console_api::field::{Name, Value};
use console_api::instrument::instrument_client::InstrumentClient;
use console_api::instrument::{InstrumentRequest, Update};
use console_api::{Location, tasks};
use console_subscriber::{ConsoleLayer, Server, ServerParts};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Barrier, Mutex, RwLock, Semaphore, mpsc as channel, oneshot};
use tokio::task::{Id, JoinHandle, LocalSet};
use tokio::time::{interval, sleep};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tracing_subscriber::layer::SubscriberExt;

/// What was told so far.
#[derive(Default)]
struct Told {
    tasks: HashMap<u64, tasks::Task>,
    stats: HashMap<u64, tasks::Stats>,
    /// Type and whether it is internal, by line of this file.
    resources: BTreeSet<(String, Option<u32>)>,
    sources: BTreeSet<String>,
    /// Names of a resource's attributes.
    attributes: BTreeSet<String>,
    dropped: u64,
}

fn name(field: &Option<Name>) -> &str {
    match field {
        Some(Name::StrName(name)) => name,
        _ => "",
    }
}

fn line_here(location: &Option<Location>) -> Option<u32> {
    let location = location.as_ref()?;
    let is_here = location.file().ends_with("console/src/tests.rs");
    is_here.then(|| location.line())
}

impl Told {
    fn add(&mut self, update: Update) {
        if let Some(update) = update.task_update {
            self.dropped += update.dropped_events;
            for task in update.new_tasks {
                self.tasks.insert(task.id.unwrap().id, task);
            }
            self.stats.extend(update.stats_update);
        }
        if let Some(update) = update.resource_update {
            self.dropped += update.dropped_events;
            for resource in update.new_resources {
                let line = line_here(&resource.location);
                self.resources.insert((resource.concrete_type, line));
            }
            let attributes = update.stats_update.values().flat_map(|it| &it.attributes);
            let named = attributes.filter_map(|it| it.field.as_ref());
            self.attributes
                .extend(named.map(|field| name(&field.name).to_owned()));
        }
        if let Some(update) = update.async_op_update {
            self.dropped += update.dropped_events;
            let ops = update.new_async_ops.into_iter();
            self.sources.extend(ops.map(|op| op.source));
        }
    }

    /// The statistics of a task, if they have come. Both tests may be among what is told.
    fn stats(&self, of: &Spawned) -> Option<&tasks::Stats> {
        let mut found = self.tasks.iter().filter(|(_, task)| {
            let value = |of: &str| {
                let mut fields = task.fields.iter().filter(|it| name(&it.name) == of);
                match &fields.next()?.value {
                    Some(Value::DebugVal(text)) => Some(text.clone()),
                    Some(Value::U64Val(number)) => Some(number.to_string()),
                    _ => None,
                }
            };
            line_here(&task.location) == Some(of.line)
                && value("kind").as_deref() == Some(of.kind)
                && (of.id.is_none() || value("task.id") == of.id.map(|id| id.to_string()))
        });
        found.find_map(|(id, _)| self.stats.get(id))
    }
}

/// A task of a test: its kind, and the line that spawned it.
struct Spawned {
    kind: &'static str,
    line: u32,
    /// `None` for `block_on`, which has none.
    id: Option<Id>,
}

impl Spawned {
    fn new<T>(kind: &'static str, line: u32, task: &JoinHandle<T>) -> Spawned {
        let id = Some(task.id());
        Spawned { kind, line, id }
    }
}

/// Serves what the console asks, on a thread whose own tasks are told to nobody; the port.
fn serve(server: Server) -> u16 {
    let (send, port) = mpsc::channel();
    std::thread::spawn(move || {
        let nobody = tracing::subscriber::NoSubscriber::default();
        tracing::subscriber::with_default(nobody, || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let ServerParts {
                    instrument_server,
                    aggregator,
                    ..
                } = server.into_parts();
                tokio::spawn(aggregator.run());
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(listener.local_addr().unwrap().port()).unwrap();
                tonic::transport::Server::builder()
                    .add_service(instrument_server)
                    .serve_with_incoming(TcpListenerStream::new(listener))
                    .await
                    .unwrap();
            });
        });
    });
    port.recv().unwrap()
}

/// The console of this process, which there can be one of.
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let interval = Duration::from_millis(50);
        let (layer, server) = ConsoleLayer::builder().publish_interval(interval).build();
        let port = serve(server);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        port
    })
}

/// Asks the console until it has told `enough`.
fn ask(enough: impl Fn(&Told) -> bool) -> Told {
    let nobody = tracing::subscriber::NoSubscriber::default();
    let port = port();
    tracing::subscriber::with_default(nobody, || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = InstrumentClient::connect(format!("http://127.0.0.1:{port}"))
                .await
                .unwrap();
            let request = tonic::Request::new(InstrumentRequest {});
            let mut updates = client.watch_updates(request).await.unwrap().into_inner();
            let mut told = Told::default();
            let asking = async {
                while !enough(&told) {
                    let update = updates.next().await.expect("it goes on");
                    told.add(update.unwrap());
                }
            };
            if tokio::time::timeout(Duration::from_secs(60), asking)
                .await
                .is_err()
            {
                panic!(
                    "{:#?} {:#?} {:#?} {:#?} {:#?}",
                    told.resources, told.sources, told.attributes, told.tasks, told.stats
                );
            }
            told
        })
    })
}

/// Counts the polls of `future` that have ended.
async fn counted<F: Future>(polls: Arc<AtomicU64>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let answer = future.as_mut().poll(context);
        // Release: whoever sees the number sees what the poll did; pairs with `polled`.
        polls.fetch_add(1, Ordering::Release);
        answer
    })
    .await
}

/// Waits until `number` polls have ended.
async fn polled(polls: &AtomicU64, number: u64) {
    // Acquire: pairs with `counted`.
    while polls.load(Ordering::Acquire) < number {
        sleep(Duration::from_millis(1)).await;
    }
}

/// The tasks, and how often the first of them was polled; the work of all is done when this is.
async fn work() -> (Vec<Spawned>, u64) {
    let mut spawned = Vec::new();
    let mutex = Arc::new(Mutex::new(0));
    let (semaphore, rwlock) = (Arc::new(Semaphore::new(1)), Arc::new(RwLock::new(0)));
    let barrier = Arc::new(Barrier::new(2));
    let (done, when_done) = oneshot::channel();
    let (send, mut receive) = channel::channel(1);

    let held = mutex.clone().lock_owned().await;
    let task = {
        let (mutex, barrier) = (mutex.clone(), barrier.clone());
        async move {
            *mutex.lock().await += 1;
            for number in 0..3 {
                send.send(number).await.unwrap();
            }
            barrier.wait().await;
            done.send(()).unwrap();
        }
    };
    let polls = Arc::new(AtomicU64::new(0));
    let line = line!() + 1;
    let task = tokio::spawn(counted(polls.clone(), task));
    spawned.push(Spawned::new("task", line, &task));
    polled(&polls, 1).await;
    // It waits for the lock, and then for room, for nothing is received until it does.
    drop(held);
    polled(&polls, 2).await;
    for number in 0..3 {
        assert_eq!(receive.recv().await, Some(number));
    }
    barrier.wait().await;
    when_done.await.unwrap();
    task.await.unwrap();

    drop(rwlock.read().await);
    *rwlock.write().await += 1;
    drop(semaphore.acquire().await.unwrap());
    interval(Duration::from_millis(1)).tick().await;

    let line = line!() + 1;
    let blocking = tokio::task::spawn_blocking(|| ());
    spawned.push(Spawned::new("blocking", line, &blocking));
    blocking.await.unwrap();
    // Relaxed: the task was joined.
    (spawned, polls.load(Ordering::Relaxed))
}

fn check(runtime: Runtime) {
    port();
    let (mut spawned, polled) = runtime.block_on(work());
    let set = LocalSet::new();
    let line = line!() + 1;
    let local = set.spawn_local(tokio::task::yield_now());
    spawned.push(Spawned::new("local", line, &local));
    spawned.push(Spawned {
        kind: "block_on",
        line: line!() + 3,
        id: None,
    });
    set.block_on(&runtime, local).unwrap();
    drop(runtime);

    let resources = [
        "Barrier",
        "Interval",
        "Mutex",
        "RwLock",
        "Semaphore",
        "Sender|Receiver",
        "Sleep",
    ];
    let sources = [
        "Acquire::new",
        "Barrier::wait",
        "Interval::tick",
        "Mutex::lock",
        "Mutex::lock_owned",
        "Receiver::await",
        "RwLock::read",
        "RwLock::write",
        "Semaphore::acquire",
    ];
    let attributes = [
        "arrived",
        "current_readers",
        "duration",
        "locked",
        "permits",
        "rx_dropped",
        "value_sent",
        "write_locked",
    ];
    let told = ask(|told| {
        let ended = |task| told.stats(task).is_some_and(|it| it.dropped_at.is_some());
        let has_resource = |&kind: &&str| {
            let here = |(name, line): &(String, Option<u32>)| name == kind && line.is_some();
            told.resources.iter().any(here)
        };
        spawned.iter().all(ended)
            && resources.iter().all(has_resource)
            && sources.iter().all(|&source| told.sources.contains(source))
            && attributes.iter().all(|&it| told.attributes.contains(it))
    });

    // The drop of a future counts as a poll.
    let polls = |stats: &tasks::Stats| stats.poll_stats.as_ref().unwrap().polls;
    assert!(polled >= 3, "it waits for a lock and for room");
    let task = told.stats(&spawned[0]).unwrap();
    let is_same = polls(task) == polled + 1 && task.wakes >= polled - 1;
    assert!(is_same, "polled {polled} times: {task:#?}");
    let local = told.stats(&spawned[2]).unwrap();
    assert_eq!(polls(local), 3, "twice");
    assert_eq!(told.dropped, 0);
}

#[test]
fn on_one_thread() {
    check(Builder::new_current_thread().enable_all().build().unwrap());
}

#[test]
fn on_two_workers() {
    let mut builder = Builder::new_multi_thread();
    check(builder.worker_threads(2).enable_all().build().unwrap());
}
