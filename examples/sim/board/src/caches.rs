//! Caches that were published.
#![forbid(unsafe_code)]

use crate::Cache;
use std::future::Future;
use std::sync::Arc;

const PLACES: usize = 1_000;

/// moka 0.6.2, whose `get_or_insert_with` panics if the task that loaded the value for all was
/// dropped: <https://github.com/moka-rs/moka/issues/59>.
#[derive(Clone)]
pub struct Moka06(moka_0_6::future::Cache<String, String>);

impl Cache for Moka06 {
    fn empty() -> Moka06 {
        Moka06(moka_0_6::future::Cache::new(PLACES))
    }

    async fn get(&self, key: String, load: impl Future<Output = String> + Send) -> String {
        self.0.get_or_insert_with(key, load).await
    }

    async fn put(&self, key: String, value: String) {
        self.0.insert(key, value).await;
    }
}

/// The next that is not compatible with it.
#[derive(Clone)]
pub struct Moka07(moka_0_7::future::Cache<String, String>);

impl Cache for Moka07 {
    fn empty() -> Moka07 {
        Moka07(moka_0_7::future::Cache::new(PLACES as u64))
    }

    async fn get(&self, key: String, load: impl Future<Output = String> + Send) -> String {
        self.0.get_or_insert_with(key, load).await
    }

    async fn put(&self, key: String, value: String) {
        self.0.insert(key, value).await;
    }
}

/// quick_cache 0.5.1, where who waits for a value panics if another was inserted while it was
/// loaded: <https://github.com/arthurprs/quick-cache/pull/40>.
#[derive(Clone)]
pub struct QuickCache05(Arc<quick_cache_0_5::sync::Cache<String, String>>);

impl Cache for QuickCache05 {
    fn empty() -> QuickCache05 {
        QuickCache05(Arc::new(quick_cache_0_5::sync::Cache::new(PLACES)))
    }

    async fn get(&self, key: String, load: impl Future<Output = String> + Send) -> String {
        let load = async { Ok::<_, std::convert::Infallible>(load.await) };
        let Ok(value) = self.0.get_or_insert_async(&key, load).await;
        value
    }

    async fn put(&self, key: String, value: String) {
        self.0.insert(key, value);
    }
}

/// The next that is not compatible with it.
#[derive(Clone)]
pub struct QuickCache06(Arc<quick_cache_0_6::sync::Cache<String, String>>);

impl Cache for QuickCache06 {
    fn empty() -> QuickCache06 {
        QuickCache06(Arc::new(quick_cache_0_6::sync::Cache::new(PLACES)))
    }

    async fn get(&self, key: String, load: impl Future<Output = String> + Send) -> String {
        let load = async { Ok::<_, std::convert::Infallible>(load.await) };
        let Ok(value) = self.0.get_or_insert_async(&key, load).await;
        value
    }

    async fn put(&self, key: String, value: String) {
        self.0.insert(key, value);
    }
}
