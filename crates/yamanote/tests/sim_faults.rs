//! Crashes at the worst moment, supervisors, and who is hit by chaos.
#![cfg(feature = "sim")]
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote::fs::OpenOptions;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::sim::{self, Chaos, FaultKind, Keeps, Moment, Sim};
use yamanote::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Appends a byte for each that it is sent, and answers it then.
async fn notes(syncs: bool) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7").await?;
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open("/notes")
        .await?;
    file.sync_all().await?;
    yamanote::fs::File::open("/").await?.sync_all().await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let byte = stream.read_u8().await?;
        file.write_all(&[byte]).await?;
        file.flush().await?;
        if syncs {
            file.sync_data().await?;
        }
        stream.write_u8(byte).await?;
    }
}

/// Sends one number after another, and gives the last that was answered.
async fn writes(last: Arc<AtomicU64>) {
    for number in 1..=250 {
        let answer = timeout(SECOND, async {
            let mut stream = TcpStream::connect("server:7").await?;
            stream.write_u8(number).await?;
            stream.read_u8().await
        });
        match answer.await {
            Ok(Ok(answer)) => last.store(u64::from(answer), SeqCst),
            _ => return,
        }
        sleep(10 * MS).await;
    }
}

#[sim::test(seeds = 50)]
async fn a_crash_at_a_send_finds_what_is_not_synced(sim: Sim) {
    let server = sim.host("server");
    let _ = server.disk().crash_keeps(Keeps::Synced);
    server.start(|| notes(false));
    let last = Arc::new(AtomicU64::new(0));
    let client = sim.host("client").run(writes(last.clone()));
    sim.sleep(100 * MS).await;
    assert!(server.crash_at(Moment::Send, SECOND).await);
    assert!(!server.is_up());
    client.await.unwrap();
    // The answer was on its way when the host crashed.
    let last = last.load(SeqCst);
    let kept = server.disk().contents("/notes").unwrap();
    assert!(last > 0 && kept.is_empty(), "{last} of {kept:?}");
    server.restart().await;
    assert!(server.is_up());
}

#[sim::test(seeds = 50)]
async fn a_crash_at_a_send_spares_who_syncs(sim: Sim) {
    let server = sim.host("server");
    server.start(|| notes(true));
    let last = Arc::new(AtomicU64::new(0));
    sim.host("client").run(writes(last.clone()));
    sim.sleep(100 * MS).await;
    let before = last.load(SeqCst);
    assert!(!server.crash_at(Moment::Send, SECOND).await);
    assert!(server.is_up() && last.load(SeqCst) > before + 10);
    // It is not kept in mind.
    sim.sleep(SECOND).await;
    assert!(server.is_up());
}

#[sim::test(seeds = 50)]
async fn a_crash_at_a_write_is_before_its_sync(sim: Sim) {
    let server = sim.host("server");
    let _ = server.disk().crash_keeps(Keeps::Synced);
    server.start(|| notes(true));
    let last = Arc::new(AtomicU64::new(0));
    let client = sim.host("client").run(writes(last.clone()));
    sim.sleep(100 * MS).await;
    assert!(server.crash_at(Moment::Write, SECOND).await);
    client.await.unwrap();
    // What was answered is there, and what was written last is not.
    let kept = server.disk().contents("/notes").unwrap();
    let last = last.load(SeqCst);
    assert_eq!(kept.last().map(|byte| u64::from(*byte)), Some(last));
    assert_eq!(kept.len() as u64, last);
}

#[sim::test(seeds = 50)]
async fn who_ends_is_started_again_and_who_crashes_is_not(sim: Sim) {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let list = starts.clone();
    let host = sim.host("host").restarts_after(100 * MS..=200 * MS);
    let running = host.start(move || {
        let list = list.clone();
        async move {
            list.lock().unwrap().push(sim::now());
            sleep(SECOND).await;
            Err::<(), _>(io::Error::from(ErrorKind::StorageFull))
        }
    });
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    sim.sleep(3 * SECOND).await;
    let at = starts.lock().unwrap().clone();
    assert_eq!(at.len(), 4, "{at:?}");
    for pair in at.windows(2) {
        let down = pair[1] - pair[0] - SECOND;
        assert!(down >= 100 * MS && down <= 210 * MS, "down for {down:?}");
    }
    host.crash();
    sim.sleep(3 * SECOND).await;
    assert_eq!(starts.lock().unwrap().len(), 4);
    sim.heal();
    sim.sleep(SECOND / 2).await;
    assert_eq!(starts.lock().unwrap().len(), 5);
}

/// When a host began, and when it last was there.
type Lives = Arc<Mutex<Vec<(Duration, Duration)>>>;

fn watched(sim: &Sim, name: &str) -> Lives {
    let lives = Lives::default();
    let list = lives.clone();
    sim.host(name).start(move || {
        let list = list.clone();
        async move {
            let now = sim::now();
            list.lock().unwrap().push((now, now));
            loop {
                sleep(2 * MS).await;
                list.lock().unwrap().last_mut().unwrap().1 = sim::now();
            }
        }
    });
    lives
}

#[sim::test(seeds = 20)]
async fn chaos_hits_whom_it_may_and_for_as_long_as_it_may(sim: Sim) {
    let (one, other) = (watched(&sim, "one"), watched(&sim, "other"));
    sim.host("client").run(async {
        sleep(100 * SECOND).await;
        panic!("a client that runs once is never crashed, and this test is shorter");
    });
    let chaos = Chaos::new()
        .during(15 * SECOND)
        .every(SECOND / 2)
        .hit(["one"]);
    let chaos = chaos.only([FaultKind::Crash]);
    sim.storm(chaos.lasting(FaultKind::Crash, 200 * MS..=300 * MS))
        .await;
    assert!(sim.now() >= 15 * SECOND && sim.now() < 15 * SECOND + 10 * MS);
    sim.sleep(SECOND).await;
    assert_eq!(other.lock().unwrap().len(), 1);
    let lives = one.lock().unwrap();
    assert!(lives.len() > 5, "{lives:?}");
    // The last may have been healed.
    for pair in lives[..lives.len() - 1].windows(2) {
        let down = pair[1].0 - pair[0].1;
        assert!(down >= 198 * MS && down <= 305 * MS, "down for {down:?}");
    }
}

#[sim::test(seeds = 50)]
async fn each_kind_of_fault_ends(sim: Sim) {
    let server = sim.host("server").restarts_after(10 * MS..=100 * MS);
    server.start(|| notes(true));
    let chaos = Chaos::new().during(20 * SECOND).every(SECOND / 2);
    sim.storm(chaos.hit(["server"]).only(FaultKind::ALL.iter().copied()))
        .await;
    let answered = || async {
        let mut stream = TcpStream::connect("server:7").await?;
        stream.write_u8(7).await?;
        stream.read_u8().await
    };
    let healed = timeout(5 * SECOND, async {
        while answered().await.is_err() {
            sleep(100 * MS).await;
        }
    });
    healed.await.expect("a healed machine serves");
    // Nothing is left of any of them.
    for _ in 0..50 {
        let asked = sim.now();
        assert_eq!(answered().await.unwrap(), 7);
        assert!(sim.now() - asked < 50 * MS);
    }
}
