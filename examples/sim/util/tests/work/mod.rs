//! What a client asks of the service, and what must be true of the answers.
#![forbid(unsafe_code)]

use jobs::Client;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

struct Asked {
    payload: String,
    due: Instant,
}

/// Asks for `count` jobs and cancels some. Each is to be done once, not early, with its payload,
/// unless it was cancelled.
pub async fn ask(to: &str, me: usize, count: usize) {
    let mut client = connect(to).await;
    let mut asked = HashMap::new();
    let mut done = HashSet::new();
    let mut cancelled = 0;
    for number in 0..count {
        let (ms, length) = (fastrand::u64(1..400), fastrand::usize(0..4_000));
        let name = format!("{me}-{number}");
        let payload = "x".repeat(length);
        let due = Instant::now() + Duration::from_millis(ms);
        client.after(ms, &name, &payload).await.expect("it listens");
        asked.insert(name.clone(), Asked { payload, due });
        if fastrand::u8(..) < 30 {
            client.cancel(&name).await.expect("it listens");
        }
        if fastrand::bool() {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..20))).await;
        }
        if number >= 40 {
            hear(&mut client, &mut asked, &mut done, &mut cancelled).await;
        }
    }
    while done.len() + cancelled < count {
        hear(&mut client, &mut asked, &mut done, &mut cancelled).await;
    }
}

async fn hear(
    client: &mut Client,
    asked: &mut HashMap<String, Asked>,
    done: &mut HashSet<String>,
    cancelled: &mut usize,
) {
    let line = client.hear().await.expect("it answers");
    let mut words = line.splitn(3, ' ');
    let (what, name) = (words.next().unwrap(), words.next().unwrap());
    match what {
        "accepted" => assert!(asked.contains_key(name), "{name} was asked for"),
        "late" => {}
        "cancelled" => {
            asked.remove(name).expect("it was asked for and not done");
            *cancelled += 1;
        }
        "done" => {
            let job = asked
                .remove(name)
                .expect("it was asked for and not cancelled");
            assert_eq!(words.next().unwrap(), job.payload);
            assert!(Instant::now() >= job.due, "{name} is not done early");
            assert!(done.insert(name.to_owned()), "{name} is done once");
        }
        _ => panic!("the service does not say {line:?}"),
    }
}

/// A client that the service knows: it has been answered.
pub async fn joins(to: &str) -> Client {
    let mut client = connect(to).await;
    client.cancel("nothing").await.expect("it listens");
    assert_eq!(client.hear().await.expect("it answers"), "late nothing");
    client
}

/// Stays until the service ends, which says so.
pub async fn stays(mut client: Client) {
    assert_eq!(client.hear().await.expect("it says so"), "bye");
}

async fn connect(to: &str) -> Client {
    loop {
        match Client::connect(to).await {
            Ok(client) => return client,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
