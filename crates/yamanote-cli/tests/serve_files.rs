//! `yamanote serve` and files of every date and kind, conditions on them, and where it listens.

mod client;
mod server;

use client::{Answer, Client};
use server::Started;
use std::time::{Duration, SystemTime};
use yamanote_test::{Capability, TempDir, require};

/// Runs a test on either driver.
fn on_both(test: impl Fn(Started)) {
    if require(Capability::IoUring) {
        test(Started::new().on("uring"));
    }
    test(Started::new().on("epoll"));
}

#[test]
fn files_of_any_date_are_served_and_listed() {
    if !require(Capability::Tmpfs) {
        return;
    }
    on_both(|started| {
        // Other file systems do not keep such dates.
        let temp = TempDir::on_tmpfs();
        let epoch = SystemTime::UNIX_EPOCH;
        let day = Duration::from_secs(86_400);
        for (name, date) in [
            ("year-12000", epoch + day * 3_663_000),
            ("year-2100", epoch + day * 47_500),
            ("year-1960", epoch - day * 3_650),
            ("year-minus-800", epoch - day * 1_011_000),
        ] {
            let path = temp.path().join(name);
            std::fs::write(&path, name).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(date).unwrap();
        }
        let server = started.serve(temp.path(), &[]);
        let mut client = Client::connect(server.address);
        for (name, dated) in [
            ("year-12000", true),
            ("year-2100", true),
            ("year-1960", false),
            ("year-minus-800", false),
        ] {
            let answer = client.get(&format!("/{name}"), &[]);
            assert_eq!((answer.status, &*answer.body), (200, name.as_bytes()));
            // RFC 9110, 8.8.2.1: no date in the future is sent, but the present one.
            let date = answer.header("last-modified");
            assert_eq!(date.contains(" 20"), dated, "{name}: {date:?}");
            assert!(!date.contains(" 2100 "), "{date:?}");
            let etag = answer.header("etag").to_owned();
            let unchanged = client.get(&format!("/{name}"), &[("If-None-Match", &etag)]);
            assert_eq!(unchanged.status, 304);
        }
        let listing = String::from_utf8(client.get("/", &[]).body).unwrap();
        for year in [">11998-", ">2100-", ">1960-", ">-799-"] {
            assert!(listing.contains(year), "{year}: {listing}");
        }
        server.interrupt_and_wait();
    });
}

#[test]
fn text_is_served_as_text_and_listed_with_its_size() {
    on_both(|started| {
        let temp = TempDir::new();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(temp.path().join(name), bytes).unwrap();
        };
        for name in [
            "main.ts",
            "LICENSE",
            "Makefile",
            ".gitignore",
            "a.unknown",
            "run.sh",
        ] {
            write(name, "größe: 1\n".as_bytes());
        }
        write("empty", b"");
        write("film.ts", &[0x47, 0x40, 0, 0x10, 0, 0xff]);
        write("binary", &[0; 2048]);
        write("page.html", b"<p>");
        let server = started.serve(temp.path(), &[]);
        let mut client = Client::connect(server.address);
        for (name, expected) in [
            ("main.ts", "text/plain; charset=utf-8"),
            ("LICENSE", "text/plain; charset=utf-8"),
            ("Makefile", "text/plain; charset=utf-8"),
            (".gitignore", "text/plain; charset=utf-8"),
            ("a.unknown", "text/plain; charset=utf-8"),
            ("run.sh", "text/plain; charset=utf-8"),
            ("empty", "text/plain; charset=utf-8"),
            ("page.html", "text/html; charset=utf-8"),
            ("film.ts", "video/vnd.dlna.mpeg-tts"),
            ("binary", "application/octet-stream"),
        ] {
            let path = format!("/{name}");
            let answer = client.get(&path, &[]);
            assert_eq!(answer.header("content-type"), expected, "{name}");
            // The other ways to ask give the same answer.
            let head = client.request("HEAD", &path, &[]);
            assert_eq!(head.header("content-type"), expected, "{name}");
            if !answer.body.is_empty() {
                let part = client.get(&path, &[("Range", "bytes=1-")]);
                assert_eq!((part.status, part.header("content-type")), (206, expected));
            }
        }
        let listing = client.get("/", &[]);
        let page = String::from_utf8(listing.body).unwrap();
        assert!(page.contains("name=\"viewport\""));
        assert!(
            page.contains("./binary\">binary</a><td class=\"size\">2.0 KiB<"),
            "{page}"
        );
        let today = {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap().as_secs() / 86_400
        };
        // 2026-01-01 is day 20454.
        assert!(
            today > 20_454 && page.contains("<td class=\"date\">20"),
            "{page}"
        );
        server.interrupt_and_wait();
    });
}

