//! Draws the screen: from top to bottom the program, one of its runtimes with its workers, the
//! places where its tasks were spawned, its other figures, and what the keys do.
#![forbid(unsafe_code)]

use super::super::view::{PLACE_COLUMNS, RuntimeView, WORKER_COLUMNS};
use super::app::{App, Mode};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table};

const KEYS: &str = "q quit  p pause  s sort  r reverse  / filter  d dump  Tab runtime  h help";

const HELP: &[&str] = &[
    "q, Esc, Ctrl-C   quit",
    "p, space         pause, go on",
    "s                sort tasks by the next column",
    "r                reverse their order",
    "/                show only tasks whose place or name contains a text;",
    "                 Enter keeps it, Esc clears it",
    "d                write the snapshot to a file in this directory (JSON)",
    "Tab              show the program's next runtime",
    "arrows, Page     scroll through the tasks",
    "",
    "A rate is of the time since the last look. busy % is the time awake;",
    "of tasks, the time in polls. `for` is how long a poll has lasted.",
    "",
    "any key closes this",
];

pub fn draw(frame: &mut Frame<'_>, app: &App) {
    let view = app.view();
    let [title, body, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(title_line(app, &view.title), title);
    let (shown, _) = app.runtime();
    match view.runtimes.get(shown) {
        Some(runtime) => draw_runtime(frame, body, app, runtime),
        None => frame.render_widget("The program has no runtime with a console now.", body),
    }
    frame.render_widget(footer_line(app), footer);
    if app.mode == Mode::Helping {
        draw_help(frame, body);
    }
}

fn title_line(app: &App, program: &str) -> Line<'static> {
    let mut spans = vec![Span::from(program.to_owned()).bold()];
    if let (shown, count @ 2..) = app.runtime() {
        spans.push(format!("  runtime {} of {count}", shown + 1).into());
    }
    spans.push(format!("  every {:?}", app.interval).dark_gray());
    if app.is_paused {
        spans.push("  paused".yellow().bold());
    }
    if let Some(failure) = &app.failure {
        spans.push(format!("  {failure}").red().bold());
    }
    Line::from(spans)
}

fn footer_line(app: &App) -> Line<'static> {
    match (app.mode, &app.message) {
        (Mode::Filtering, _) => Line::from(format!("filter: {}_", app.arrangement.filter)),
        (_, Some(message)) => Line::from(message.clone().bold()),
        (_, None) => Line::from(KEYS.dark_gray()),
    }
}

fn draw_runtime(frame: &mut Frame<'_>, area: Rect, app: &App, runtime: &RuntimeView) {
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    // Workers beyond a half of the screen are not shown, so that there is room for tasks.
    let workers = rows(runtime.workers.len() + 1).min((area.height / 2).max(3));
    let facts = rows(runtime.facts.len());
    let [title, warnings, table, _, places, _, figures] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows(runtime.warnings.len())),
        Constraint::Length(workers),
        Constraint::Length(1),
        Constraint::Min(2),
        Constraint::Length(1),
        Constraint::Length(facts),
    ])
    .areas(area);
    frame.render_widget(runtime.title.as_str(), title);
    let lines: Vec<Line<'_>> = runtime
        .warnings
        .iter()
        .map(|warning| warning.as_str().yellow().into())
        .collect();
    frame.render_widget(Paragraph::new(lines), warnings);
    draw_workers(frame, table, runtime);
    draw_places(frame, places, app, runtime);
    let lines: Vec<Line<'_>> = runtime
        .facts
        .iter()
        .map(|(title, figures)| Line::from(vec![format!("{title:<8} ").cyan(), figures.into()]))
        .collect();
    frame.render_widget(Paragraph::new(lines), figures);
}

fn draw_workers(frame: &mut Frame<'_>, area: Rect, runtime: &RuntimeView) {
    let rows = runtime.workers.iter().map(|worker| {
        let style = match worker.is_stalled {
            true => Style::new().fg(Color::Red).bold(),
            false => Style::new(),
        };
        (&worker.cells, style)
    });
    frame.render_widget(table(&WORKER_COLUMNS, None, rows.collect()), area);
}

fn draw_places(frame: &mut Frame<'_>, area: Rect, app: &App, runtime: &RuntimeView) {
    let Some(places) = &runtime.places else {
        return;
    };
    let page = usize::from(area.height.saturating_sub(1));
    let skipped = app.scroll(places.len(), page);
    let rows = places.iter().skip(skipped).take(page);
    let rows = rows.map(|place| (&place.cells, Style::new())).collect();
    let sorted = Some(app.arrangement.sort.title());
    frame.render_widget(table(&PLACE_COLUMNS, sorted, rows), area);
}

