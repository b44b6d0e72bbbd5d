//! tonic: the four kinds of gRPC calls, errors, metadata and deadlines over HTTP/2.
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

include!(concat!(env!("OUT_DIR"), "/yamanote.Line.rs"));

/// A station by its number.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Station {
    #[prost(uint32, tag = "1")]
    number: u32,
}

/// A result.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

const STATIONS: u32 = 30;

#[tokio::main]
async fn main() {
    for line in conversation().await {
        println!("{line}");
    }
}

struct Line;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl line_server::Line for Line {
    async fn next(&self, request: Request<Station>) -> Result<Response<Station>, Status> {
        let number = request.get_ref().number;
        match number {
            0..STATIONS => {}
            99 => std::future::pending().await,
            _ => return Err(Status::not_found(format!("no station {number}"))),
        }
        let mut response = Response::new(Station {
            number: (number + 1) % STATIONS,
        });
        if let Some(direction) = request.metadata().get("direction") {
            response
                .metadata_mut()
                .insert("direction", direction.clone());
        }
        Ok(response)
    }

    type RoundStream = Answers<Station>;

    async fn round(&self, request: Request<Station>) -> Result<Response<Answers<Station>>, Status> {
        let first = request.into_inner().number;
        let (sender, receiver) = mpsc::channel(2);
        tokio::spawn(async move {
            for step in 0..STATIONS {
                let number = (first + step) % STATIONS;
                if sender.send(Ok(Station { number })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn count(
        &self,
        request: Request<Streaming<Station>>,
    ) -> Result<Response<Number>, Status> {
        let mut stations = request.into_inner();
        let mut value = 0;
        while let Some(station) = stations.message().await? {
            value += u64::from(station.number);
        }
        Ok(Response::new(Number { value }))
    }

    type RideStream = Answers<Number>;

    async fn ride(
        &self,
        request: Request<Streaming<Station>>,
    ) -> Result<Response<Answers<Number>>, Status> {
        let mut so_far = 0;
        let answers = request.into_inner().map(move |station| {
            so_far += u64::from(station?.number);
            Ok(Number { value: so_far })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn conversation() -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .timeout(Duration::from_secs(60))
        .add_service(line_server::LineServer::new(Line))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = stopped.await;
        });
    let server = tokio::spawn(server);
    let channel = Endpoint::from_shared(format!("http://{address}"));
    let channel = channel
        .expect("an address")
        .connect()
        .await
        .expect("connected");
    let mut client = line_client::LineClient::new(channel);
    let mut said = Vec::new();

    let mut request = Request::new(Station { number: 29 });
    let direction = "outer".parse().expect("ASCII");
    request.metadata_mut().insert("direction", direction);
    let answer = client.next(request).await.expect("an answer");
    let direction = answer.metadata().get("direction").expect("sent back");
    let direction = direction.to_str().expect("ASCII").to_owned();
    said.push(format!("{} {direction}", answer.into_inner().number));
    let error = client
        .next(Station { number: 31 })
        .await
        .expect_err("no such station");
    said.push(format!("{:?}: {}", error.code(), error.message()));

    let mut late = Request::new(Station { number: 99 });
    late.set_timeout(Duration::from_millis(100));
    let error = client.next(late).await.expect_err("it never answers");
    // The client's deadline and the server's own are the same instant: either may be first to say.
    said.push(format!("late: {:?}", error.code()));

    let round = client
        .round(Station { number: 28 })
        .await
        .expect("a stream")
        .into_inner();
    let round: Vec<u32> = round
        .map(|station| station.expect("a station").number)
        .collect()
        .await;
    said.push(format!("{round:?}"));

    let stations = tokio_stream::iter((0..1_000).map(|number| Station { number }));
    let count = client
        .count(stations)
        .await
        .expect("an answer")
        .into_inner();
    said.push(count.value.to_string());

    // Each answer is the cause of the next question.
    let (sender, receiver) = mpsc::channel(1);
    let ride = client.ride(ReceiverStream::new(receiver));
    let first = sender.send(Station { number: 1 });
    let (ride, first) = tokio::join!(ride, first);
    first.expect("someone listens");
    let mut ride = ride.expect("a stream").into_inner();
    while let Some(number) = ride.message().await.expect("a number") {
        if number.value > 1_000 {
            said.push(format!("rode {}", number.value));
            break;
        }
        let number = u32::try_from(number.value).expect("not above the limit");
        sender
            .send(Station { number })
            .await
            .expect("someone listens");
    }
    drop(sender);

    let many: Vec<_> = (0..64)
        .map(|number| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let number = number % STATIONS;
                let next = client.next(Station { number }).await.expect("an answer");
                assert_eq!(next.into_inner().number, (number + 1) % STATIONS);
            })
        })
        .collect();
    for asked in many {
        asked.await.expect("every answer was right");
    }
    drop(ride);
    drop(client);
    stop.send(()).expect("the server waits for it");
    server.await.expect("no panic").expect("a clean end");
    said
}

#[cfg(test)]
mod tests {
    use super::conversation;

    async fn check() {
        let round: Vec<u32> = (0..30).map(|step| (28 + step) % 30).collect();
        let expected = [
            "0 outer".to_owned(),
            "NotFound: no station 31".to_owned(),
            "late: Cancelled".to_owned(),
            format!("{round:?}"),
            "499500".to_owned(),
            "rode 1024".to_owned(),
        ];
        assert_eq!(conversation().await, expected);
    }

    #[tokio::test]
    async fn on_one_thread() {
        check().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        check().await;
    }
}
