//! What has happened, a line of JSON for each.
#![forbid(unsafe_code)]

use crate::{Bug, Transfer};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio::sync::Mutex;

#[derive(Serialize, Deserialize)]
pub enum Record {
    Opened {
        name: String,
        amount: i64,
    },
    Moved {
        key: Option<String>,
        transfer: Transfer,
    },
}

pub struct Journal {
    file: Mutex<End>,
    bug: Option<Bug>,
}

struct End {
    file: File,
    /// Where the next record goes. What a failed write left after it is written over.
    at: u64,
}

impl Journal {
    /// Opens the journal and gives what is in it. Its end may be one that a crash has spoilt;
    /// nobody was told of that.
    pub async fn open(path: &Path, bug: Option<Bug>) -> io::Result<(Journal, Vec<Record>)> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).await?;
        // The name of a new file is kept by its folder.
        if let Some(folder) = path.parent() {
            File::open(folder).await?.sync_all().await?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).await?;
        let mut records = Vec::new();
        let mut at = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            let Ok(record) = serde_json::from_slice(line) else {
                break;
            };
            records.push(record);
            at += line.len() as u64 + 1;
        }
        file.set_len(at).await?;
        file.sync_all().await?;
        let file = Mutex::new(End { file, at });
        Ok((Journal { file, bug }, records))
    }

    /// Writes a record. It is there after a crash when this has answered.
    pub async fn write(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut end = self.file.lock().await;
        let at = end.at;
        end.file.seek(SeekFrom::Start(at)).await?;
        end.file.write_all(&line).await?;
        end.file.flush().await?;
        if self.bug != Some(Bug::NotSynced) {
            end.file.sync_data().await?;
        }
        end.at += line.len() as u64;
        Ok(())
    }
}
