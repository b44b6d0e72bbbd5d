//! `yamanote serve` as a client sees it: every byte of a few thousand files, on io_uring, on epoll,
//! and where a seccomp filter denies io_uring.

mod client;
mod server;
mod tree;

use client::Client;
use server::Started;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tree::Tree;
use yamanote_test::{Capability, TempDir, require};

#[test]
fn every_byte_on_io_uring() {
    if require(Capability::IoUring) {
        every_byte(Started::new().env("YAMANOTE_DRIVER", "uring"), "uring");
    }
}

#[test]
fn every_byte_on_epoll() {
    every_byte(Started::new().env("YAMANOTE_DRIVER", "epoll"), "epoll");
}

#[test]
fn every_byte_where_seccomp_denies_io_uring() {
    every_byte(Started::new().without_io_uring(), "epoll");
}

/// Fetches the whole tree over eight keep-alive connections at once, each file whole, in ranges and
/// conditionally, and compares.
fn every_byte(started: Started, driver: &str) {
    const CONNECTIONS: usize = 8;
    let tree = Tree::create();
    let server = started.serve(tree.path(), &[]);
    assert_eq!(server.driver, driver);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut client = Client::connect(server.address);
                while let Some(file) = tree.files.get(next.fetch_add(1, Relaxed)) {
                    fetch_in_every_way(&mut client, file);
                }
            });
        }
    });
    let descriptors = server.descriptors();
    assert!(
        descriptors < 40,
        "{descriptors} descriptors after all clients left"
    );
    server.interrupt_and_wait();
}

