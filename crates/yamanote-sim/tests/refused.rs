//! What the machine does not have is refused by a call's answer, and named in the trace.

mod support;

use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use support::{Answer, check};
use yamanote_sim::{Config, Record, run};

/// What an experiment answers, and what the trace says was refused.
fn refusals<R: Send + 'static>(experiment: fn() -> R) -> (R, Vec<String>) {
    let mut config = Config::new(1);
    config.record = Record::Text(Vec::new());
    let (answer, trace) = run(config, experiment);
    let Record::Text(events) = trace.into_record() else {
        panic!("it is a text")
    };
    let refused = events.into_iter().filter(|event| event.code == "refused");
    (answer.unwrap(), refused.map(|event| event.what).collect())
}

fn last_error() -> Option<i32> {
    std::io::Error::last_os_error().raw_os_error()
}

#[test]
fn processes_are() {
    let (answers, refused) = refusals(|| {
        let command = c"echo escaped >&2";
        let mut answers = Vec::new();
        // SAFETY: the arguments are C strings, and a child would only end.
        unsafe {
            assert_eq!(libc::system(std::ptr::null()), 0, "there is no shell");
            answers.push((libc::system(command.as_ptr()) == -1, last_error()));
            let stream = libc::popen(command.as_ptr(), c"r".as_ptr());
            answers.push((stream.is_null(), last_error()));
            answers.push((libc::fork() == -1, last_error()));
        }
        let spawned = std::process::Command::new("true").spawn();
        let error = spawned.map(drop).unwrap_err().raw_os_error();
        answers.push((true, error));
        answers
    });
    assert_eq!(answers, vec![(true, Some(libc::EOPNOTSUPP)); 4]);
    assert_eq!(refused, ["system", "popen", "fork", "posix_spawn"]);
}

/// Outside of a world they are there.
#[test]
fn a_shell_is_elsewhere() {
    // SAFETY: a C string, or none.
    unsafe {
        assert_ne!(libc::system(std::ptr::null()), 0);
        assert_eq!(libc::system(c"exit 3".as_ptr()), 3 << 8);
        let stream = libc::popen(c"exit 4".as_ptr(), c"r".as_ptr());
        assert!(!stream.is_null());
        assert_eq!(libc::pclose(stream), 4 << 8);
    }
}

/// Sends or receives with control data of that kind.
fn message(socket: &UdpSocket, control: Option<(i32, i32)>, receive: Option<i32>) -> Answer {
    let mut bytes = *b"message";
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // Room for a header and what is most often there.
    let mut room = [0u64; 8];
    // SAFETY: zeros are a message, and what it points to outlives the call.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&room);
        if let Some(flags) = receive {
            return check(libc::recvmsg(socket.as_raw_fd(), &mut message, flags));
        }
        message.msg_controllen = 0;
        if let Some((level, kind)) = control {
            message.msg_controllen = libc::CMSG_SPACE(4) as usize;
            let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
            (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
            ((*header).cmsg_level, (*header).cmsg_type) = (level, kind);
        }
        check(libc::sendmsg(socket.as_raw_fd(), &message, 0))
    }
}

#[test]
fn queues_of_errors_and_unknown_control_data_are() {
    let (answers, refused) = refusals(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        let kinds = [
            (libc::SOL_SOCKET, libc::SCM_RIGHTS),
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS),
            (libc::SOL_UDP, libc::UDP_SEGMENT),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING),
        ];
        let mut answers: Vec<Answer> = kinds
            .iter()
            .map(|kind| message(&socket, Some(*kind), None))
            .collect();
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        answers.push(message(&socket, None, Some(flags)));
        // Marks that nobody notices, as QUIC sets.
        for kind in [None, Some((libc::IPPROTO_IP, libc::IP_TOS))] {
            assert_eq!(message(&socket, kind, None), Ok(7));
            assert_eq!(message(&socket, None, Some(0)), Ok(7));
        }
        answers
    });
    assert_eq!(answers, vec![Err(libc::EOPNOTSUPP); 5]);
    let named = [
        "sendmsg with SCM_RIGHTS",
        "sendmsg with SCM_CREDENTIALS",
        "sendmsg with UDP_SEGMENT",
        "sendmsg with control data",
        "recvmsg with MSG_ERRQUEUE",
    ];
    assert_eq!(refused, named);
}
