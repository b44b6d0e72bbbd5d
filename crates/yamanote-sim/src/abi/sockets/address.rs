//! Addresses in the C library's form.

use crate::kernel::files::Errno;
use crate::kernel::net::address::{Address, Name};
use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const PATH: usize = offset_of!(libc::sockaddr_un, sun_path);

/// Reads an address.
///
/// # Safety
///
/// There are `len` readable bytes.
pub(super) unsafe fn read(
    place: *const libc::sockaddr,
    len: libc::socklen_t,
) -> Result<Address, Errno> {
    let len = len as usize;
    if len < size_of::<libc::sa_family_t>() {
        return Err(libc::EINVAL);
    }
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: there are so many bytes, of which any are a number.
    let family = unsafe { place.cast::<libc::sa_family_t>().read_unaligned() };
    match c_family(family) {
        libc::AF_INET if len >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: there are so many bytes, and any are an address.
            let address = unsafe { place.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
            let port = u16::from_be(address.sin_port);
            Ok(Address::Inet(SocketAddr::new(IpAddr::V4(ip), port)))
        }
        libc::AF_INET6 if len >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: there are so many bytes, and any are an address.
            let address = unsafe { place.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Ok(Address::Inet(SocketAddr::new(IpAddr::V6(ip), port)))
        }
        libc::AF_UNIX if len <= size_of::<libc::sockaddr_un>() => {
            // SAFETY: there are so many bytes.
            let bytes = unsafe { std::slice::from_raw_parts(place.cast::<u8>(), len) };
            Ok(Address::Unix(unix_name(&bytes[PATH.min(len)..])))
        }
        libc::AF_UNSPEC => Ok(Address::Unspecified),
        libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX => Err(libc::EINVAL),
        _ => Err(libc::EAFNOSUPPORT),
    }
}

fn c_family(family: libc::sa_family_t) -> libc::c_int {
    libc::c_int::from(family)
}

fn unix_name(bytes: &[u8]) -> Name {
    match bytes {
        [] => Name::Unnamed,
        [0, name @ ..] => Name::Abstract(name.to_vec()),
        path => {
            let end = path.iter().position(|byte| *byte == 0);
            Name::Path(path[..end.unwrap_or(path.len())].to_vec())
        }
    }
}

/// The bytes of an address.
pub(super) fn bytes_of(address: &Address) -> Vec<u8> {
    match address {
        Address::Inet(SocketAddr::V4(address)) => {
            let mut bytes = (libc::AF_INET as libc::sa_family_t).to_ne_bytes().to_vec();
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.resize(size_of::<libc::sockaddr_in>(), 0);
            bytes
        }
        Address::Inet(SocketAddr::V6(address)) => {
            let mut bytes = (libc::AF_INET6 as libc::sa_family_t).to_ne_bytes().to_vec();
            bytes.extend(address.port().to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(address.ip().octets());
            bytes.resize(size_of::<libc::sockaddr_in6>(), 0);
            bytes
        }
        Address::Unix(name) => {
            let mut bytes = (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes().to_vec();
            match name {
                Name::Unnamed => {}
                Name::Path(path) => {
                    bytes.extend(path);
                    bytes.push(0);
                }
                Name::Abstract(name) => {
                    bytes.push(0);
                    bytes.extend(name);
                }
            }
            bytes
        }
        Address::Unspecified => Vec::new(),
    }
}

/// Writes as much of an address as there is room for, and how long it is; nothing without a place.
///
/// # Safety
///
/// `len` is null or valid, and says how many bytes are writable at `place`.
pub(super) unsafe fn write(
    address: Option<&Address>,
    place: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
) {
    if place.is_null() || len.is_null() {
        return;
    }
    let bytes = address.map_or(Vec::new(), bytes_of);
    // SAFETY: as the caller promises.
    unsafe {
        let room = bytes.len().min(len.read_unaligned() as usize);
        place
            .cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), room);
        len.write_unaligned(bytes.len() as libc::socklen_t);
    }
}