fn fetch_in_every_way(client: &mut Client, file: &tree::File) {
    let length = file.length;
    let whole = client.get(&file.url, &[]);
    assert_eq!(whole.status, 200, "{}", file.url);
    assert_eq!(whole.header("content-length"), length.to_string());
    file.assert_bytes(0, &whole.body);
    let etag = whole.header("etag").to_owned();

    let unchanged = client.get(&file.url, &[("If-None-Match", &etag)]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let changed = client.get(
        &file.url,
        &[("If-None-Match", "\"other\""), ("Range", "bytes=0-0")],
    );
    assert_eq!(changed.status, if length == 0 { 416 } else { 206 });

    let head = client.request("HEAD", &file.url, &[]);
    assert_eq!(head.header("content-length"), length.to_string());
    assert!(head.body.is_empty());

    if length == 0 {
        return;
    }
    let (start, end) = (length / 3, length / 3 + (length / 2).clamp(1, 70_000));
    let end = end.min(length);
    let range = format!("bytes={start}-{}", end - 1);
    let part = client.get(&file.url, &[("Range", &range), ("If-Range", &etag)]);
    assert_eq!(part.status, 206);
    assert_eq!(
        part.header("content-range"),
        format!("bytes {start}-{}/{length}", end - 1)
    );
    assert_eq!(part.body.len() as u64, end - start);
    file.assert_bytes(start, &part.body);

    let suffix = client.get(&file.url, &[("Range", "bytes=-1")]);
    assert_eq!(suffix.status, 206);
    file.assert_bytes(length - 1, &suffix.body);
    let beyond = client.get(&file.url, &[("Range", &format!("bytes={length}-"))]);
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
}

#[test]
fn a_directory_is_listed_and_redirected_to_and_may_have_an_index() {
    let temp = TempDir::new();
    let root = temp.path();
    std::fs::create_dir_all(root.join("plain/sub")).unwrap();
    std::fs::write(root.join("plain/a b.txt"), "text").unwrap();
    std::fs::create_dir(root.join("indexed")).unwrap();
    std::fs::write(root.join("indexed/index.html"), "<p>index").unwrap();
    let server = Started::new().serve(root, &[]);
    let mut client = Client::connect(server.address);

    let redirect = client.get("/plain?x=1", &[]);
    assert_eq!(
        (redirect.status, redirect.header("location")),
        (301, "/plain/?x=1")
    );
    // Not a host name for the browser.
    let redirect = client.get("//plain", &[]);
    assert_eq!(redirect.header("location"), "/plain/");

    let listing = client.get("/plain/", &[]);
    assert_eq!(listing.header("content-type"), "text/html; charset=utf-8");
    let page = String::from_utf8(listing.body).unwrap();
    assert!(
        page.contains("<a href=\"./a%20b.txt\">a b.txt</a>"),
        "{page}"
    );
    assert!(page.contains("<a href=\"./sub/\">sub/</a>"), "{page}");

    let index = client.get("/indexed/", &[]);
    assert_eq!((index.status, &*index.body), (200, &b"<p>index"[..]));
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    let text = client.get("/plain/a%20b.txt", &[]);
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    server.interrupt_and_wait();
}

#[test]
fn nothing_outside_is_served_unless_allowed() {
    let temp = TempDir::new();
    let root = temp.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(temp.path().join("secret"), "secret").unwrap();
    std::fs::write(root.join("open"), "open").unwrap();
    symlink("../secret", root.join("relative")).unwrap();
    symlink(temp.path().join("secret"), root.join("absolute")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("open", root.join("inside")).unwrap();
    let server = Started::new().serve(&root, &[]);
    let mut client = Client::connect(server.address);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/relative",
        "/absolute",
        "/up/secret",
        "/open/../../secret",
        "/%00",
    ] {
        let answer = client.get(path, &[]);
        assert!(
            matches!(answer.status, 400 | 403 | 404),
            "{path}: {}",
            answer.status
        );
        assert!(
            !answer
                .body
                .windows(6)
                .any(|part| part == b"secret" && !path.contains("%")),
            "{path}"
        );
    }
    assert_eq!(client.get("/inside", &[]).body, b"open");
    server.interrupt_and_wait();

    let server = Started::new().serve(&root, &["--follow-links-outside"]);
    let mut client = Client::connect(server.address);
    for path in ["/relative", "/absolute", "/up/secret"] {
        assert_eq!(client.get(path, &[]).body, b"secret", "{path}");
    }
    assert_eq!(client.get("/../secret", &[]).status, 400);
    server.interrupt_and_wait();
}

#[test]
fn what_is_no_file_and_what_is_not_a_get_has_an_answer() {
    let temp = TempDir::new();
    let root = temp.path();
    std::fs::write(root.join("file"), "x").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let server = Started::new().serve(root, &[]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.get("/missing", &[]).status, 404);
    assert_eq!(client.get("/file/", &[]).status, 404);
    assert_eq!(client.get("/fifo", &[]).status, 404);
    assert_eq!(
        client.get(&format!("/{}", "x".repeat(300)), &[]).status,
        414
    );
    let post = client.request("POST", "/file", &[("Content-Length", "0")]);
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
    server.interrupt_and_wait();
}

/// Root may read everything, so the server runs as nobody here.
#[test]
fn an_unreadable_file_is_forbidden() {
    if !require(Capability::Root) {
        return;
    }
    let temp = TempDir::new();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let private = temp.path().join("private");
    std::fs::write(&private, "x").unwrap();
    allow(&private, 0o600);
    // Nobody else may look into it, whatever the umask.
    allow(temp.path(), 0o755);
    let server = Started::new().by_nobody().serve(temp.path(), &[]);
    assert_eq!(
        Client::connect(server.address).get("/private", &[]).status,
        403
    );
    server.interrupt_and_wait();
}

#[test]
fn a_stop_lets_the_running_request_end_and_logs_it() {
    let temp = TempDir::new();
    let size = 32 << 20;
    std::fs::write(temp.path().join("large"), vec![7; size]).unwrap();
    let server = Started::new().serve(temp.path(), &["--log"]);
    let mut client = Client::connect(server.address);
    client.send("GET", "/large", &[]);
    let mut answer = client.read_head();
    // The socket's buffers are far smaller than the file: the request is under way.
    server.interrupt();
    answer.read_body(&mut client);
    assert_eq!(answer.body.len(), size);
    let log = server.wait();
    let line = log.lines().last().unwrap();
    assert!(line.starts_with("127.0.0.1 ["), "{line}");
    assert!(
        line.contains(&format!("\"GET /large HTTP/1.1\" 200 {size} ")),
        "{line}"
    );
}

#[test]
fn errors_are_clear_and_usage_errors_exit_with_2() {
    let temp = TempDir::new();
    let missing = temp.path().join("missing");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let directory = temp.path().to_str().unwrap();
    for (args, status, message) in [
        (vec!["serve", missing.to_str().unwrap()], 2, "No such file"),
        (
            vec!["serve", missing.to_str().unwrap()],
            2,
            "name a directory that exists",
        ),
        (vec!["serve", "/dev/null"], 2, "name the directory it is in"),
        (
            vec!["serve", directory, "--addr", ":80"],
            2,
            "host is missing",
        ),
        (vec!["serve", directory, "--addr", "80"], 2, "--port 80"),
        (vec!["serve", directory, "--port", "65536"], 2, "--port"),
        (
            vec!["serve", directory, "--addr", "localhost:1", "--port", "2"],
            2,
            "give one of them",
        ),
        (
            // RFC 6761: no such name ever resolves.
            vec!["serve", directory, "--addr", "nowhere.invalid"],
            1,
            "nowhere.invalid: no address is known",
        ),
        (
            // RFC 5737: an address of documentation is no machine's.
            vec!["serve", directory, "--addr", "192.0.2.1"],
            1,
            "no interface of this machine",
        ),
        (
            vec!["serve", directory, "--driver", "kqueue"],
            2,
            "`auto`, `uring` or `epoll`",
        ),
        (vec!["serve", directory, "--workers", "0"], 2, "--workers"),
        (
            vec!["serve", directory, "--addr", &taken],
            1,
            "choose one with --port",
        ),
        (vec!["nonsense"], 2, "unrecognized"),
    ] {
        let output = server::command().args(&args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(message), "{args:?}: {stderr}");
        assert!(
            !stderr.contains('\x1b'),
            "no colour without a terminal: {stderr:?}"
        );
    }
}

#[test]
fn doctor_tells_the_driver_and_proves_it() {
    let run = |driver: &str| {
        let output = server::command()
            .args(["doctor", "--json"])
            .env("YAMANOTE_DRIVER", driver)
            .output()
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), json)
    };
    let (status, json) = run("epoll");
    assert_eq!((status, &json["driver"]), (Some(0), &"epoll".into()));
    assert_eq!(json["ops_submitted"], 0);
    if require(Capability::IoUring) {
        let start = Instant::now();
        loop {
            let (status, json) = run("uring");
            assert_eq!((status, &json["driver"]), (Some(0), &"uring".into()));
            // A file in memory is never read past the cache.
            let is_disk = json["files"][0]["file_system"] != "tmpfs";
            if !is_disk || json["ops_submitted"].as_u64().unwrap() > 0 {
                break;
            }
            // On a machine so busy that the trial of the file system looked stuck, the pool reads.
            assert!(start.elapsed() < Duration::from_secs(60), "{json}");
        }
    }
    let (status, json) = run("nonsense");
    assert_eq!(status, Some(1));
    assert!(json["error"].as_str().unwrap().contains("nonsense"));
}
