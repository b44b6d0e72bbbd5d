//! Where a Unix socket is: [`SocketAddr`].
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;

use socket2::SockAddr;

/// The address of a Unix socket: a path, an abstract name, or none at all.
///
/// An abstract name is not in the file system and disappears with its socket. Where a function
/// takes a path, one that begins with a zero byte stands for the abstract name after that byte.
///
/// # Examples
///
/// ```
/// use yamanote::net::UnixListener;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// // An abstract name needs no file and leaves none behind.
/// let name = format!("\0example-{}", std::process::id());
/// let listener = UnixListener::bind(&name)?;
/// let address = listener.local_addr()?;
/// assert_eq!(address.as_abstract_name(), Some(&name.as_bytes()[1..]));
/// assert_eq!(address.as_pathname(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SocketAddr(pub(super) net::SocketAddr);

impl SocketAddr {
    /// Whether the socket has no name. That is so for the ends of a pair, and for a client that did
    /// not bind its socket.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// The path, if it has one. A relative path is as it was at the bind.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// The abstract name, if it has one, without the zero byte before it.
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.0.as_abstract_name()
    }
}

/// The address that `path` stands for.
pub(super) fn of_path(path: &Path) -> io::Result<net::SocketAddr> {
    match path.as_os_str().as_bytes() {
        [0, name @ ..] => net::SocketAddr::from_abstract_name(name),
        _ => net::SocketAddr::from_pathname(path),
    }
}

/// Like [`of_path`], as the system calls want it.
pub(super) fn of_path_for_kernel(path: &Path) -> io::Result<SockAddr> {
    // Only the standard library refuses zero bytes within a path, at which the kernel would cut it.
    of_path(path)?;
    SockAddr::unix(path)
}

/// The path that makes an address without a name.
const UNNAMED: &str = "";

/// The address that the kernel gave as `address`.
pub(super) fn of_kernel(address: SockAddr) -> io::Result<SocketAddr> {
    let named = match address.as_abstract_namespace() {
        Some(name) => net::SocketAddr::from_abstract_name(name),
        None => net::SocketAddr::from_pathname(address.as_pathname().unwrap_or(Path::new(UNNAMED))),
    };
    // The standard library cannot express a path that fills the kernel's field to the last byte.
    named
        .or_else(|_| net::SocketAddr::from_pathname(UNNAMED))
        .map(SocketAddr)
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(address: net::SocketAddr) -> Self {
        SocketAddr(address)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(address: SocketAddr) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn addresses_survive_the_way_through_the_kernels_form() {
        let of_kernel = |path: &[u8]| of_kernel(SockAddr::unix(OsStr::from_bytes(path)).unwrap());
        let address = of_kernel(b"/run/it").unwrap();
        assert_eq!(address.as_pathname(), Some(Path::new("/run/it")));
        let address = of_kernel(b"\0a\0name\0").unwrap();
        assert_eq!(address.as_abstract_name(), Some(&b"a\0name\0"[..]));
        assert!(of_kernel(b"").unwrap().is_unnamed());
    }

    #[test]
    fn zero_bytes_within_a_path_are_refused() {
        let path = Path::new(OsStr::from_bytes(b"/run/a\0b"));
        assert_eq!(
            of_path_for_kernel(path).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
