//! What this release of Yamanote is to Cargo when it stands in for Tokio.
#![forbid(unsafe_code)]

use semver::Version;

/// The version of the package `tokio` that is Yamanote.
pub fn version() -> Version {
    Version::new(1, 54, 99)
}

/// The version of the package that is Yamanote on Linux and Tokio elsewhere. Two packages at paths
/// cannot share a name and a version.
pub const WRAPPER_VERSION: &str = "1.54.98";

/// The oldest compiler it builds with.
pub fn rust_version() -> Version {
    Version::new(1, 85, 0)
}

/// What Cargo accepts in `features = [...]`.
pub const FEATURES: [&str; 27] = [
    "bytes",
    "default",
    "fs",
    "full",
    "io-std",
    "io-uring",
    "io-util",
    "libc",
    "macros",
    "mio",
    "net",
    "parking_lot",
    "process",
    "rt",
    "rt-multi-thread",
    "schedule-latency",
    "signal",
    "signal-hook-registry",
    "sim",
    "socket2",
    "sync",
    "taskdump",
    "test-util",
    "time",
    "tokio-macros",
    "tracing",
    "windows-sys",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_is_what_the_shims_manifest_says() {
        let manifest = include_str!("../../../../tokio/Cargo.toml");
        let manifest: toml::Table = manifest.parse().unwrap();
        let package = &manifest["package"];
        assert_eq!(package["version"].as_str(), Some("1.54.99"));
        assert_eq!(version().to_string(), "1.54.99");
        let mut features: Vec<&str> = manifest["features"]
            .as_table()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        features.sort_unstable();
        assert_eq!(features, FEATURES);
        let workspace = include_str!("../../../../../Cargo.toml");
        let workspace: toml::Table = workspace.parse().unwrap();
        let oldest = workspace["workspace"]["package"]["rust-version"].as_str();
        assert_eq!(oldest, Some("1.85"));
        assert_eq!(rust_version(), Version::new(1, 85, 0));
    }
}
