//! The chart of one service: running tasks over time as two step lines, and below it, on the same
//! axis, the lifecycle stages and the share of traffic.
//!
//! It is drawn twice, for a wide page and for a phone, and the page's style shows one. A drawing
//! that only shrank would have letters that nobody can read on a phone.

#[cfg(any(test, feature = "herd"))]
pub(crate) mod bands;

use std::time::Duration;

use deploy::text::listed;
use deploy::time::human;
use maud::{Markup, html};

use crate::parts::{broken, offset, table};
use crate::{Point, ServiceRecord};

/// Lengths are whole tenths of a pixel, and are written as pixels with one decimal.
const PX: u64 = 10;

/// Room for one character of the drawing's letters. Generous, because fonts differ: a label that
/// is counted as fitting has to fit in all of them.
const CHARACTER: u64 = 9 * PX;

/// Between a label and what it belongs to.
const GAP: u64 = 8 * PX;

/// From one line of letters to the next.
const LINE: u64 = 15 * PX;

/// From the middle of letters down to their baseline.
const TO_BASELINE: u64 = 4 * PX;

/// A label of the time axis takes so much of it: the longest is `150 min`.
const TICK_ROOM: u64 = 64 * PX;

/// Half of what new and old are drawn apart, so that equal counts are two lines side by side.
const APART: u64 = 3 * PX;

/// Above the highest count, so that half of the letters at the line above it have room.
const TOP: u64 = 8 * PX + APART;

const STAGES_HEIGHT: u64 = 22 * PX;
const WEIGHT_HEIGHT: u64 = 28 * PX;

/// The count axis has at most so many steps.
const COUNT_STEPS: u64 = 5;

const PERCENT: u32 = 100;
const DAY_SECS: u64 = 86_400;

/// One of the two drawings.
struct Format {
    name: &'static str,
    width: u64,
    /// How high the lines of tasks are, without axis and bands.
    height: u64,
}

const FORMATS: [Format; 2] = [
    Format {
        name: "wide",
        width: 720 * PX,
        height: 190 * PX,
    },
    Format {
        name: "narrow",
        width: 343 * PX,
        height: 150 * PX,
    },
];

/// What holds from one second to another.
#[derive(Debug, PartialEq)]
struct Span<T> {
    from: u64,
    until: u64,
    value: T,
}

impl<T> Span<T> {
    /// As `+0:40 to +1:05`.
    fn when(&self) -> String {
        format!("+{} to +{}", offset(self.from), offset(self.until))
    }
}

/// What `value_of` says of each point, as spans: a point holds until the next one, the last one until
/// `end`. Neighbours that say the same are one span.
fn spans<'a, T: PartialEq>(
    points: &'a [Point],
    end: u64,
    value_of: impl Fn(&'a Point) -> Option<T>,
) -> Vec<Span<T>> {
    let mut spans: Vec<Span<T>> = Vec::new();
    let mut points = points.iter().peekable();
    while let Some(point) = points.next() {
        let until = points.peek().map_or(end, |next| next.at).max(point.at);
        let Some(value) = value_of(point) else {
            continue;
        };
        match spans.last_mut() {
            Some(last) if last.until == point.at && last.value == value => last.until = until,
            _ => spans.push(Span {
                from: point.at,
                until,
                value,
            }),
        }
    }
    spans
}

/// What is drawn, whatever the format.
struct Chart<'a> {
    service: &'a ServiceRecord,
    /// Seconds; at least one, so that there is an axis.
    end: u64,
    desired: Option<u32>,
    new: Vec<Span<u32>>,
    old: Vec<Span<u32>>,
    stages: Vec<Span<&'a str>>,
    weights: Vec<Span<u32>>,
}

/// The figure of a service that was deployed to in `seconds`: legend, both drawings, the stages as
/// a list and the numbers as a table. `number` distinguishes the figures of a page.
pub(crate) fn figure(service: &ServiceRecord, seconds: u64, number: usize) -> Markup {
    if service.timeline.is_empty() {
        return html! { p class="unseen" { "Nothing was seen over time." } };
    }
    let chart = Chart::new(service, seconds);
    html! {
        figure {
            figcaption { "Running tasks over time" (chart.legend()) }
            @for format in &FORMATS { (Drawing::new(&chart, format).svg(number)) }
            (chart.stage_list())
        }
        (numbers(&service.timeline))
    }
}

