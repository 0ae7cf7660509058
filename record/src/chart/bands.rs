//! The chart of many pipelines: how many are how far over time, one band upon the other.

use maud::{Markup, html};

use super::{Axes, FORMATS, Format, GAP, LINE, path, px};
use crate::parts::{offset, table};

/// How many are so far, over time.
pub(crate) struct Band {
    /// Its colour in the style.
    pub(crate) class: &'static str,
    /// What they are, as `waiting`.
    pub(crate) name: &'static str,
    /// `(seconds, how many)`, oldest first: each holds until the next, the last to the end.
    pub(crate) counts: Vec<(u64, u32)>,
}

/// The chart goes on for so much longer than there is anything to see, a part of it: what the last count is shows.
const AFTERWARDS: u64 = 12;

/// The figure of these bands, the lowest first, which all have counts of the same moments.
pub(crate) fn figure(title: &str, bands: &[Band], seconds: u64) -> Markup {
    let times: Vec<u64> = bands.first().map_or_else(Vec::new, |band| {
        band.counts.iter().map(|(at, _)| *at).collect()
    });
    if times.is_empty() {
        return html! { p class="unseen" { "Nothing was seen over time." } };
    }
    html! {
        figure {
            figcaption {
                (title)
                ul class="legend bands" {
                    @for band in bands { li class=(band.class) { (band.name) } }
                }
            }
            @for format in &FORMATS { (drawing(title, bands, seconds + (seconds / AFTERWARDS).max(1), format)) }
        }
        (numbers(bands, &times))
    }
}

fn drawing(title: &str, bands: &[Band], end: u64, format: &Format) -> Markup {
    let sums = sums(bands);
    let most = sums.iter().flatten().map(|(_, count)| *count).max();
    let axes = Axes::new(format, end, most.unwrap_or(0), "", 2 * GAP);
    let height = axes.bottom + GAP + LINE;
    let id = format!("bands-{}", format.name);
    let described = bands.iter().map(|band| {
        let most = band.counts.iter().map(|(_, count)| count).max();
        format!("{}: {} at most.", band.name, most.unwrap_or(&0))
    });
    let described: Vec<String> = described.collect();
    html! {
        svg class=(format.name) viewBox={ "0 0 " (px(format.width)) " " (px(height)) } role="img"
            aria-labelledby={ (id) "-title" } aria-describedby={ (id) "-desc" } {
            title id={ (id) "-title" } { (title) }
            desc id={ (id) "-desc" } { (described.join(" ")) }
            // The lower ones are painted over the upper ones.
            @for (band, sums) in bands.iter().zip(&sums).rev() {
                (path(&format!("band {}", band.class), &area(&axes, sums)))
            }
            (axes.count_axis())
            (axes.time_axis())
        }
    }
}

/// Of each band how high it reaches upon the ones below it.
fn sums(bands: &[Band]) -> Vec<Vec<(u64, u64)>> {
    let mut below: Vec<u64> = Vec::new();
    let sums = bands.iter().map(|band| {
        below.resize(band.counts.len(), 0);
        let counts = band.counts.iter().zip(&mut below);
        let sums = counts.map(|((at, count), below)| {
            *below += u64::from(*count);
            (*at, *below)
        });
        sums.collect()
    });
    sums.collect()
}

/// What lies between the steps of `sums` and the time axis.
fn area(axes: &Axes, sums: &[(u64, u64)]) -> String {
    let mut data = String::new();
    for (place, (at, sum)) in sums.iter().enumerate() {
        let (x, y) = (px(axes.x((*at).min(axes.end))), px(axes.y(*sum)));
        if place == 0 {
            data += &format!("M{x} {}V{y}", px(axes.bottom));
        } else {
            data += &format!("H{x}V{y}");
        }
    }
    data + &format!("H{}V{}Z", px(axes.right), px(axes.bottom))
}

/// The counts as a table, for the exact numbers.
fn numbers(bands: &[Band], times: &[u64]) -> Markup {
    let heads = std::iter::once("Since start").chain(bands.iter().map(|band| band.name));
    let heads: Vec<&str> = heads.collect();
    let rows = times.iter().enumerate().map(|(place, at)| {
        html! {
            td class="number" { "+" (offset(*at)) }
            @for band in bands {
                td class="number" { @if let Some((_, count)) = band.counts.get(place) { (count) } }
            }
        }
    });
    html! {
        details {
            summary { "The numbers of the chart" }
            (table("numbers", &heads, rows.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(class: &'static str, counts: &[(u64, u32)]) -> Band {
        Band {
            class,
            name: class,
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn each_band_stands_upon_the_ones_below_it() {
        let bands = [band("a", &[(0, 1), (10, 2)]), band("b", &[(0, 4), (10, 3)])];
        assert_eq!(sums(&bands), [vec![(0, 1), (10, 2)], vec![(0, 5), (10, 5)]]);
        let html = figure("Them", &bands, 20).into_string();
        let place = |class: &str| html.find(&format!("class=\"band {class}\"")).unwrap();
        assert!(place("b") < place("a"), "the lower one is painted last");
        assert!(html.contains("<th scope=\"col\">b</th>"));
    }

    #[test]
    fn of_nothing_there_is_no_chart() {
        let html = figure("Them", &[band("a", &[])], 20).into_string();
        assert!(html.contains("Nothing was seen over time.") && !html.contains("<svg"));
    }
}
