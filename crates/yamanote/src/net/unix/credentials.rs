//! The process at the other end: [`UCred`].
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;

use super::{gid_t, pid_t, uid_t};
use crate::sys::net::peer_credentials;

/// The user, group and process at the other end of a stream, as they were when it was connected
/// (or, for a client, when the server began to listen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// The effective user.
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The effective group.
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The process. It may have ended, and its number may be that of another by now. Always known
    /// on Linux; zero for one outside this process's namespace.
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }

    pub(super) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<UCred> {
        let credentials = peer_credentials(socket)?;
        Ok(UCred {
            pid: Some(credentials.pid),
            uid: credentials.uid,
            gid: credentials.gid,
        })
    }
}
