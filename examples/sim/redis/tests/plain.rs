//! The lease on real sockets and in real time.
#![forbid(unsafe_code)]

mod work;

use std::time::Duration;
use tokio::net::TcpListener;
use work::Resource;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_works_at_a_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap().to_string();
    tokio::spawn(lease::serve(listener, Duration::from_millis(100)));
    let resource = Resource::new(true);
    let workers: Vec<_> = ["a", "b", "b"]
        .into_iter()
        .zip(0..)
        .map(|(name, task)| {
            let (server, resource) = (server.clone(), resource.clone());
            tokio::spawn(async move { work::works(&server, name, task, 2, resource, None).await })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}
