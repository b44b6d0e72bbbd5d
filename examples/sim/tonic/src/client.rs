//! The other end.
#![forbid(unsafe_code)]

use crate::line_client::LineClient;
use crate::messages::{Since, Stamp, Ticket, Train, Work};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How long a train may be late before the watcher asks again.
const LATE: Duration = Duration::from_secs(2);

/// A channel to the line at that `host:port`, which connects when it is used, and again.
///
/// # Panics
///
/// If that is no address.
pub fn channel(line: &str) -> LineClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{line}")).expect("an address");
    let endpoint = endpoint
        .connect_timeout(Duration::from_secs(1))
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(2));
    LineClient::new(endpoint.connect_lazy())
}

/// # Errors
///
/// If it is not done within `deadline`, or the line cannot be reached.
pub async fn repair(
    line: &mut LineClient<Channel>,
    ms: u64,
    deadline: Duration,
) -> Result<u64, Status> {
    let mut request = Request::new(Work { ms });
    request.set_timeout(deadline);
    Ok(line.repair(request).await?.into_inner().ms)
}

/// Watches trains, and asks again after an error, until `want` have been seen. `each` is told
/// whether a train is the first after it has asked: there may be some between the last and that.
pub async fn watch(
    line: &mut LineClient<Channel>,
    want: usize,
    mut each: impl FnMut(&Train, bool),
) {
    let (mut next, mut seen) = (0, 0);
    while seen < want {
        let asked = timeout(LATE, line.watch(Since { number: next })).await;
        let Ok(Ok(trains)) = asked else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut trains = trains.into_inner();
        let mut is_first = true;
        while let Ok(Ok(Some(train))) = timeout(LATE, trains.message()).await {
            each(&train, is_first);
            is_first = false;
            next = train.number + 1;
            seen += 1;
            if seen == want {
                break;
            }
        }
    }
}

/// Rides with these tickets, a few of them ahead of the stamps.
///
/// # Errors
///
/// If the line cannot be reached, or leaves the passenger alone.
pub async fn ride(
    line: &mut LineClient<Channel>,
    tickets: std::ops::Range<u64>,
) -> Result<Vec<Stamp>, Status> {
    let (sender, receiver) = mpsc::channel(4);
    let (first, all) = (tickets.start, tickets.end - tickets.start);
    tokio::spawn(async move {
        for number in first..first + all {
            if sender.send(Ticket { number }).await.is_err() {
                return;
            }
        }
    });
    let riding = async {
        let mut stamps = line.ride(ReceiverStream::new(receiver)).await?.into_inner();
        let mut got = Vec::new();
        while let Some(stamp) = stamps.message().await? {
            got.push(stamp);
        }
        Ok(got)
    };
    let late = |_| Status::deadline_exceeded("the ride takes too long");
    timeout(Duration::from_secs(5), riding)
        .await
        .map_err(late)?
}
