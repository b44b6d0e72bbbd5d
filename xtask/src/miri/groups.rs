//! Which tests Miri runs, and what it cannot.
#![forbid(unsafe_code)]

/// Tests of one binary that make one process.
#[derive(Debug)]
pub struct Group {
    pub name: &'static str,
    pub what: &'static str,
    /// The binary, as arguments for cargo.
    pub target: &'static [&'static str],
    /// The beginnings or parts of their names.
    pub tests: &'static [&'static str],
    /// Parts of names, and why these are not run.
    pub left_out: &'static [(&'static str, &'static str)],
    pub is_quick: bool,
    /// Whether the quick run takes it under both models.
    pub is_quick_by_both: bool,
    /// Schedules of each test in the whole run.
    pub seeds: u32,
    /// Why they leak, if leaking is what they are about.
    pub leaks_because: Option<&'static str>,
}

const LIB: &[&str] = &["--lib"];

const TOO_MUCH: &str = "too much of the same for an interpreter";

const TOO_SLOW: &str = "a set answers within a tenth of a second, or is called stuck";

const NONE: Group = Group {
    name: "",
    what: "",
    target: LIB,
    tests: &[],
    left_out: &[],
    is_quick: false,
    is_quick_by_both: false,
    seeds: 1,
    leaks_because: None,
};

