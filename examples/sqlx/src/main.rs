//! sqlx: a pool of connections to an SQLite database in a file, used by many tasks.
#![forbid(unsafe_code)]

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Error, Row, SqlitePool};
use std::time::Duration;

#[tokio::main]
async fn main() {
    println!("{:?}", conversation().await.expect("the database works"));
}

/// What the database says at the end.
#[derive(Debug, PartialEq)]
struct Answers {
    rows: i64,
    passengers: i64,
    /// The first stations by name, read row by row.
    first: Vec<(String, i64)>,
    /// Of the pool, asked for one connection more than it has.
    error: String,
}

async fn insert(pool: SqlitePool, line: i64) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    for number in 0..20 {
        sqlx::query("INSERT INTO stations (name, passengers) VALUES (?, ?)")
            .bind(format!("{line:02}-{number:02}"))
            .bind(line * 100 + number)
            .execute(&mut *transaction)
            .await?;
    }
    // Every fourth line was never built.
    match line % 4 {
        3 => transaction.rollback().await,
        _ => transaction.commit().await,
    }
}

async fn conversation() -> sqlx::Result<Answers> {
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("stations.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(60));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(60))
        .connect_with(options.clone())
        .await?;
    sqlx::query("CREATE TABLE stations (name TEXT PRIMARY KEY, passengers INTEGER NOT NULL)")
        .execute(&pool)
        .await?;

    let lines: Vec<_> = (0..16)
        .map(|line| tokio::spawn(insert(pool.clone(), line)))
        .collect();
    for line in lines {
        line.await.expect("no panic")?;
    }
    let row = sqlx::query("SELECT count(*), sum(passengers) FROM stations");
    let row = row.fetch_one(&pool).await?;
    let mut first = Vec::new();
    let mut rows =
        sqlx::query("SELECT name, passengers FROM stations ORDER BY name LIMIT 21").fetch(&pool);
    while let Some(row) = rows.try_next().await? {
        first.push((row.get(0), row.get(1)));
    }
    drop(rows);
    pool.close().await;

    let small = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(50))
        .connect_lazy_with(options);
    // To connect may take longer than that.
    let only = loop {
        match small.acquire().await {
            Err(Error::PoolTimedOut) => {}
            acquired => break acquired?,
        }
    };
    let error = small
        .acquire()
        .await
        .expect_err("there is only one")
        .to_string();
    drop(only);
    small.close().await;
    Ok(Answers {
        rows: row.get(0),
        passengers: row.get(1),
        first: first.split_off(19),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::{Answers, conversation};

    async fn check() {
        let lines = || (0..16).filter(|line| line % 4 != 3);
        let expected = Answers {
            rows: 20 * 12,
            passengers: lines().map(|line| 20 * 100 * line + 190).sum(),
            first: vec![("00-19".to_owned(), 19), ("01-00".to_owned(), 100)],
            error: "pool timed out while waiting for an open connection".to_owned(),
        };
        assert_eq!(conversation().await.unwrap(), expected);
    }

    #[tokio::test]
    async fn on_one_thread() {
        check().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        check().await;
    }
}
