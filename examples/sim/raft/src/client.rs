//! A client, which finds the leader and asks until it is answered.
#![forbid(unsafe_code)]

use crate::network::{Peer, Question, Reply};
use crate::{Answer, Call, Command};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

pub struct Client {
    members: BTreeMap<u64, Peer>,
    leader: u64,
    session: u64,
    serial: u64,
}

/// How many entries a node has applied, and a checksum of what has come of them: two nodes that
/// have applied as many have the same.
///
/// # Errors
///
/// If the node cannot be asked.
pub async fn digest(address: &str) -> io::Result<(u64, u32)> {
    match timeout(TRY, Peer::new(address).ask(&Question::Digest)).await?? {
        Reply::Digest(applied, checksum) => Ok((applied, checksum)),
        _ => Err(io::Error::other("an answer to another question")),
    }
}

/// How long one try may take, and all.
const TRY: Duration = Duration::from_millis(500);
const ALL: Duration = Duration::from_secs(10);

impl Client {
    /// A client of the nodes at those `host:port`s.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn new(members: &BTreeMap<u64, String>) -> Client {
        let peers = members.iter();
        Client {
            members: peers
                .map(|(&id, address)| (id, Peer::new(address)))
                .collect(),
            leader: *members.keys().next().expect("there is a node"),
            session: fastrand::u64(..),
            serial: 0,
        }
    }

    /// Calls, once, however often it has to ask. `None`: nobody knows whether it was done.
    pub async fn call(&mut self, call: Call) -> Option<Answer> {
        self.serial += 1;
        let question = Question::Client(Command {
            session: self.session,
            serial: self.serial,
            call,
        });
        timeout(ALL, self.ask(&question)).await.ok()
    }

    async fn ask(&mut self, question: &Question) -> Answer {
        loop {
            let peer = self.members.get_mut(&self.leader).expect("one of them");
            match timeout(TRY, peer.ask(question)).await {
                Ok(Ok(Reply::Client(answer))) => return answer,
                Ok(Ok(Reply::NotTheLeader(Some(leader)))) => self.leader = leader,
                _ => {
                    let others = self.members.range(self.leader + 1..);
                    let mut others = others.chain(&self.members);
                    self.leader = *others.next().expect("there is a node").0;
                }
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(10..50))).await;
        }
    }
}
