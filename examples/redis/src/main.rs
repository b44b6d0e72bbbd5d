//! redis: one connection shared by many tasks, pipelines, and messages to subscribers.
//!
//! Asks a real server, started for the purpose, if `redis-server` is installed; else a small one of
//! our own that knows just the commands that are used here. It says which.
#![forbid(unsafe_code)]

mod server;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, RedisResult};
use std::time::Duration;

#[tokio::main]
async fn main() {
    let server = server::start().await.expect("a server");
    println!("{}", server.name());
    println!(
        "{:?}",
        conversation(server.url()).await.expect("it answers")
    );
}

/// What the server said.
#[derive(Debug, PartialEq)]
struct Answers {
    name: String,
    missing: Option<String>,
    large_is_equal: bool,
    counted: i64,
    pipelined: (i64, i64),
    heard: Vec<String>,
    error: String,
}

/// How long the server may take to answer. The client's default is half a second, which is little
/// on a machine with much to do.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

async fn conversation(url: &str) -> RedisResult<Answers> {
    let client = redis::Client::open(url)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(PATIENCE)
        .set_response_timeout(PATIENCE);
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let _: () = connection.set("name", "yamanote").await?;
    let large: Vec<u8> = (0..500_000u32).map(|i| (i % 233) as u8).collect();
    let _: () = connection.set("large", &large).await?;
    let large_back: Vec<u8> = connection.get("large").await?;

    let counting: Vec<_> = (0..50)
        .map(|_| tokio::spawn(count(connection.clone())))
        .collect();
    for counting in counting {
        counting.await.expect("no panic")?;
    }
    let mut pipeline = redis::pipe();
    pipeline.incr("a", 40).incr("a", 2).ignore().incr("b", 7);
    let pipelined = pipeline.query_async(&mut connection).await?;

    let mut subscriber = client.get_async_pubsub().await?;
    subscriber.subscribe("announcements").await?;
    for text in ["mind", "the", "gap"] {
        let _: () = connection.publish("announcements", text).await?;
    }
    let heard = subscriber.on_message().take(3);
    let heard: Vec<RedisResult<String>> = heard.map(|it| it.get_payload()).collect().await;

    let wrong: RedisResult<i64> = connection.incr("name", 1).await;
    Ok(Answers {
        name: connection.get("name").await?,
        missing: connection.get("no such name").await?,
        large_is_equal: large == large_back,
        counted: connection.get("count").await?,
        pipelined,
        heard: heard.into_iter().collect::<RedisResult<_>>()?,
        error: wrong.expect_err("a name is no number").to_string(),
    })
}

async fn count(mut connection: MultiplexedConnection) -> RedisResult<()> {
    for _ in 0..20 {
        let _: i64 = connection.incr("count", 1).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Answers, conversation, server};

    async fn check() {
        let server = server::start().await.unwrap();
        println!("asking {}", server.name());
        let expected = Answers {
            name: "yamanote".to_owned(),
            missing: None,
            large_is_equal: true,
            counted: 1_000,
            pipelined: (40, 7),
            heard: ["mind", "the", "gap"].map(str::to_owned).into(),
            error: "ResponseError: value is not an integer or out of range".to_owned(),
        };
        assert_eq!(conversation(server.url()).await.unwrap(), expected);
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
