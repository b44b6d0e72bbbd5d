//! The values, which the entries of the log change one after another; and snapshots of them.
#![forbid(unsafe_code)]

use crate::{Answer, Bug, Call, Command, Types, files};
use openraft::storage::RaftStateMachine;
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

type Result<T> = std::result::Result<T, StorageError<u64>>;
type Meta = SnapshotMeta<u64, BasicNode>;
type Membership = StoredMembership<u64, BasicNode>;

#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    applied: Option<LogId<u64>>,
    membership: Membership,
    values: BTreeMap<String, String>,
    /// The last call of each session, and its answer.
    sessions: BTreeMap<u64, (u64, Answer)>,
}

/// A snapshot: what it is of, and what was written.
type Kept = (Meta, Vec<u8>);

/// What can be read without going through the log.
#[derive(Clone)]
pub struct Store(Arc<Mutex<State>>);

impl Store {
    pub fn get(&self, key: &str) -> Option<String> {
        self.lock().values.get(key).cloned()
    }

    /// How many entries have been applied, and a checksum of what has come of them.
    pub fn digest(&self) -> (u64, u32) {
        let state = self.lock();
        let values = postcard::to_stdvec(&state.values).expect("strings can be written");
        let applied = state.applied.map_or(0, |last| last.index + 1);
        (applied, crc32fast::hash(&values))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }
}

#[derive(Clone)]
pub struct Machine {
    store: Store,
    path: PathBuf,
    snapshot: Arc<Mutex<Option<Kept>>>,
    /// Held by whoever writes the snapshot's file: one may come from the leader while another is
    /// built here.
    keeping: Arc<tokio::sync::Mutex<()>>,
    bug: Option<Bug>,
}

impl Machine {
    pub async fn open(folder: &Path, bug: Option<Bug>) -> io::Result<Machine> {
        let path = folder.join("snapshot");
        let mut state = State::default();
        let mut snapshot = None;
        if let Some(bytes) = files::read(&path).await? {
            let (meta, data): Kept = files::take_record(&mut &bytes[..], true)
                .ok_or_else(|| io::Error::other("the snapshot is not what was written"))?;
            state = postcard::from_bytes(&data).map_err(io::Error::other)?;
            snapshot = Some((meta, data));
        }
        Ok(Machine {
            store: Store(Arc::new(Mutex::new(state))),
            path,
            snapshot: Arc::new(Mutex::new(snapshot)),
            keeping: Arc::default(),
            bug,
        })
    }

    pub fn store(&self) -> Store {
        self.store.clone()
    }

    fn kept(&self) -> Option<Kept> {
        let snapshot = self.snapshot.lock();
        snapshot.expect("nobody panics with it").clone()
    }

    /// Writes the snapshot, unless there is a later one: the log that would be needed beside an
    /// earlier one may be purged.
    async fn keep(&self, meta: &Meta, data: &[u8]) -> Result<()> {
        let _keeping = self.keeping.lock().await;
        let kept = self.kept();
        if kept.is_some_and(|(kept, _)| kept.last_log_id >= meta.last_log_id) {
            return Ok(());
        }
        let written = async {
            let mut bytes = Vec::new();
            files::push_record(&mut bytes, &(meta, data))?;
            files::replace(&self.path, &bytes, true).await
        };
        let failed =
            |error: io::Error| StorageIOError::write_snapshot(Some(meta.signature()), &error);
        written.await.map_err(failed)?;
        *self.snapshot.lock().expect("nobody panics with it") = Some((meta.clone(), data.to_vec()));
        Ok(())
    }
}

impl State {
    fn apply(&mut self, entry: Entry<Types>, bug: Option<Bug>) -> Answer {
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Answer::Set,
            EntryPayload::Membership(members) => {
                self.membership = Membership::new(Some(entry.log_id), members);
                Answer::Set
            }
            EntryPayload::Normal(command) if bug == Some(Bug::AppliedTwice) => {
                self.execute(command.call)
            }
            EntryPayload::Normal(command) => self.execute_once(command),
        }
    }

    fn execute_once(&mut self, command: Command) -> Answer {
        match self.sessions.get(&command.session) {
            Some((serial, _)) if *serial > command.serial => return Answer::Late,
            Some((serial, answer)) if *serial == command.serial => return answer.clone(),
            _ => {}
        }
        let answer = self.execute(command.call);
        let last = (command.serial, answer.clone());
        self.sessions.insert(command.session, last);
        answer
    }

    fn execute(&mut self, call: Call) -> Answer {
        match call {
            Call::Get { key } => Answer::Value(self.values.get(&key).cloned()),
            Call::Set { key, value } => {
                self.values.insert(key, value);
                Answer::Set
            }
            Call::Exchange { key, old, new } => {
                let is_old = self.values.get(&key) == Some(&old);
                if is_old {
                    self.values.insert(key, new);
                }
                Answer::Exchanged(is_old)
            }
        }
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Machine;

    async fn applied_state(&mut self) -> Result<(Option<LogId<u64>>, Membership)> {
        let state = self.store.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.store.lock();
        let entries = entries.into_iter();
        Ok(entries.map(|entry| state.apply(entry, self.bug)).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Vec<u8>>> {
        Ok(Box::default())
    }

    async fn install_snapshot(&mut self, meta: &Meta, snapshot: Box<Vec<u8>>) -> Result<()> {
        let read =
            |error: postcard::Error| StorageIOError::read_snapshot(Some(meta.signature()), &error);
        let state: State = postcard::from_bytes(&snapshot).map_err(read)?;
        self.keep(meta, &snapshot).await?;
        *self.store.lock() = state;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>> {
        Ok(self.kept().map(|(meta, data)| Snapshot {
            meta,
            snapshot: Box::new(data),
        }))
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>> {
        let state = self.store.lock().clone();
        let data = postcard::to_stdvec(&state);
        let data = data.map_err(|error| StorageIOError::write_snapshot(None, &error))?;
        let meta = Meta {
            last_log_id: state.applied,
            last_membership: state.membership,
            snapshot_id: format!("{:?}", state.applied.map(|it| (it.leader_id, it.index))),
        };
        self.keep(&meta, &data).await?;
        Ok(Snapshot {
            meta,
            snapshot: Box::new(data),
        })
    }
}
