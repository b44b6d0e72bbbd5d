//! The modules of a crate and which definitions each of them names, read from the tokens.
//!
//! A path is followed the way the compiler does it: through `crate`, `self` and `super`, the names
//! a file imports, and re-exports, to the file that defines what it names. Code for tests is left
//! out. What hangs on types is not seen: a method call names nobody.
#![forbid(unsafe_code)]

use super::tokens::{Gate, end_of_item, is_punct, module_name, test_gate, without_gates};
use crate::source::Source;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

pub type ModulePath = Vec<String>;

/// One module: a file, or a `mod x { ... }` in one.
#[derive(Default)]
struct Module {
    file: PathBuf,
    items: HashSet<String>,
    children: HashSet<String>,
    /// What each imported or re-exported name stands for, as it is written.
    imports: HashMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Every path of two names or more, and every import, with its line.
    mentions: Vec<Mention>,
    /// What tests consist of, with its line: modules that only exist in tests.
    test_modules: Vec<(usize, String)>,
    /// Whether one of two modules of a name is chosen by a gate, of which one is for tests.
    has_alternatives: bool,
}

struct Mention {
    line: usize,
    path: Vec<String>,
    /// In a `pub use`, of any visibility.
    is_handed_on: bool,
}

/// A place in the code that names a definition.
pub struct Reference {
    pub from: ModulePath,
    pub from_file: PathBuf,
    /// The module that the file is: `from`, or what holds it.
    pub home: ModulePath,
    pub line: usize,
    /// The path as it is written, from the crate's root.
    pub named: ModulePath,
    /// The module that holds the definition, and its file.
    pub to: ModulePath,
    pub to_file: PathBuf,
    pub item: String,
    /// The file names it only to hand it on, in a `pub use`.
    pub is_handed_on: bool,
}

/// The modules of one crate that are compiled outside of tests.
pub struct Modules {
    all: HashMap<ModulePath, Module>,
    references: Vec<Reference>,
}

impl Modules {
    /// Reads the crate whose root is `src`/`root`, for example `crates/yamanote/src` and `lib.rs`.
    pub fn read(sources: &[Source], src: &Path, root: &str) -> Modules {
        let files: HashMap<&Path, &Source> = sources
            .iter()
            .filter_map(|source| Some((source.path.strip_prefix(src).ok()?, source)))
            .collect();
        let mut all = HashMap::new();
        let mut todo = vec![(ModulePath::new(), PathBuf::from(root))];
        while let Some((module, file)) = todo.pop() {
            let Some(source) = files.get(&*file) else {
                continue;
            };
            let tokens = source
                .text
                .parse()
                .unwrap_or_else(|error| panic!("{}: {error}", source.path.display()));
            for child in read_module(&mut all, module, &source.path, tokens) {
                let base: PathBuf = child.iter().collect();
                let own_file = base.with_extension("rs");
                let file = match files.contains_key(&*own_file) {
                    true => own_file,
                    false => base.join("mod.rs"),
                };
                todo.push((child, file));
            }
        }
        let mut modules = Modules {
            all,
            references: Vec::new(),
        };
        modules.references = modules.find_references();
        modules
    }

