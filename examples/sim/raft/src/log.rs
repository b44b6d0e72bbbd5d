//! The log and the vote of a node: in memory to be read, in files to be there after a crash.
#![forbid(unsafe_code)]

use crate::{Bug, Types, files};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    Entry, LogId, LogState, OptionalSend, RaftLogReader, StorageError, StorageIOError, Vote,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};

type Result<T> = std::result::Result<T, StorageError<u64>>;
type Entries = Arc<Mutex<BTreeMap<u64, Entry<Types>>>>;

/// What the file of the log is made of.
#[derive(Serialize, Deserialize)]
enum Record {
    Appended(Entry<Types>),
    /// Those from this index on are gone.
    Truncated(u64),
    /// Those up to this one are gone.
    Purged(LogId<u64>),
}

pub struct Log {
    folder: PathBuf,
    entries: Entries,
    purged: Option<LogId<u64>>,
    vote: Option<Vote<u64>>,
    file: File,
    /// Where the next record goes. What a failed write left after it is written over.
    at: u64,
    bug: Option<Bug>,
}

impl Log {
    pub async fn open(folder: &Path, bug: Option<Bug>) -> io::Result<Log> {
        let vote = match files::read(&folder.join("vote")).await? {
            Some(bytes) => read_vote(&bytes, bug)?,
            None => None,
        };
        let path = folder.join("log");
        let bytes = files::read(&path).await?.unwrap_or_default();
        let (entries, purged, at) = replay(&bytes, bug != Some(Bug::TornWrite));
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let file = options.open(&path).await?;
        // The end may be one that a crash has spoilt; nobody was told of that.
        file.set_len(at).await?;
        file.sync_all().await?;
        files::sync_folder(&path).await?;
        let mut log = Log {
            folder: folder.to_owned(),
            entries: Arc::new(Mutex::new(entries)),
            purged,
            vote,
            file,
            at,
            bug,
        };
        if bug != Some(Bug::TrustsTheCache) {
            // A sync may have failed before this start. Then what was read may be in memory alone,
            // and no sync writes it any more.
            log.rewrite().await?;
        }
        Ok(log)
    }

    /// The index of the last entry.
    pub fn end(&self) -> Option<u64> {
        lock(&self.entries).keys().next_back().copied()
    }

    async fn write(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            files::push_record(&mut bytes, &record)?;
        }
        self.file.seek(SeekFrom::Start(self.at)).await?;
        self.file.write_all(&bytes).await?;
        self.file.flush().await?;
        if self.bug != Some(Bug::LogNotSynced) {
            self.file.sync_data().await?;
        }
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Begins the file again, with what is left.
    async fn rewrite(&mut self) -> io::Result<()> {
        let path = self.folder.join("log");
        let mut bytes = Vec::new();
        if let Some(purged) = self.purged {
            files::push_record(&mut bytes, &Record::Purged(purged))?;
        }
        for entry in lock(&self.entries).values() {
            files::push_record(&mut bytes, &Record::Appended(entry.clone()))?;
        }
        files::replace(&path, &bytes, true).await?;
        self.file = OpenOptions::new().write(true).open(&path).await?;
        self.at = bytes.len() as u64;
        Ok(())
    }
}

fn read_vote(mut bytes: &[u8], bug: Option<Bug>) -> io::Result<Option<Vote<u64>>> {
    match files::take_record(&mut bytes, true) {
        Some(vote) => Ok(Some(vote)),
        None if bug == Some(Bug::VoteNotSynced) => Ok(None),
        None => Err(io::Error::other("the vote is not what was written")),
    }
}

fn replay(bytes: &[u8], check: bool) -> (BTreeMap<u64, Entry<Types>>, Option<LogId<u64>>, u64) {
    let mut entries = BTreeMap::new();
    let mut purged = None;
    let mut rest = bytes;
    let mut end = rest;
    while let Some(record) = files::take_record(&mut rest, check) {
        match record {
            Record::Appended(entry) => {
                entries.insert(entry.log_id.index, entry);
            }
            Record::Truncated(from) => drop(entries.split_off(&from)),
            Record::Purged(upto) => {
                entries = entries.split_off(&(upto.index + 1));
                purged = Some(upto);
            }
        }
        end = rest;
    }
    (entries, purged, (bytes.len() - end.len()) as u64)
}

fn lock(entries: &Entries) -> std::sync::MutexGuard<'_, BTreeMap<u64, Entry<Types>>> {
    entries.lock().expect("nobody panics with it")
}

/// The entries, for those who only read them.
pub struct Reader(Entries);

impl RaftLogReader<Types> for Reader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>> {
        Ok(lock(&self.0)
            .range(range)
            .map(|(_, entry)| entry.clone())
            .collect())
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>> {
        Reader(self.entries.clone())
            .try_get_log_entries(range)
            .await
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Reader;

    async fn get_log_state(&mut self) -> Result<LogState<Types>> {
        let last = lock(&self.entries)
            .values()
            .next_back()
            .map(|entry| entry.log_id);
        Ok(LogState {
            last_purged_log_id: self.purged,
            last_log_id: last.or(self.purged),
        })
    }

    async fn get_log_reader(&mut self) -> Reader {
        Reader(self.entries.clone())
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<()> {
        let mut bytes = Vec::new();
        let saved = async {
            files::push_record(&mut bytes, vote)?;
            let synced = self.bug != Some(Bug::VoteNotSynced);
            files::replace(&self.folder.join("vote"), &bytes, synced).await
        };
        saved
            .await
            .map_err(|error| StorageIOError::write_vote(&error))?;
        self.vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>> {
        Ok(self.vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<()>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let written = self
            .write(entries.iter().cloned().map(Record::Appended))
            .await;
        if let Err(error) = written {
            let failed = StorageIOError::write_logs(&error);
            callback.log_io_completed(Err(error));
            return Err(failed.into());
        }
        let entries = entries.into_iter().map(|entry| (entry.log_id.index, entry));
        lock(&self.entries).extend(entries);
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<()> {
        let written = self
            .write([Record::Truncated(from.index)].into_iter())
            .await;
        written.map_err(|error| StorageIOError::write_logs(&error))?;
        drop(lock(&self.entries).split_off(&from.index));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId<u64>) -> Result<()> {
        {
            let mut entries = lock(&self.entries);
            *entries = entries.split_off(&(upto.index + 1));
        }
        self.purged = Some(upto);
        let written = self.rewrite().await;
        Ok(written.map_err(|error| StorageIOError::write_logs(&error))?)
    }
}