/// Right-aligned columns, as wide as their widest cell; the last takes what is left.
fn table<'a, const N: usize>(
    columns: &[&'a str; N],
    sorted: Option<&str>,
    rows: Vec<(&'a [String; N], Style)>,
) -> Table<'a> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|(cells, _)| cells[column].chars().count());
        cells.chain([columns[column].len()]).max().unwrap_or(0)
    });
    let line = |text: &'a str, column: usize| match column == N - 1 {
        true => Line::from(text),
        false => Line::from(text).right_aligned(),
    };
    let header = columns.iter().enumerate().map(|(column, title)| {
        let line = line(title, column).bold();
        match sorted == Some(*title) {
            true => line.underlined(),
            false => line,
        }
    });
    let header = Row::new(header.collect::<Vec<_>>());
    let rows = rows.into_iter().map(|(cells, style)| {
        let cells = cells.iter().enumerate();
        Row::new(
            cells
                .map(|(column, cell)| line(cell, column))
                .collect::<Vec<_>>(),
        )
        .style(style)
    });
    let constraints = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column == N - 1 {
            true => Constraint::Min(10),
            false => Constraint::Length(u16::try_from(*width).unwrap_or(u16::MAX)),
        });
    Table::new(rows.collect::<Vec<_>>(), constraints.collect::<Vec<_>>())
        .header(header)
        .column_spacing(2)
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let width = 74.min(area.width);
    let height = (HELP.len() as u16 + 2).min(area.height);
    let area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(*line)).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" keys ")),
        area,
    );
}

#[cfg(test)]
mod tests {
    use super::super::super::client::Answer;
    use super::super::super::view::tests::{arrangement, two_snapshots};
    use super::super::app::Effect;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::time::Duration;

    fn app() -> App {
        let (before, now) = two_snapshots();
        let answer = |snapshot| Answer {
            text: "{}".to_owned(),
            snapshot,
        };
        let mut app = App::new(answer(before), Duration::from_secs(1), arrangement());
        app.take(Ok(answer(now)));
        app
    }

    fn press(app: &mut App, code: KeyCode) -> Effect {
        app.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn lines(app: &App, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("in memory");
        terminal.draw(|frame| draw(frame, app)).expect("in memory");
        let cells = terminal
            .backend()
            .buffer()
            .content()
            .chunks(usize::from(width));
        cells
            .map(|row| {
                let line: String = row.iter().map(|cell| cell.symbol()).collect();
                line.trim_end().to_owned()
            })
            .collect()
    }

    fn place_of(lines: &[String], text: &str) -> usize {
        let found = lines.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("{text:?} is not in {lines:#?}"))
    }

    #[test]
    fn everything_is_on_the_screen() {
        let lines = lines(&app(), 160, 24);
        let expected = include_str!("../../../tests/top/screen.txt");
        let expected: Vec<_> = expected.lines().map(str::trim_end).collect();
        assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    }

    #[test]
    fn keys_change_what_is_shown() {
        let mut app = app();
        let (client, tick) = ("src/client.rs:88:13", "src/tick.rs:5:5");
        let order = |app: &App| {
            let lines = lines(app, 110, 24);
            // Not among the workers.
            let tasks = &lines[place_of(&lines, "spawned at")..];
            (place_of(tasks, client), place_of(tasks, tick))
        };
        assert_eq!(order(&app), (1, 2));
        // Runnable, the longest wait, then the oldest.
        press(&mut app, KeyCode::Char('s'));
        press(&mut app, KeyCode::Char('s'));
        press(&mut app, KeyCode::Char('s'));
        assert_eq!(order(&app), (1, 2));
        press(&mut app, KeyCode::Char('r'));
        assert_eq!(order(&app), (3, 2));

        press(&mut app, KeyCode::Char('/'));
        for c in "tick".chars() {
            press(&mut app, KeyCode::Char(c));
        }
        let filtered = lines(&app, 110, 24);
        assert_eq!(filtered[23], "filter: tick_");
        assert_eq!(
            filtered
                .iter()
                .filter(|line| line.contains("src/dns.rs"))
                .count(),
            1
        );
        press(&mut app, KeyCode::Esc);
        assert_eq!(order(&app), (3, 2));

        press(&mut app, KeyCode::Char('p'));
        assert!(app.is_paused && lines(&app, 110, 24)[0].contains("paused"));
        press(&mut app, KeyCode::Char('h'));
        place_of(&lines(&app, 110, 24), "any key closes this");
        assert_eq!(press(&mut app, KeyCode::Char('q')), Effect::None);
        assert_eq!(press(&mut app, KeyCode::Char('d')), Effect::Dump);
        assert_eq!(press(&mut app, KeyCode::Char('q')), Effect::Quit);
    }

    #[test]
    fn a_program_that_is_gone_is_said_to_be() {
        let mut app = app();
        app.take(Err("it has ended".to_owned()));
        let lines = lines(&app, 110, 24);
        assert!(lines[0].contains("it has ended"), "{}", lines[0]);
        place_of(&lines, "src/client.rs:88:13");
    }

    /// However small the terminal is.
    #[test]
    fn no_size_is_too_small() {
        let mut app = app();
        press(&mut app, KeyCode::Char('h'));
        for (width, height) in [(1, 1), (3, 2), (20, 5), (80, 3), (10, 60), (300, 100)] {
            lines(&app, width, height);
        }
    }
}
