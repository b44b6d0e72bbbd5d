//! One client.
#![forbid(unsafe_code)]

use crate::Bug;
use crate::lines::Lines;
use crate::pool::{Job, Pool};
use futures_util::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio_util::codec::{FramedWrite, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::time::{DelayQueue, delay_queue};

/// How many jobs a client may have at a time.
const LIMIT: usize = 64;

struct Connection {
    answers: FramedWrite<OwnedWriteHalf, LinesCodec>,
    pool: Arc<Pool>,
    later: DelayQueue<(String, String)>,
    keys: HashMap<String, delay_queue::Key>,
    done: mpsc::Sender<(String, String)>,
    /// Jobs at the workers.
    in_flight: usize,
}

pub async fn serve(
    stream: TcpStream,
    pool: Arc<Pool>,
    stop: CancellationToken,
    bug: Option<Bug>,
) -> io::Result<()> {
    let (read, write) = stream.into_split();
    let mut lines = Lines::new(read, bug);
    let (done, mut all_done) = mpsc::channel(LIMIT);
    let mut connection = Connection {
        answers: FramedWrite::new(write, LinesCodec::new()),
        pool,
        later: DelayQueue::new(),
        keys: HashMap::new(),
        done,
        in_flight: 0,
    };
    loop {
        let has_stopped = stop.is_cancelled();
        if has_stopped && connection.in_flight == 0 && connection.later.is_empty() {
            return connection.say("bye".to_owned()).await;
        }
        tokio::select! {
            () = stop.cancelled(), if !has_stopped => {}
            Some(job) = connection.later.next() => connection.is_due(job.into_inner()),
            Some((name, payload)) = all_done.recv() => {
                connection.in_flight -= 1;
                connection.say(format!("done {name} {payload}")).await?;
            }
            line = lines.next(), if !has_stopped => match line? {
                Some(line) => connection.hear(&line).await?,
                None => return Ok(()),
            }
        }
    }
}

impl Connection {
    async fn say(&mut self, line: String) -> io::Result<()> {
        self.answers.send(line).await.map_err(io::Error::other)
    }

    async fn hear(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.splitn(4, ' ');
        let answer = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("after"), _, Some(name), _) if self.in_flight + self.later.len() == LIMIT => {
                format!("refused {name}")
            }
            (Some("after"), Some(ms), Some(name), Some(payload)) => {
                let ms = ms.parse().map_err(io::Error::other)?;
                let job = (name.to_owned(), payload.to_owned());
                let key = self.later.insert(job, Duration::from_millis(ms));
                self.keys.insert(name.to_owned(), key);
                format!("accepted {name}")
            }
            (Some("cancel"), Some(name), None, None) => match self.keys.remove(name) {
                Some(key) => {
                    self.later.remove(&key);
                    format!("cancelled {name}")
                }
                None => format!("late {name}"),
            },
            _ => format!("what? {line}"),
        };
        self.say(answer).await
    }

    fn is_due(&mut self, (name, payload): (String, String)) {
        self.keys.remove(&name);
        self.in_flight += 1;
        let done = self.done.clone();
        self.pool.add(Job {
            name,
            payload,
            done,
        });
    }
}
