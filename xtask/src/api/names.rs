//! The paths under which a crate offers things, followed through its re-exports into other crates.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::rustdoc::{Crate, each, kind};

/// An item: the number of its crate in [`Side::crates`], and its id there.
pub type Item = (usize, u64);

/// A facade, which is the first, and the crates it is made of.
pub struct Side {
    pub crates: Vec<Crate>,
    /// Everything public, by path and a word for the name space.
    pub public: BTreeMap<(String, &'static str), Target>,
    /// The path an item goes by where several lead to it.
    names: HashMap<Item, String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Own(Item),
    /// Of another crate: where it is defined.
    Foreign(String),
}

/// Kinds of items that may share a name are in different name spaces.
fn space(kind: &str) -> &'static str {
    match kind {
        "function" | "constant" | "static" => "fn",
        "macro" | "proc_macro" | "proc_attribute" | "proc_derive" => "macro",
        "module" => "mod",
        _ => "type",
    }
}

impl Side {
    /// `preferred` says which names to use where there are several.
    pub fn new(crates: Vec<Crate>, preferred: Option<&Side>) -> Self {
        let mut side = Side {
            crates,
            public: BTreeMap::new(),
            names: HashMap::new(),
        };
        let root = (0, side.crates[0].root());
        let mut walk = Walk {
            found: BTreeMap::new(),
            globs: HashSet::new(),
        };
        side.walk(root, "tokio", &mut walk);
        side.public = walk.found;
        let mut names: HashMap<Item, String> = HashMap::new();
        for ((path, _), target) in &side.public {
            if let Target::Own(item) = target {
                let rank = |path: &String| {
                    let is_preferred =
                        preferred.is_some_and(|side| side.names.values().any(|name| name == path));
                    (!is_preferred, path.matches("::").count(), path.clone())
                };
                let name = names.entry(*item).or_insert_with(|| path.clone());
                if rank(path) < rank(name) {
                    name.clone_from(path);
                }
            }
        }
        side.names = names;
        side
    }

    pub fn item(&self, (number, id): Item) -> Option<&Value> {
        self.crates[number].item(id)
    }

    /// The name of an item in a path: its public path, the place of its definition if it is not one
    /// of ours, or `None` if it is ours and cannot be named.
    pub fn name(&self, number: usize, id: u64) -> Option<String> {
        match self.resolve(number, id)? {
            Target::Own(item) => self.names.get(&item).cloned(),
            Target::Foreign(path) => Some(path),
        }
    }

    /// Follows an id to the crate that defines the item.
    pub fn resolve(&self, number: usize, id: u64) -> Option<Target> {
        if let Some(item) = self.crates[number].item(id) {
            return match kind(item) {
                ("use", content) => self.resolve(number, content["id"].as_u64()?),
                _ => Some(Target::Own((number, id))),
            };
        }
        let path = self.crates[number].defined_at(id)?;
        let name = path.split("::").next().unwrap_or_default();
        match self.crates.iter().position(|one| one.name == name) {
            Some(other) if other != number => {
                // What its crate hides is offered all the same; attribute macros are hidden.
                match self.crates[other].find(&path) {
                    Some(id) => Some(Target::Own((other, id))),
                    None => Some(Target::Foreign(path)),
                }
            }
            Some(_) => None,
            None => Some(Target::Foreign(path)),
        }
    }

    fn walk(&self, module: Item, path: &str, walk: &mut Walk) {
        let Some(item) = self.item(module) else {
            return;
        };
        for id in each(&kind(item).1["items"]).filter_map(Value::as_u64) {
            let Some(child) = self.item((module.0, id)) else {
                continue;
            };
            let (what, content) = kind(child);
            if what != "use" {
                let name = child["name"].as_str().unwrap_or_default();
                self.offer(Target::Own((module.0, id)), format!("{path}::{name}"), walk);
                continue;
            }
            let target = content["id"]
                .as_u64()
                .and_then(|id| self.resolve(module.0, id));
            match (content["is_glob"] == true, target) {
                (true, Some(Target::Own(of))) if walk.globs.insert((path.to_owned(), of)) => {
                    self.walk(of, path, walk);
                }
                (false, Some(target)) => {
                    let name = content["name"].as_str().unwrap_or_default();
                    self.offer(target, format!("{path}::{name}"), walk);
                }
                _ => {}
            }
        }
    }

    fn offer(&self, target: Target, path: String, walk: &mut Walk) {
        let what = match &target {
            Target::Own(item) => self.item(*item).map_or("", |item| kind(item).0),
            Target::Foreign(_) => "",
        };
        let is_new = walk
            .found
            .insert((path.clone(), space(what)), target.clone())
            .is_none();
        if let (true, "module", Target::Own(module)) = (is_new, what, target) {
            self.walk(module, &path, walk);
        }
    }
}

struct Walk {
    found: BTreeMap<(String, &'static str), Target>,
    globs: HashSet<(String, Item)>,
}
