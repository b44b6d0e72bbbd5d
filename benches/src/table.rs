//! The result as a Markdown table.
#![forbid(unsafe_code)]

use crate::measure::{Cost, Measured};

pub fn print(results: &[Measured]) {
    println!(
        "| work | flavour | Yamanote CPU ns/op | Tokio CPU ns/op | CPU ratio (min-max) | Yamanote wall | Tokio wall | wall ratio (min-max) |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for result in results {
        println!(
            "| {} | {} | {} | {} |",
            result.row,
            result.flavor,
            figures(result, |cost| cost.cpu_ns),
            figures(result, |cost| cost.wall_ns),
        );
    }
}

fn figures(result: &Measured, of: fn(&Cost) -> f64) -> String {
    let ratios = sorted(
        result
            .yamanote
            .iter()
            .zip(&result.tokio)
            .map(|(ours, theirs)| of(ours) / of(theirs)),
    );
    format!(
        "{:.0} | {:.0} | **{:.2}** ({:.2}-{:.2})",
        median(&sorted(result.yamanote.iter().map(of))),
        median(&sorted(result.tokio.iter().map(of))),
        median(&ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    )
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}
