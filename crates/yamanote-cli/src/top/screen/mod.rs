//! The view on a terminal, drawn anew at every interval and key.
#![forbid(unsafe_code)]

mod app;
mod draw;
mod dump;

use super::client;
use super::view::Arrangement;
use app::{App, Effect};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Until the user quits.
pub fn run(path: PathBuf, interval: Duration, arrangement: Arrangement) -> Result<(), String> {
    // A program that cannot be seen at all is an error outside of the screen.
    let first = client::ask(&path)?;
    let mut app = App::new(first, interval, arrangement);
    let mut terminal = ratatui::try_init().map_err(|error| format!("the terminal: {error}"))?;
    let end = live(&mut terminal, &mut app, &path);
    ratatui::restore();
    end.map_err(|error| format!("the terminal: {error}"))
}

fn live(terminal: &mut DefaultTerminal, app: &mut App, path: &std::path::Path) -> io::Result<()> {
    let mut next_look = Instant::now() + app.interval;
    loop {
        terminal.draw(|frame| draw::draw(frame, app))?;
        let until_look = next_look.saturating_duration_since(Instant::now());
        if event::poll(until_look)? {
            let Event::Key(key) = event::read()? else {
                continue;
            };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            match app.press(key) {
                Effect::None => {}
                Effect::Quit => return Ok(()),
                Effect::Dump => app.message = Some(dump::write(app.answer())),
            }
        } else {
            if !app.is_paused {
                app.take(client::ask(path));
            }
            next_look = Instant::now() + app.interval;
        }
    }
}
