//! The service on real sockets and in real time.
#![forbid(unsafe_code)]

mod work;

use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_is_done_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let service = tokio::spawn(jobs::serve(listener, stop.clone(), None));
    let clients: Vec<_> = (0..4)
        .map(|me| {
            let to = address.clone();
            tokio::spawn(async move { work::ask(&to, me, 60).await })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let mut idle = jobs::Client::connect(&address).await.unwrap();
    idle.after(100, "last", "words").await.unwrap();
    assert_eq!(idle.hear().await.unwrap(), "accepted last");
    let staying = tokio::spawn(work::stays(work::joins(&address).await));
    stop.cancel();
    assert_eq!(idle.hear().await.unwrap(), "done last words");
    assert_eq!(idle.hear().await.unwrap(), "bye");
    timeout(Duration::from_secs(60), service)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    staying.await.unwrap();
}
