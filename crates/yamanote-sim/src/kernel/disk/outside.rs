//! What the experiment does to a disk, past every fault.
#![forbid(unsafe_code)]

use super::data::Data;
use super::lower;
use super::tree::{Kind, Node, ROOT, Tree};
use super::walk::Stop;

impl Tree {
    /// What is in a file.
    pub(crate) fn contents(&mut self, path: &[u8]) -> Result<Vec<u8>, Stop> {
        let place = self.walk(ROOT, path, true)?;
        match &place.node {
            None => Err(Stop::Errno(libc::ENOENT)),
            Some(Node::Ino(ino)) => Ok(self.data(*ino)?.to_vec()),
            Some(Node::Lower(path) | Node::Real(path)) => Ok(lower::contents(path)?),
        }
    }

    pub(crate) fn has(&mut self, path: &[u8]) -> bool {
        let place = self.walk(ROOT, path, true);
        match place.ok().and_then(|place| place.node) {
            Some(Node::Ino(_) | Node::Lower(_)) => true,
            Some(Node::Real(path)) => lower::exists(&path),
            None => false,
        }
    }

    /// Puts a file there that is durable.
    pub(crate) fn put(&mut self, path: &[u8], bytes: &[u8]) -> Result<(), Stop> {
        let name = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        for (index, byte) in path.iter().enumerate().take(name).skip(1) {
            if *byte == b'/' {
                self.put_dir(&path[..index])?;
            }
        }
        if name > 0 {
            self.put_dir(&path[..name])?;
        }
        let place = self.walk(ROOT, path, true)?;
        let ino = match &place.node {
            Some(Node::Real(path)) => return Err(Stop::Real(path.clone())),
            Some(_) => self.copy_up(&place)?,
            None => self.create(&place, Kind::File(Data::new()), 0o644)?,
        };
        self.with_data(ino, |data, stamp| {
            data.set_len(0, stamp);
            data.write(0, bytes, stamp);
            data.sync();
        })?;
        self.touch(ino);
        self.inode_mut(ino).attr.sync();
        self.sync_names(place.dir);
        Ok(())
    }

    fn put_dir(&mut self, path: &[u8]) -> Result<(), Stop> {
        match self.make_dir(ROOT, path, 0o777) {
            Ok(()) | Err(Stop::Errno(libc::EEXIST)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }
}
