//! The accounts.
#![forbid(unsafe_code)]

use crate::journal::{Journal, Record};
use crate::{Bug, Transfer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex as ShortLock};
use tokio::sync::{Mutex, OnceCell};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Moved,
    /// There is not so much in the account.
    Refused,
    /// There is no such account.
    Unknown,
}

type Account = Arc<Mutex<i64>>;

pub struct Bank {
    accounts: ShortLock<BTreeMap<String, Account>>,
    /// What became of transfers, by their keys. A cell without a value is one under way.
    keys: ShortLock<HashMap<String, Arc<OnceCell<Outcome>>>>,
    journal: Journal,
    bug: Option<Bug>,
}

impl Bank {
    pub async fn open(journal: &Path, bug: Option<Bug>) -> io::Result<Bank> {
        let (journal, records) = Journal::open(journal, bug).await?;
        let mut balances = BTreeMap::new();
        let mut keys = HashMap::new();
        for record in records {
            match record {
                Record::Opened { name, amount } => {
                    balances.insert(name, amount);
                }
                Record::Moved { key, transfer } => {
                    *balances.entry(transfer.from).or_default() -= transfer.amount;
                    *balances.entry(transfer.to).or_default() += transfer.amount;
                    if let Some(key) = key {
                        keys.insert(key, Arc::new(OnceCell::new_with(Some(Outcome::Moved))));
                    }
                }
            }
        }
        let accounts = balances.into_iter();
        let accounts = accounts.map(|(name, balance)| (name, Arc::new(Mutex::new(balance))));
        Ok(Bank {
            accounts: ShortLock::new(accounts.collect()),
            keys: ShortLock::new(keys),
            journal,
            bug,
        })
    }

    pub fn bug(&self) -> Option<Bug> {
        self.bug
    }

    fn account(&self, name: &str) -> Option<Account> {
        let accounts = self.accounts.lock().expect("nobody panics with it");
        accounts.get(name).cloned()
    }

    /// Opens an account, unless there is one of that name, and gives what is in it.
    pub async fn open_account(&self, name: &str, amount: i64) -> io::Result<i64> {
        let account = Account::default();
        let mut balance = account.lock().await;
        let other = {
            let mut accounts = self.accounts.lock().expect("nobody panics with it");
            let other = accounts.get(name).cloned();
            if other.is_none() {
                accounts.insert(name.to_owned(), account.clone());
            }
            other
        };
        if let Some(other) = other {
            return Ok(*other.lock().await);
        }
        let name = name.to_owned();
        let opened = Record::Opened {
            name: name.clone(),
            amount,
        };
        if let Err(error) = self.journal.write(&opened).await {
            self.accounts
                .lock()
                .expect("nobody panics with it")
                .remove(&name);
            return Err(error);
        }
        *balance = amount;
        Ok(amount)
    }

    pub async fn balance(&self, name: &str) -> Option<i64> {
        Some(*self.account(name)?.lock().await)
    }

    /// All there is, at one moment.
    pub async fn total(&self) -> i64 {
        let accounts = self.accounts.lock().expect("nobody panics with it").clone();
        let mut locked = Vec::new();
        for account in accounts.into_values() {
            locked.push(account.lock_owned().await);
        }
        locked.iter().map(|balance| **balance).sum()
    }

    /// Moves money once for a key, however often it is asked.
    pub async fn transfer(&self, key: String, transfer: Transfer) -> io::Result<Outcome> {
        if self.bug == Some(Bug::AppliedTwice) {
            return self.transfer_if_not_done(key, transfer).await;
        }
        let cell = {
            let mut keys = self.keys.lock().expect("nobody panics with it");
            keys.entry(key.clone()).or_default().clone()
        };
        cell.get_or_try_init(|| self.execute(key, transfer))
            .await
            .copied()
    }

    async fn transfer_if_not_done(&self, key: String, transfer: Transfer) -> io::Result<Outcome> {
        let done = self
            .keys
            .lock()
            .expect("nobody panics with it")
            .get(&key)
            .cloned();
        if let Some(outcome) = done.and_then(|cell| cell.get().copied()) {
            return Ok(outcome);
        }
        let outcome = self.execute(key.clone(), transfer).await?;
        let cell = Arc::new(OnceCell::new_with(Some(outcome)));
        self.keys
            .lock()
            .expect("nobody panics with it")
            .insert(key, cell);
        Ok(outcome)
    }

    async fn execute(&self, key: String, transfer: Transfer) -> io::Result<Outcome> {
        let (Some(from), Some(to)) = (self.account(&transfer.from), self.account(&transfer.to))
        else {
            return Ok(Outcome::Unknown);
        };
        if transfer.from == transfer.to {
            return Ok(Outcome::Refused);
        }
        // In the order of their names, so that nobody waits for somebody who waits for them.
        let in_order = transfer.from < transfer.to || self.bug == Some(Bug::LockOrder);
        let (mut from, mut to) = if in_order {
            let from = from.lock_owned().await;
            (from, to.lock_owned().await)
        } else {
            let to = to.lock_owned().await;
            (from.lock_owned().await, to)
        };
        let amount = transfer.amount;
        if amount < 0 || *from < amount {
            return Ok(Outcome::Refused);
        }
        let key = (self.bug != Some(Bug::KeysForgotten)).then_some(key);
        let record = Record::Moved { key, transfer };
        if self.bug == Some(Bug::HalfATransfer) {
            *from -= amount;
            self.journal.write(&record).await?;
        } else {
            self.journal.write(&record).await?;
            *from -= amount;
        }
        *to += amount;
        Ok(Outcome::Moved)
    }
}
