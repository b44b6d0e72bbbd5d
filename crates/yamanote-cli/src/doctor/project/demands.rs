//! What each package asks of Tokio: a version, and features.
#![forbid(unsafe_code)]

use semver::{Comparator, Op, Version, VersionReq};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Name and version of the package that asks.
    pub by: String,
    /// Its name alone.
    pub package: String,
    /// Whether it belongs to the project itself.
    pub is_member: bool,
    pub version: VersionReq,
    pub features: BTreeSet<String>,
    /// The source it wants Tokio from, if that is not crates.io.
    pub elsewhere: Option<String>,
}

impl Demand {
    /// If this keeps Tokio below `version`: the bound, as it is written.
    pub fn holds_below(&self, version: &Version) -> Option<String> {
        let bound = |it: &&Comparator| {
            let lowest = Version::new(it.major, it.minor.unwrap_or(0), it.patch.unwrap_or(0));
            match it.op {
                Op::Greater | Op::GreaterEq => false,
                Op::Less | Op::LessEq => !it.matches(version),
                _ => !it.matches(version) && lowest < *version,
            }
        };
        let bound = self.version.comparators.iter().find(bound)?;
        let is_digit = |it: char| it.is_ascii_digit();
        let text = bound.to_string();
        Some(text[text.find(is_digit)?..].to_owned())
    }

    pub fn as_json(&self) -> Value {
        json!({
            "by": self.by,
            "version": self.version.to_string(),
            "features": self.features,
            "elsewhere": self.elsewhere,
        })
    }
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// From what `cargo metadata` says.
pub fn demands(metadata: &Value) -> Vec<Demand> {
    let members: BTreeSet<&str> = strings(&metadata["workspace_members"]).collect();
    let nodes = metadata["resolve"]["nodes"].as_array();
    let mut found = Vec::new();
    for node in nodes.into_iter().flatten() {
        let id = node["id"].as_str().unwrap_or_default();
        let packages = metadata["packages"].as_array();
        let package = packages.into_iter().flatten().find(|it| it["id"] == id);
        let Some(package) = package else { continue };
        let enabled: BTreeSet<&str> = strings(&node["features"]).collect();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let is_member = members.contains(id);
            // Only the project's own tests are built.
            let is_built = dependency["kind"] != "dev" || is_member;
            if dependency["name"] == "tokio" && is_built && is_active(node, dependency) {
                add(&mut found, demand(package, dependency, &enabled, is_member));
            }
        }
    }
    found
}

/// What the manifests of the workspace themselves ask for, from `cargo metadata --no-deps`.
/// Optional dependencies count, because Cargo locks a version for them too.
pub fn of_members(metadata: &Value) -> Vec<Demand> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        for dependency in dependencies.filter(|it| it["name"] == "tokio") {
            add(
                &mut found,
                demand(package, dependency, &BTreeSet::new(), true),
            );
        }
    }
    found
}

/// Each package that the manifests of the workspace ask for, from `cargo metadata --no-deps`: the
/// one that asks, the one that is asked for, and its version.
pub fn dependencies(metadata: &Value) -> Vec<(&str, &str, VersionReq)> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let all = packages.flat_map(|package| {
        let by = package["name"].as_str().unwrap_or_default();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        dependencies.filter_map(move |it| {
            let version = VersionReq::parse(it["req"].as_str()?).ok()?;
            Some((by, it["name"].as_str()?, version))
        })
    });
    all.collect()
}

/// Adds to `found` what it does not contain yet.
pub fn join(found: &mut Vec<Demand>, more: Vec<Demand>) {
    for demand in more {
        add(found, demand);
    }
}

/// Keeps them in order. A package may name the same version under several tables.
fn add(found: &mut Vec<Demand>, demand: Demand) {
    let is_same = |it: &&mut Demand| it.by == demand.by && it.version == demand.version;
    match found.iter_mut().find(is_same) {
        Some(same) => same.features.extend(demand.features),
        None => found.push(demand),
    }
    found.sort_by(|a, b| a.by.cmp(&b.by));
}

