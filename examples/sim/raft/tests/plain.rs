//! The store on real sockets and a real disk.
#![forbid(unsafe_code)]

mod work;

use kv::{Answer, Call, Client, Node};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// A node on a runtime of its own, as a process has one.
async fn start(node: Node) -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let address = node.members[&node.id].clone();
    let listening = runtime.spawn(TcpListener::bind(address));
    let listener = listening.await.unwrap().unwrap();
    runtime.spawn(async { kv::serve(listener, node).await.unwrap() });
    runtime
}

/// Nothing of it goes on: what it had begun on the disk has ended.
async fn stop(node: Runtime) {
    spawn_blocking(|| drop(node)).await.unwrap();
}

/// The address of a node, which this process alone has: no connection takes a port of it while the
/// node is down.
fn host(id: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 1 + high % 254, low, id)
}

async fn until_answered(client: &mut Client, call: Call) -> Answer {
    loop {
        if let Some(answer) = client.call(call.clone()).await {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_are_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut members = BTreeMap::new();
    for id in 1..=3 {
        // Free a moment ago.
        let listener = TcpListener::bind((host(id), 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        members.insert(u64::from(id), address);
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
        sleep(Duration::from_millis(800)).await;
        stop(running.remove(&id).unwrap()).await;
        sleep(Duration::from_millis(200)).await;
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
    assert_eq!(until_answered(&mut client, set).await, Answer::Set);
    let got = until_answered(&mut client, Call::Get { key }).await;
    assert_eq!(got, Answer::Value(Some(value)));
    for node in running.into_values() {
        stop(node).await;
    }
}
