//! The line on real sockets and in real time.
#![forbid(unsafe_code)]

mod work;

use line::Gauges;
use std::sync::Arc;
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trains_tickets_and_crews() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let gauges = Arc::new(Gauges::default());
    tokio::spawn(line::serve(listener, gauges, None));
    tokio::join!(
        work::watches(&address, 100),
        work::rides(&address),
        work::rides(&address),
        work::repairs(&address),
        work::repairs(&address),
    );
    work::crews_are_free(&address).await;
}
