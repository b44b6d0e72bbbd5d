//! The runtime's files in simulations: a program that replaces a file as it should loses nothing in
//! a crash, and one that writes in place does.
#![cfg(feature = "sim")]
#![forbid(unsafe_code)]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote::fs::{self, File};
use yamanote::io::AsyncWriteExt as _;
use yamanote::sim::{self, Sim};
use yamanote::time::sleep;

const MS: Duration = Duration::from_millis(1);

/// Replaces a file by a new one that is on the disk before it has the name.
async fn replace(path: &str, text: &str) -> io::Result<()> {
    let new = format!("{path}.new");
    let mut file = File::create(&new).await?;
    file.write_all(text.as_bytes()).await?;
    file.sync_all().await?;
    fs::rename(&new, path).await?;
    File::open("/tmp").await?.sync_all().await
}

#[sim::test(seeds = 100)]
async fn what_was_promised_is_there_after_a_crash(sim: Sim) {
    let promised = Arc::new(Mutex::new(0));
    let told = promised.clone();
    let host = sim.host("store");
    host.start(move || {
        let told = told.clone();
        async move {
            let found = match fs::read_to_string("/tmp/value").await {
                Ok(text) => text.parse().unwrap(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => panic!("{error}"),
            };
            let promised = *told.lock().unwrap();
            assert!(
                found >= promised,
                "{found} is there, {promised} was promised"
            );
            for value in found + 1.. {
                // A crash ends it here or there; its errors tell nobody.
                if replace("/tmp/value", &value.to_string()).await.is_err() {
                    return;
                }
                *told.lock().unwrap() = value;
                sleep(MS).await;
            }
        }
    });
    for _ in 0..5 {
        sim.sleep(sim.rng().below(40) as u32 * MS).await;
        host.crash();
        host.restart().await;
    }
    sim.sleep(20 * MS).await;
    assert!(*promised.lock().unwrap() > 3);
}
