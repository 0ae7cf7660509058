//! The page of many pipelines that were started at the same moment, as the local runner plays them. The function has
//! no use for it.

use std::time::Duration;

use deploy::time::Timestamp;
use maud::{Markup, html};

use crate::chart::bands::{self, Band};
use crate::parts::{
    SIMULATED, badge, document, fact, facts, moment, offset, simulated_badge, table, took,
};

/// Many pipelines, from their common start to the end of the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Herd {
    /// How all of them ended, in one sentence.
    pub message: String,
    /// When they were started.
    pub started: Timestamp,
    /// Each of them, in the order of their names.
    pub pipelines: Vec<Pipeline>,
    /// What they asked of ECS.
    pub quotas: Vec<Quota>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its service.
    pub name: String,
    /// Its action has succeeded.
    pub succeeded: bool,
    /// How long it was before its service was set; none if that did not happen.
    pub waited: Option<Duration>,
    /// How long it was in all.
    pub took: Duration,
    /// The headline of its answer.
    pub headline: String,
}

/// The calls that share a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// What they are called, as `service writes`.
    pub category: String,
    /// So many were made.
    pub asked: usize,
    /// So many of these were throttled.
    pub refused: usize,
}

/// The page as HTML text.
///
/// # Guarantees
/// As of [`crate::page::page`]; it has no link at all.
pub fn page(herd: &Herd) -> String {
    let last = herd.pipelines.iter().map(|one| one.took).max();
    let last = last.unwrap_or_default();
    let failed = herd.pipelines.iter().filter(|one| !one.succeeded).count();
    let (class, outcome) = if failed == 0 {
        ("good", "Succeeded")
    } else {
        ("bad", "Failed")
    };
    let content = html! {
        header {
            (badge(class, outcome))
            (simulated_badge())
            h1 { (herd.message) }
            (facts(html! {
                (fact("Pipelines", herd.pipelines.len()))
                @if failed > 0 { (fact("Failed", failed)) }
                (fact("Started", moment(herd.started)))
                (fact("Ended", moment(herd.started + last)))
                (fact("Took", took(last)))
            }))
        }
        section aria-labelledby="over-time" {
            h2 id="over-time" { "How far they were" }
            (bands::figure("Pipelines over time", &bands(&herd.pipelines), last.as_secs()))
        }
        section aria-labelledby="quotas" {
            h2 id="quotas" { "What they asked of ECS" }
            (quotas(&herd.quotas))
        }
        section aria-labelledby="pipelines" {
            h2 id="pipelines" { "Pipelines" }
            (pipelines(&herd.pipelines))
        }
    };
    let footer =
        html! { "Simulated by ecs-deploy-action's local runner, with ECS's documented quotas." };
    let title = format!("{SIMULATED}{outcome}: {} pipelines", herd.pipelines.len());
    document(&title, &content, &footer)
}

/// The bands of the chart, the lowest first: how many are how far whenever one of them gets further.
fn bands(pipelines: &[Pipeline]) -> [Band; 3] {
    let ends = pipelines.iter().map(|one| one.took.as_secs());
    let sets = pipelines.iter().filter_map(|one| one.waited);
    let mut times: Vec<u64> = std::iter::once(0)
        .chain(sets.map(|waited| waited.as_secs()))
        .chain(ends)
        .collect();
    times.sort_unstable();
    times.dedup();
    let is_over = |one: &Pipeline, at: u64| one.took.as_secs() <= at;
    let is_set = |one: &Pipeline, at: u64| one.waited.is_some_and(|set| set.as_secs() <= at);
    let of = |class, name, is_so: &dyn Fn(&Pipeline, u64) -> bool| {
        let counts = times.iter().map(|at| {
            let so = pipelines.iter().filter(|one| is_so(one, *at)).count();
            (*at, u32::try_from(so).unwrap_or(u32::MAX))
        });
        Band {
            class,
            name,
            counts: counts.collect(),
        }
    };
    [
        of("done", "over", &is_over),
        of("rolling", "rolling out", &|one, at| {
            is_set(one, at) && !is_over(one, at)
        }),
        of("waiting", "waiting", &|one, at| {
            !is_set(one, at) && !is_over(one, at)
        }),
    ]
}

fn quotas(quotas: &[Quota]) -> Markup {
    let rows = quotas.iter().map(|quota| {
        html! {
            td { (quota.category) }
            td class="number" { (quota.asked) }
            td class="number" { (quota.refused) }
        }
    });
    table("counts", &["Quota", "Asked", "Refused"], rows.collect())
}

fn pipelines(pipelines: &[Pipeline]) -> Markup {
    let rows = pipelines.iter().map(|pipeline| {
        html! {
            td { (pipeline.name) }
            td {
                // Of a success the headline would say the same forty times.
                @if pipeline.succeeded { "succeeded" } @else {
                    (badge("bad", "failed")) br; (pipeline.headline)
                }
            }
            td class="number" {
                @match pipeline.waited {
                    Some(waited) => (offset(waited.as_secs())),
                    None => "–",
                }
            }
            td class="number" { (offset(pipeline.took.as_secs())) }
        }
    });
    let heads = ["Pipeline", "Outcome", "Waited", "Took"];
    table("counts pipelines", &heads, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn herd(text: &str) -> Herd {
        let pipeline = |succeeded| Pipeline {
            name: text.to_owned(),
            succeeded,
            waited: Some(Duration::from_secs(65)),
            took: Duration::from_secs(if succeeded { 130 } else { 200 }),
            headline: text.to_owned(),
        };
        Herd {
            message: text.to_owned(),
            started: Timestamp::from_secs(1_795_550_709),
            pipelines: vec![pipeline(true), pipeline(false)],
            quotas: vec![Quota {
                category: text.to_owned(),
                asked: 40,
                refused: 7,
            }],
        }
    }

    #[test]
    fn it_has_each_pipeline_each_quota_and_how_far_all_were() {
        let html = page(&herd("words"));
        for shown in [
            "<title>Simulated: Failed: 2 pipelines</title>",
            ">Simulated</span>",
            "<h1>words</h1>",
            ">Failed</th><td>1</td>",
            "<td>words</td><td class=\"number\">40</td><td class=\"number\">7</td>",
            "<td class=\"number\">1:05</td><td class=\"number\">2:10</td>",
            "failed</span><br>words</td>",
            "<td class=\"number\">+1:05</td><td class=\"number\">0</td><td class=\"number\">2</td><td class=\"number\">0</td>",
            "<td class=\"number\">+2:10</td><td class=\"number\">1</td><td class=\"number\">1</td><td class=\"number\">0</td>",
            "<td class=\"number\">+3:20</td><td class=\"number\">2</td><td class=\"number\">0</td><td class=\"number\">0</td>",
        ] {
            assert!(html.contains(shown), "{shown}");
        }
        let mut all_well = herd("words");
        all_well.pipelines.truncate(1);
        all_well.pipelines[0].waited = None;
        let html = page(&all_well);
        assert!(html.contains("<td class=\"number\">–</td>") && !html.contains("<br>"));
    }

    #[test]
    fn nothing_of_its_texts_can_become_markup() {
        let tags = |html: &str| html.matches('<').count();
        for evil in [
            "<script>alert(1)</script>",
            "\" onclick=\"alert(1)",
            "</svg></td>",
        ] {
            let html = page(&herd(evil));
            assert_eq!(tags(&html), tags(&page(&herd("words"))), "{evil}");
            assert!(!html.contains("onclick=\"alert"), "{evil}");
        }
    }
}