    /// Every mention of a definition of this crate in another module of it, by file and line.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    fn find_references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for (path, module) in &self.all {
            for mention in &module.mentions {
                let Some(named) = self.absolute(path, &mention.path, 0) else {
                    continue;
                };
                let Some((to, item)) = self.definition(&named, 0) else {
                    continue;
                };
                if to != *path {
                    found.push(Reference {
                        from: path.clone(),
                        from_file: module.file.clone(),
                        home: self.home(path),
                        line: mention.line,
                        named,
                        to_file: self.all[&to].file.clone(),
                        to,
                        item,
                        is_handed_on: mention.is_handed_on,
                    });
                }
            }
        }
        found.sort_by(|a, b| (&a.from_file, a.line).cmp(&(&b.from_file, b.line)));
        found
    }

    /// The module whose file `path` stands in.
    fn home(&self, path: &[String]) -> ModulePath {
        let file = &self.all[path].file;
        (0..=path.len())
            .map(|length| &path[..length])
            .find(|outer| self.all.get(*outer).is_some_and(|it| it.file == *file))
            .expect("it stands in its own")
            .to_vec()
    }

    pub fn paths(&self) -> impl Iterator<Item = &ModulePath> {
        self.all.keys()
    }

    /// File, line and name of the modules that are only for tests.
    pub fn test_modules(&self) -> impl Iterator<Item = (&Path, usize, &str)> {
        self.all.values().flat_map(|module| {
            module
                .test_modules
                .iter()
                .filter(|_| !module.has_alternatives)
                .map(|(line, name)| (&*module.file, *line, &**name))
        })
    }

    /// `path`, as `module` writes it, from the root of the crate; `None` if it leads out of it.
    fn absolute(&self, module: &[String], path: &[String], depth: u32) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let mut base = match &**first {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => {
                let mut base = module.to_vec();
                base.pop()?;
                let mut rest = rest;
                while let Some((next, tail)) = rest.split_first() {
                    if next != "super" {
                        break;
                    }
                    base.pop()?;
                    rest = tail;
                }
                base.extend_from_slice(rest);
                return Some(base);
            }
            name => {
                let own = self.all.get(module)?;
                if own.children.contains(name) || own.items.contains(name) {
                    let mut base = module.to_vec();
                    base.push(name.to_owned());
                    base
                } else {
                    let import = own.imports.get(name)?;
                    // `use bytes::Bytes`, and `use libc;`
                    if depth > 8 || import.first() == Some(first) {
                        return None;
                    }
                    self.absolute(module, import, depth + 1)?
                }
            }
        };
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The module that defines what `path` leads to, and its name there. A path to a module itself
    /// is none: who uses what is in it is seen where it does.
    fn definition(&self, path: &[String], depth: u32) -> Option<(ModulePath, String)> {
        if depth > 8 {
            return None;
        }
        let mut at = ModulePath::new();
        for (index, name) in path.iter().enumerate() {
            let module = self.all.get(&at)?;
            let is_last = index + 1 == path.len();
            if module.children.contains(name) && !(is_last && module.items.contains(name)) {
                at.push(name.clone());
                continue;
            }
            if module.items.contains(name) {
                return Some((at, name.clone()));
            }
            let through = |import: &[String]| {
                let mut full = self.absolute(&at, import, 0)?;
                full.extend_from_slice(&path[index + 1..]);
                self.definition(&full, depth + 1)
            };
            return match module.imports.get(name) {
                Some(import) => through(import),
                None => module.globs.iter().find_map(|glob| {
                    let mut import = glob.clone();
                    import.push(name.clone());
                    through(&import)
                }),
            };
        }
        None
    }
}

/// Reads one module and those inside of it; returns the children that have files.
fn read_module(
    all: &mut HashMap<ModulePath, Module>,
    path: ModulePath,
    file: &Path,
    tokens: TokenStream,
) -> Vec<ModulePath> {
    let mut module = Module {
        file: file.to_owned(),
        ..Module::default()
    };
    let mut in_files = Vec::new();
    let tokens = without_gates(tokens);
    let mut at = 0;
    while at < tokens.len() {
        if let Some(gate) = test_gate(&tokens[at..]) {
            let item = end_of_item(&tokens, at);
            if let Some(name) = module_name(&tokens[at..item]) {
                let line = tokens[at].span().start().line;
                match gate {
                    Gate::Tests => module.test_modules.push((line, name)),
                    Gate::NotTests => module.has_alternatives = true,
                }
            }
            if gate == Gate::Tests {
                at = item;
                continue;
            }
        }
        let next = tokens.get(at + 1);
        match (&tokens[at], next) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "mod" => {
                let mut child = path.clone();
                child.push(name.to_string());
                module.children.insert(name.to_string());
                match tokens.get(at + 2) {
                    Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                        in_files.extend(read_module(all, child, file, body.stream()));
                        at += 3;
                        continue;
                    }
                    _ => in_files.push(child),
                }
            }
            (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if defines(word) => {
                module.items.insert(name.to_string());
            }
            (TokenTree::Ident(word), Some(TokenTree::Punct(_))) if word == "macro_rules" => {
                if let Some(TokenTree::Ident(name)) = tokens.get(at + 2) {
                    module.items.insert(name.to_string());
                }
            }
            _ => {}
        }
        at = read_paths(&mut module, &tokens, at);
    }
    all.insert(path, module);
    in_files
}

