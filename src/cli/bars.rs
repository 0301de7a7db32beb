//! Progress of the runs on a terminal: pages and rows done, their pace, the time spent waiting for the budget.

use std::{sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{sync::gauges::Gauges, text::span};

/// One line per source, on stderr; nothing where stderr is no terminal.
#[derive(Default)]
pub struct Bars {
    all: MultiProgress,
    lines: Vec<(ProgressBar, Arc<Gauges>)>,
}

impl Bars {
    /// Adds a source's line, and gives the numbers that it shows.
    pub fn add(&mut self, source: &str) -> Arc<Gauges> {
        let progress = Arc::new(Gauges::default());
        let style = ProgressStyle::with_template("{spinner} {prefix:.bold} {msg} [{elapsed_precise}]").expect("the template is one");
        let bar = self.all.add(ProgressBar::new_spinner().with_style(style).with_prefix(source.to_owned()));
        self.lines.push((bar, Arc::clone(&progress)));
        progress
    }

    /// Draws until it is dropped.
    pub async fn draw(&self) -> std::convert::Infallible {
        loop {
            for (bar, progress) in &self.lines {
                bar.set_message(line(progress, bar.elapsed()));
                bar.tick();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Takes the lines away.
    pub fn clear(&self) {
        for (bar, _) in &self.lines {
            bar.finish_and_clear();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a pace for people")]
fn line(progress: &Gauges, elapsed: Duration) -> String {
    let (calls, pages, rows) = (&progress.calls, &progress.pages, &progress.rows);
    let (calls, pages, rows) = (Gauges::read(calls), Gauges::read(pages), Gauges::read(rows));
    let seconds = elapsed.as_secs_f64().max(0.001);
    let waited = Duration::from_millis(Gauges::read(&progress.waited_ms));
    let waiting = if progress.is_waiting() { ", waiting for the budget" } else { "" };
    format!(
        "{pages} pages, {rows} rows, {:.0} rows/s, {:.1} calls/s, waited {}{waiting}",
        rows as f64 / seconds,
        calls as f64 / seconds,
        span(waited.as_secs_f64())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_pages_rows_pace_and_waiting() {
        let progress = Gauges::default();
        Gauges::add(&progress.calls, 50);
        Gauges::add(&progress.pages, 48);
        Gauges::add(&progress.rows, 4800);
        Gauges::add(&progress.waited_ms, 7_000);
        let told = line(&progress, Duration::from_secs(10));
        assert_eq!(told, "48 pages, 4800 rows, 480 rows/s, 5.0 calls/s, waited 7 s");
    }
}
