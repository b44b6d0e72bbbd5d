//! The seccomp profile in `contrib/seccomp`, put on a process as a container engine would.
#![cfg(target_arch = "x86_64")]
#![forbid(unsafe_code)]

use seccompiler::{BpfMap, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};
use std::process::{Command, Output};
use yamanote_test::{Capability, require};

const PROFILE: &str = include_str!("../../../contrib/seccomp/docker-26-with-io_uring.json");

/// The rules of a profile that count on this machine for a container without capabilities.
fn rules(profile: &Value) -> impl Iterator<Item = &Value> {
    let has = |rule: &Value, when: &str, what: &str| !rule[when][what].is_null();
    let names = |list: &Value, wanted: &str| {
        let mut list = list.as_array().into_iter().flatten();
        list.any(|it| it == wanted)
    };
    profile["syscalls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(move |rule| {
            let is_here = |when: &str| names(&rule[when]["arches"], "amd64");
            // A condition on capabilities alone includes nothing here and excludes nothing.
            let is_included = !has(rule, "includes", "caps")
                && (!has(rule, "includes", "arches") || is_here("includes"));
            is_included && !is_here("excludes")
        })
}

/// What this kernel calls by such a name; a profile names those of other machines too.
fn is_known(name: &str) -> bool {
    compile(
        json!({ "one": filter("allow".into(), "trap".into(), vec![json!({ "syscall": name })]) }),
    )
    .is_ok()
}

fn filter(mismatch: Value, matched: Value, rules: Vec<Value>) -> Value {
    json!({ "mismatch_action": mismatch, "match_action": matched, "filter": rules })
}

fn compile(filters: Value) -> Result<BpfMap, seccompiler::Error> {
    compile_from_json(filters.to_string().as_bytes(), TargetArch::x86_64)
}

/// The conditions on arguments, in the words of the other format.
fn conditions(rule: &Value) -> Option<Value> {
    let args = rule["args"].as_array().filter(|it| !it.is_empty())?;
    let of = |arg: &Value| {
        let value = &arg["value"];
        let (op, value) = match arg["op"].as_str().unwrap() {
            "SCMP_CMP_EQ" => (json!("eq"), value.clone()),
            "SCMP_CMP_NE" => (json!("ne"), value.clone()),
            "SCMP_CMP_MASKED_EQ" => {
                let wanted = arg["valueTwo"].as_u64().unwrap_or(0);
                (json!({ "masked_eq": value }), json!(wanted))
            }
            other => panic!("{other}"),
        };
        json!({ "index": arg["index"], "type": "qword", "op": op, "val": value })
    };
    Some(args.iter().map(of).collect())
}

/// The filters that come of a profile: what is allowed, and what fails in a way of its own.
fn filters(profile: &Value) -> BpfMap {
    let mut allowed = Vec::new();
    let mut not_there = Vec::new();
    for rule in rules(profile) {
        for name in rule["names"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            if !is_known(name) {
                continue;
            }
            let plain = json!({ "syscall": name });
            match rule["action"].as_str().unwrap() {
                "SCMP_ACT_ALLOW" => allowed.push(match conditions(rule) {
                    Some(args) => json!({ "syscall": name, "args": args }),
                    None => plain,
                }),
                "SCMP_ACT_ERRNO" => {
                    assert_eq!(rule["errnoRet"], libc::ENOSYS, "{rule}");
                    // The other filter decides.
                    allowed.push(plain.clone());
                    not_there.push(plain);
                }
                other => panic!("{other}"),
            }
        }
    }
    assert!(allowed.len() > 300, "{} system calls", allowed.len());
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let denied = json!({ "errno": profile["defaultErrnoRet"] });
    compile(json!({
        "allowed": filter(denied, "allow".into(), allowed),
        "not_there": filter("allow".into(), json!({ "errno": libc::ENOSYS }), not_there),
    }))
    .unwrap()
}

/// Runs the doctor under a profile.
fn doctor(profile: &Value, args: &[&str]) -> Output {
    let filters = filters(profile);
    let mut tool = Command::new(env!("CARGO_BIN_EXE_yamanote"));
    tool.arg("doctor").args(args).env_remove("YAMANOTE_DRIVER");
    // The filters are those of this thread and of what it starts.
    let thread = std::thread::spawn(move || {
        for filter in filters.values() {
            apply_filter(filter).unwrap();
        }
        tool.output().unwrap()
    });
    thread.join().unwrap()
}

#[test]
fn the_profile_allows_rings_and_dockers_own_does_not() {
    if !require(Capability::Seccomp) || !require(Capability::IoUring) {
        return;
    }
    let ours: Value = serde_json::from_str(PROFILE).unwrap();
    let output = doctor(&ours, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["driver"], "uring", "{said:#}");
    assert!(said["ops_submitted"].as_u64().unwrap() > 0, "{said:#}");

    let mut dockers = ours;
    let added = dockers["syscalls"].as_array_mut().unwrap().pop().unwrap();
    assert_eq!(
        added,
        json!({
            "names": ["io_uring_enter", "io_uring_register", "io_uring_setup"],
            "action": "SCMP_ACT_ALLOW",
        }),
        "what was added stands at the end"
    );
    let output = doctor(&dockers, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["driver"], "epoll", "{said:#}");
    let output = doctor(&dockers, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("a seccomp filter denies io_uring_setup"),
        "{text}"
    );
}
