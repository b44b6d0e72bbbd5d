//! Two snapshots that tell everything, and what is shown of them.
#![forbid(unsafe_code)]

use super::*;

/// Two looks at a program, a second apart.
pub fn two_snapshots() -> (Snapshot, Snapshot) {
    let read = |text| serde_json::from_str(text).expect("JSON");
    (
        read(include_str!("../../../tests/top/before.json")),
        read(include_str!("../../../tests/top/now.json")),
    )
}

pub fn history_and_now() -> (History, Snapshot) {
    let (before, now) = two_snapshots();
    let mut history = History::default();
    history.add(before);
    (history, now)
}

pub fn arrangement() -> Arrangement {
    Arrangement {
        sort: Sort::Count,
        is_reversed: false,
        filter: String::new(),
    }
}

fn places(arrangement: &Arrangement) -> Vec<String> {
    let (history, now) = history_and_now();
    let view = View::new(&history, &now, arrangement);
    let rows = view.runtimes[0].places.as_ref().expect("told");
    rows.iter().map(|row| row.cells[7].clone()).collect()
}

#[test]
fn rates_are_differences_by_time() {
    let (history, now) = history_and_now();
    let view = View::new(&history, &now, &arrangement());
    let workers = &view.runtimes[0].workers;
    assert_eq!(
        workers[0].cells[..6],
        ["0", "polls", "50.0", "1,200", "1.5 µs", "42 µs"]
    );
    // Its account stands still, because it is in one poll all the time.
    assert_eq!(workers[1].cells[..4], ["1", "stalled", "100.0", "0"]);
    let polling = &workers[1].cells[9];
    assert!(
        polling.starts_with("task 17 \"resolver\" src/dns.rs:31:9 for 1.4 s"),
        "{polling}"
    );
    assert!(
        polling.ends_with("it waits for another thread"),
        "{polling}"
    );
    let first = &view.runtimes[0].places.as_ref().expect("told")[0];
    let expected = ["100", "1", "2", "97", ">4.2 s", ">1.0 s", "40.0"];
    assert_eq!(first.cells[..7], expected);
}

#[test]
fn without_a_first_look_there_are_no_rates() {
    let (_, now) = two_snapshots();
    let view = View::new(&History::default(), &now, &arrangement());
    assert_eq!(view.runtimes[0].workers[0].cells[2..4], ["-", "-"]);
    // A look at another process is none.
    let (mut history, _) = history_and_now();
    history.before.as_mut().expect("seen").pid += 1;
    let view = View::new(&history, &now, &arrangement());
    assert_eq!(view.runtimes[0].workers[0].cells[2..4], ["-", "-"]);
}

#[test]
fn places_are_sorted_and_filtered() {
    let by = |sort, is_reversed, filter: &str| {
        let filter = filter.to_owned();
        places(&Arrangement {
            sort,
            is_reversed,
            filter,
        })
    };
    let (client, dns, tick) = (
        "src/client.rs:88:13",
        "src/dns.rs:31:9 \"resolver\"",
        "src/tick.rs:5:5",
    );
    assert_eq!(by(Sort::Count, false, ""), [client, tick, dns]);
    assert_eq!(by(Sort::Count, true, ""), [dns, tick, client]);
    assert_eq!(by(Sort::Wait, false, ""), [client, tick, dns]);
    assert_eq!(by(Sort::Oldest, false, ""), [client, tick, dns]);
    assert_eq!(by(Sort::Busy, true, ""), [dns, tick, client]);
    assert_eq!(by(Sort::Place, false, ""), [client, dns, tick]);
    assert_eq!(by(Sort::Count, false, "resolv"), [dns]);
    assert_eq!(by(Sort::Count, false, "nowhere"), [] as [&str; 0]);
}

#[test]
fn names_cannot_move_the_cursor() {
    let (_, mut now) = two_snapshots();
    now.program = "/bin/\u{1b}[2Jx".to_owned();
    assert!(
        !View::new(&History::default(), &now, &arrangement())
            .title
            .contains('\u{1b}')
    );
}
