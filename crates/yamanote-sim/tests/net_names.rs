//! What a host is told of its own addresses, and of the names of others'.

mod net_support;

use net_support::{host, world};
use socket2::SockAddr;
use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};
use yamanote_sim::hosts;

/// The interfaces' names, addresses and masks.
fn interfaces() -> Vec<(String, IpAddr, IpAddr)> {
    let ip = |place: *mut libc::sockaddr| {
        // SAFETY: an address of the family that it names.
        let ((), address) = unsafe {
            SockAddr::try_init(|storage, len| {
                let size = match i32::from((*place).sa_family) {
                    libc::AF_INET => size_of::<libc::sockaddr_in>(),
                    _ => size_of::<libc::sockaddr_in6>(),
                };
                storage
                    .cast::<u8>()
                    .copy_from_nonoverlapping(place.cast::<u8>(), size);
                *len = size as libc::socklen_t;
                Ok(())
            })
        }
        .unwrap();
        address.as_socket().unwrap().ip()
    };
    let mut list = std::ptr::null_mut();
    // SAFETY: a place for the answer.
    assert_eq!(unsafe { libc::getifaddrs(&raw mut list) }, 0);
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the list is valid until it is freed.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: a C string.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        let name = name.to_str().unwrap().to_owned();
        found.push((name, ip(entry.ifa_addr), ip(entry.ifa_netmask)));
        next = entry.ifa_next;
    }
    // SAFETY: as it was got.
    unsafe { libc::freeifaddrs(list) };
    found
}

fn name_of(address: &str, flags: i32) -> Result<(String, String), i32> {
    let address: SocketAddr = address.parse().unwrap();
    let address = SockAddr::from(address);
    let (mut host, mut service) = ([0; 64], [0; 8]);
    // SAFETY: a valid address, and room for the answers.
    let answer = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr(),
            64,
            service.as_mut_ptr(),
            8,
            flags,
        )
    };
    if answer != 0 {
        return Err(answer);
    }
    // SAFETY: written by the call.
    let text = |place: &[libc::c_char]| unsafe { CStr::from_ptr(place.as_ptr()) };
    let text = |place: &[libc::c_char]| text(place).to_str().unwrap().to_owned();
    Ok((text(&host), text(&service)))
}

#[test]
fn a_host_has_two_interfaces() {
    world(1, || {
        hosts::add("one");
        let (_, running) = host("two", interfaces);
        let rows = [
            ("lo", "127.0.0.1", "255.0.0.0"),
            ("eth0", "10.0.0.2", "255.255.0.0"),
            ("lo", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("eth0", "fd00::2", "ffff:ffff:ffff:ffff::"),
        ];
        let row = |(name, ip, mask): (&str, &str, &str)| {
            (name.to_owned(), ip.parse().unwrap(), mask.parse().unwrap())
        };
        assert_eq!(running.join(), rows.map(row));
    });
}

#[test]
fn addresses_have_the_names_of_their_hosts() {
    world(1, || {
        hosts::add("one");
        let told = |host: &str, port: &str| Ok((host.to_owned(), port.to_owned()));
        assert_eq!(name_of("10.0.0.1:80", 0), told("one", "80"));
        assert_eq!(name_of("[fd00::1]:443", 0), told("one", "443"));
        assert_eq!(name_of("127.0.0.1:1", 0), told("localhost", "1"));
        assert_eq!(
            name_of("10.0.0.1:80", libc::NI_NUMERICHOST),
            told("10.0.0.1", "80")
        );
        assert_eq!(name_of("10.0.0.9:80", 0), told("10.0.0.9", "80"));
        assert_eq!(
            name_of("10.0.0.9:80", libc::NI_NAMEREQD),
            Err(libc::EAI_NONAME)
        );
    });
}
