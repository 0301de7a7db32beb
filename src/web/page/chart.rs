//! Small charts as SVG: shapes with classes, no styles, so that a strict policy lets them be. Their numbers stand in tables beside them.

use maud::{Markup, html};

/// How wide a bar is, in its own units.
const WIDTH: i64 = 240;

/// How high the columns of a chart are.
const HEIGHT: i64 = 48;

/// The width of one column with its gap.
const COLUMN: i64 = 8;

/// A part of a bar: what it is, for a class, and how much.
pub type Part = (&'static str, i64);

/// A bar of so much of `most`, with its parts in it. Parts that come to more, since they went on at once, fill it in proportion. It is told by
/// the numbers beside it.
pub fn bar(much: i64, most: i64, class: &str, parts: &[Part]) -> Markup {
    let length = scaled(much, most, WIDTH).max(2);
    let all = parts.iter().fold(0i64, |sum, (_, part)| sum.saturating_add(*part)).max(much);
    let mut from = 0;
    let placed: Vec<(&str, i64, i64)> = parts
        .iter()
        .map(|(name, part)| {
            let wide = scaled(*part, all, length);
            from += wide;
            (*name, from - wide, wide)
        })
        .collect();
    html! {
        svg.bar viewBox={ "0 0 " (WIDTH) " 12" } width=(WIDTH) height="12" aria-hidden="true" {
            rect class={ "whole " (class) } x="0" y="0" width=(length) height="12" {}
            @for (name, at, wide) in placed {
                @if wide > 0 { rect class={ "part " (name) } x=(at) y="2" width=(wide) height="8" {} }
            }
        }
    }
}

/// A gauge: how much of `most` is used, before the share that others take.
pub fn gauge(used: i64, most: i64, others: f64) -> Markup {
    let class = if used >= most { "wait" } else { "fine" };
    #[expect(clippy::cast_possible_truncation, reason = "a part of its width")]
    let theirs = (others.clamp(0.0, 1.0) * WIDTH as f64) as i64;
    html! {
        svg.bar viewBox={ "0 0 " (WIDTH) " 12" } width=(WIDTH) height="12" aria-hidden="true" {
            rect.rest x="0" y="0" width=(WIDTH) height="12" {}
            rect class={ "whole " (class) } x="0" y="0" width=(scaled(used.min(most), most, WIDTH - theirs)) height="12" {}
            @if theirs > 0 { rect.others x=(WIDTH - theirs) y="0" width=(theirs) height="12" {} }
        }
    }
}

/// Columns, the earliest first.
pub fn columns(of_what: &str, values: &[i64]) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let width = COLUMN * i64::try_from(values.len()).unwrap_or(1).max(1);
    html! {
        svg.columns viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width) height=(HEIGHT) role="img" aria-label={ (of_what) ", at most " (most) " a day" } {
            @for (at, value) in (0..).step_by(8).zip(values) {
                @let high = scaled(*value, most, HEIGHT).max(i64::from(*value > 0));
                rect x=(at) y=(HEIGHT - high) width=(COLUMN - 2) height=(high) {}
            }
            line x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) {}
        }
    }
}

fn scaled(much: i64, most: i64, to: i64) -> i64 {
    if most <= 0 { 0 } else { i64::try_from(i128::from(much.max(0)) * i128::from(to) / i128::from(most)).unwrap_or(to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_in_proportion_and_stay_in_their_frame() {
        for (parts, wait, fetch) in [([30, 10], 72, 24), ([75, 25], 90, 30)] {
            let bar = bar(50, 100, "fine", &[("wait", parts[0]), ("fetch", parts[1]), ("write", 0)]).into_string();
            assert!(bar.contains(r#"class="whole fine" x="0" y="0" width="120""#), "{bar}");
            let placed = [format!(r#"wait" x="0" y="2" width="{wait}""#), format!(r#"fetch" x="{wait}" y="2" width="{fetch}""#)];
            assert!(placed.iter().all(|part| bar.contains(part)) && !bar.contains("part write"), "{bar}");
        }
        let full = gauge(30, 25, 0.0).into_string();
        assert!(full.contains(r#"class="whole wait" x="0" y="0" width="240""#) && !full.contains("others"), "{full}");
        let shared = gauge(15, 15, 0.25).into_string();
        assert!(shared.contains(r#"y="0" width="180""#) && shared.contains(r#"class="others" x="180" y="0" width="60""#), "{shared}");
        let none = columns("New", &[0, 0]).into_string();
        assert!(none.contains(r#"height="0""#) && none.contains("at most 1 a day"), "{none}");
        assert_eq!(scaled(i64::MAX, 1, 240), 240);
    }
}
