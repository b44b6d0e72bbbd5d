//! Everything that a user can see of a side, flat: a line of text for each thing, by its name.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::{Item, Side, Target};
use super::render::Scope;
use super::rustdoc::{each, kind};

/// By name: `fn tokio::fs::read`, `impl Debug for tokio::fs::File`.
pub type Surface = BTreeMap<String, String>;

/// Traits whose implementation is no promise: what a type does when it is dropped, or how it is
/// derived.
const SILENT: [&str; 6] = [
    "core::ops::drop::Drop",
    "core::marker::StructuralPartialEq",
    "core::marker::Freeze",
    "core::marker::UnsafeUnpin",
    "core::clone::TrivialClone",
    "core::marker::Sized",
];

pub fn of(side: &Side) -> Surface {
    let mut lines = Surface::new();
    for ((path, _), target) in &side.public {
        match target {
            // Attribute macros always come from a crate of their own.
            Target::Foreign(defined) if defined.contains("_macros::") => {
                lines.insert(format!("macro {path}"), String::new());
            }
            Target::Foreign(defined) => {
                lines.insert(format!("use {path}"), defined.clone());
            }
            Target::Own(item) => one(side, *item, path, &mut lines),
        }
    }
    lines
}

fn one(side: &Side, id: Item, path: &str, lines: &mut Surface) {
    let Some(item) = side.item(id) else {
        return;
    };
    // An item that has another main name is described under that.
    let main = side.name(id.0, id.1);
    if let Some(main) = main.filter(|main| main != path) {
        if !matches!(kind(item).0, "module" | "macro" | "proc_macro") {
            lines.insert(format!("use {path}"), main);
        }
        return;
    }
    let scope = Scope::new(side, id.0);
    let (what, content) = kind(item);
    let inner = scope.within(&content["generics"]);
    let mut put = |text: String| {
        lines.insert(format!("{what} {path}"), format!("{text}{}", notes(item)));
    };
    match what {
        "function" => put(function(content, &inner)),
        "constant" => put(scope.ty(&content["type"])),
        "static" => put(scope.ty(&content["type"])),
        "type_alias" => put(format!(
            "{} = {}",
            inner.defaults(&content["generics"]),
            inner.ty(&content["type"])
        )),
        "macro" | "proc_macro" | "proc_attribute" | "proc_derive" => {
            lines.insert(format!("macro {path}"), notes(item));
        }
        "module" => put(String::new()),
        "struct" | "union" => {
            put(format!(
                "{}{}",
                inner.defaults(&content["generics"]),
                inner.bounds()
            ));
            fields(side, id.0, &inner, content, path, lines);
            impls(side, id.0, content, path, lines);
        }
        "enum" => {
            put(format!(
                "{}{}",
                inner.defaults(&content["generics"]),
                inner.bounds()
            ));
            for variant in each(&content["variants"]).filter_map(Value::as_u64) {
                let Some(variant) = side.item((id.0, variant)) else {
                    continue;
                };
                let name = variant["name"].as_str().unwrap_or_default();
                let fields = match kind(variant).1["kind"].as_object() {
                    Some(of) => each(of.values().next().unwrap_or(&Value::Null))
                        .filter_map(|field| side.item((id.0, field.as_u64()?)))
                        .map(|field| inner.ty(kind(field).1))
                        .collect::<Vec<_>>()
                        .join(", "),
                    None => String::new(),
                };
                lines.insert(
                    format!("variant {path}::{name}"),
                    format!("({fields}){}", notes(variant)),
                );
            }
            impls(side, id.0, content, path, lines);
        }
        "trait" => {
            let flags: String = [
                ("is_unsafe", "unsafe "),
                ("is_dyn_compatible", "dyn-compatible "),
            ]
            .iter()
            .filter(|(flag, _)| content[*flag] == true)
            .map(|(_, word)| *word)
            .collect();
            let mut inner = scope.within(&content["generics"]);
            inner = inner.within(&serde_json::json!({ "params": [], "where_predicates": [{
                "bound_predicate": { "type": { "generic": "Self" }, "bounds": content["bounds"] }
            }]}));
            put(format!(
                "{flags}{}{}",
                inner.defaults(&content["generics"]),
                inner.bounds()
            ));
            let inner = scope.within(&content["generics"]);
            for member in each(&content["items"]).filter_map(Value::as_u64) {
                let Some(member) = side.item((id.0, member)) else {
                    continue;
                };
                associated(member, &inner, path, lines);
            }
            let all = serde_json::json!({ "impls": content["implementations"] });
            impls(side, id.0, &all, path, lines);
        }
        _ => {}
    }
}

