//! Files that are whole or not there, and records with checksums.
#![forbid(unsafe_code)]

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::Path;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

/// Adds a record: its length, its checksum, and itself.
pub fn push_record(bytes: &mut Vec<u8>, record: &impl Serialize) -> io::Result<()> {
    let record = postcard::to_stdvec(record).map_err(io::Error::other)?;
    let length = u32::try_from(record.len()).map_err(io::Error::other)?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32fast::hash(&record).to_le_bytes());
    bytes.extend(record);
    Ok(())
}

/// Takes a record from the front; `None` if there is none that is whole.
pub fn take_record<T: DeserializeOwned>(bytes: &mut &[u8], check: bool) -> Option<T> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let (length, checksum) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(checksum.try_into().ok()?);
    let (record, rest) = rest.split_at_checked(length).filter(|_| length > 0)?;
    if check && crc32fast::hash(record) != checksum {
        return None;
    }
    *bytes = rest;
    postcard::from_bytes(record).ok()
}

/// Replaces a file by another, so that after a crash it is the old one or the new one; and the new
/// one when this has answered, unless `synced` is false.
pub async fn replace(path: &Path, bytes: &[u8], synced: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new).await?;
    file.write_all(bytes).await?;
    file.flush().await?;
    if synced {
        file.sync_all().await?;
    }
    fs::rename(&new, path).await?;
    if synced {
        sync_folder(path).await?;
    }
    Ok(())
}

/// A name is kept by the folder it is in.
pub async fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(folder).await?.sync_all().await
}

/// What is in a file; `None` if there is no such file.
pub async fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
