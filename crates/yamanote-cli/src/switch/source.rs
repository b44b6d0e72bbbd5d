//! Where a package `tokio` is taken from: Yamanote's, and the real one.
#![forbid(unsafe_code)]

use crate::doctor::project::{has_tokio, is_tokio, manifest};
use std::path::{Component, Path, PathBuf};
use toml::{Table, Value};

/// The release whose features the package that stands for both must know.
const TOKIO: &str = "1.54.1";
const TOKIO_REPOSITORY: &str = "https://github.com/tokio-rs/tokio";

/// What this tool was built from.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tokio");

pub enum Source {
    Path {
        directory: PathBuf,
        /// Whether it was named in relation to another directory, as it then is in the manifest.
        is_relative: bool,
    },
    Git {
        url: String,
        /// Such as `rev` and a commit.
        at: Option<(&'static str, String)>,
    },
}

/// Which Yamanote to take.
#[derive(clap::Args, Clone, Default)]
pub struct Origin {
    /// A copy of Yamanote's repository; without this and --git, the one that this tool was built
    /// from
    #[arg(long, value_name = "DIR", conflicts_with = "git")]
    path: Option<PathBuf>,
    /// Yamanote's repository
    #[arg(long, value_name = "URL")]
    git: Option<String>,
    /// The commit to take from the repository
    #[arg(long, requires = "git", conflicts_with_all = ["tag", "branch"])]
    rev: Option<String>,
    /// The tag to take from the repository
    #[arg(long, requires = "git", conflicts_with = "branch")]
    tag: Option<String>,
    /// The branch to take from the repository
    #[arg(long, requires = "git")]
    branch: Option<String>,
}

impl Origin {
    /// The package `tokio` of a repository, in this directory.
    pub fn at(path: &Path) -> Origin {
        Origin {
            path: Some(path.to_owned()),
            ..Origin::default()
        }
    }

    /// The repository of a package, as Cargo names its source; `None` if that is no repository.
    pub fn of_source(source: &str) -> Option<Origin> {
        let source = source.strip_prefix("git+")?;
        let source = source.split('#').next().unwrap_or(source);
        let (url, at) = source.split_once('?').unwrap_or((source, ""));
        let at = at.split_once('=');
        let named = |name: &str| at.filter(|it| it.0 == name).map(|it| it.1.to_owned());
        Some(Origin {
            path: None,
            git: Some(url.to_owned()),
            rev: named("rev"),
            tag: named("tag"),
            branch: named("branch"),
        })
    }

