//! A view as text that can be read, searched and mailed.
#![forbid(unsafe_code)]

use super::view::{PLACE_COLUMNS, View, WORKER_COLUMNS};
use std::fmt::Write;

pub fn render(view: &View) -> String {
    let mut text = format!("{}\n", view.title);
    for runtime in &view.runtimes {
        let _ = writeln!(text, "\n{}", runtime.title);
        for warning in &runtime.warnings {
            let _ = writeln!(text, "{warning}");
        }
        text.push('\n');
        let workers = runtime.workers.iter().map(|row| &row.cells);
        write_table(&mut text, &WORKER_COLUMNS, workers);
        match &runtime.places {
            Some(places) if places.is_empty() => text += "\nno tasks\n",
            Some(places) => {
                text.push('\n');
                write_table(
                    &mut text,
                    &PLACE_COLUMNS,
                    places.iter().map(|row| &row.cells),
                );
            }
            None => {}
        }
        text.push('\n');
        for (title, figures) in &runtime.facts {
            let _ = writeln!(text, "{title:<8} {figures}");
        }
    }
    text
}

/// Right-aligned columns; the last, which is text, is as long as it is.
fn write_table<'a, const N: usize>(
    text: &mut String,
    columns: &[&str; N],
    rows: impl Iterator<Item = &'a [String; N]> + Clone,
) {
    let width = |column: usize| {
        let cells = rows.clone().map(|row| row[column].chars().count());
        cells.chain([columns[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N - 1).map(width).collect();
    let mut write_row = |cells: [&str; N]| {
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "{cell:>width$}  ");
        }
        text.push_str(cells[N - 1]);
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    write_row(*columns);
    for row in rows {
        write_row(std::array::from_fn(|column| row[column].as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::{arrangement, history_and_now};
    use super::*;

    /// The whole text, as it is documented.
    #[test]
    fn a_view_is_readable_text() {
        let (history, now) = history_and_now();
        let text = render(&View::new(&history, &now, &arrangement()));
        assert_eq!(text, include_str!("../../tests/top/view.txt"), "{text}");
    }
}