impl<'a> Chart<'a> {
    fn new(service: &'a ServiceRecord, seconds: u64) -> Self {
        let points = &service.timeline;
        let last = points.iter().map(|point| point.at).max();
        let end = seconds.max(last.unwrap_or(0)).max(1);
        Self {
            service,
            end,
            desired: service.desired.and_then(|count| u32::try_from(count).ok()),
            new: spans(points, end, |point| Some(point.new)),
            old: spans(points, end, |point| Some(point.old)),
            stages: spans(points, end, |point| {
                point.stage.as_deref().filter(|name| !name.is_empty())
            }),
            weights: spans(points, end, |point| Some(point.weight?.min(PERCENT))),
        }
    }

    /// The greatest count that is drawn.
    fn most(&self) -> u32 {
        let seen = self.new.iter().chain(&self.old).map(|span| span.value);
        seen.chain(self.desired).max().unwrap_or(0)
    }

    fn legend(&self) -> Markup {
        let ServiceRecord {
            revision, previous, ..
        } = self.service;
        html! {
            ul class="legend" {
                li class="new" { "new " code { (revision) } }
                li class="old" { "old" @if let Some(revision) = previous { " " code { (revision) } } }
                @if let Some(desired) = self.desired { li class="desired" { "desired: " (desired) } }
            }
        }
    }

    /// The stages as text, because the band has no room for the names of short ones.
    fn stage_list(&self) -> Markup {
        html! {
            @if !self.stages.is_empty() {
                ol class="stages" {
                    @for span in &self.stages {
                        li { (stage_name(span.value)) " " span class="quiet" { (span.when()) } }
                    }
                }
            }
        }
    }

    /// What stands at the ends of the lines of new and old tasks.
    fn end_labels(&self) -> [String; 2] {
        let last = |spans: &[Span<u32>]| spans.last().map_or(0, |span| span.value);
        [
            format!("{} new", last(&self.new)),
            format!("{} old", last(&self.old)),
        ]
    }

    /// What stands at the end of the line of traffic, if it goes on to the end.
    fn weight_label(&self) -> Option<String> {
        let last = self.weights.last()?;
        (last.until == self.end).then(|| format!("{} %", last.value))
    }

    /// What a person who cannot see the drawing has to know of it.
    fn description(&self) -> String {
        let described = |name: &str, spans: &[Span<u32>]| {
            let first = spans.first().map_or(0, |span| span.value);
            let last = spans.last().map_or(0, |span| span.value);
            let most = spans.iter().map(|span| span.value).max().unwrap_or(0);
            format!("{name} tasks: {first} at first, {most} at most, {last} at the end.")
        };
        let mut sentences = vec![
            format!("A step chart of {}.", human(Duration::from_secs(self.end))),
            described("New", &self.new),
            described("Old", &self.old),
        ];
        sentences.extend(self.desired.map(|count| format!("Desired: {count}.")));
        if !self.stages.is_empty() {
            let names: Vec<String> = self.stages.iter().map(|s| stage_name(s.value)).collect();
            sentences.push(format!("Stages: {}.", listed(&names)));
        }
        if let Some(last) = self.weights.last() {
            sentences.push(format!(
                "Traffic on the new tasks at the end: {} %.",
                last.value
            ));
        }
        sentences.join(" ")
    }
}

/// `BAKE_TIME` as `bake time`.
fn stage_name(stage: &str) -> String {
    stage.replace('_', " ").to_lowercase()
}

/// Where seconds and counts are in a drawing.
struct Axes {
    /// The lines of tasks, the stages and the traffic all begin and end here.
    left: u64,
    right: u64,
    /// Where the count is 0.
    bottom: u64,
    /// How far above that the highest count is.
    height: u64,
    /// Seconds; at least one.
    end: u64,
    count_step: u64,
    count_top: u64,
}

impl Axes {
    /// With room for counts up to `most` and for `label` at the left, and so much room at the right.
    fn new(format: &Format, end: u64, most: u64, label: &str, room: u64) -> Self {
        let count_step = count_step(most);
        let count_top = most.div_ceil(count_step).max(1) * count_step;
        Self {
            left: width_of(&count_top.to_string()).max(width_of(label)) + GAP,
            right: format.width.saturating_sub(room + GAP),
            bottom: TOP + format.height,
            height: format.height,
            end,
            count_step,
            count_top,
        }
    }