    /// The package `yamanote` of the same, as the value of a dependency.
    pub fn runtime(&self) -> Result<String, String> {
        let source = match yamanote(self)? {
            Source::Path { directory, .. } => Source::Path {
                directory: directory.join("../yamanote"),
                is_relative: false,
            },
            source => source,
        };
        Ok(source.entry(Path::new("/"), None))
    }
}

/// What the arguments say of Yamanote.
pub fn yamanote(args: &Origin) -> Result<Source, String> {
    if let Some(url) = &args.git {
        let named = [
            ("rev", &args.rev),
            ("tag", &args.tag),
            ("branch", &args.branch),
        ];
        let mut named = named.into_iter();
        return Ok(Source::Git {
            url: url.clone(),
            at: named.find_map(|(name, value)| Some((name, value.clone()?))),
        });
    }
    let named = args.path.as_deref().unwrap_or(Path::new(BUILT_FROM));
    let found = [named.to_owned(), named.join("crates/tokio")];
    let found = found.iter().find(|it| is_yamanote(it));
    let directory = found.and_then(|it| it.canonicalize().ok());
    match directory {
        // Cargo clears these away when it likes.
        Some(it) if args.path.is_none() && it.to_string_lossy().contains("/git/checkouts/") => {
            Err("say with --git which repository Yamanote comes from".to_owned())
        }
        Some(directory) => Ok(Source::Path {
            directory,
            is_relative: named.is_relative(),
        }),
        None if args.path.is_none() => Err(
            "what this tool was built from is not there any more; name a copy of Yamanote's \
             repository with --path, or the repository with --git"
                .to_owned(),
        ),
        None => Err(format!(
            "{} is not Yamanote's repository: there is no crates/tokio of Yamanote in it",
            named.display()
        )),
    }
}

/// The real Tokio: its own tag, or what the user has of it.
pub fn tokio(named: Option<&str>) -> Result<Source, String> {
    let tag = Some(("tag", format!("tokio-{TOKIO}")));
    let Some(named) = named else {
        return Ok(Source::Git {
            url: TOKIO_REPOSITORY.to_owned(),
            at: tag,
        });
    };
    if named.contains("://") || named.starts_with("git@") {
        return Ok(Source::Git {
            url: named.to_owned(),
            at: tag,
        });
    }
    let named = Path::new(named);
    let found = [named.to_owned(), named.join("tokio")];
    let found = found.iter().find(|it| has_tokio(it) && !is_yamanote(it));
    match found.and_then(|it| it.canonicalize().ok()) {
        Some(directory) => Ok(Source::Path {
            directory,
            is_relative: named.is_relative(),
        }),
        None => Err(format!(
            "{}: there is no package tokio of Tokio's",
            named.display()
        )),
    }
}

/// Whether the package in this directory is Yamanote under Tokio's name.
pub fn is_yamanote(directory: &Path) -> bool {
    let Some(manifest) = manifest(directory) else {
        return false;
    };
    let targets = manifest.get("target").and_then(Value::as_table);
    let mut targets = targets.into_iter().flat_map(Table::values);
    let has_yamanote = |target: &Value| target.get("dependencies")?.get("yamanote").map(|_| ());
    is_tokio(&manifest) && targets.any(|it| has_yamanote(it).is_some())
}

impl Source {
    /// As the value of a dependency in a manifest in `from`, where the package is called `package`.
    pub fn entry(&self, from: &Path, package: Option<&str>) -> String {
        let mut fields = Vec::new();
        if let Some(package) = package {
            fields.push(("package", package.to_owned()));
        }
        match self {
            Source::Path {
                directory,
                is_relative,
            } => {
                let path = match is_relative {
                    true => relative(from, directory),
                    false => directory.clone(),
                };
                fields.push(("path", path.to_string_lossy().into_owned()));
            }
            Source::Git { url, at } => {
                fields.push(("git", url.clone()));
                fields.extend(at.clone());
            }
        }
        let fields = fields.into_iter();
        let fields = fields.map(|(name, value)| format!("{name} = {}", Value::String(value)));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    }
}

/// The way from one directory to another, both absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components());
    let shared = shared.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_another_directory() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(
            way("/a/app", "/a/yamanote/crates/tokio"),
            Path::new("../yamanote/crates/tokio")
        );
        assert_eq!(way("/a", "/a/b"), Path::new("b"));
        assert_eq!(way("/a/b/c", "/a"), Path::new("../.."));
    }

    #[test]
    fn a_repository_is_found_in_the_name_of_a_source() {
        let entry = |source: &str| {
            let origin = Origin::of_source(source)?;
            origin.runtime().ok()
        };
        assert_eq!(
            entry("git+file:///a/b?branch=main").as_deref(),
            Some("{ git = \"file:///a/b\", branch = \"main\" }")
        );
        assert_eq!(
            entry("git+https://x.y/z#0123").as_deref(),
            Some("{ git = \"https://x.y/z\" }")
        );
        assert_eq!(entry("registry+https://x.y/z"), None);
    }

    #[test]
    fn values_are_quoted() {
        let path = Source::Path {
            directory: "/a \"b\"".into(),
            is_relative: false,
        };
        let entry = path.entry(Path::new("/"), Some("tokio"));
        let table: Table = format!("it = {entry}").parse().unwrap();
        assert_eq!(table["it"]["path"].as_str(), Some("/a \"b\""));
        assert_eq!(table["it"]["package"].as_str(), Some("tokio"));
    }
}
