//! How a node asks another: one message each way, over a connection that is kept.
#![forbid(unsafe_code)]

use crate::{Answer, Command, Types};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, Snapshot, SnapshotMeta, Vote};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::io;
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

#[derive(Serialize, Deserialize)]
pub enum Question {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<u64>),
    Snapshot(Vote<u64>, SnapshotMeta<u64, BasicNode>, Vec<u8>),
    Client(Command),
    Digest,
}

#[derive(Serialize, Deserialize)]
pub enum Reply {
    Append(AppendEntriesResponse<u64>),
    Vote(VoteResponse<u64>),
    Snapshot(SnapshotResponse<u64>),
    Client(Answer),
    /// How many entries have been applied, and a checksum of what has come of them.
    Digest(u64, u32),
    /// Ask that one, if anybody is known.
    NotTheLeader(Option<u64>),
    Failed(String),
}

pub type Frames = Framed<TcpStream, LengthDelimitedCodec>;

pub fn frames(stream: TcpStream) -> io::Result<Frames> {
    stream.set_nodelay(true)?;
    Ok(Framed::new(stream, LengthDelimitedCodec::new()))
}

pub async fn send(frames: &mut Frames, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    frames.send(Bytes::from(bytes)).await
}

/// The next message; `None` at the end.
pub async fn receive<T: for<'a> Deserialize<'a>>(frames: &mut Frames) -> io::Result<Option<T>> {
    let Some(bytes) = frames.next().await else {
        return Ok(None);
    };
    postcard::from_bytes(&bytes?)
        .map_err(io::Error::other)
        .map(Some)
}

/// A connection, made when it is needed.
pub struct Peer {
    address: String,
    connection: Option<Frames>,
}

impl Peer {
    pub fn new(address: &str) -> Peer {
        Peer {
            address: address.to_owned(),
            connection: None,
        }
    }

    /// Asks, once. If this is dropped before there is an answer, or there is none, the connection
    /// is closed: the next question must not be taken for the one that this answers.
    pub async fn ask(&mut self, question: &Question) -> io::Result<Reply> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => frames(TcpStream::connect(&self.address).await?)?,
        };
        send(&mut connection, question).await?;
        let reply = receive(&mut connection).await?;
        let reply = reply.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.connection = Some(connection);
        Ok(reply)
    }
}

pub struct Network;

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, _id: u64, node: &BasicNode) -> Peer {
        Peer::new(&node.addr)
    }
}

type Result<T> = std::result::Result<T, RPCError<u64, BasicNode, RaftError<u64>>>;

fn failed(error: &io::Error) -> RPCError<u64, BasicNode, RaftError<u64>> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => RPCError::Unreachable(Unreachable::new(error)),
        _ => RPCError::Network(NetworkError::new(error)),
    }
}

fn other(reply: Reply) -> io::Error {
    match reply {
        Reply::Failed(text) => io::Error::new(io::ErrorKind::ConnectionRefused, text),
        _ => io::Error::other("an answer to another question"),
    }
}

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>> {
        match self.ask(&Question::Append(rpc)).await {
            Ok(Reply::Append(answer)) => Ok(answer),
            Ok(reply) => Err(failed(&other(reply))),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>> {
        match self.ask(&Question::Vote(rpc)).await {
            Ok(Reply::Vote(answer)) => Ok(answer),
            Ok(reply) => Err(failed(&other(reply))),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<u64>,
        snapshot: Snapshot<Types>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> std::result::Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        let question = Question::Snapshot(vote, snapshot.meta, *snapshot.snapshot);
        let asked = tokio::select! {
            asked = tokio::time::timeout(option.hard_ttl(), self.ask(&question)) => asked,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        match asked.map_err(io::Error::from).and_then(|asked| asked) {
            Ok(Reply::Snapshot(answer)) => Ok(answer),
            Ok(reply) => Err(StreamingError::Unreachable(Unreachable::new(&other(reply)))),
            Err(error) => Err(StreamingError::Unreachable(Unreachable::new(&error))),
        }
    }
}
