//! What the screen shows, and what keys do to it.
#![forbid(unsafe_code)]

use super::super::client::Answer;
use super::super::view::{Arrangement, History, View};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

pub struct App {
    pub interval: Duration,
    pub arrangement: Arrangement,
    pub is_paused: bool,
    pub mode: Mode,
    /// In the last line until the next key: what has become of a dump.
    pub message: Option<String>,
    /// Why the last look has failed.
    pub failure: Option<String>,
    /// Which of the program's runtimes is shown.
    runtime: usize,
    /// How many places of tasks are above the screen.
    scroll: usize,
    history: History,
    now: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Looking,
    /// Keys are text of the filter.
    Filtering,
    Helping,
}

/// What is to be done after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    Quit,
    Dump,
}

impl App {
    pub fn new(first: Answer, interval: Duration, arrangement: Arrangement) -> App {
        App {
            interval,
            arrangement,
            is_paused: false,
            mode: Mode::Looking,
            message: None,
            failure: None,
            runtime: 0,
            scroll: 0,
            history: History::default(),
            now: first,
        }
    }

    pub fn take(&mut self, answer: Result<Answer, String>) {
        match answer {
            Ok(answer) => {
                let before = std::mem::replace(&mut self.now, answer);
                self.history.add(before.snapshot);
                self.failure = None;
            }
            // What was seen last stays on the screen.
            Err(error) => self.failure = Some(error),
        }
    }

    pub fn answer(&self) -> &Answer {
        &self.now
    }

    pub fn view(&self) -> View {
        View::new(&self.history, &self.now.snapshot, &self.arrangement)
    }

    /// Which runtime is shown, of how many.
    pub fn runtime(&self) -> (usize, usize) {
        let count = self.now.snapshot.runtimes.len();
        (self.runtime.min(count.saturating_sub(1)), count)
    }

    /// Keeps the last of `rows` on a page of `page` rows.
    pub fn scroll(&self, rows: usize, page: usize) -> usize {
        self.scroll.min(rows.saturating_sub(page))
    }

    pub fn press(&mut self, key: KeyEvent) -> Effect {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Effect::Quit,
                _ => Effect::None,
            };
        }
        match self.mode {
            Mode::Looking => self.command(key.code),
            Mode::Filtering => {
                self.edit(key.code);
                Effect::None
            }
            Mode::Helping => {
                self.mode = Mode::Looking;
                Effect::None
            }
        }
    }

    fn command(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Effect::Quit,
            KeyCode::Char('d') => return Effect::Dump,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.arrangement.sort = self.arrangement.sort.next(),
            KeyCode::Char('r') => self.arrangement.is_reversed = !self.arrangement.is_reversed,
            KeyCode::Char('/') => self.mode = Mode::Filtering,
            KeyCode::Char('h' | '?') => self.mode = Mode::Helping,
            KeyCode::Tab => {
                let (shown, count) = self.runtime();
                self.runtime = (shown + 1) % count.max(1);
                self.scroll = 0;
            }
            KeyCode::Down => self.move_by(1),
            KeyCode::Up => self.move_by(-1),
            KeyCode::PageDown => self.move_by(10),
            KeyCode::PageUp => self.move_by(-10),
            _ => {}
        }
        Effect::None
    }

    fn edit(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.mode = Mode::Looking,
            KeyCode::Esc => {
                self.arrangement.filter.clear();
                self.mode = Mode::Looking;
            }
            KeyCode::Backspace => {
                self.arrangement.filter.pop();
            }
            KeyCode::Char(c) => self.arrangement.filter.push(c),
            _ => {}
        }
        self.scroll = 0;
    }

    fn move_by(&mut self, rows: isize) {
        let (runtime, _) = self.runtime();
        let all = self.now.snapshot.runtimes.get(runtime);
        let rows_there = all
            .and_then(|all| all.locations.as_ref())
            .map_or(0, Vec::len);
        self.scroll = self.scroll.saturating_add_signed(rows).min(rows_there);
    }
}
