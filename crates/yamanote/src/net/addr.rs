//! What can stand for socket addresses: [`ToSocketAddrs`].
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::option;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use crate::runtime::Handle;
use crate::task::JoinHandle;

/// Something that can be turned into socket addresses without blocking the task.
///
/// It is implemented for addresses, for pairs of an IP address or a host name with a port, for
/// strings of the form `host:port`, and for slices of addresses. Strings that are not plain
/// addresses are looked up on the blocking pool.
///
/// The trait has no methods of its own and cannot be implemented outside this crate. Use it as a
/// bound, and [`lookup_host`](super::lookup_host) to resolve.
///
/// # Examples
///
/// ```no_run
/// use yamanote::net::{TcpStream, ToSocketAddrs};
///
/// async fn connect(server: impl ToSocketAddrs) -> std::io::Result<TcpStream> {
///     TcpStream::connect(server).await
/// }
///
/// # async fn example() -> std::io::Result<()> {
/// connect("example.com:80").await?;
/// connect(("example.com", 80)).await?;
/// connect((std::net::Ipv4Addr::LOCALHOST, 8080)).await?;
/// # Ok(())
/// # }
/// ```
pub trait ToSocketAddrs: sealed::Resolve {}

pub(super) fn resolve(addresses: impl ToSocketAddrs) -> Resolving {
    addresses.resolve(sealed::Internal)
}

/// The error of a connect or bind without an address to try.
pub(super) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "could not resolve to any address",
    )
}

/// A look-up. For what needs no resolver it is ready at once.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Resolving(State);

#[derive(Debug)]
enum State {
    /// `None` once it was taken.
    Known(Option<Addresses>),
    Blocking(JoinHandle<io::Result<vec::IntoIter<SocketAddr>>>),
}

/// The addresses found.
#[derive(Debug)]
pub enum Addresses {
    /// What was an address already.
    One(option::IntoIter<SocketAddr>),
    /// What came from a slice or the resolver.
    Many(vec::IntoIter<SocketAddr>),
}

impl Resolving {
    fn one(address: SocketAddr) -> Self {
        Resolving(State::Known(Some(Addresses::One(
            Some(address).into_iter(),
        ))))
    }

    fn many(addresses: Vec<SocketAddr>) -> Self {
        Resolving(State::Known(Some(Addresses::Many(addresses.into_iter()))))
    }

    fn on_the_pool<A>(name: A) -> Self
    where
        A: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
    {
        let look_up = Handle::current().spawn_blocking(move || name.to_socket_addrs());
        Resolving(State::Blocking(look_up))
    }
}

impl Future for Resolving {
    type Output = io::Result<Addresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Known(addresses) => {
                let addresses = addresses.take().expect("polled after completion");
                Poll::Ready(Ok(addresses))
            }
            State::Blocking(look_up) => {
                let found = ready!(Pin::new(look_up).poll(cx))?;
                Poll::Ready(found.map(Addresses::Many))
            }
        }
    }
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Addresses::One(addresses) => addresses.next(),
            Addresses::Many(addresses) => addresses.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Addresses::One(addresses) => addresses.size_hint(),
            Addresses::Many(addresses) => addresses.size_hint(),
        }
    }
}

mod sealed {
    use super::Resolving;

    /// The method behind [`ToSocketAddrs`](super::ToSocketAddrs), which only this crate can call
    /// because only it has an [`Internal`].
    pub trait Resolve {
        #[doc(hidden)]
        fn resolve(&self, internal: Internal) -> Resolving;
    }

    #[derive(Debug)]
    pub struct Internal;
}

use sealed::Internal;

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: sealed::Resolve + ?Sized> sealed::Resolve for &T {
    fn resolve(&self, internal: Internal) -> Resolving {
        (**self).resolve(internal)
    }
}

impl ToSocketAddrs for SocketAddr {}

impl sealed::Resolve for SocketAddr {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for SocketAddrV4 {}

impl sealed::Resolve for SocketAddrV4 {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::one((*self).into())
    }
}

impl ToSocketAddrs for SocketAddrV6 {}

impl sealed::Resolve for SocketAddrV6 {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::one((*self).into())
    }
}

impl ToSocketAddrs for (IpAddr, u16) {}

impl sealed::Resolve for (IpAddr, u16) {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::one((*self).into())
    }
}

impl ToSocketAddrs for (Ipv4Addr, u16) {}

impl sealed::Resolve for (Ipv4Addr, u16) {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::one((*self).into())
    }
}

impl ToSocketAddrs for (Ipv6Addr, u16) {}

impl sealed::Resolve for (Ipv6Addr, u16) {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::one((*self).into())
    }
}

impl ToSocketAddrs for &[SocketAddr] {}

impl sealed::Resolve for &[SocketAddr] {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::many(self.to_vec())
    }
}

impl ToSocketAddrs for str {}

impl sealed::Resolve for str {
    fn resolve(&self, _: Internal) -> Resolving {
        match self.parse() {
            Ok(address) => Resolving::one(address),
            Err(_) => Resolving::on_the_pool(self.to_owned()),
        }
    }
}

impl ToSocketAddrs for String {}

impl sealed::Resolve for String {
    fn resolve(&self, internal: Internal) -> Resolving {
        self.as_str().resolve(internal)
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl sealed::Resolve for (&str, u16) {
    fn resolve(&self, _: Internal) -> Resolving {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Resolving::one(SocketAddr::new(ip, port)),
            Err(_) => Resolving::on_the_pool((host.to_owned(), port)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}

impl sealed::Resolve for (String, u16) {
    fn resolve(&self, internal: Internal) -> Resolving {
        (self.0.as_str(), self.1).resolve(internal)
    }
}
