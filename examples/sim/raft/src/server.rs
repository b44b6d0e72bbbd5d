//! What a node answers to the others and to clients.
#![forbid(unsafe_code)]

use crate::machine::Store;
use crate::network::{Frames, Question, Reply, frames, receive, send};
use crate::{Answer, Bug, Call, Command, Types};
use openraft::error::{ForwardToLeader, RaftError};
use openraft::{BasicNode, Raft, Snapshot, TryAsRef};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Nobody waits longer for a read.
const LONGEST_READ: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Server {
    raft: Raft<Types>,
    store: Store,
    /// The last entry of the log when this node was started.
    known_from: Option<u64>,
    bug: Option<Bug>,
}

/// Serves until it is dropped, and its connections with it.
pub async fn serve(
    listener: TcpListener,
    raft: Raft<Types>,
    store: Store,
    known_from: Option<u64>,
    bug: Option<Bug>,
) -> io::Result<()> {
    let server = Server {
        raft,
        store,
        known_from,
        bug,
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let frames = frames(accepted?.0)?;
                connections.spawn(server.clone().talk(frames));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

impl Server {
    async fn talk(self, mut frames: Frames) -> io::Result<()> {
        while let Some(question) = receive(&mut frames).await? {
            let reply = self.answer(question).await;
            send(&mut frames, &reply).await?;
        }
        Ok(())
    }

    async fn answer(&self, question: Question) -> Reply {
        match question {
            Question::Append(rpc) => {
                let answer = self.raft.append_entries(rpc).await;
                answer.map_or_else(|error| Reply::Failed(error.to_string()), Reply::Append)
            }
            Question::Vote(rpc) => {
                let answer = self.raft.vote(rpc).await;
                answer.map_or_else(|error| Reply::Failed(error.to_string()), Reply::Vote)
            }
            Question::Snapshot(vote, meta, data) => {
                let snapshot = Box::new(data);
                let snapshot = Snapshot { meta, snapshot };
                let answer = self.raft.install_full_snapshot(vote, snapshot).await;
                answer.map_or_else(|error| Reply::Failed(error.to_string()), Reply::Snapshot)
            }
            Question::Client(command) => self.call(command).await,
            Question::Digest => {
                let (applied, checksum) = self.store.digest();
                Reply::Digest(applied, checksum)
            }
        }
    }

    async fn call(&self, command: Command) -> Reply {
        if let Call::Get { key } = &command.call {
            return self.read(key).await;
        }
        match self.raft.client_write(command).await {
            Ok(written) => Reply::Client(written.data),
            Err(error) => not_the_leader(&error),
        }
    }

    async fn read(&self, key: &str) -> Reply {
        if self.bug == Some(Bug::LocalRead) {
            let leader = self.raft.current_leader().await;
            if leader != Some(self.raft.metrics().borrow().id) {
                return Reply::NotTheLeader(leader);
            }
            return Reply::Client(Answer::Value(self.store.get(key)));
        }
        if let Err(error) = self.raft.ensure_linearizable().await {
            return not_the_leader(&error);
        }
        // A leader that is back before anybody has missed it goes on as one, and openraft 0.9 does
        // not know what it had committed: it would let it read what its last snapshot has.
        // What is not in its log any more was never committed.
        let last = self.raft.metrics().borrow().last_log_index;
        let wait = self.raft.wait(Some(LONGEST_READ));
        let applied = wait.applied_index_at_least(self.known_from.min(last), "what was there");
        if let Err(error) = applied.await {
            return Reply::Failed(error.to_string());
        }
        Reply::Client(Answer::Value(self.store.get(key)))
    }
}

fn not_the_leader<E>(error: &RaftError<u64, E>) -> Reply
where
    E: std::error::Error + TryAsRef<ForwardToLeader<u64, BasicNode>>,
{
    match error.forward_to_leader() {
        Some(forward) => Reply::NotTheLeader(forward.leader_id),
        None => Reply::Failed(error.to_string()),
    }
}
