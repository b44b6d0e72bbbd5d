//! Faults that chaos draws last as long as it says, whatever else is drawn beside them. The
//! simulated tests are ignored: others run them, in processes of their own, and read their traces.
#![cfg(feature = "sim")]
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use yamanote::net::UdpSocket;
use yamanote::sim::{self, Chaos, FaultKind, Sim};
use yamanote::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MS: u64 = 1_000_000;

/// Many faults, most of which overlap.
fn dense(kinds: impl IntoIterator<Item = FaultKind>) -> Chaos {
    let chaos = Chaos::new().only(kinds).during(20 * SECOND);
    chaos.every(SECOND / 2).longest(10 * SECOND)
}

#[sim::test]
#[ignore = "another test reads its trace"]
async fn full_disks(sim: Sim) {
    sim.host("a").start(|| async {
        for n in 0_u64.. {
            let done = std::fs::write("/file", n.to_string());
            sim::note(&format!("is_full={}", done.is_err()));
            sleep(SECOND / 20).await;
        }
    });
    sim.chaos(dense([FaultKind::FullDisk, FaultKind::SlowDisk]));
    sim.sleep(35 * SECOND).await;
}

#[sim::test]
#[ignore = "another test reads its trace"]
async fn cut_links(sim: Sim) {
    for (name, other) in [("a", "b"), ("b", "a")] {
        sim.host(name).start(move || async move {
            let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
            let socket = std::sync::Arc::new(socket);
            let receiver = socket.clone();
            yamanote::spawn(async move {
                let mut buf = [0; 64];
                loop {
                    let (len, _) = receiver.recv_from(&mut buf).await.unwrap();
                    sim::note(&format!("got={}", String::from_utf8_lossy(&buf[..len])));
                }
            });
            sleep(SECOND / 2).await;
            for n in 0_u64.. {
                sim::note(&format!("sends={name}{n}"));
                let text = format!("{name}{n}");
                let _ = socket.send_to(text.as_bytes(), (other, 7)).await;
                sleep(SECOND / 20).await;
            }
        });
    }
    sim.chaos(dense([FaultKind::Partition, FaultKind::OneWay]));
    sim.sleep(35 * SECOND).await;
}

/// An event: when, what kind, and its text.
type Event = (u64, String, String);

fn events(test: &str, seed: u64) -> Vec<Event> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim_chaos");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command.env("YAMANOTE_SIM_DIR", &directory);
    command.env("YAMANOTE_SIM_SEED", seed.to_string());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(directory.join(format!("{test}-{seed}.jsonl"))).unwrap();
    let field = |line: &str, from: &str, to: &str| {
        let rest = line.split_once(from).unwrap().1;
        rest.split_once(to).unwrap().0.to_owned()
    };
    let lines = text.lines().map(|line| {
        let at = field(line, "\"ns\":", ",").parse().unwrap();
        (
            at,
            field(line, "\"code\":\"", "\""),
            field(line, "\"what\":\"", "\"}"),
        )
    });
    lines.collect()
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut fields = text.split(' ').filter_map(|it| it.split_once('='));
    fields.find_map(|(name, value)| (name == key).then_some(value))
}

/// From when to when faults last that `of` is true of.
fn intervals(events: &[Event], of: impl Fn(&str) -> bool) -> Vec<(u64, u64)> {
    let begun = events
        .iter()
        .filter(|(_, code, text)| code == "fault" && of(text));
    let ends = |id: &str| {
        let end = events
            .iter()
            .find(|(_, code, text)| code == "over" && value(text, "id") == Some(id));
        end.map_or(u64::MAX, |(at, ..)| *at)
    };
    begun
        .map(|(at, _, text)| (*at, ends(value(text, "id").unwrap())))
        .collect()
}

/// Whether something at that time is in one of them; `None` if it is too near to an end of one.
fn is_within(intervals: &[(u64, u64)], at: u64, slack: u64) -> Option<bool> {
    if intervals
        .iter()
        .any(|(from, to)| at > from + slack && at + slack < *to)
    {
        return Some(true);
    }
    let is_near = |(from, to): &(u64, u64)| at + slack >= *from && at <= to.saturating_add(slack);
    (!intervals.iter().any(is_near)).then_some(false)
}

fn overlap(intervals: &[(u64, u64)]) -> bool {
    let is_in = |a: &(u64, u64), b: &(u64, u64)| a.0 < b.0 && b.0 < a.1 && a.1 < b.1;
    intervals
        .iter()
        .any(|a| intervals.iter().any(|b| is_in(a, b)))
}

#[test]
fn a_disk_is_full_until_the_last_such_fault_is_over() {
    let (mut have_overlapped, mut seen) = (0, [0, 0]);
    for seed in 0..10 {
        let events = events("full_disks", seed);
        let full = intervals(&events, |text| value(text, "kind") == Some("FullDisk"));
        have_overlapped += u32::from(overlap(&full));
        for (at, code, text) in &events {
            let is_full = value(text, "is_full").filter(|_| code == "note");
            // A slow disk takes up to 200 ms for each of a few steps.
            if let (Some(is_full), Some(is_due)) = (is_full, is_within(&full, *at, 1500 * MS)) {
                assert_eq!(
                    is_full,
                    is_due.to_string(),
                    "seed {seed}, at {at}: {full:?}"
                );
                seen[usize::from(is_due)] += 1;
            }
        }
    }
    assert!(
        have_overlapped > 2 && seen[0] > 100 && seen[1] > 100,
        "{have_overlapped} {seen:?}"
    );
}

#[test]
fn a_link_is_cut_until_the_last_such_fault_is_over() {
    let (mut have_overlapped, mut seen) = (0, [0, 0]);
    for seed in 0..10 {
        let events = events("cut_links", seed);
        for (from, to) in [("a", "b"), ("b", "a")] {
            let cuts = |text: &str| {
                let has = |key, name| {
                    value(text, key).is_some_and(|it| it.split(',').any(|it| it == name))
                };
                let there = has("a", from) && has("b", to);
                let back = has("a", to) && has("b", from);
                match value(text, "kind") {
                    Some("Partition") => there || back,
                    Some("OneWay") => there,
                    _ => false,
                }
            };
            let cut = intervals(&events, cuts);
            have_overlapped += u32::from(overlap(&cut));
            let got = |name: &str| {
                let mut notes = events.iter().filter(|(_, code, _)| code == "note");
                notes.any(|(.., text)| value(text, "got") == Some(name))
            };
            for (at, _, text) in events.iter().filter(|(_, code, _)| code == "note") {
                let sent = value(text, "sends").filter(|it| it.starts_with(from));
                // What is on its way when a cut begins is lost. The last ones may arrive too late.
                let is_due = is_within(&cut, *at, 10 * MS).filter(|_| *at < 34_000 * MS);
                if let (Some(name), Some(is_cut)) = (sent, is_due) {
                    assert_eq!(got(name), !is_cut, "seed {seed}, {name} at {at}: {cut:?}");
                    seen[usize::from(is_cut)] += 1;
                }
            }
        }
    }
    assert!(
        have_overlapped > 2 && seen[0] > 100 && seen[1] > 100,
        "{have_overlapped} {seen:?}"
    );
}
