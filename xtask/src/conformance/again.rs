//! What differs is run again, the real Tokio beside the shim, and nothing beside the two.
//!
//! Many of Tokio's tests have little patience: a sleep must end within some milliseconds of its
//! time, a task must have come to something within so many turns. On a machine with much to do one
//! or another fails, whatever it is linked with. What is true of the shim shows in more runs.
#![forbid(unsafe_code)]

use std::path::Path;

use super::page;
use super::report::{end_of, name};
use super::run::{Empty, Runner, Tests};
use super::verdict::{Column, Verdict, passes, said};

/// More tests than these do not differ by accident, and are not run again.
const MOST: usize = 8;

/// Runs the tests that differ without a reason `runs` times more, whose outcomes take the place of
/// those that there are. What was seen first is printed all the same.
pub fn settle(
    root: &Path,
    runner: &Runner<'_>,
    empty: &[Empty<'_>],
    columns: &mut [Column],
    runs: usize,
) -> Result<(), String> {
    let tests = differing(root, runner, columns)?;
    if tests.is_empty() || tests.len() > MOST {
        return Ok(());
    }
    let new = runner.run_again(empty, &tests, runs)?;
    print!("{}", take_over(columns, &new, &tests));
    Ok(())
}

/// Puts the new outcomes of these tests in the place of the old ones; what to say of both.
fn take_over(columns: &mut [Column], new: &[Column], tests: &Tests) -> String {
    let mut text = String::new();
    for (file, test) in tests {
        text += &format!("\n--- run again: {}\n", name(file, Some(test)));
        for old in &mut *columns {
            let found = new.iter().find(|new| new.name == old.name);
            let found = found.and_then(|new| new.files.get(file)?.tests.get(test));
            let runs = old.files.get_mut(file);
            let runs = runs.and_then(|file| file.tests.get_mut(test));
            let (Some(found), Some(runs)) = (found, runs) else {
                continue;
            };
            text += &format!(
                "    {}: passed {} of {}, and now {} of {}\n",
                old.name,
                passes(runs),
                runs.len(),
                passes(found),
                found.len()
            );
            if let Some(said) = said(runs) {
                text += &end_of(said);
            }
            runs.clone_from(found);
        }
    }
    text
}

/// Those without a reason, that there are with every column.
fn differing(root: &Path, runner: &Runner<'_>, columns: &[Column]) -> Result<Tests, String> {
    let [tokio, shim @ ..] = columns else {
        return Ok(Tests::new());
    };
    if tokio.name != "tokio" {
        return Ok(Tests::new());
    }
    let verdict = Verdict::of(tokio, shim);
    let unexplained = page::unexplained(root, &verdict, runner.options)?;
    let tests = unexplained
        .into_iter()
        .filter_map(|(file, test)| Some((file.clone(), test?.to_owned())));
    Ok(tests.collect())
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::column;
    use super::*;

    #[test]
    fn what_is_seen_again_is_a_difference_and_what_is_not_is_told() {
        let mut columns = [
            column("tokio", &[("late", &[true]), ("wrong", &[true])]),
            column("uring", &[("late", &[false]), ("wrong", &[false])]),
        ];
        let new = [
            column("tokio", &[("late", &[true; 3]), ("wrong", &[true; 3])]),
            column(
                "uring",
                &[("late", &[true; 3]), ("wrong", &[true, false, true])],
            ),
        ];
        let file = || ("tokio", "fs".to_owned());
        let tests = ["late", "wrong"].map(|test| (file(), test.to_owned()));
        let text = take_over(&mut columns, &new, &Tests::from(tests));
        assert!(
            text.contains("uring: passed 0 of 1, and now 3 of 3\n    said\n"),
            "{text}"
        );
        let verdict = Verdict::of(&columns[0], &columns[1..]);
        let differing: Vec<_> = verdict.differing().into_iter().collect();
        assert_eq!(differing, [(&file(), Some("wrong"))]);
    }
}
