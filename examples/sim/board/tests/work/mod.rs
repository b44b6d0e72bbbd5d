//! What passengers and announcers do, and what they must see.
#![forbid(unsafe_code)]

use board::Client;
use std::time::Duration;

async fn a_moment(most: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(..most))).await;
}

/// Looks for one train after another.
pub async fn looks(board: &str, trains: u32) {
    let client = Client::new(board);
    for number in 0..trains {
        let train = format!("train{number}");
        let text = client.get(&train).await;
        let is_one = [" is on time", " is late"].map(|end| text == format!("{train}{end}"));
        assert_ne!(is_one[0], is_one[1], "{text}");
        a_moment(100).await;
    }
}

/// Announces some of them.
pub async fn announces(board: &str, trains: u32) {
    let client = Client::new(board);
    for number in 0..trains {
        if fastrand::bool() {
            let train = format!("train{number}");
            client.announce(&train, format!("{train} is late")).await;
        }
        a_moment(200).await;
    }
}
