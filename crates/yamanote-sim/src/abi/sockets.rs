//! Sockets, and the names of hosts.

pub(super) fn keep() {}
