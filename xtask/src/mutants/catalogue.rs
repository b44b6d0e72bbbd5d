//! The bugs, as their files say them.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

pub struct Mutant {
    pub name: String,
    pub bug: String,
    /// Relative to the workspace.
    pub file: PathBuf,
    /// Where to look for the old text: after this, or everywhere.
    pub after: Option<String>,
    pub old: String,
    pub new: String,
    /// `lib`, `loom`, or the name of an integration test.
    pub test: String,
    /// Filters of tests, separated by spaces.
    pub run: String,
    pub hangs: bool,
    pub limit: Duration,
}

pub fn read(root: &Path) -> Result<Vec<Mutant>, String> {
    let dir = root.join("xtask/mutants");
    let entries = std::fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "toml"));
    files.sort();
    let mut mutants: Vec<Mutant> = Vec::new();
    for file in files {
        let within = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|error| within(&error))?;
        let tables: toml::Table = text.parse().map_err(|error| within(&error))?;
        for (name, table) in tables {
            if mutants.iter().any(|mutant| mutant.name == name) {
                return Err(within(&format!("a second bug of the name {name}")));
            }
            let mutant = parse(&name, &table).map_err(|what| within(&format!("{name}: {what}")))?;
            mutants.push(mutant);
        }
    }
    Ok(mutants)
}

fn parse(name: &str, table: &toml::Value) -> Result<Mutant, String> {
    const KEYS: [&str; 9] = [
        "bug", "file", "after", "old", "new", "test", "run", "hangs", "seconds",
    ];
    let table = table.as_table().ok_or("not a table")?;
    if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("{unknown} means nothing"));
    }
    let text = |key: &str| {
        let value = table.get(key).and_then(toml::Value::as_str);
        value
            .map(str::to_owned)
            .ok_or(format!("a text {key} is missing"))
    };
    let seconds = match table.get("seconds") {
        Some(seconds) => seconds.as_integer().ok_or("seconds is a number")?,
        None => 60,
    };
    Ok(Mutant {
        name: name.to_owned(),
        bug: text("bug")?,
        file: Path::new("crates/yamanote/src").join(text("file")?),
        after: match table.get("after") {
            Some(_) => Some(text("after")?),
            None => None,
        },
        old: text("old")?.trim().to_owned(),
        new: text("new")?.trim().to_owned(),
        test: text("test")?,
        run: text("run")?,
        hangs: match table.get("hangs") {
            Some(hangs) => hangs.as_bool().ok_or("hangs is true or false")?,
            None => false,
        },
        limit: Duration::from_secs(u64::try_from(seconds).map_err(|_| "seconds is too little")?),
    })
}
