//! Fewer faults, as long as the run fails.
#![forbid(unsafe_code)]

use super::runs::Test;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Leaves out faults of a seed that fails while it still does, and says which remain.
pub fn shrink(test: &Test, seed: u64, place: &Path) -> Result<String, String> {
    let mut runs = 0;
    let mut fails = |without: &BTreeSet<usize>| {
        runs += 1;
        run(test, seed, without, place)
    };
    let none = BTreeSet::new();
    let (does_fail, faults, _) = fails(&none)?;
    if !does_fail {
        return Ok(format!("seed {seed} does not fail when it is run alone\n"));
    }
    let mut without = none;
    // All at once, halves, quarters, and so on to single ones.
    let mut size = faults.max(1);
    loop {
        let mut begin = 0;
        while begin < faults {
            let chunk = begin..(begin + size).min(faults);
            let mut fewer = without.clone();
            fewer.extend(chunk);
            if fewer.len() > without.len() && fails(&fewer)?.0 {
                without = fewer;
            }
            begin += size;
        }
        if size == 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    let (_, _, text) = fails(&without)?;
    let left = faults - without.len();
    let mut said = format!("seed {seed} still fails with {left} of its {faults} faults");
    writeln!(said, " ({runs} runs):").expect("a String grows");
    for line in text.lines() {
        let fault = line
            .strip_prefix("fault ")
            .and_then(|it| it.split_once(':'));
        let number = fault.and_then(|(number, _)| number.parse::<usize>().ok());
        let is_left = number.is_some_and(|it| !without.contains(&it));
        if is_left || line.starts_with("again: ") || line.starts_with("trace: ") {
            writeln!(said, "  {line}").expect("a String grows");
        }
    }
    Ok(said)
}

/// Whether it fails, how many faults were drawn, and what it said.
fn run(
    test: &Test,
    seed: u64,
    without: &BTreeSet<usize>,
    place: &Path,
) -> Result<(bool, usize, String), String> {
    let record = place.join("record");
    let _ = fs::remove_file(&record);
    let without: Vec<String> = without.iter().map(usize::to_string).collect();
    let mut command = test.command(place);
    command.env("YAMANOTE_SIM_SEED", seed.to_string());
    command.env("YAMANOTE_SIM_WITHOUT", without.join(","));
    command.env("YAMANOTE_SIM_RECORD", &record);
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", test.name))?;
    let record = fs::read_to_string(&record).unwrap_or_default();
    let record: Value = serde_json::from_str(record.trim()).unwrap_or_default();
    let faults = record["faults"].as_u64().unwrap_or(0);
    Ok((
        !output.status.success(),
        usize::try_from(faults).unwrap_or(0),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}
