//! System calls that fail, as on a kernel that lacks them or under a container's filter.

/// Lets the system call `number` fail with `errno` from now on, in this thread and in those that it
/// starts. This cannot be undone: for tests that run alone in a process.
pub fn deny_syscall(number: libc::c_long, errno: i32) {
    if let Err(error) = try_deny_syscall(number, errno) {
        panic!("no filter to be had: {error}");
    }
}

/// As [`deny_syscall`], for a child between fork and exec, where nobody would learn of a panic.
pub fn try_deny_syscall(number: libc::c_long, errno: i32) -> std::io::Result<()> {
    const LOAD_SYSCALL_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        step(LOAD_SYSCALL_NUMBER, 0, 0, 0),
        step(JUMP_IF_EQUAL, 0, 1, number as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its filter live through the calls.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
    };
    match failed {
        true => Err(std::io::Error::last_os_error()),
        false => Ok(()),
    }
}
