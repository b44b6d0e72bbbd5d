//! The names of tasks, by id, for those who may not look at the tasks themselves: who watches a
//! thread that is held up.
#![forbid(unsafe_code)]

use super::id::Id;
use crate::util::poison::unpoisoned;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const SHARDS: usize = 16;

static NAMES: [Mutex<BTreeMap<Id, Arc<str>>>; SHARDS] =
    [const { Mutex::new(BTreeMap::new()) }; SHARDS];

fn shard(id: Id) -> &'static Mutex<BTreeMap<Id, Arc<str>>> {
    &NAMES[id.number() as usize % SHARDS]
}

/// The name of a task; it can be looked up as long as this is there.
pub(super) struct Name {
    id: Id,
    name: Arc<str>,
}

impl Name {
    pub(super) fn new(id: Id, name: &str) -> Name {
        let name = Arc::<str>::from(name);
        unpoisoned(shard(id).lock()).insert(id, name.clone());
        Name { id, name }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.name
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        unpoisoned(shard(self.id).lock()).remove(&self.id);
    }
}

/// The name of a task of this process, if it has one.
pub(crate) fn name_of(id: Id) -> Option<Arc<str>> {
    unpoisoned(shard(id).lock()).get(&id).cloned()
}