pub const GROUPS: &[Group] = &[
    Group {
        name: "buf",
        what: "owned buffers and their parts, the buffer of a reader",
        tests: &["buf::", "io::read_buf"],
        is_quick: true,
        is_quick_by_both: true,
        ..NONE
    },
    Group {
        name: "ops",
        what: "operations on the simulated kernel",
        tests: &["driver::tests::simulation"],
        left_out: &[
            ("a_lost_completion", "leaks on purpose, as lost-ops"),
            ("a_ring_that_goes", "leaks on purpose, as lost-ops"),
        ],
        is_quick: true,
        ..NONE
    },
    Group {
        name: "lost-ops",
        what: "operations whose completions the kernel loses, or keeps beyond its ring",
        tests: &["a_lost_completion", "a_ring_that_goes"],
        leaks_because: Some("what the kernel may still write to is never freed"),
        is_quick: true,
        is_quick_by_both: true,
        ..NONE
    },
    Group {
        name: "task",
        what: "tasks, their references, their panics",
        tests: &["runtime::task"],
        left_out: &[("enumeration", "a group of its own, slow")],
        is_quick: true,
        seeds: 4,
        ..NONE
    },
    Group {
        name: "task-orders",
        what: "every order of two steps of a task",
        tests: &["task::tests::enumeration"],
        ..NONE
    },
    Group {
        name: "sync",
        what: "wakers, semaphores and queues of channels by themselves",
        tests: &["sync::"],
        is_quick: true,
        seeds: 4,
        ..NONE
    },
    Group {
        name: "queues",
        what: "the steal queue, the pipe in memory, inboxes",
        tests: &[
            "multi_thread::queue",
            "util::",
            "task::local_set",
            "scheduler::inject",
            "driver::parker",
        ],
        left_out: &[("util::room", "counts capacities, and nothing is unsafe")],
        is_quick: true,
        seeds: 4,
        ..NONE
    },
    Group {
        name: "tasks",
        what: "whole runtimes of both flavours on epoll: tasks, joined",
        target: &["--test", "task_join"],
        tests: &["epoll_current_thread", "epoll_multi_thread_2"],
        is_quick: true,
        ..NONE
    },
    Group {
        name: "more-tasks",
        what: "whole runtimes on epoll: tasks aborted, panicking, in sets, on their thread",
        target: &[
            "--test",
            "task_abort",
            "--test",
            "task_panic",
            "--test",
            "task_join_set",
            "--test",
            "task_local_set",
            "--test",
            "task_local_set_wakes",
        ],
        tests: &["epoll_current_thread", "epoll_multi_thread_2"],
        left_out: &[
            ("a_poll_is_bounded", TOO_MUCH),
            ("threads_wake_while_the_set_is_dropped", TOO_MUCH),
        ],
        ..NONE
    },
    Group {
        name: "runtimes",
        what: "beginning, driving and end of runtimes",
        target: &["--test", "rt_current_thread", "--test", "rt_multi_thread"],
        left_out: &[
            ("a_lone_task_wakes_no_second_worker", TOO_MUCH),
            ("a_ping_pong_pair_lets_a_third_task_run", TOO_MUCH),
            (
                "block_in_place_with_file_reads",
                "Miri does not know preadv2",
            ),
        ],
        ..NONE
    },
    Group {
        name: "numbers",
        what: "what workers count, read while tasks come and go",
        target: &["--test", "insight"],
        tests: &["snapshots", "every_poll", "steals", "forced_yields"],
        left_out: &[("uring", "Miri has no rings")],
        ..NONE
    },
    Group {
        name: "dumps",
        what: "tasks that stay on a thread, looked at while they wait",
        target: &["--test", "dump_local"],
        tests: &["epoll_current_thread", "epoll_multi_thread_2"],
        left_out: &[
            ("stacks", "Miri prints stacks otherwise"),
            ("a_set_that_is_stuck", "Miri has no /proc"),
            ("a_set_that_nobody_polls", TOO_SLOW),
            ("tasks_of_a_local_set", TOO_SLOW),
        ],
        ..NONE
    },
    Group {
        name: "channels",
        what: "channels and Notify, polled by hand and between threads",
        target: &[
            "--test",
            "sync_mpsc",
            "--test",
            "sync_mpsc_drops",
            "--test",
            "sync_oneshot",
            "--test",
            "sync_watch",
            "--test",
            "sync_broadcast",
            "--test",
            "sync_notify",
            "--test",
            "sync_notify_model",
        ],
        left_out: &[
            ("a_forgotten_future", "leaks on purpose"),
            ("all_receivers_come_to_the_last_value", TOO_MUCH),
            ("receivers_come_and_go", TOO_MUCH),
            ("uring", "Miri has no rings"),
            ("epoll_multi_thread_1", "epoll_multi_thread_2 stands for it"),
            ("epoll_multi_thread_8", "epoll_multi_thread_2 stands for it"),
        ],
        ..NONE
    },
    Group {
        name: "locks",
        what: "locks and semaphores, polled by hand and between threads",
        target: &[
            "--test",
            "sync_semaphore",
            "--test",
            "sync_mutex",
            "--test",
            "sync_rwlock",
            "--test",
            "sync_once_cell",
            "--test",
            "sync_set_once",
            "--test",
            "sync_barrier",
        ],
        left_out: &[
            ("readers_together_or_one_writer", TOO_MUCH),
            ("a_crowd_never_exceeds_the_permits", TOO_MUCH),
            ("uring", "Miri has no rings"),
            ("epoll_multi_thread_1", "epoll_multi_thread_2 stands for it"),
            ("epoll_multi_thread_8", "epoll_multi_thread_2 stands for it"),
        ],
        ..NONE
    },
    Group {
        name: "io",
        what: "pipes in memory, readers and writers",
        target: &[
            "--test",
            "mem",
            "--test",
            "mem_model",
            "--test",
            "io_ext",
            "--test",
            "io_write_ext",
            "--test",
            "io_adapters",
            "--test",
            "write_buf",
        ],
        left_out: &[
            ("a_large_bound_costs_nothing", TOO_MUCH),
            ("one_gibibyte", TOO_MUCH),
            ("capacity_one_between_threads", TOO_MUCH),
            ("between_tasks", TOO_MUCH),
        ],
        ..NONE
    },
    Group {
        name: "time",
        what: "timers under a clock that stands",
        target: &["--test", "time_pause"],
        tests: &["epoll_current_thread"],
        ..NONE
    },
];