fn defines(word: &proc_macro2::Ident) -> bool {
    [
        "fn", "struct", "enum", "union", "trait", "type", "const", "static",
    ]
    .iter()
    .any(|keyword| word == keyword)
}

/// Takes the path, the import or the group at `at` into the module; returns where to go on.
fn read_paths(module: &mut Module, tokens: &[TokenTree], at: usize) -> usize {
    match &tokens[at] {
        TokenTree::Ident(word) if word == "use" => {
            let (trees, end) = use_trees(tokens, at + 1);
            // `pub use`, `pub(crate) use`
            let is_handed_on = tokens[..at]
                .iter()
                .rev()
                .take(2)
                .any(|token| matches!(token, TokenTree::Ident(word) if word == "pub"));
            for tree in trees {
                match &*tree.alias {
                    "*" => module.globs.push(tree.path),
                    _ => {
                        module.mentions.push(Mention {
                            line: tree.line,
                            path: tree.path.clone(),
                            is_handed_on,
                        });
                        module.imports.insert(tree.alias, tree.path);
                    }
                }
            }
            end
        }
        TokenTree::Ident(_) => {
            let (path, line, end) = leading_path(tokens, at);
            let is_macros = at
                .checked_sub(1)
                .is_some_and(|before| is_punct(&tokens[before], '$'));
            if path.len() > 1 && !is_macros {
                module.mentions.push(Mention {
                    line,
                    path,
                    is_handed_on: false,
                });
            }
            end.max(at + 1)
        }
        TokenTree::Group(group) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let mut inside = 0;
            while inside < inner.len() {
                if test_gate(&inner[inside..]) == Some(Gate::Tests) {
                    inside = end_of_item(&inner, inside);
                    continue;
                }
                inside = read_paths(module, &inner, inside);
            }
            at + 1
        }
        _ => at + 1,
    }
}

/// One leaf of a `use`.
struct UseTree {
    line: usize,
    path: Vec<String>,
    /// The name it has from then on; `*` for all.
    alias: String,
}

/// What stands between `use` and its semicolon.
fn use_trees(tokens: &[TokenTree], start: usize) -> (Vec<UseTree>, usize) {
    let end = tokens[start..]
        .iter()
        .position(|token| is_punct(token, ';'))
        .map_or(tokens.len(), |length| start + length);
    let mut trees = Vec::new();
    spread(&tokens[start..end], &[], &mut trees);
    (trees, end)
}

fn spread(tokens: &[TokenTree], prefix: &[String], trees: &mut Vec<UseTree>) {
    for tree in tokens.split(|token| is_punct(token, ',')) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut line = 0;
        let mut renames = false;
        let mut is_leaf = true;
        for token in tree {
            match token {
                TokenTree::Ident(word) if word == "as" => renames = true,
                TokenTree::Ident(word) if renames => alias = Some(word.to_string()),
                TokenTree::Ident(word) => {
                    line = word.span().start().line;
                    // `use x::{self}` is x.
                    if word != "self" || path.is_empty() {
                        path.push(word.to_string());
                    }
                }
                TokenTree::Punct(star) if star.as_char() == '*' => alias = Some("*".to_owned()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    spread(&inner, &path, trees);
                    is_leaf = false;
                }
                _ => {}
            }
        }
        if is_leaf {
            if let Some(last) = path.last().cloned() {
                trees.push(UseTree {
                    line,
                    path,
                    alias: alias.unwrap_or(last),
                });
            }
        }
    }
}

/// The `a::b::c` that begins at `at`, its line, and where it ends.
fn leading_path(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize, usize) {
    let line = tokens[at].span().start().line;
    let mut path = Vec::new();
    let mut end = at;
    while let Some(TokenTree::Ident(name)) = tokens.get(end) {
        path.push(name.to_string());
        end += 1;
        let colons = tokens.get(end).is_some_and(|it| is_punct(it, ':'))
            && tokens.get(end + 1).is_some_and(|it| is_punct(it, ':'));
        if !colons {
            break;
        }
        end += 2;
    }
    (path, line, end)
}
