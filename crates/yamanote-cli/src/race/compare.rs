//! From the runs of a row to a verdict.
//!
//! Each pair has a run of Yamanote and two of Tokio. A ratio is that of Yamanote to the mean of the
//! two; the ratio of the two to each other is noise, since there is nothing else between them.
//! Something is ahead or behind only if the median of the ratios lies outside of all that Tokio
//! differed from itself by, in the same minutes on the same machine.
#![forbid(unsafe_code)]

use super::report::{Contestant, Measured, Metric};

/// Whatever the noise seems to be: what is closer is called equal.
const LEAST_NOISE: f64 = 1.01;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ahead,
    WithinNoise,
    Behind,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ahead => "ahead",
            Verdict::WithinNoise => "within noise",
            Verdict::Behind => "BEHIND",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    pub metric: Metric,
    /// Medians of all runs.
    pub ours: f64,
    pub theirs: f64,
    /// Ours to theirs: the median, the smallest and the largest of the pairs.
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
    /// The largest factor between two runs of Tokio in one pair.
    pub noise: f64,
    pub verdict: Verdict,
}

impl Measured {
    /// What is known of `contestant` against Tokio, by metric. A metric that nobody measured is
    /// left out.
    pub fn comparisons(&self, contestant: Contestant) -> Vec<Comparison> {
        let metrics = self.metrics.iter();
        metrics
            .filter_map(|metric| self.comparison(contestant, *metric))
            .collect()
    }

    pub fn comparison(&self, contestant: Contestant, metric: Metric) -> Option<Comparison> {
        let ours = self.values(contestant, metric);
        let first = self.values(Contestant::Tokio, metric);
        let second = self.values(Contestant::TokioAgain, metric);
        if ours.is_empty() || ours.len() != first.len() || ours.len() != second.len() {
            return None;
        }
        let pairs = || first.iter().zip(&second);
        let ratios = sorted(
            ours.iter()
                .zip(pairs())
                .map(|(ours, (first, second))| ratio(*ours, (first + second) / 2.0)),
        );
        let noise = pairs()
            .map(|(first, second)| ratio(first.max(*second), first.min(*second)))
            .fold(LEAST_NOISE, f64::max);
        let (ours, theirs) = (
            median(&sorted(ours.into_iter())),
            median(&sorted(first.iter().chain(&second).copied())),
        );
        let median = median(&ratios);
        Some(Comparison {
            metric,
            ours,
            theirs,
            ratio: median,
            low: ratios[0],
            high: ratios[ratios.len() - 1],
            noise,
            verdict: match median {
                _ if self.is_absolute => absolute(ours, &first, &second),
                _ if median < 1.0 / noise => Verdict::Ahead,
                _ if median > noise => Verdict::Behind,
                _ => Verdict::WithinNoise,
            },
        })
    }
}

/// Where there may be nothing to divide by: against all that Tokio came to.
fn absolute(ours: f64, first: &[f64], second: &[f64]) -> Verdict {
    let all = sorted(first.iter().chain(second).copied());
    match ours {
        _ if ours < all[0] => Verdict::Ahead,
        _ if ours > all[all.len() - 1] => Verdict::Behind,
        _ => Verdict::WithinNoise,
    }
}

fn ratio(value: f64, to: f64) -> f64 {
    match (value, to) {
        (0.0, 0.0) => 1.0,
        _ => value / to,
    }
}

pub fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of at least one value.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::report::Sample;
    use std::collections::BTreeMap;

    fn measured(ours: &[f64], first: &[f64], second: &[f64]) -> Measured {
        let samples = |values: &[f64]| {
            let sample = |value: &f64| Sample {
                values: BTreeMap::from([(Metric::Cpu, *value)]),
                latencies: Vec::new(),
            };
            values.iter().map(sample).collect()
        };
        Measured {
            title: "a row".to_owned(),
            group: "a group".to_owned(),
            flavor: "current_thread".to_owned(),
            workers: 1,
            per: None,
            metrics: vec![Metric::Cpu],
            is_absolute: false,
            runs: BTreeMap::from([
                (Contestant::Yamanote, samples(ours)),
                (Contestant::Tokio, samples(first)),
                (Contestant::TokioAgain, samples(second)),
            ]),
        }
    }

    fn verdict(ours: &[f64], first: &[f64], second: &[f64]) -> Verdict {
        let row = measured(ours, first, second);
        row.comparisons(Contestant::Yamanote)[0].verdict
    }

    #[test]
    fn what_tokio_differs_from_itself_by_is_noise() {
        let (first, second) = ([100.0, 100.0, 100.0], [110.0, 100.0, 100.0]);
        assert_eq!(verdict(&[95.0; 3], &first, &second), Verdict::WithinNoise);
        assert_eq!(verdict(&[109.0; 3], &first, &second), Verdict::WithinNoise);
        assert_eq!(verdict(&[90.0; 3], &first, &second), Verdict::Ahead);
        assert_eq!(verdict(&[112.0; 3], &first, &second), Verdict::Behind);
    }

    #[test]
    fn equal_runs_are_no_license_to_call_a_percent_a_difference() {
        let tokio = [100.0; 3];
        assert_eq!(verdict(&[99.5; 3], &tokio, &tokio), Verdict::WithinNoise);
    }

    #[test]
    fn a_ratio_is_paired_and_its_median_is_taken() {
        let row = measured(
            &[10.0, 40.0, 90.0],
            &[20.0, 20.0, 30.0],
            &[20.0, 20.0, 30.0],
        );
        let found = row.comparisons(Contestant::Yamanote)[0];
        assert_eq!((found.ratio, found.low, found.high), (2.0, 0.5, 3.0));
        assert_eq!((found.ours, found.theirs), (40.0, 20.0));
    }

    #[test]
    fn nothing_at_all_is_no_more_than_nothing() {
        let mut row = measured(&[0.0], &[0.0], &[0.0]);
        row.is_absolute = true;
        let found = row.comparisons(Contestant::Yamanote)[0];
        assert_eq!((found.ratio, found.verdict), (1.0, Verdict::WithinNoise));
    }

    #[test]
    fn who_did_not_run_is_not_compared() {
        let row = measured(&[], &[1.0], &[1.0]);
        assert!(row.comparisons(Contestant::Yamanote).is_empty());
        assert!(row.comparisons(Contestant::Monoio).is_empty());
    }
}
