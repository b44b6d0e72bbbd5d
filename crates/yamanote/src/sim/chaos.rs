//! Faults, as the seed says.
#![forbid(unsafe_code)]

/// The faults that were drawn, for the report.
pub(super) fn drawn() -> Vec<String> {
    Vec::new()
}
