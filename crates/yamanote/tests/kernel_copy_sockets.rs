//! Copies by the kernel between sockets that are set up in ways of their own: the sender's own
//! pages (MSG_ZEROCOPY), an error queue that is never read, encryption in the kernel that begins in
//! the middle.

mod kernel_copy_support;
mod tcp_support;

use std::io;
use std::net::TcpStream as StdStream;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::pin::pin;
use std::time::Duration;

use kernel_copy_support::{KIB, MIB, copy_to_end, moved};
use tcp_support::{assert_numbered, numbered, pair};
use yamanote::io::{AsyncReadExt, AsyncWriteExt, copy};
use yamanote::time::sleep;
use yamanote_test::{Capability, matrix, require};

fn set_option<T>(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: &T) {
    // SAFETY: the value is plain data of the size that is passed beside it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of_val(value) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Takes one message from the error queue; what it says, if there is one.
fn from_error_queue(socket: &impl AsRawFd) -> Option<libc::sock_extended_err> {
    let mut control = [0u64; 64];
    // SAFETY: all zeros is a valid value: no buffers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the message has no buffer but for control data, which is as long as it says.
    if unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, flags) } < 0 {
        return None;
    }
    // SAFETY: the call filled in the message, whose control data lives.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    while !header.is_null() {
        // SAFETY: not null, and within the control data.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if (level, kind) == (libc::SOL_IP, libc::IP_RECVERR) {
            // SAFETY: what such a message has is this struct, of which any bytes are a value.
            return Some(unsafe {
                libc::CMSG_DATA(header)
                    .cast::<libc::sock_extended_err>()
                    .read()
            });
        }
        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(&message, header) };
    }
    None
}

/// Sends `total` numbered bytes from one buffer, which is written to again as soon as the kernel
/// says that it has done with it; the number of such answers.
fn send_own_pages(stream: &StdStream, total: usize) -> u32 {
    set_option(stream, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &1i32);
    let (mut sent, mut calls, mut done) = (0, 0u32, 0u32);
    let mut buffer = vec![0; 64 * KIB];
    while sent < total {
        let next = numbered(sent..sent + buffer.len());
        buffer.copy_from_slice(&next);
        let mut rest = &buffer[..];
        while !rest.is_empty() {
            let flags = libc::MSG_ZEROCOPY | libc::MSG_NOSIGNAL;
            let fd = stream.as_raw_fd();
            // SAFETY: the buffer is not written to before the kernel is done with it (below).
            let n = unsafe { libc::send(fd, rest.as_ptr().cast(), rest.len(), flags) };
            match usize::try_from(n) {
                Ok(n) => rest = &rest[n..],
                Err(_) => {
                    let error = io::Error::last_os_error();
                    // So many answers may be outstanding (`optmem_max`).
                    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS), "{error}");
                    continue;
                }
            }
            calls += 1;
        }
        sent += buffer.len();
        while done < calls {
            match from_error_queue(stream) {
                Some(answer) => done = answer.ee_data + 1,
                None => std::thread::yield_now(),
            }
        }
    }
    done
}

/// Has the kernel note when each packet leaves, in the error queue.
fn keep_times_of_packets(socket: &impl AsRawFd) {
    const TX_SOFTWARE: u32 = 1 << 1;
    const SOFTWARE: u32 = 1 << 4;
    const OPT_ID: u32 = 1 << 7;
    const OPT_TSONLY: u32 = 1 << 11;
    let flags = TX_SOFTWARE | SOFTWARE | OPT_ID | OPT_TSONLY;
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &flags);
}

/// `struct tls12_crypto_info_aes_gcm_128` of linux/tls.h: version, cipher, and the secrets of one
/// direction.
#[repr(C)]
struct Secrets {
    version: u16,
    cipher: u16,
    iv: [u8; 8],
    key: [u8; 16],
    salt: [u8; 4],
    first_record: [u8; 8],
}

const SECRETS: Secrets = Secrets {
    version: 0x0303,
    cipher: 51,
    iv: [1; 8],
    key: [2; 16],
    salt: [3; 4],
    first_record: [0; 8],
};

