//! What an operator wants to know; printed by `yamanote doctor`.
#![forbid(unsafe_code)]

use std::fs;

use super::refusal::{Surroundings, may_pass};
use super::trial::{answers, knows_flag};
use super::wanted::{FEATURES, Feature, Need, OPCODES, SETUP_FLAGS};

/// One thing we want of the kernel, and whether it is there.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its name in the kernel's headers.
    pub name: &'static str,
    /// How much we want it.
    pub need: Need,
    /// Whether it is there; `None` if the kernel could not be asked.
    pub present: Option<bool>,
    /// What we use it for.
    pub purpose: &'static str,
}

/// A number or a setting that limits us.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What it is called where it is set.
    pub name: &'static str,
    /// Its present value, as the system writes it.
    pub value: String,
    /// What it means for us, if it is in our way.
    pub remark: Option<&'static str>,
}

/// All that `yamanote doctor` prints about io_uring.
#[derive(Debug, Clone)]
pub struct Report {
    /// The kernel's release.
    pub kernel: String,
    /// Why io_uring cannot be used here, in a sentence; `None` if it can.
    pub refusal: Option<String>,
    /// Flags a ring is set up with.
    pub setup_flags: Vec<Finding>,
    /// Features the kernel says it has.
    pub features: Vec<Finding>,
    /// Operations.
    pub opcodes: Vec<Finding>,
    /// Settings and resource limits.
    pub limits: Vec<Limit>,
}

/// Asks everything. Beyond the one trial of every process this sets up a ring for each flag, so it
/// is for the doctor only.
#[doc(hidden)]
pub fn report() -> Report {
    let answers = answers();
    let known = answers.as_ref().ok();
    let around = Surroundings::look();
    let find = |f: &Feature, present: Option<bool>| Finding {
        name: f.name,
        need: f.need,
        present,
        purpose: f.purpose,
    };
    // For want of memory or descriptors nothing is known, but that does not mean that it is
    // missing.
    let without_answers = match &answers {
        Err(refusal) if may_pass(refusal.errno) => None,
        _ => Some(false),
    };
    Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".into(), |s| s.trim().to_owned()),
        refusal: answers.as_ref().err().map(ToString::to_string),
        setup_flags: SETUP_FLAGS
            .iter()
            .map(|f| find(f, known.map_or(without_answers, |_| knows_flag(f.bit))))
            .collect(),
        features: FEATURES
            .iter()
            .map(|f| {
                let present = known.map(|answers| answers.features & f.bit != 0);
                find(f, present.or(without_answers))
            })
            .collect(),
        opcodes: OPCODES
            .iter()
            .map(|&(name, code, need, purpose)| Finding {
                name,
                need,
                present: known
                    .map(|answers| answers.supports(code))
                    .or(without_answers),
                purpose,
            })
            .collect(),
        limits: limits(&around),
    }
}

fn limits(around: &Surroundings) -> Vec<Limit> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    vec![
        Limit {
            name: "kernel.io_uring_disabled",
            value: value(&around.disabled),
            remark: match around.disabled.as_deref() {
                Some("1") => Some("only CAP_SYS_ADMIN and kernel.io_uring_group may use io_uring"),
                Some("2") => Some("nobody may use io_uring"),
                _ => None,
            },
        },
        Limit {
            name: "seccomp mode",
            value: value(&around.seccomp),
            remark: around
                .is_filtered()
                .then_some("a filter is active; container defaults deny io_uring"),
        },
        Limit {
            name: "locked memory (bytes, soft)",
            value: value(&around.locked_memory),
            remark: around
                .locked_memory
                .as_deref()
                .and_then(|bytes| bytes.parse::<u64>().ok())
                .filter(|&bytes| bytes < 1 << 20)
                .map(|_| "room for few rings; more workers than that use the pool"),
        },
        Limit {
            name: "open files (soft)",
            value: value(&around.open_files),
            remark: None,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::driver::probe::usable;

    #[test]
    fn the_report_agrees_with_the_verdict() {
        let report = report();
        let missing = [&report.setup_flags, &report.features, &report.opcodes]
            .into_iter()
            .flatten()
            .filter(|finding| finding.need == Need::Required && finding.present != Some(true))
            .count();
        assert_eq!(report.refusal.is_some(), usable().is_err());
        assert_eq!(report.refusal.is_some(), missing > 0, "{report:?}");
        assert_eq!(report.limits.len(), 4);
        assert!(!report.kernel.is_empty());
    }
}
