//! Types, bounds and signatures as text in which only what matters to a user differs.
//!
//! Parameters have no names, type parameters are numbered, lifetimes other than `'static` are left
//! out, bounds are sorted wherever they were written, and paths are the public ones.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::names::Side;
use super::rustdoc::each;

/// The context in which an item is rendered: its crate, and the names of its type parameters.
#[derive(Clone)]
pub struct Scope<'a> {
    side: &'a Side,
    crate_number: usize,
    parameters: HashMap<String, String>,
    bounds: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    pub fn new(side: &'a Side, crate_number: usize) -> Self {
        Scope {
            side,
            crate_number,
            parameters: HashMap::new(),
            bounds: BTreeSet::new(),
        }
    }

    /// The scope of something with generics of its own inside this one.
    pub fn within(&self, generics: &Value) -> Self {
        let mut scope = self.clone();
        for parameter in each(&generics["params"]) {
            let kind = &parameter["kind"];
            let is_written = kind["type"]["is_synthetic"] != true && kind.get("lifetime").is_none();
            if let (true, Some(name)) = (is_written, parameter["name"].as_str()) {
                let number = scope
                    .parameters
                    .keys()
                    .filter(|name| *name != "Self")
                    .count();
                scope
                    .parameters
                    .insert(name.to_owned(), format!("T{number}"));
            }
        }
        for parameter in each(&generics["params"]) {
            if parameter["kind"]["type"]["is_synthetic"] == true {
                continue;
            }
            let name = parameter["name"].as_str().unwrap_or_default();
            let name = scope.parameter(name);
            scope.add_bounds(&name, &parameter["kind"]["type"]["bounds"]);
        }
        for predicate in each(&generics["where_predicates"]) {
            if let Some(bound) = predicate.get("bound_predicate") {
                let bounded = scope.ty(&bound["type"]);
                scope.add_bounds(&bounded, &bound["bounds"]);
            } else if let Some(equal) = predicate.get("eq_predicate") {
                let text = format!(
                    "{} = {}",
                    scope.ty(&equal["lhs"]),
                    scope.term(&equal["rhs"])
                );
                scope.bounds.insert(text);
            }
        }
        scope
    }

    fn add_bounds(&mut self, bounded: &str, bounds: &Value) {
        for bound in each(bounds) {
            if let Some(bound) = self.bound(bound) {
                self.bounds.insert(format!("{bounded}: {bound}"));
            }
        }
    }

    fn parameter(&self, name: &str) -> String {
        self.parameters
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }

    /// `where T0: core::marker::Send, T1: ...`, or nothing.
    pub fn bounds(&self) -> String {
        match self.bounds.is_empty() {
            true => String::new(),
            false => format!(
                " where {}",
                Vec::from_iter(self.bounds.iter().cloned()).join(", ")
            ),
        }
    }

    /// Defaults of type parameters are part of what a user can write.
    pub fn defaults(&self, generics: &Value) -> String {
        let written: Vec<String> = each(&generics["params"])
            .filter_map(|parameter| {
                let kind = parameter["kind"].as_object()?;
                let (kind, content) = kind.iter().next()?;
                match (kind.as_str(), &content["default"]) {
                    ("lifetime", _) => None,
                    ("type", Value::Null) => Some("type".to_owned()),
                    ("type", default) => Some(format!("type = {}", self.ty(default))),
                    (_, _) => Some(format!("const: {}", self.ty(&content["type"]))),
                }
            })
            .collect();
        match written.is_empty() {
            true => String::new(),
            false => format!("<{}>", written.join(", ")),
        }
    }

    /// One bound; `None` if it says nothing: a lifetime, `Sized`.
    fn bound(&self, bound: &Value) -> Option<String> {
        if let Some(lifetime) = bound["outlives"].as_str() {
            return (lifetime == "'static").then(|| lifetime.to_owned());
        }
        let of = bound.get("trait_bound")?;
        let path = self.path(&of["trait"]);
        match of["modifier"].as_str() {
            Some("maybe") => Some(format!("?{path}")),
            _ if path == "core::marker::Sized" => None,
            _ => Some(path),
        }
    }

    fn bound_list(&self, bounds: &Value) -> String {
        let sorted: BTreeSet<String> = each(bounds).filter_map(|bound| self.bound(bound)).collect();
        Vec::from_iter(sorted).join(" + ")
    }

    /// The scope of an impl: `Self` is the type it is for.
    pub fn of_impl(&self, content: &Value) -> Self {
        let mut scope = self.clone();
        // Numbered first, so that the type is rendered with the numbers.
        let numbered =
            scope.within(&serde_json::json!({ "params": content["generics"]["params"] }));
        scope
            .parameters
            .insert("Self".to_owned(), numbered.ty(&content["for"]));
        scope.within(&content["generics"])
    }

    /// A path with its arguments. Aliases of `Result` are what they stand for.
    pub fn path(&self, path: &Value) -> String {
        let named = path["id"]
            .as_u64()
            .and_then(|id| self.side.name(self.crate_number, id));
        let name = match named {
            Some(name) => name,
            // It has no name outside, so its name in here means nothing.
            None if path["id"].is_u64() => return "(unnameable)".to_owned(),
            None => path["name"].as_str().unwrap_or("?").to_owned(),
        };
        let arguments = self.arguments(&path["args"]);
        match (
            name.as_str(),
            arguments
                .strip_prefix('<')
                .and_then(|rest| rest.strip_suffix('>')),
        ) {
            ("std::io::error::Result", Some(value)) => {
                format!("core::result::Result<{value}, std::io::error::Error>")
            }
            ("core::fmt::Result", _) => "core::result::Result<(), core::fmt::Error>".to_owned(),
            _ => format!("{name}{arguments}"),
        }
    }

    fn arguments(&self, args: &Value) -> String {
        if let Some(called) = args.get("parenthesized") {
            let inputs: Vec<String> = each(&called["inputs"]).map(|ty| self.ty(ty)).collect();
            return format!("({}){}", inputs.join(", "), self.output(&called["output"]));
        }
        let Some(angled) = args.get("angle_bracketed") else {
            return String::new();
        };
        let mut parts: Vec<String> = each(&angled["args"])
            .filter_map(|arg| match arg {
                Value::Object(one) => match one.iter().next()? {
                    (kind, ty) if kind == "type" => Some(self.ty(ty)),
                    (kind, lifetime) if kind == "lifetime" => {
                        (lifetime == "'static").then(|| "'static".to_owned())
                    }
                    (_, constant) => Some(constant["expr"].as_str().unwrap_or("?").to_owned()),
                },
                _ => Some("_".to_owned()),
            })
            .collect();
        parts.extend(each(&angled["constraints"]).map(|constraint| {
            let name = constraint["name"].as_str().unwrap_or("?");
            match constraint["binding"].get("equality") {
                Some(term) => format!("{name} = {}", self.term(term)),
                None => {
                    format!(
                        "{name}: {}",
                        self.bound_list(&constraint["binding"]["constraint"])
                    )
                }
            }
        }));
        match parts.is_empty() {
            true => String::new(),
            false => format!("<{}>", parts.join(", ")),
        }
    }

    fn term(&self, term: &Value) -> String {
        match term.get("type") {
            Some(ty) => self.ty(ty),
            None => term["constant"]["expr"].as_str().unwrap_or("?").to_owned(),
        }
    }

    fn output(&self, output: &Value) -> String {
        match output {
            Value::Null => String::new(),
            output => format!(" -> {}", self.ty(output)),
        }
    }

    pub fn ty(&self, ty: &Value) -> String {
        let Some((kind, content)) = ty.as_object().and_then(|one| one.iter().next()) else {
            return "_".to_owned();
        };
        let list = |types: &Value| -> String {
            let types: Vec<String> = each(types).map(|ty| self.ty(ty)).collect();
            types.join(", ")
        };
        match kind.as_str() {
            "resolved_path" => self.path(content),
            "generic" => self.parameter(content.as_str().unwrap_or("?")),
            "primitive" => content.as_str().unwrap_or("?").to_owned(),
            "tuple" => format!("({})", list(content)),
            "slice" => format!("[{}]", self.ty(content)),
            "array" => {
                let length = content["len"].as_str().unwrap_or("?");
                format!(
                    "[{}; {}]",
                    self.ty(&content["type"]),
                    self.parameter(length)
                )
            }
            "impl_trait" => format!("impl {}", self.bound_list(content)),
            "dyn_trait" => {
                let traits: BTreeSet<String> = each(&content["traits"])
                    .map(|one| self.path(&one["trait"]))
                    .collect();
                format!("dyn {}", Vec::from_iter(traits).join(" + "))
            }
            "borrowed_ref" => {
                let lifetime = match content["lifetime"].as_str() {
                    Some("'static") => "'static ",
                    _ => "",
                };
                let mutable = if content["is_mutable"] == true {
                    "mut "
                } else {
                    ""
                };
                format!("&{lifetime}{mutable}{}", self.ty(&content["type"]))
            }
            "raw_pointer" => {
                let mutable = if content["is_mutable"] == true {
                    "mut"
                } else {
                    "const"
                };
                format!("*{mutable} {}", self.ty(&content["type"]))
            }
            "function_pointer" => self.signature(&content["sig"], &content["header"], "fn"),
            "qualified_path" => {
                let name = content["name"].as_str().unwrap_or("?");
                let this = self.ty(&content["self_type"]);
                match &content["trait"] {
                    Value::Null => format!("{this}::{name}"),
                    of => format!("<{this} as {}>::{name}", self.path(of)),
                }
            }
            other => other.to_owned(),
        }
    }

    /// `const unsafe fn(...) -> ...`. An `async fn` is shown as what it returns.
    pub fn signature(&self, sig: &Value, header: &Value, word: &str) -> String {
        let mut text = String::new();
        for (flag, word) in [("is_const", "const "), ("is_unsafe", "unsafe ")] {
            if header[flag] == true {
                text.push_str(word);
            }
        }
        let inputs: Vec<String> = each(&sig["inputs"])
            .map(|input| match input {
                Value::Array(named) => self.ty(&named[1]),
                ty => self.ty(ty),
            })
            .collect();
        let output = match (header["is_async"] == true, &sig["output"]) {
            (true, Value::Null) => " -> impl core::future::future::Future<Output = ()>".to_owned(),
            (true, ty) => {
                format!(
                    " -> impl core::future::future::Future<Output = {}>",
                    self.ty(ty)
                )
            }
            (false, output) => self.output(output),
        };
        format!("{text}{word}({}){output}", inputs.join(", "))
    }
}