/// Encrypts what this socket sends, or decrypts what it receives, from now on.
fn encrypt(fd: BorrowedFd<'_>, direction: libc::c_int) {
    const TCP_ULP: libc::c_int = 31;
    const SOL_TLS: libc::c_int = 282;
    set_option(&fd, libc::IPPROTO_TCP, TCP_ULP, b"tls");
    set_option(&fd, SOL_TLS, direction, &SECRETS);
}

const TLS_TX: libc::c_int = 1;
const TLS_RX: libc::c_int = 2;

matrix! {
    async fn a_peer_that_sends_its_own_pages() {
        const TOTAL: usize = 4 * MIB;
        let (far, near) = pair().await;
        let (out, mut end) = pair().await;
        let far = far.into_std().unwrap();
        far.set_nonblocking(false).unwrap();
        let sending = std::thread::spawn(move || send_own_pages(&far, TOTAL));
        let copying = yamanote::spawn(copy_to_end(near, out));
        let mut received = Vec::new();
        end.read_to_end(&mut received).await.unwrap();
        assert_numbered(0, &received);
        assert_eq!(received.len(), TOTAL);
        assert_eq!(copying.await.unwrap().unwrap(), TOTAL as u64);
        assert!(sending.join().unwrap() as usize >= TOTAL / (64 * KIB));
        assert!(moved() > 0);
    }

    /// Of either end. That there is something in it is an event each time, and no error.
    async fn an_error_queue_that_nobody_reads() {
        let (mut far, mut near) = pair().await;
        let (mut out, mut end) = pair().await;
        for stream in [&mut near, &mut out] {
            keep_times_of_packets(stream);
            stream.write_all(b"now").await.unwrap();
        }
        far.read_exact(&mut [0; 3]).await.unwrap();
        end.read_exact(&mut [0; 3]).await.unwrap();
        let (mut polls, mut received) = (0, vec![0; 2 * MIB]);
        let sending = async {
            for part in 0..2 {
                far.write_all(&numbered(part * MIB..(part + 1) * MIB)).await.unwrap();
                end.read_exact(&mut received[part * MIB..(part + 1) * MIB]).await.unwrap();
                sleep(Duration::from_millis(30)).await;
            }
            far.shutdown().await.unwrap();
        };
        {
            let mut copying = pin!(copy(&mut near, &mut out));
            let copying = std::future::poll_fn(|cx| {
                polls += 1;
                copying.as_mut().poll(cx)
            });
            let (copied, ()) = yamanote::join!(copying, sending);
            assert_eq!(copied.unwrap(), 2 * MIB as u64);
        }
        assert_numbered(0, &received);
        assert!(moved() > 0);
        assert!(from_error_queue(&near).is_some() && from_error_queue(&out).is_some());
        // An event each for 2 MiB in pieces, not a poll for as long as the queue is not empty.
        assert!(polls < 5000, "{polls}");
    }

    /// Both what is encrypted and what is decrypted goes through a copy that was there before.
    async fn encryption_that_begins_in_the_middle() {
        if !require(Capability::KernelTls) {
            return;
        }
        let (mut far, near) = pair().await;
        let (out, next_near) = pair().await;
        let (next_out, mut end) = pair().await;
        // SAFETY: the copies that own these streams end after their last use below.
        let [sender, receiver] = [out.as_raw_fd(), next_near.as_raw_fd()]
            .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        let first = yamanote::spawn(copy_to_end(near, out));
        let second = yamanote::spawn(copy_to_end(next_near, next_out));
        let mut received = vec![0; 4 * MIB];
        let (plain, encrypted) = received.split_at_mut(2 * MIB);
        let sending = yamanote::spawn(async move {
            far.write_all(&numbered(0..2 * MIB)).await.unwrap();
            far
        });
        end.read_exact(plain).await.unwrap();
        assert!(moved() > 0);
        encrypt(receiver, TLS_RX);
        encrypt(sender, TLS_TX);
        let mut far = sending.await.unwrap();
        let sending = yamanote::spawn(async move {
            far.write_all(&numbered(2 * MIB..4 * MIB)).await.unwrap();
            far.shutdown().await.unwrap();
        });
        end.read_exact(encrypted).await.unwrap();
        assert_numbered(0, &received);
        sending.await.unwrap();
        for copying in [first, second] {
            assert_eq!(copying.await.unwrap().unwrap(), 4 * MIB as u64);
        }
    }
}
