//! Descriptors: how many the process may have, and what they are for.
#![forbid(unsafe_code)]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections served at once if there are enough descriptors. Each may hold some hundred KiB.
const CONNECTIONS: u64 = 10_000;

/// Raises the soft limit on descriptors as far as the server can use them; returns the limit.
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current.unwrap_or(u64::MAX);
    let wanted = maximum.unwrap_or(u64::MAX).min(CONNECTIONS * 3);
    if wanted <= current {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}

/// How many connections are served at once, and how many files are open for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    pub connections: usize,
    pub files: usize,
}

/// Divides `limit` descriptors. A connection needs one file at a time, and none while it is idle or
/// its file is small; so if there is no room for a file each, a quarter goes to files.
pub fn shares(limit: u64, workers: usize, connections: Option<u32>) -> Shares {
    // For the runtime (a ring and its companions for each worker), standard streams, listeners,
    // listings, and what a library may open for a moment.
    let own = 48 + 4 * workers as u64;
    let left = limit.saturating_sub(own).max(2);
    let most = connections.map_or(CONNECTIONS, u64::from);
    let connections = most.min(left - (left / 4).max(1));
    let files = connections.min(left - connections);
    Shares {
        connections: connections as usize,
        files: files as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_fit_into_the_limit() {
        for limit in [0, 1, 20, 50, 64, 100, 1024, 4096, 30_000, u64::MAX] {
            for wanted in [None, Some(1), Some(700), Some(1_000_000)] {
                let Shares { connections, files } = shares(limit, 2, wanted);
                assert!(connections >= 1 && files >= 1, "{limit} {wanted:?}");
                assert!(files <= connections, "{limit} {wanted:?}");
                if limit > 60 {
                    let all = connections as u64 + files as u64;
                    assert!(all + 48 <= limit, "{limit} {wanted:?}: {all}");
                }
            }
        }
        let usual = shares(1024, 2, None);
        assert_eq!((usual.connections, usual.files), (726, 242));
        let many = shares(30_000, 2, None);
        assert_eq!((many.connections, many.files), (10_000, 10_000));
    }
}