fn demand(
    package: &Value,
    dependency: &Value,
    enabled: &BTreeSet<&str>,
    is_member: bool,
) -> Demand {
    let name = |field: &str| package[field].as_str().unwrap_or_default();
    let req = dependency["req"].as_str().unwrap_or("*");
    let elsewhere = match dependency["source"].as_str() {
        Some(source) if source.contains("crates.io-index") => None,
        Some(source) => Some(source.to_owned()),
        None => Some(format!(
            "path {}",
            dependency["path"].as_str().unwrap_or("")
        )),
    };
    Demand {
        by: format!("{} {}", name("name"), name("version")),
        package: name("name").to_owned(),
        is_member,
        version: VersionReq::parse(req).unwrap_or(VersionReq::STAR),
        features: features(package, dependency, enabled),
        elsewhere,
    }
}

/// The name under which the package knows Tokio.
fn alias(dependency: &Value) -> &str {
    dependency["rename"].as_str().unwrap_or("tokio")
}

/// An optional dependency that nothing turns on is no edge of the graph.
fn is_active(node: &Value, dependency: &Value) -> bool {
    let crate_name = alias(dependency).replace('-', "_");
    let edges = node["deps"].as_array();
    edges
        .into_iter()
        .flatten()
        .any(|it| it["name"] == *crate_name)
}

/// Those of the dependency itself, and those that enabled features of the package add.
fn features(package: &Value, dependency: &Value, enabled: &BTreeSet<&str>) -> BTreeSet<String> {
    let alias = alias(dependency);
    let mut found: BTreeSet<String> = strings(&dependency["features"])
        .map(str::to_owned)
        .collect();
    for feature in enabled {
        for value in strings(&package["features"][*feature]) {
            if let Some((name, feature)) = value.split_once('/') {
                if name.trim_end_matches('?') == alias {
                    found.insert(feature.to_owned());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_may_be_for_less_or_for_more() {
        let version = Version::new(1, 54, 99);
        for (req, bound) in [
            ("=1.48.0", Some("1.48.0")),
            ("~1.47", Some("1.47")),
            (">=1.20, <1.50", Some("1.50")),
            ("1.47.*", Some("1.47.*")),
            ("^1.60", None),
            (">=1.60", None),
            ("=1.60.0", None),
            ("~1.54", None),
            ("1", None),
        ] {
            let demand = Demand {
                by: String::new(),
                package: String::new(),
                is_member: true,
                version: VersionReq::parse(req).unwrap(),
                features: BTreeSet::new(),
                elsewhere: None,
            };
            assert_eq!(demand.holds_below(&version).as_deref(), bound, "{req}");
        }
    }

    #[test]
    fn features_come_from_dependencies_and_from_enabled_features() {
        let metadata = json!({
            "workspace_members": ["app"],
            "packages": [
                {
                    "id": "app", "name": "app", "version": "0.1.0", "features": {},
                    "dependencies": [{
                        "name": "tokio", "req": "^1.40", "kind": "dev", "rename": null,
                        "features": ["full"], "source": "registry+https://github.com/rust-lang/crates.io-index",
                    }],
                },
                {
                    "id": "lib", "name": "lib", "version": "2.0.0",
                    "features": {"net": ["rt?/net", "other/x"], "fs": ["rt/fs"]},
                    "dependencies": [
                        {
                            "name": "tokio", "req": "^1", "kind": null, "rename": "rt",
                            "features": ["rt"], "source": "git+https://example.org/tokio",
                        },
                        { "name": "tokio", "req": "^0.2", "kind": "dev", "rename": null, "features": [] },
                    ],
                },
            ],
            "resolve": {"nodes": [
                {"id": "app", "features": [], "deps": [{"name": "tokio"}]},
                {"id": "lib", "features": ["net"], "deps": [{"name": "rt"}]},
            ]},
        });
        let found = demands(&metadata);
        let [app, lib] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(app.by, "app 0.1.0");
        assert_eq!(app.version, VersionReq::parse("^1.40").unwrap());
        assert_eq!(app.elsewhere, None);
        assert_eq!(lib.features, ["net", "rt"].map(str::to_owned).into());
        assert_eq!(
            lib.elsewhere.as_deref(),
            Some("git+https://example.org/tokio")
        );
    }
}
