//! Where to listen: what the user wrote, which addresses that means, and the listeners on them.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::task::Poll;
use yamanote::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

const DEFAULT_PORT: u16 = 8080;

/// How many connections may wait in the kernel until they are accepted; fewer where
/// `net.core.somaxconn` is lower.
const BACKLOG: u32 = 4096;

/// A host, by name or number, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: Option<u16>,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("the `]` is missing")?;
                if host.parse::<Ipv6Addr>().is_err() {
                    return Err(format!("`{host}` is no IPv6 address"));
                }
                match port.strip_prefix(':') {
                    None if port.is_empty() => (host, None),
                    None => return Err("after the `]` comes nothing, or `:` and a port".into()),
                    Some(port) => (host, Some(port)),
                }
            }
            // An IPv6 address has colons of its own.
            None if text.parse::<IpAddr>().is_ok() => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(
                "the host is missing: `localhost:8080` for this machine only, \
                 `0.0.0.0:8080` for others, too"
                    .into(),
            );
        }
        if host.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("this is no host: use `--port {host}` for a port"));
        }
        let port = match port {
            None => None,
            Some(port) => Some(
                port.parse()
                    .map_err(|_| format!("`{port}` is no port: it is a number from 0 to 65535"))?,
            ),
        };
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }
}

/// Completes `addresses` with `port`, or with the default one. The error is a message.
pub fn with_ports(addresses: &[Address], port: Option<u16>) -> Result<Vec<(String, u16)>, String> {
    addresses
        .iter()
        .map(|address| match (address.port, port) {
            (Some(own), Some(port)) if own != port => Err(format!(
                "--addr says port {own} and --port says {port}: give one of them"
            )),
            (own, port) => Ok((address.host.clone(), own.or(port).unwrap_or(DEFAULT_PORT))),
        })
        .collect()
}

/// Listeners on every address that was asked for; at least one.
pub struct Listeners {
    all: Vec<TcpListener>,
    /// The listener to ask first next time, so that a flood at one does not starve the others.
    first: Cell<usize>,
}

impl Listeners {
    pub async fn bind(hosts: &[(String, u16)]) -> io::Result<Listeners> {
        let mut listeners = Vec::new();
        for (host, port) in hosts {
            listen_on_all(host, *port, &mut listeners).await?;
        }
        Ok(Listeners {
            all: listeners,
            first: Cell::new(0),
        })
    }

    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.all.iter().map(TcpListener::local_addr).collect()
    }

    /// The next connection to any of them. Cancel safe.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let (before, after) = self.all.split_at(self.first.get());
            for listener in after.iter().chain(before) {
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    self.first.set((self.first.get() + 1) % self.all.len());
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Listens on every address of `host`.
async fn listen_on_all(
    host: &str,
    mut port: u16,
    listeners: &mut Vec<TcpListener>,
) -> io::Result<()> {
    let found = lookup_host((host, port)).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{host}: no address is known: {error}"),
        )
    })?;
    let before = listeners.len();
    let mut failure = None;
    for address in found {
        let address = SocketAddr::new(address.ip(), port);
        match listen(address) {
            Ok(listener) => {
                // The first address was given a free port: the name's other addresses get the same.
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // `localhost` has an IPv6 address even where the kernel has no IPv6.
            Err(error) if is_absent(&error) => failure = Some((address, error)),
            Err(error) => return Err(explained(address, &error)),
        }
    }
    match failure {
        _ if listeners.len() > before => Ok(()),
        Some((address, error)) => Err(explained(address, &error)),
        None => Err(io::Error::other(format!("{host}: it has no address"))),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A port can be used again although the kernel still remembers its last connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether this machine has no such address, or no such kind of address.
fn is_absent(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
    )
}

fn explained(address: SocketAddr, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program has this port; choose one with --port, or --port 0 for a free one"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need a privilege; choose a higher one with --port"
        }
        io::ErrorKind::AddrNotAvailable => {
            ": no interface of this machine has this address; --addr 0.0.0.0 means all it has"
        }
        _ => "",
    };
    io::Error::new(error.kind(), format!("{address}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let address = |host: &str, port| Address {
            host: host.into(),
            port,
        };
        for (text, expected) in [
            ("localhost", address("localhost", None)),
            ("localhost:8080", address("localhost", Some(8080))),
            ("127.0.0.1:0", address("127.0.0.1", Some(0))),
            ("0.0.0.0", address("0.0.0.0", None)),
            ("::1", address("::1", None)),
            ("::", address("::", None)),
            ("[::1]", address("::1", None)),
            ("[::1]:80", address("::1", Some(80))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for (text, message) in [
            (":8080", "the host is missing"),
            ("", "the host is missing"),
            ("8080", "--port 8080"),
            ("localhost:http", "is no port"),
            ("localhost:65536", "is no port"),
            ("localhost:", "is no port"),
            ("[::1", "`]` is missing"),
            ("[::1]80", "after the `]`"),
            ("[localhost]:80", "no IPv6 address"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_port_completes_and_may_not_contradict() {
        let addresses = ["a".parse().unwrap(), "b:1".parse().unwrap()];
        let pair = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            with_ports(&addresses, None),
            Ok(vec![pair("a", 8080), pair("b", 1)])
        );
        assert_eq!(
            with_ports(&addresses, Some(1)),
            Ok(vec![pair("a", 1), pair("b", 1)])
        );
        assert!(with_ports(&addresses, Some(2)).is_err());
    }
}
