//! The halves of a Unix stream that own it together, for two tasks.
#![forbid(unsafe_code)]

use super::SocketAddr;
use crate::net::UnixStream;
use crate::net::halves::owned_halves;

owned_halves!(UnixStream, SocketAddr);
