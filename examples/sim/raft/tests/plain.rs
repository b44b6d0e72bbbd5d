//! The store on real sockets and a real disk.
#![forbid(unsafe_code)]

mod work;

use kv::{Answer, Call, Client, Node};
use std::collections::BTreeMap;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

async fn start(node: Node) -> JoinHandle<()> {
    let address = &node.members[&node.id];
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async { kv::serve(listener, node).await.unwrap() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_are_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut members = BTreeMap::new();
    for id in 1..=3 {
        // Free a moment ago.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        members.insert(id, listener.local_addr().unwrap().to_string());
    }
    let node = |id| Node {
        id,
        folder: folder.path().join(id.to_string()),
        members: members.clone(),
        bug: None,
    };
    let mut running = BTreeMap::new();
    for id in 1..=3 {
        std::fs::create_dir(node(id).folder).unwrap();
        running.insert(id, start(node(id)).await);
    }
    let history = work::Calls::default();
    let calling: Vec<_> = (0..3)
        .map(|me| tokio::spawn(work::calls(members.clone(), me, 100, history.clone())))
        .collect();
    for id in 1..=3 {
        tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        running[&id].abort();
        let _ = running.remove(&id).unwrap().await;
        // What it has begun on the disk ends.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        running.insert(id, start(node(id)).await);
    }
    for client in calling {
        client.await.unwrap();
    }
    assert_eq!(history.len(), 300);
    work::check(&history);
    work::agree(members.clone()).await;

    let mut client = Client::new(&members);
    let (key, value) = ("meguro".to_owned(), "blossom".to_owned());
    let set = Call::Set {
        key: key.clone(),
        value: value.clone(),
    };
    assert_eq!(client.call(set).await, Some(Answer::Set));
    let got = client.call(Call::Get { key }).await;
    assert_eq!(got, Some(Answer::Value(Some(value))));
}
