//! The addresses of the host itself, and the names of addresses.

use super::address::{bytes_of, read};
use crate::abi::next::{Next, next};
use crate::kernel::net::address::{Address, ip6_of};
use crate::me::{self, Me};
use std::ffi::{c_char, c_int, c_uint};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) fn keep() {
    black_box((getifaddrs as *const (), getnameinfo as *const ()));
}

type Interfaces = unsafe extern "C" fn(*mut *mut libc::ifaddrs) -> c_int;
type NameInfo = unsafe extern "C" fn(
    *const libc::sockaddr,
    libc::socklen_t,
    *mut c_char,
    libc::socklen_t,
    *mut c_char,
    libc::socklen_t,
    c_int,
) -> c_int;

static INTERFACES: Next = Next::new(c"getifaddrs");
static NAME_INFO: Next = Next::new(c"getnameinfo");

/// One address of an interface.
#[repr(C)]
struct Entry {
    info: libc::ifaddrs,
    address: libc::sockaddr_storage,
    mask: libc::sockaddr_storage,
    name: [u8; 8],
}

/// A name, an address and its mask.
type Row = (&'static [u8], IpAddr, IpAddr);

fn rows(me: &Me) -> [Row; 4] {
    let host = me.life().host;
    let own = me.inside(|kernel| kernel.host(host).address);
    let mask = |bits: u32| IpAddr::V6(Ipv6Addr::from(u128::MAX << (128 - bits)));
    [
        (
            b"lo",
            Ipv4Addr::LOCALHOST.into(),
            Ipv4Addr::new(255, 0, 0, 0).into(),
        ),
        (b"eth0", own.into(), Ipv4Addr::new(255, 255, 0, 0).into()),
        (b"lo", Ipv6Addr::LOCALHOST.into(), mask(128)),
        (b"eth0", ip6_of(own).into(), mask(64)),
    ]
}

/// In a world: `lo`, and `eth0` with the address of the host. The list is one piece of memory,
/// which the C library's `freeifaddrs` frees.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getifaddrs(list: *mut *mut libc::ifaddrs) -> c_int {
    let Some(me) = me::current() else {
        return next!(INTERFACES, Interfaces, list);
    };
    let rows = rows(me);
    // SAFETY: no pointers.
    let entries = unsafe { libc::calloc(rows.len(), size_of::<Entry>()) }.cast::<Entry>();
    if entries.is_null() {
        crate::raw::set_errno(libc::ENOMEM);
        return -1;
    }
    let mut following: *mut libc::ifaddrs = std::ptr::null_mut();
    for (at, (name, ip, mask)) in rows.iter().enumerate().rev() {
        let bytes = |ip: &IpAddr| bytes_of(&Address::Inet(SocketAddr::new(*ip, 0)));
        let (address, mask) = (bytes(ip), bytes(mask));
        let kind = match *name {
            b"lo" => libc::IFF_LOOPBACK,
            _ => libc::IFF_BROADCAST | libc::IFF_MULTICAST,
        };
        // SAFETY: there is room for so many entries, zeroed ones are valid, what is copied fits.
        unsafe {
            let entry = entries.add(at);
            let place = |to: *mut libc::sockaddr_storage, bytes: &[u8]| {
                to.cast::<u8>()
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                to.cast::<libc::sockaddr>()
            };
            let info = &raw mut (*entry).info;
            (*info).ifa_addr = place(&raw mut (*entry).address, &address);
            (*info).ifa_netmask = place(&raw mut (*entry).mask, &mask);
            let to = (&raw mut (*entry).name).cast::<u8>();
            to.copy_from_nonoverlapping(name.as_ptr(), name.len());
            (*info).ifa_name = to.cast();
            (*info).ifa_flags = (libc::IFF_UP | libc::IFF_RUNNING | kind) as c_uint;
            (*info).ifa_next = following;
            following = info;
        }
    }
    // SAFETY: the caller passes a place for the answer.
    unsafe { *list = following };
    0
}

/// Writes a C string. False if there is no room for it.
///
/// # Safety
///
/// So many bytes are writable, unless the pointer is null.
unsafe fn tell(text: &str, place: *mut c_char, room: libc::socklen_t) -> bool {
    if place.is_null() || room == 0 {
        return true;
    }
    if text.len() >= room as usize {
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let place = place.cast::<u8>();
        place.copy_from_nonoverlapping(text.as_ptr(), text.len());
        place.add(text.len()).write(0);
    }
    true
}

/// The name of an address: a host's, or `localhost`.
fn name_of(me: &Me, ip: IpAddr) -> Option<String> {
    if ip.is_loopback() {
        return Some("localhost".to_owned());
    }
    me.inside(|kernel| {
        let host = kernel.host_at(ip)?;
        Some(kernel.host(host).name.clone())
    })
}

/// In a world the names are those of its hosts; services are numbers.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getnameinfo(
    address: *const libc::sockaddr,
    len: libc::socklen_t,
    host: *mut c_char,
    host_len: libc::socklen_t,
    service: *mut c_char,
    service_len: libc::socklen_t,
    flags: c_int,
) -> c_int {
    let Some(me) = me::current() else {
        return next!(
            NAME_INFO,
            NameInfo,
            address,
            len,
            host,
            host_len,
            service,
            service_len,
            flags
        );
    };
    // SAFETY: as the caller promises.
    let Ok(Address::Inet(address)) = (unsafe { read(address, len) }) else {
        return libc::EAI_FAMILY;
    };
    let name = match flags & libc::NI_NUMERICHOST {
        0 => name_of(me, address.ip().to_canonical()),
        _ => None,
    };
    if name.is_none() && flags & libc::NI_NAMEREQD != 0 {
        return libc::EAI_NONAME;
    }
    let name = name.unwrap_or_else(|| address.ip().to_string());
    // SAFETY: as the caller promises.
    let is_told = unsafe {
        tell(&name, host, host_len) && tell(&address.port().to_string(), service, service_len)
    };
    if is_told { 0 } else { libc::EAI_OVERFLOW }
}
