//! The board on real sockets.
#![forbid(unsafe_code)]

mod work;

use board::{Moka07, QuickCache06};
use tokio::net::TcpListener;

async fn try_out<C: board::Cache>() {
    let office = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = office.local_addr().unwrap().to_string();
    tokio::spawn(board::serve_office(office));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let board = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { board::serve::<C>(listener, &address).await });
    tokio::join!(
        work::looks(&board, 10),
        work::looks(&board, 10),
        work::announces(&board, 10)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trains_are_on_the_board() {
    try_out::<Moka07>().await;
    try_out::<QuickCache06>().await;
}