    fn plot_width(&self) -> u64 {
        self.right.saturating_sub(self.left)
    }

    /// Where the second `at` is.
    fn x(&self, at: u64) -> u64 {
        self.left + share(at, self.end, self.plot_width())
    }

    /// Where the count is.
    fn y(&self, count: u64) -> u64 {
        self.bottom - share(count, self.count_top, self.height)
    }

    fn count_axis(&self) -> Markup {
        html! {
            @for count in ticks(self.count_step, self.count_top) {
                (self.level(count == 0, self.y(count), &count.to_string()))
            }
        }
    }

    /// A line from the left to the right and what it stands for.
    fn level(&self, is_axis: bool, y: u64, label: &str) -> Markup {
        let class = if is_axis { "axis" } else { "grid" };
        html! {
            (line(class, (self.left, y), (self.right, y)))
            (text("end", self.left - GAP, y, label))
        }
    }

    fn time_axis(&self) -> Markup {
        let (unit, step) = time_step(self.end, self.plot_width() / TICK_ROOM);
        let label_at = |at: u64| match at {
            0 => "0".to_owned(),
            at => format!("{} {}", at / unit.seconds, unit.name),
        };
        html! {
            @for at in ticks(step, self.end) {
                @let x = self.x(at);
                (line("axis", (x, self.bottom), (x, self.bottom + GAP / 2)))
                (text("middle", x, self.bottom + GAP + LINE / 2, &label_at(at)))
            }
        }
    }
}

/// One drawing of a chart: where its parts are.
struct Drawing<'a> {
    chart: &'a Chart<'a>,
    format: &'a Format,
    axes: Axes,
}

impl<'a> Drawing<'a> {
    fn new(chart: &'a Chart<'a>, format: &'a Format) -> Self {
        let percent = if chart.weights.is_empty() {
            ""
        } else {
            "100 %"
        };
        let ends = chart.end_labels().into_iter().chain(chart.weight_label());
        let room = ends.map(|label| width_of(&label)).max().unwrap_or(0);
        Self {
            chart,
            format,
            axes: Axes::new(format, chart.end, chart.most().into(), percent, room),
        }
    }

    fn svg(&self, number: usize) -> Markup {
        let Self { chart, format, .. } = self;
        let stages_top = self.axes.bottom + GAP + LINE;
        let mut weights_top = stages_top;
        if !chart.stages.is_empty() {
            weights_top += GAP + LINE + STAGES_HEIGHT;
        }
        let mut height = weights_top;
        if !chart.weights.is_empty() {
            height += GAP + LINE + GAP + WEIGHT_HEIGHT + GAP;
        }
        let id = format!("chart-{number}-{}", format.name);
        html! {
            svg class=(format.name) viewBox={ "0 0 " (px(format.width)) " " (px(height)) } role="img"
                aria-labelledby={ (id) "-title" } aria-describedby={ (id) "-desc" } {
                title id={ (id) "-title" } {
                    "Running tasks of " (chart.service.service) " on " (chart.service.cluster) " over time"
                }
                desc id={ (id) "-desc" } { (chart.description()) }
                (self.axes.count_axis())
                (self.axes.time_axis())
                (self.task_lines())
                @if !chart.stages.is_empty() { (self.stage_band(stages_top + GAP)) }
                @if !chart.weights.is_empty() { (self.weight_strip(weights_top + GAP)) }
            }
        }
    }

    fn task_lines(&self) -> Markup {
        let Chart {
            new, old, desired, ..
        } = self.chart;
        let y_new = |count: u32| self.axes.y(u64::from(count)) - APART;
        let y_old = |count: u32| self.axes.y(u64::from(count)) + APART;
        let steps = self.steps(new, y_new);
        html! {
            @if let Some(first) = new.first() {
                (path("area", &format!("{steps}V{}H{}Z", px(self.axes.bottom), px(self.axes.x(first.from)))))
            }
            (path("old", &self.steps(old, y_old)))
            (path("new", &steps))
            // Between the two, where both are what is desired.
            @if let Some(desired) = desired {
                @let y = self.axes.y(u64::from(*desired));
                (path("desired", &format!("M{} {}H{}", px(self.axes.left), px(y), px(self.axes.right))))
            }
            @if let (Some(new), Some(old)) = (new.last(), old.last()) {
                (self.line_ends(y_new(new.value), y_old(old.value)))
            }
        }
    }

