//! The bank on real sockets, with a journal on a real disk.
#![forbid(unsafe_code)]

mod work;

use bank::{Client, Outcome};
use tokio::net::TcpListener;

async fn start(journal: std::path::PathBuf) -> (Client, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async { bank::serve(listener, journal, None).await.unwrap() });
    (Client::new(&address.to_string(), None), serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_moves_once_and_is_there_tomorrow() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let (client, serving) = start(journal.clone()).await;
    work::open_shared(&client).await;
    let paying: Vec<_> = (0..4)
        .map(|me| tokio::spawn(work::pay(client.clone(), me, 10)))
        .collect();
    for client in paying {
        client.await.unwrap();
    }
    let all = 6 * work::START;
    assert_eq!(client.total().await, all);
    let refused = client.transfer("much", "left", "right", 100_000).await;
    assert_eq!(refused, Outcome::Refused);
    serving.abort();

    let (client, _serving) = start(journal).await;
    assert_eq!(client.total().await, all);
    assert_eq!(client.balance("client2").await, work::START - 10);
    let again = client.transfer("2-3", "client2", "left", 1).await;
    assert_eq!(again, Outcome::Moved);
    assert_eq!(client.balance("client2").await, work::START - 10);
}
