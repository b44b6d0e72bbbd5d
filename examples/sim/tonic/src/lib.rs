//! A railway line: work with a deadline, a stream of trains, and tickets that are stamped in order.
#![forbid(unsafe_code)]

pub mod client;
pub mod messages;

use messages::{Done, Since, Stamp, Ticket, Train, Work};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

include!(concat!(env!("OUT_DIR"), "/yamanote.Line.rs"));

/// Mistakes that people make, one of which can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Work is spawned, and goes on when its deadline is over and nobody waits for it.
    LostCancellation,
    /// What a slow watcher has not read yet is kept, all of it.
    UnboundedQueue,
    /// Each ticket is stamped by a task of its own, and who is ready first answers first.
    Reordered,
}

/// How many can be at work at a time.
pub const CREWS: usize = 2;
/// How many trains a watcher may be behind before it has to ask again.
pub const BACKLOG: usize = 64;
/// Of what a train carries, in bytes.
pub const LOAD: usize = 1_024;
const INTERVAL: Duration = Duration::from_millis(10);

/// What can be seen of the line from outside.
#[derive(Default)]
pub struct Gauges {
    /// The longest queue of trains that a watcher has not read, so far.
    pub longest_queue: AtomicUsize,
}

pub struct Line {
    crews: Arc<Semaphore>,
    trains: broadcast::Sender<Train>,
    recent: Arc<Mutex<VecDeque<Train>>>,
    gauges: Arc<Gauges>,
    bug: Option<Bug>,
}

/// Serves until it is dropped.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    gauges: Arc<Gauges>,
    bug: Option<Bug>,
) -> Result<(), tonic::transport::Error> {
    let line = Line {
        crews: Arc::new(Semaphore::new(CREWS)),
        trains: broadcast::channel(BACKLOG).0,
        recent: Arc::default(),
        gauges,
        bug,
    };
    let running = tokio::spawn(run_trains(line.trains.clone(), line.recent.clone()));
    let served = Server::builder()
        .add_service(line_server::LineServer::new(line))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await;
    running.abort();
    served
}

/// Sends a train every few milliseconds.
async fn run_trains(trains: broadcast::Sender<Train>, recent: Arc<Mutex<VecDeque<Train>>>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    for number in 0.. {
        ticks.tick().await;
        let load = vec![(number % 251) as u8; LOAD];
        let train = Train { number, load };
        let mut recent = recent.lock().expect("nobody panics with it");
        recent.push_back(train.clone());
        if recent.len() > BACKLOG {
            recent.pop_front();
        }
        // Under the lock, so that who reads both misses none and sees none twice.
        let _ = trains.send(train);
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl line_server::Line for Line {
    async fn repair(&self, request: Request<Work>) -> Result<Response<Done>, Status> {
        let ms = request.get_ref().ms;
        let crews = self.crews.clone();
        let work = async move {
            let crew = crews.acquire_owned().await;
            let _crew = crew.map_err(|_| Status::unavailable("closed"))?;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(Response::new(Done { ms }))
        };
        if self.bug == Some(Bug::LostCancellation) {
            return tokio::spawn(work).await.expect("it does not panic");
        }
        work.await
    }

    type WatchStream = Answers<Train>;

    async fn watch(&self, request: Request<Since>) -> Result<Response<Answers<Train>>, Status> {
        let from = request.get_ref().number;
        let (recent, trains) = {
            let recent = self.recent.lock().expect("nobody panics with it");
            (recent.clone(), self.trains.subscribe())
        };
        let missed = recent.into_iter().filter(|train| train.number >= from);
        let missed = missed.collect();
        let gauges = self.gauges.clone();
        Ok(Response::new(match self.bug {
            Some(Bug::UnboundedQueue) => all(missed, trains, gauges),
            _ => as_fast_as_it_reads(missed, trains, gauges),
        }))
    }

    type RideStream = Answers<Stamp>;

    async fn ride(
        &self,
        request: Request<Streaming<Ticket>>,
    ) -> Result<Response<Answers<Stamp>>, Status> {
        let mut tickets = request.into_inner();
        let bug = self.bug;
        let (stamps, stamped) = mpsc::channel(4);
        tokio::spawn(async move {
            let sum = Arc::new(AtomicU64::new(0));
            while let Some(Ok(Ticket { number })) = tickets.next().await {
                let (stamps, sum) = (stamps.clone(), sum.clone());
                let stamp = async move {
                    tokio::time::sleep(Duration::from_micros(fastrand::u64(..500))).await;
                    // Relaxed: the order is that of the tickets, or it is the bug.
                    let sum = sum.fetch_add(number, Relaxed) + number;
                    let _ = stamps.send(Ok(Stamp { number, sum })).await;
                };
                if bug == Some(Bug::Reordered) {
                    tokio::spawn(stamp);
                } else {
                    stamp.await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stamped))))
    }
}

/// A watcher that is too far behind is told so, and asks again from where it was.
fn as_fast_as_it_reads(
    missed: VecDeque<Train>,
    mut trains: broadcast::Receiver<Train>,
    gauges: Arc<Gauges>,
) -> Answers<Train> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for train in missed {
            if sender.send(Ok(train)).await.is_err() {
                return;
            }
        }
        loop {
            let train = match trains.recv().await {
                Ok(train) => Ok(train),
                Err(broadcast::error::RecvError::Closed) => return,
                Err(error) => Err(Status::data_loss(error.to_string())),
            };
            // Relaxed, here and below: a gauge.
            gauges.longest_queue.fetch_max(trains.len(), Relaxed);
            let is_last = train.is_err();
            if sender.send(train).await.is_err() || is_last {
                return;
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

fn all(
    missed: VecDeque<Train>,
    mut trains: broadcast::Receiver<Train>,
    gauges: Arc<Gauges>,
) -> Answers<Train> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let length = Arc::new(AtomicUsize::new(0));
    let seen = length.clone();
    tokio::spawn(async move {
        for train in missed {
            length.fetch_add(1, Relaxed);
            let _ = sender.send(Ok(train));
        }
        while let Ok(train) = trains.recv().await {
            let queued = length.fetch_add(1, Relaxed) + 1;
            gauges.longest_queue.fetch_max(queued, Relaxed);
            if sender.send(Ok(train)).is_err() {
                return;
            }
        }
    });
    let stream = UnboundedReceiverStream::new(receiver);
    Box::pin(stream.map(move |train| {
        seen.fetch_sub(1, Relaxed);
        train
    }))
}
