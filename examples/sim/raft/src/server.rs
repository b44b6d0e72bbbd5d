//! What a node answers to the others and to clients.
#![forbid(unsafe_code)]

use crate::machine::Store;
use crate::network::{Frames, Question, Reply, frames, receive, send};
use crate::{Answer, Bug, Call, Command, Types};
use openraft::error::{ForwardToLeader, RaftError};
use openraft::{BasicNode, Raft, Snapshot, TryAsRef};
use std::io;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Clone)]
struct Server {
    raft: Raft<Types>,
    store: Store,
    bug: Option<Bug>,
}

/// Serves until it is dropped, and its connections with it.
pub async fn serve(
    listener: TcpListener,
    raft: Raft<Types>,
    store: Store,
    bug: Option<Bug>,
) -> io::Result<()> {
    let server = Server { raft, store, bug };
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
        } else if let Err(error) = self.raft.ensure_linearizable().await {
            return not_the_leader(&error);
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
