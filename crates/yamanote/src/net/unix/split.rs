//! The halves of a Unix stream that borrow it.
#![forbid(unsafe_code)]

use super::SocketAddr;
use crate::net::UnixStream;
use crate::net::halves::borrowed_halves;

borrowed_halves!(UnixStream, SocketAddr);