    /// Dots and labels, the labels moved apart where they would overlap.
    fn line_ends(&self, y_new: u64, y_old: u64) -> Markup {
        let [new, old] = self.chart.end_labels();
        let bottom = self.axes.bottom;
        // Below it are the marks of the time axis.
        let (above_new, above_old) = (y_new.min(bottom), y_old.min(bottom));
        let (label_new, label_old) = if y_new <= y_old {
            moved_apart(above_new, above_old, bottom)
        } else {
            let (label_old, label_new) = moved_apart(above_old, above_new, bottom);
            (label_new, label_old)
        };
        let x = self.axes.right + GAP;
        html! {
            (dot("old", self.axes.right, y_old))
            (dot("new", self.axes.right, y_new))
            (text("new", x, label_new, &new))
            (text("old", x, label_old, &old))
        }
    }

    /// A path's data. Where nothing was reported the line is interrupted.
    fn steps(&self, spans: &[Span<u32>], y: impl Fn(u32) -> u64) -> String {
        let mut data = String::new();
        let mut drawn_until = None;
        for span in spans {
            let y = px(y(span.value));
            if drawn_until == Some(span.from) {
                data += &format!("V{y}");
            } else {
                data += &format!("M{} {y}", px(self.axes.x(span.from)));
            }
            data += &format!("H{}", px(self.axes.x(span.until)));
            drawn_until = Some(span.until);
        }
        data
    }

    fn stage_band(&self, top: u64) -> Markup {
        html! {
            (self.heading(top, "Lifecycle stages"))
            @for (span, number) in self.chart.stages.iter().zip(1..) {
                (self.stage(top + LINE, span, number))
            }
        }
    }

    /// A stage with its number in the list below and its name, as far as they fit.
    fn stage(&self, top: u64, span: &Span<&str>, number: u32) -> Markup {
        let from = self.axes.x(span.from);
        let width = self.axes.x(span.until).saturating_sub(from);
        let labels = [
            format!("{number} {}", stage_name(span.value)),
            number.to_string(),
        ];
        let label = labels.iter().find(|label| width_of(label) <= width);
        html! {
            g class="stage" {
                title { (span.value) ", " (span.when()) }
                rect x=(px(from)) y=(px(top)) width=(px(width)) height=(px(STAGES_HEIGHT)) {}
                @if let Some(label) = label {
                    (text("middle", from + width / 2, top + STAGES_HEIGHT / 2, label))
                }
            }
        }
    }

    fn weight_strip(&self, top: u64) -> Markup {
        let weights = &self.chart.weights;
        let bottom = top + LINE + GAP + WEIGHT_HEIGHT;
        let y = |weight: u32| bottom - share(weight.into(), PERCENT.into(), WEIGHT_HEIGHT);
        html! {
            (self.heading(top, "Traffic on the new tasks"))
            (self.axes.level(false, y(PERCENT), "100 %"))
            (self.axes.level(true, y(0), "0 %"))
            (path("weight", &self.steps(weights, y)))
            @if let (Some(label), Some(last)) = (self.chart.weight_label(), weights.last()) {
                (text("weight", self.axes.right + GAP, y(last.value), &label))
            }
        }
    }

    fn heading(&self, top: u64, label: &str) -> Markup {
        // Counts of many digits leave a plot that is narrower than its headings.
        let left = self
            .axes
            .left
            .min(self.axes.right.saturating_sub(width_of(label)));
        text("start", left, top + LINE / 2, label)
    }
}

// In HTML an SVG element without content is closed like any other: `{}`, not `;`.

/// Letters whose middle is at the height `y`.
fn text(class: &str, x: u64, y: u64, label: &str) -> Markup {
    html! { text class=(class) x=(px(x)) y=(px(y + TO_BASELINE)) { (label) } }
}

