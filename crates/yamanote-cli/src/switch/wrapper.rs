//! The package that stands for both: Yamanote where it runs, and the real Tokio elsewhere.
//!
//! It is a package in the project, because Cargo cannot patch for one system only. The real Tokio
//! must come from another place than crates.io: from there it would be what is patched.
#![forbid(unsafe_code)]

use super::source::Source;
use crate::doctor::project::shim;
use std::path::{Path, PathBuf};

/// Where it is, in the root of the workspace.
pub const DIRECTORY: &str = ".yamanote/tokio";

/// The systems that Yamanote serves.
const SERVED: &str = "all(target_os = \"linux\", target_has_atomic = \"64\")";

/// The first line of its manifest.
const FIRST: &str = "# Written by `yamanote switch --mixed`; `yamanote switch --back` removes it.";

/// Its files and their contents.
pub fn files(
    root: &Path,
    yamanote: &Source,
    tokio: &Source,
) -> Result<Vec<(PathBuf, String)>, String> {
    let directory = root.join(DIRECTORY);
    if directory.exists() {
        return Err(format!(
            "{} is there already; remove it first",
            directory.display()
        ));
    }
    Ok(vec![
        (
            directory.join("Cargo.toml"),
            manifest(&directory, yamanote, tokio),
        ),
        (directory.join("src/lib.rs"), library()),
    ])
}

/// The files of the package in this project, if it was written by this tool.
pub fn written(root: &Path) -> Option<[PathBuf; 2]> {
    let files = ["Cargo.toml", "src/lib.rs"].map(|file| root.join(DIRECTORY).join(file));
    let manifest = std::fs::read_to_string(&files[0]).ok()?;
    (manifest.starts_with(FIRST) && files[1].exists()).then_some(files)
}

/// Removes the directories in which nothing is left.
pub fn sweep(root: &Path) {
    for directory in [".yamanote/tokio/src", ".yamanote/tokio", ".yamanote"] {
        let _ = std::fs::remove_dir(root.join(directory));
    }
}

fn manifest(directory: &Path, yamanote: &Source, tokio: &Source) -> String {
    let feature = |name: &&str| match *name {
        "default" => "default = []\n".to_owned(),
        // Not Tokio's.
        "sim" => "sim = [\"yamanote/sim\"]\n".to_owned(),
        name => format!("{name} = [\"yamanote/{name}\", \"real_tokio/{name}\"]\n"),
    };
    let features: String = shim::FEATURES.iter().map(feature).collect();
    format!(
        "{FIRST}\n\
         # It is Yamanote on Linux and Tokio on other systems. Commit it with the rest.\n\
         [package]\n\
         name = \"tokio\"\n\
         version = \"{}\"\n\
         edition = \"2021\"\n\
         description = \"Yamanote on Linux, Tokio elsewhere\"\n\
         publish = false\n\n\
         # It belongs to no workspace, whatever is around it.\n\
         [workspace]\n\n\
         [features]\n\
         {features}\n\
         [target.'cfg({SERVED})'.dependencies]\n\
         yamanote = {}\n\n\
         [target.'cfg(not({SERVED}))'.dependencies]\n\
         real_tokio = {}\n",
        shim::WRAPPER_VERSION,
        yamanote.entry(directory, Some("tokio")),
        tokio.entry(directory, Some("tokio")),
    )
}

fn library() -> String {
    format!(
        "//! Yamanote on Linux, Tokio elsewhere.\n\
         #![forbid(unsafe_code)]\n\n\
         #[cfg(not({SERVED}))]\n\
         pub use real_tokio::*;\n\
         #[cfg({SERVED})]\n\
         pub use yamanote::*;\n"
    )
}