#[test]
fn conditions_hold_in_the_order_of_the_rfc() {
    on_both(|started| {
        let temp = TempDir::new();
        std::fs::write(temp.path().join("file"), "0123456789").unwrap();
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let file = std::fs::File::options();
        let file = { file }.write(true).open(temp.path().join("file")).unwrap();
        file.set_modified(hour_ago).unwrap();
        let server = started.serve(temp.path(), &[]);
        let mut client = Client::connect(server.address);
        let plain = client.get("/file", &[]);
        let (etag, date) = (
            plain.header("etag").to_owned(),
            plain.header("last-modified").to_owned(),
        );
        let weak = format!("W/{etag}");
        let early = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (headers, status) in [
            (vec![("If-Match", &*etag)], 200),
            (vec![("If-Match", "*")], 200),
            (vec![("If-Match", "\"x\"")], 412),
            (vec![("If-Match", &*weak)], 412),
            (vec![("If-Match", "\"x\""), ("If-Match", &*etag)], 200),
            (vec![("If-Unmodified-Since", &*date)], 200),
            (vec![("If-Unmodified-Since", early)], 412),
            (vec![("If-Unmodified-Since", "nonsense")], 200),
            (
                vec![("If-Match", &*etag), ("If-Unmodified-Since", early)],
                200,
            ),
            (vec![("If-None-Match", &*weak)], 304),
            (
                vec![("If-None-Match", "\"x\""), ("If-Modified-Since", &*date)],
                200,
            ),
            (vec![("If-Modified-Since", &*date)], 304),
            (vec![("If-Modified-Since", early)], 200),
            (vec![("If-Match", "\"x\""), ("If-None-Match", &*etag)], 412),
            (vec![("If-Match", &*etag), ("If-None-Match", &*etag)], 304),
            (vec![("Range", "bytes=2-3"), ("If-Match", "\"x\"")], 412),
            (vec![("Range", "bytes=2-3"), ("If-Range", &*etag)], 206),
            (vec![("Range", "bytes=2-3"), ("If-Range", &*weak)], 200),
            (vec![("Range", "bytes=2-3"), ("If-Range", &*date)], 206),
            (vec![("Range", "bytes=2-3"), ("If-Range", early)], 200),
            (vec![("Range", "bytes=20-"), ("If-Range", "\"x\"")], 200),
            (vec![("Range", "bytes=20-"), ("If-None-Match", &*etag)], 304),
        ] {
            let check = |answer: &Answer| {
                assert_eq!(answer.status, status, "{headers:?}");
                match status {
                    200 => assert_eq!(answer.header("content-length"), "10"),
                    206 => assert_eq!(answer.header("content-range"), "bytes 2-3/10"),
                    304 => assert_eq!(answer.header("etag"), etag),
                    _ => {}
                }
            };
            check(&client.get("/file", &headers));
            // HEAD takes the conditions, and no ranges (RFC 9110, 14.2).
            if !headers.iter().any(|(name, _)| *name == "Range") {
                check(&client.request("HEAD", "/file", &headers));
            }
        }
        let head = client.request("HEAD", "/file", &[("Range", "bytes=2-3")]);
        assert_eq!((head.status, head.header("content-length")), (200, "10"));
        server.interrupt_and_wait();
    });
}

/// Without a directory it serves the present one; a name has a port of its own, or the one given,
/// at each of its addresses.
#[test]
fn it_listens_where_it_is_told() {
    on_both(|started| {
        let temp = TempDir::new();
        std::fs::write(temp.path().join("file"), "here").unwrap();
        let server = started.serve_here(temp.path(), &["--addr", "localhost", "--port", "0"]);
        assert!(server.address.ip().is_loopback());
        assert_eq!(
            Client::connect(server.address).get("/file", &[]).body,
            b"here"
        );
        server.interrupt_and_wait();
    });
    if require(Capability::Ipv6) {
        on_both(|started| {
            let temp = TempDir::new();
            std::fs::write(temp.path().join("file"), "here").unwrap();
            let args = ["--addr", "[::1]", "--addr", "127.0.0.1:0", "--port", "0"];
            let mut server = started.serve_here(temp.path(), &args);
            let second = server.next_address();
            assert!(server.address.is_ipv6() && second.is_ipv4());
            for address in [server.address, second] {
                assert_eq!(Client::connect(address).get("/file", &[]).body, b"here");
            }
            server.interrupt_and_wait();
        });
    }
}

/// The server does not depend on anybody reading what it writes.
#[test]
fn a_log_that_cannot_be_written_is_said_once() {
    on_both(|started| {
        let temp = TempDir::new();
        std::fs::write(temp.path().join("file"), "x").unwrap();
        let mut server = started.with_errors().serve(temp.path(), &["--log"]);
        server.stop_reading();
        let mut client = Client::connect(server.address);
        for _ in 0..100 {
            assert_eq!(client.get("/file", &[]).status, 200);
        }
        server.interrupt();
        let ended = server.end();
        assert_eq!(ended.status, Some(0));
        assert_eq!(
            ended.errors.matches("standard output").count(),
            1,
            "{}",
            ended.errors
        );
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    });
}