fn function(content: &Value, inner: &Scope<'_>) -> String {
    let provided = if content["has_body"] == true {
        ""
    } else {
        " (required)"
    };
    let signature = inner.signature(&content["sig"], &content["header"], "fn");
    format!("{signature}{}{provided}", inner.bounds())
}

/// A method, type or constant of a trait or an inherent impl.
fn associated(member: &Value, scope: &Scope<'_>, path: &str, lines: &mut Surface) {
    let name = member["name"].as_str().unwrap_or_default();
    let (what, content) = kind(member);
    let inner = scope.within(&content["generics"]);
    let text = match what {
        "function" => function(content, &inner),
        "assoc_type" => inner.bounds(),
        "assoc_const" => inner.ty(&content["type"]),
        _ => return,
    };
    let line = lines.entry(format!("{what} {path}::{name}")).or_default();
    if !line.is_empty() {
        line.push_str(" | ");
    }
    line.push_str(&format!("{text}{}", notes(member)));
}

fn fields(
    side: &Side,
    number: usize,
    inner: &Scope<'_>,
    content: &Value,
    path: &str,
    lines: &mut Surface,
) {
    let all = [
        &content["kind"]["plain"]["fields"],
        &content["kind"]["tuple"],
    ];
    for field in all.into_iter().flat_map(each).filter_map(Value::as_u64) {
        if let Some(field) = side.item((number, field)) {
            let name = field["name"].as_str().unwrap_or_default();
            lines.insert(format!("field {path}.{name}"), inner.ty(kind(field).1));
        }
    }
}

fn impls(side: &Side, number: usize, content: &Value, path: &str, lines: &mut Surface) {
    let scope = Scope::new(side, number);
    for id in each(&content["impls"]).filter_map(Value::as_u64) {
        let Some(item) = side.item((number, id)) else {
            continue;
        };
        let content = kind(item).1;
        if !content["blanket_impl"].is_null() {
            continue;
        }
        let inner = scope.of_impl(content);
        if content["trait"].is_null() {
            for member in each(&content["items"]).filter_map(Value::as_u64) {
                if let Some(member) = side.item((number, member)) {
                    associated(member, &inner, path, lines);
                }
            }
            continue;
        }
        let of = inner.path(&content["trait"]);
        // A trait that cannot be named seals others, and promises nothing.
        if SILENT.contains(&of.as_str()) || of.starts_with("(unnameable)") {
            continue;
        }
        let types: Vec<String> = each(&content["items"])
            .filter_map(|member| side.item((number, member.as_u64()?)))
            .filter(|member| kind(member).0 == "assoc_type")
            .map(|member| {
                let name = member["name"].as_str().unwrap_or_default();
                format!(" {name} = {}", inner.ty(&kind(member).1["type"]))
            })
            .collect();
        let sign = if content["is_negative"] == true {
            "!"
        } else {
            ""
        };
        let name = format!("impl {of} for {}", inner.ty(&content["for"]));
        lines.insert(
            name,
            format!("{sign}impl{}{}", types.concat(), inner.bounds()),
        );
    }
}

/// What else an item promises or states.
fn notes(item: &Value) -> String {
    let mut text = String::new();
    for attribute in each(&item["attrs"]) {
        if attribute.get("must_use").is_some() {
            text.push_str(" #[must_use]");
        } else if attribute == "non_exhaustive" {
            text.push_str(" #[non_exhaustive]");
        } else if attribute["other"]
            .as_str()
            .is_some_and(|other| other.contains("TrackCaller"))
        {
            text.push_str(" #[track_caller]");
        }
    }
    if !item["deprecation"].is_null() {
        text.push_str(" #[deprecated]");
    }
    text
}