fn line(class: &str, (x1, y1): (u64, u64), (x2, y2): (u64, u64)) -> Markup {
    html! { line class=(class) x1=(px(x1)) y1=(px(y1)) x2=(px(x2)) y2=(px(y2)) {} }
}

fn path(class: &str, data: &str) -> Markup {
    html! { path class=(class) d=(data) {} }
}

fn dot(class: &str, x: u64, y: u64) -> Markup {
    html! { circle class=(class) cx=(px(x)) cy=(px(y)) r="3" {} }
}

/// At least the width of `label`. Characters beyond ASCII may be twice as wide.
fn width_of(label: &str) -> u64 {
    let width = |character: char| if character.is_ascii() { 1 } else { 2 };
    label.chars().map(width).sum::<u64>() * CHARACTER
}

/// `part / whole * of`, rounded down.
fn share(part: u64, whole: u64, of: u64) -> u64 {
    let share = u128::from(part) * u128::from(of) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// A length as SVG writes it.
fn px(length: u64) -> String {
    match length % PX {
        0 => (length / PX).to_string(),
        tenths => format!("{}.{tenths}", length / PX),
    }
}

/// Two heights moved apart to a line's distance, within the lines of tasks.
fn moved_apart(upper: u64, lower: u64, bottom: u64) -> (u64, u64) {
    if lower.saturating_sub(upper) >= LINE {
        return (upper, lower);
    }
    let upper = u64::midpoint(upper, lower).saturating_sub(LINE / 2);
    let upper = upper.clamp(TOP, bottom - LINE);
    (upper, upper + LINE)
}

/// 0 and every multiple of `step` up to `end`.
fn ticks(step: u64, end: u64) -> impl Iterator<Item = u64> {
    (0..=end / step).map(move |index| index * step)
}

/// How far apart the marks of the count axis are: 1, 2 or 5 times a power of ten.
fn count_step(most: u64) -> u64 {
    let mut power = 1;
    loop {
        for step in [power, 2 * power, 5 * power] {
            if most.div_ceil(step) <= COUNT_STEPS {
                return step;
            }
        }
        power *= 10;
    }
}

/// What the time axis counts.
#[derive(Debug, PartialEq)]
struct Unit {
    seconds: u64,
    name: &'static str,
    steps: [u64; 8],
}

const SECOND: Unit = Unit {
    seconds: 1,
    name: "s",
    steps: [1, 2, 5, 10, 15, 20, 30, 60],
};
const MINUTE: Unit = Unit {
    seconds: 60,
    name: "min",
    steps: SECOND.steps,
};
const HOUR: Unit = Unit {
    seconds: 3600,
    name: "h",
    steps: [1, 2, 3, 4, 6, 8, 12, 24],
};

/// The unit of an axis of `end` seconds, and how many seconds its marks are apart so that there
/// are at most `most` of them after 0, or two.
fn time_step(end: u64, most: u64) -> (Unit, u64) {
    let most = most.max(2);
    let unit = match end {
        0..120 => SECOND,
        120..10_800 => MINUTE,
        _ => HOUR,
    };
    let mut steps = unit.steps.into_iter().map(|step| step * unit.seconds);
    let step = steps.find(|step| end / step <= most);
    let step = step.unwrap_or_else(|| (end / DAY_SECS).div_ceil(most) * DAY_SECS);
    (unit, step)
}

/// The points as a table, for the exact numbers.
fn numbers(points: &[Point]) -> Markup {
    let has_stages = points.iter().any(|point| point.stage.is_some());
    let has_weights = points.iter().any(|point| point.weight.is_some());
    let mut heads = vec!["Since start", "New", "Old"];
    heads.extend(has_weights.then_some("Traffic on new"));
    heads.extend(has_stages.then_some("Stage"));
    let rows = points.iter().map(|point| {
        html! {
            td class="number" { "+" (offset(point.at)) }
            td class="number" { (point.new) }
            td class="number" { (point.old) }
            @if has_weights {
                td class="number" { @if let Some(weight) = point.weight { (weight) " %" } }
            }
            @if has_stages {
                td { (broken(point.stage.as_deref().unwrap_or_default())) }
            }
        }
    });
    let class = if has_stages {
        "numbers staged"
    } else {
        "numbers"
    };
    html! {
        details {
            summary { "The numbers of the chart" }
            (table(class, &heads, rows.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: u64, new: u32, old: u32) -> Point {
        Point {
            at,
            new,
            old,
            ..Point::default()
        }
    }

    fn service(timeline: Vec<Point>) -> ServiceRecord {
        ServiceRecord {
            timeline,
            ..ServiceRecord::default()
        }
    }

    fn span<T>(from: u64, until: u64, value: T) -> Span<T> {
        Span { from, until, value }
    }

    #[test]
    fn a_count_holds_until_the_next_point_and_the_last_one_to_the_end() {
        let points = [point(2, 0, 4), point(7, 1, 4), point(9, 1, 3)];
        let new = spans(&points, 20, |point| Some(point.new));
        assert_eq!(new, [span(2, 7, 0), span(7, 20, 1)]);
        let old = spans(&points, 20, |point| Some(point.old));
        assert_eq!(old, [span(2, 9, 4), span(9, 20, 3)]);
    }

    #[test]
    fn what_was_not_reported_is_a_gap() {
        let mut points = [point(0, 0, 0), point(5, 0, 0), point(8, 0, 0)];
        points[0].weight = Some(10);
        points[2].weight = Some(10);
        let weights = spans(&points, 9, |point| point.weight);
        assert_eq!(weights, [span(0, 5, 10), span(8, 9, 10)]);
    }

    #[test]
    fn a_line_is_drawn_in_steps_and_interrupted_by_a_gap() {
        let service = service(vec![point(0, 0, 0), point(100, 10, 10)]);
        let chart = Chart::new(&service, 100);
        let drawing = Drawing::new(&chart, &FORMATS[0]);
        let at = |at: u64| px(drawing.axes.x(at));
        let steps = [span(0, 50, 1), span(50, 80, 2), span(90, 100, 3)];
        assert_eq!(
            drawing.steps(&steps, |count| u64::from(count) * PX),
            format!(
                "M{} 1H{}V2H{}M{} 3H{}",
                at(0),
                at(50),
                at(80),
                at(90),
                at(100)
            )
        );
    }

    #[test]
    fn the_time_axis_has_a_few_marks_with_room_for_their_labels() {
        let lengths = (1..20_000).chain((20_000..400_000).step_by(97));
        for end in lengths {
            for most in 1..=10 {
                let (unit, step) = time_step(end, most);
                let marks = end / step;
                assert!((1..=most.max(2)).contains(&marks), "{end} s: {marks}");
                assert_eq!(step % unit.seconds, 0, "{end} s");
                assert!(marks >= 2 || most < 4 || end < 2, "{end} s: {marks}");
            }
        }
        let day = time_step(u64::MAX, 8).1;
        assert!(u64::MAX / day <= 8);
    }

    #[test]
    fn the_time_axis_counts_in_the_unit_that_people_would() {
        let label = |end| {
            let (unit, step) = time_step(end, 8);
            format!("{} {}", step / unit.seconds, unit.name)
        };
        assert_eq!(label(5), "1 s");
        assert_eq!(label(59), "10 s");
        assert_eq!(label(300), "1 min");
        assert_eq!(label(3600), "10 min");
        assert_eq!(label(23 * 3600), "3 h");
    }

    #[test]
    fn the_count_axis_has_whole_numbers_and_reaches_the_highest_count() {
        for most in (0..3000).chain([u64::from(u32::MAX)]) {
            let step = count_step(most);
            let steps = most.div_ceil(step);
            assert!(steps <= COUNT_STEPS, "{most}: {steps}");
            assert!(steps * step >= most, "{most}");
            assert!(steps > COUNT_STEPS / 3 || step == 1, "{most}: {steps}");
        }
        assert_eq!([0, 4, 7, 1000].map(count_step), [1, 1, 2, 200]);
    }

    #[test]
    fn labels_at_the_ends_never_overlap() {
        let bottom = TOP + 150 * PX;
        for upper in (TOP - PX..=bottom).step_by(7) {
            for lower in (upper..=bottom + PX).step_by(7) {
                let (upper, lower) = moved_apart(upper, lower, bottom);
                assert!(lower - upper >= LINE);
                assert!(upper >= TOP - PX && lower <= bottom + PX);
            }
        }
    }

    /// Every number that follows one of `names`, as `x1="`.
    fn numbers_after(svg: &str, names: &[&str]) -> Vec<f64> {
        let after = |name: &&str| {
            let parts: Vec<&str> = svg.split(*name).skip(1).collect();
            parts
        };
        let parts = names.iter().flat_map(after);
        parts
            .map(|part| {
                let end = part.find(|c: char| !c.is_ascii_digit() && c != '.');
                part[..end.unwrap_or(part.len())].parse().unwrap()
            })
            .collect()
    }

    #[test]
    fn every_mark_is_inside_the_drawing_whatever_was_seen() {
        for (count, most, end) in [
            (1, 0, 0),
            (1, 1, 5),
            (2, 1, 5),
            (8, 4, 252),
            (30, 1000, 10_799),
            (300, 1000, 23 * 3600),
            (300, u32::MAX, u64::MAX),
        ] {
            let timeline = (0..count).map(|index: u64| Point {
                at: share(index, count, end),
                new: most / 7 * u32::try_from(index % 8).unwrap(),
                old: if index.is_multiple_of(2) { most } else { 0 },
                stage: (index % 5 > 1).then(|| format!("STAGE_{}", index / 4)),
                weight: (!index.is_multiple_of(3)).then_some(most),
            });
            let mut service = service(timeline.collect());
            service.desired = i32::try_from(most).ok();
            let chart = Chart::new(&service, end);
            for format in &FORMATS {
                let svg = Drawing::new(&chart, format).svg(1).into_string();
                let (_, view) = svg.split_once("viewBox=\"0 0 ").unwrap();
                let (view, body) = view.split_once("</desc>").unwrap();
                let mut size = view.split(['"', ' ']).map(str::parse::<f64>);
                let (width, height) =
                    (size.next().unwrap().unwrap(), size.next().unwrap().unwrap());
                for x in numbers_after(body, &[" x=\"", "x1=\"", "x2=\"", "cx=\"", "H", "d=\"M"]) {
                    assert!(x <= width, "{count} {end}: {x} of {width}");
                }
                for y in numbers_after(body, &[" y=\"", "y1=\"", "y2=\"", "cy=\"", "V"]) {
                    assert!(y <= height, "{count} {end}: {y} of {height}");
                }
            }
        }
    }

    #[test]
    fn points_in_a_wrong_order_and_a_negative_count_draw_something() {
        let mut service = service(vec![point(50, 1, 1), point(10, 2, 0)]);
        service.desired = Some(-1);
        let figure = figure(&service, 20, 1).into_string();
        assert_eq!(figure.matches("<svg").count(), FORMATS.len());
        assert!(!figure.contains("desired"));
    }

    #[test]
    fn a_stage_is_named_where_there_is_room_and_else_numbered() {
        let staged = |at, stage: &str| Point {
            stage: Some(stage.to_owned()),
            ..point(at, 1, 1)
        };
        let service = service(vec![
            staged(0, "PRE_SCALE_UP"),
            staged(1, "SCALE_UP"),
            staged(40, "BAKE_TIME"),
        ]);
        let figure = figure(&service, 500, 1).into_string();
        assert!(figure.contains(">3 bake time</text>"));
        assert!(figure.contains(">2</text>"));
        assert!(!figure.contains(">1</text></g>"));
        assert!(figure.contains("<title>PRE_SCALE_UP, +0:00 to +0:01</title>"));
        assert!(figure.contains("<li>pre scale up <span class=\"quiet\">+0:00 to +0:01</span>"));
    }

    #[test]
    fn bands_are_drawn_only_for_what_was_reported() {
        let plain = figure(&service(vec![point(0, 1, 1)]), 60, 1).into_string();
        for part in ["Lifecycle stages", "Traffic", "class=\"stages\""] {
            assert!(!plain.contains(part), "{part}");
        }
    }

    #[test]
    fn a_text_alternative_says_what_the_chart_shows() {
        let mut service = service(vec![point(0, 0, 4), point(60, 5, 4), point(90, 4, 0)]);
        service.desired = Some(4);
        assert_eq!(
            Chart::new(&service, 120).description(),
            "A step chart of 2 min. New tasks: 0 at first, 5 at most, 4 at the end. Old tasks: 4 at first, 4 at most, 0 at the end. Desired: 4."
        );
    }
}
