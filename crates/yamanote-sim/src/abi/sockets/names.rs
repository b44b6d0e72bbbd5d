//! The names of hosts.

use super::address::bytes_of;
use crate::abi::next::{Next, next};
use crate::kernel::net::address::Address;
use crate::me::{self, Me};
use crate::raw;
use std::ffi::{CStr, c_char, c_int};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) fn keep() {
    black_box((
        getaddrinfo as *const (),
        gethostname as *const (),
        uname as *const (),
    ));
}

type Lookup = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const libc::addrinfo,
    *mut *mut libc::addrinfo,
) -> c_int;
type Uname = unsafe extern "C" fn(*mut libc::utsname) -> c_int;
type Hostname = unsafe extern "C" fn(*mut c_char, usize) -> c_int;

static LOOKUP: Next = Next::new(c"getaddrinfo");
static UNAME: Next = Next::new(c"uname");
static HOSTNAME: Next = Next::new(c"gethostname");

/// The port of a service: a number, or one of a few names.
fn port_of(service: &str) -> Option<u16> {
    let known = [
        ("http", 80),
        ("https", 443),
        ("ssh", 22),
        ("domain", 53),
        ("smtp", 25),
    ];
    let by_name = || known.iter().find(|(name, _)| *name == service);
    service
        .parse()
        .ok()
        .or_else(|| by_name().map(|(_, port)| *port))
}

/// What is asked for.
#[derive(Default)]
struct Hints {
    flags: c_int,
    family: c_int,
    kind: c_int,
    protocol: c_int,
}

fn addresses(me: &Me, node: Option<&str>, hints: &Hints) -> Result<Vec<IpAddr>, c_int> {
    let found = match node {
        None if hints.flags & libc::AI_PASSIVE != 0 => {
            vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
        }
        None => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
        Some(name) => {
            if hints.flags & libc::AI_NUMERICHOST != 0 && name.parse::<IpAddr>().is_err() {
                return Err(libc::EAI_NONAME);
            }
            let host = me.life().host;
            let found = me.inside(|kernel| kernel.resolve(host, name));
            found.ok_or(libc::EAI_NONAME)?
        }
    };
    let is_wanted = |ip: &IpAddr| match hints.family {
        libc::AF_INET => ip.is_ipv4(),
        libc::AF_INET6 => ip.is_ipv6(),
        _ => true,
    };
    let found: Vec<IpAddr> = found.into_iter().filter(is_wanted).collect();
    match found.is_empty() {
        // As of a number of the other family.
        true if node.is_some_and(|name| name.parse::<IpAddr>().is_ok()) => Err(EAI_ADDRFAMILY),
        true => Err(libc::EAI_NONAME),
        false => Ok(found),
    }
}

/// The C library's number for an address that is not of the family asked for.
const EAI_ADDRFAMILY: c_int = -9;

const KINDS: [(c_int, c_int); 3] = [
    (libc::SOCK_STREAM, libc::IPPROTO_TCP),
    (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
    (libc::SOCK_RAW, 0),
];

/// One entry of a list, in one piece of memory, as the C library's `freeaddrinfo` expects it.
fn entry(address: SocketAddr, (kind, protocol): (c_int, c_int)) -> *mut libc::addrinfo {
    #[repr(C)]
    struct Entry {
        info: libc::addrinfo,
        address: libc::sockaddr_storage,
    }
    let bytes = bytes_of(&Address::Inet(address));
    // SAFETY: a zeroed entry is valid, and it is that before it is used; the address fits.
    unsafe {
        let entry = libc::calloc(1, size_of::<Entry>()).cast::<Entry>();
        if entry.is_null() {
            return std::ptr::null_mut();
        }
        let place = &raw mut (*entry).address;
        place
            .cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        let info = &raw mut (*entry).info;
        (*info).ai_family = match address {
            SocketAddr::V4(_) => libc::AF_INET,
            SocketAddr::V6(_) => libc::AF_INET6,
        };
        (*info).ai_socktype = kind;
        (*info).ai_protocol = protocol;
        (*info).ai_addrlen = bytes.len() as libc::socklen_t;
        (*info).ai_addr = place.cast();
        info
    }
}

/// # Safety
///
/// The pointer is null or that of a C string, which lives as long as the answer is used.
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(
        unsafe { CStr::from_ptr(pointer) }
            .to_str()
            .unwrap_or("\u{fffd}"),
    )
}

/// In a world the names are those of its hosts, and `localhost`. The list is freed by the C
/// library's `freeaddrinfo`.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    list: *mut *mut libc::addrinfo,
) -> c_int {
    let Some(me) = me::current() else {
        return next!(LOOKUP, Lookup, node, service, hints, list);
    };
    // SAFETY: the caller passes C strings or null.
    let (node, service) = unsafe { (text(node), text(service)) };
    // SAFETY: the caller passes a valid pointer or null.
    let hints = unsafe { hints.as_ref() }.map_or_else(Hints::default, |hints| Hints {
        flags: hints.ai_flags,
        family: hints.ai_family,
        kind: hints.ai_socktype,
        protocol: hints.ai_protocol,
    });
    if node.is_none() && service.is_none() {
        return libc::EAI_NONAME;
    }
    let Some(port) = service.map_or(Some(0), port_of) else {
        return libc::EAI_SERVICE;
    };
    let found = match addresses(me, node, &hints) {
        Ok(found) => found,
        Err(error) => return error,
    };
    let mut first = std::ptr::null_mut();
    let mut last: *mut *mut libc::addrinfo = &raw mut first;
    for ip in found {
        let is_wanted = |(kind, protocol): &&(c_int, c_int)| {
            (hints.kind == 0 || hints.kind == *kind)
                && (hints.protocol == 0 || hints.protocol == *protocol)
        };
        for kind in KINDS.iter().filter(is_wanted) {
            let entry = entry(SocketAddr::new(ip, port), *kind);
            if entry.is_null() {
                return libc::EAI_MEMORY;
            }
            // SAFETY: the place is the local variable, or that of the entry before.
            unsafe {
                *last = entry;
                last = &raw mut (*entry).ai_next;
            }
        }
    }
    if first.is_null() {
        return libc::EAI_SOCKTYPE;
    }
    // SAFETY: the caller passes a place for the answer.
    unsafe { *list = first };
    0
}

fn own_name(me: &Me) -> String {
    let host = me.life().host;
    me.inside(|kernel| kernel.host(host).name.clone())
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gethostname(place: *mut c_char, len: usize) -> c_int {
    let Some(me) = me::current() else {
        return next!(HOSTNAME, Hostname, place, len);
    };
    let name = own_name(me);
    if name.len() >= len {
        raw::set_errno(libc::ENAMETOOLONG);
        return -1;
    }
    // SAFETY: the caller passes so many writable bytes.
    unsafe {
        place
            .cast::<u8>()
            .copy_from_nonoverlapping(name.as_ptr(), name.len());
        place.add(name.len()).write(0);
    }
    0
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uname(place: *mut libc::utsname) -> c_int {
    let answer = next!(UNAME, Uname, place);
    if let (0, Some(me)) = (answer, me::current()) {
        let name = own_name(me);
        // SAFETY: the caller passes a valid pointer.
        let place = unsafe { &mut (*place).nodename };
        place.fill(0);
        let most = place.len() - 1;
        for (to, from) in place[..most].iter_mut().zip(name.bytes()) {
            *to = from as c_char;
        }
    }
    answer
}
