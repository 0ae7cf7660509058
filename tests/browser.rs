//! The page of a record in a real browser: what it makes of the page at the width of a phone and
//! of a screen, in both themes.
//!
//! Measuring needs a script, and the page has and allows none. So a page of ours holds it in a
//! frame of the asked width, measures from outside, and leaves the result where `--dump-dom`
//! writes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ecs_deploy_action::deploy::message::Message;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::record::herd::{self, Herd, Pipeline, Quota};
use ecs_deploy_action::record::page::page;
use ecs_deploy_action::record::{
    EventRecord, HookAnswer, HookRecord, ImageRecord, Point, Record, ServiceRecord, StoppedRecord,
    TaskOutcome, TaskRecord, When,
};
use serde_json::Value;

const PHONE: u32 = 375;
const SCREEN: u32 = 1000;
const LARGE_PHONE: u32 = 400;
const WIDTHS: [u32; 5] = [320, PHONE, LARGE_PHONE, 760, SCREEN];

/// What WCAG asks of letters (<https://www.w3.org/TR/WCAG22/#contrast-minimum>).
const LEAST_CONTRAST: f64 = 4.5;

/// Of marks that are not letters (<https://www.w3.org/TR/WCAG22/#non-text-contrast>).
const LEAST_CONTRAST_OF_LINES: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Theme {
    Light,
    Dark,
}

impl Theme {
    const BOTH: [Self; 2] = [Self::Light, Self::Dark];

    fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Blink's numbers of its `PreferredColorScheme`.
    fn setting(self) -> &'static str {
        match self {
            Self::Light => "--blink-settings=preferredColorScheme=1",
            Self::Dark => "--blink-settings=preferredColorScheme=0",
        }
    }
}

/// A folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("browser")
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs Chromium on `file` without any network and gives back what it writes.
fn chromium(folder: &Path, theme: Theme, arguments: &[&str], file: &Path) -> String {
    let binary = ecs_deploy_action::settings::environment("CHROMIUM");
    let binary = binary.unwrap_or_else(|| "chromium".to_owned());
    // A profile serves one browser at a time, and the same test may run twice at once.
    let profile = folder.join(format!("profile-{}", std::process::id()));
    let output = Command::new(&binary)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--force-device-scale-factor=1",
            theme.setting(),
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{binary} does not start ({error}): install the Debian package chromium, or name another binary in CHROMIUM"
            )
        });
    let _ = fs::remove_dir_all(&profile);
    let (page, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}: {errors}", output.status);
    page.into_owned()
}

fn attribute(html: &str) -> String {
    html.replace('&', "&amp;").replace('"', "&quot;")
}

/// Measures the page in frames of all `WIDTHS`.
const MEASURE: &str = r"
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * x + .7152 * y + .0722 * z;
};
const parsed = colour => (colour.match(/[\d.]+/g) || []).map(Number);
const isOpaque = colour => { const c = parsed(colour); return c.length === 3 || c[3] === 1; };
const contrast = (a, b) => {
  const [x, y] = [luminance(parsed(a)), luminance(parsed(b))].sort((m, n) => n - m);
  return (x + .05) / (y + .05);
};
const isShown = element => element.checkVisibility() && element.getClientRects().length > 0;
const inside = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1
  && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
const overlap = (a, b) => a.left < b.right - .5 && b.left < a.right - .5
  && a.top < b.bottom - .5 && b.top < a.bottom - .5;

function background(view, element) {
  for (let one = element; one; one = one.parentElement) {
    const colour = view.getComputedStyle(one).backgroundColor;
    if (isOpaque(colour)) return colour;
  }
  return 'rgb(255, 255, 255)';
}

function worstContrast(view, elements, colourOf) {
  let worst = { ratio: 99 };
  for (const element of elements) {
    const behind = element.closest('svg .stage')?.querySelector('rect');
    const back = behind ? view.getComputedStyle(behind).fill : background(view, element);
    const colour = colourOf(view.getComputedStyle(element));
    const ratio = contrast(colour, back);
    if (ratio < worst.ratio) worst = { ratio, colour, back, what: element.outerHTML.slice(0, 200) };
  }
  return worst;
}

/// The rectangles of an element's own letters.
function letters(element) {
  const range = element.ownerDocument.createRange();
  range.selectNodeContents(element);
  return range.getBoundingClientRect();
}

function measureChart(svg) {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(text => ({ content: text.textContent, box: text.getBoundingClientRect() }));
  const collisions = [], outside = [], crowded = [];
  texts.forEach((one, index) => {
    if (!inside(one.box, box)) outside.push(one.content);
    for (const other of texts.slice(index + 1))
      if (overlap(one.box, other.box)) collisions.push(one.content + ' / ' + other.content);
  });
  for (const stage of svg.querySelectorAll('.stage')) {
    const text = stage.querySelector('text');
    if (text && !inside(text.getBoundingClientRect(), stage.querySelector('rect').getBoundingClientRect())) crowded.push(text.textContent);
  }
  const marks = [...svg.querySelectorAll('path, line, rect, circle')];
  return {
    paths: svg.querySelectorAll('path').length,
    lines: svg.querySelectorAll('line').length,
    stages: svg.querySelectorAll('.stage').length,
    texts: texts.map(text => text.content),
    isInFigure: inside(box, svg.closest('figure').getBoundingClientRect()),
    marksOutside: marks.filter(mark => !inside(mark.getBoundingClientRect(), box)).map(mark => mark.outerHTML),
    letterHeight: Math.min(...texts.map(text => text.box.height)),
    name: svg.querySelector('title').textContent,
    isNamed: ['aria-labelledby', 'aria-describedby'].every(name => svg.querySelector('#' + svg.getAttribute(name))?.textContent),
    role: svg.getAttribute('role'),
    collisions, outside, crowded,
  };
}

function measure(frame) {
  const doc = frame.contentDocument, view = frame.contentWindow;
  doc.querySelectorAll('details').forEach(details => details.open = true);
  const all = [...doc.body.querySelectorAll('*')];
  const shown = all.filter(isShown);
  const withLetters = shown.filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  const figures = [...doc.querySelectorAll('figure')];
  const lines = shown.filter(element => element.matches('path.new, path.old, path.weight, path.desired, path.band, line.axis'));
  return {
    width: view.innerWidth,
    scrollWidth: doc.documentElement.scrollWidth,
    outside: withLetters.filter(element => letters(element).right > view.innerWidth + .5 || letters(element).left < 0).map(element => element.outerHTML.slice(0, 200)),
    scripts: doc.querySelectorAll('script').length,
    handlers: all.filter(element => element.getAttributeNames().some(name => name.startsWith('on'))).length,
    loading: doc.querySelectorAll('[src], [srcset], link, img, iframe, object, embed, form, base, meta[http-equiv=refresh]').length,
    links: [...doc.querySelectorAll('a')].map(link => link.href),
    title: doc.title,
    language: doc.documentElement.lang,
    headings: [...doc.querySelectorAll('h1, h2, h3')].map(heading => heading.textContent),
    headline: doc.querySelector('h1').textContent,
    below: [...doc.querySelectorAll('header p.then')].map(sentence => sentence.textContent),
    outcome: doc.querySelector('header .badge').innerText,
    text: doc.body.innerText,
    details: doc.querySelector('pre')?.textContent ?? null,
    repeatedIds: all.map(element => element.id).filter((id, index, ids) => id && ids.indexOf(id) !== index),
    figures: figures.length,
    charts: [...doc.querySelectorAll('svg')].filter(isShown).map(measureChart),
    text_contrast: worstContrast(view, withLetters.filter(element => !element.closest('svg')), style => style.color),
    chart_contrast: worstContrast(view, withLetters.filter(element => element.matches('svg text')), style => style.fill),
    line_contrast: worstContrast(view, lines, style => style.stroke),
    back: luminance(parsed(background(view, doc.body))),
  };
}

addEventListener('load', () => {
  const frames = [...document.querySelectorAll('iframe')];
  const result = document.createElement('pre');
  try {
    result.textContent = JSON.stringify({ hacked: window.hacked ?? null, frames: frames.map(measure) });
  } catch (error) {
    result.textContent = JSON.stringify(String(error.stack));
  }
  frames.forEach(frame => frame.remove());
  result.id = 'result';
  document.body.append(result);
});
";

/// What the browser makes of the record's page, one for each of `WIDTHS`.
fn measured(name: &str, record: &Record, theme: Theme) -> Vec<Value> {
    measured_page(name, &page(record), theme)
}

/// The same of any page.
fn measured_page(name: &str, html: &str, theme: Theme) -> Vec<Value> {
    let folder = folder(&format!("{name}-{}", theme.name()));
    fs::write(folder.join("deployment.html"), html).unwrap();
    let scheme = theme.name();
    let frames = WIDTHS.map(|width| {
        format!(
            "<iframe style=\"border:0;width:{width}px;height:700px;color-scheme:{scheme}\" srcdoc=\"{}\"></iframe>",
            attribute(html)
        )
    });
    let wrapper = folder.join("measure.html");
    let text = format!(
        "<!doctype html><meta charset=utf-8><script>{MEASURE}</script><body>{}</body>",
        frames.concat()
    );
    fs::write(&wrapper, text).unwrap();
    let arguments = ["--dump-dom", "--virtual-time-budget=10000"];
    let dom = chromium(&folder, theme, &arguments, &wrapper);
    let json = dom
        .split_once("<pre id=\"result\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"));
    let Some((json, _)) = json else {
        panic!("{name}: nothing was measured: {dom}");
    };
    let json = json
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&");
    let result: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(result["hacked"], Value::Null, "{name}: a script ran");
    let frames = result["frames"].as_array();
    let frames = frames.unwrap_or_else(|| panic!("{name}: measuring failed: {result}"));
    assert_eq!(frames.len(), WIDTHS.len());
    frames.clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[track_caller]
fn assert_none(name: &str, what: &Value) {
    assert_eq!(what, &serde_json::json!([]), "{name}");
}

fn assert_readable(name: &str, seen: &Value) {
    assert!(
        seen["scrollWidth"].as_u64() <= seen["width"].as_u64(),
        "{name}: the page is wider than its window: {} of {}",
        seen["scrollWidth"],
        seen["width"]
    );
    assert_none(
        &format!("{name}: letters out of the window"),
        &seen["outside"],
    );
    assert_none(&format!("{name}: ids used twice"), &seen["repeatedIds"]);
    for kind in ["scripts", "handlers", "loading"] {
        assert_eq!(seen[kind], 0, "{name}: {kind}");
    }
    for (kind, least) in [
        ("text_contrast", LEAST_CONTRAST),
        ("chart_contrast", LEAST_CONTRAST),
        ("line_contrast", LEAST_CONTRAST_OF_LINES),
    ] {
        let worst = &seen[kind];
        assert!(
            worst["ratio"].as_f64().unwrap() >= least,
            "{name}: {kind}: {worst}"
        );
    }
}

fn assert_drawn(name: &str, chart: &Value) {
    let name = format!("{name}, {}", chart["name"]);
    assert_eq!(chart["isInFigure"], true, "{name}");
    assert_eq!(chart["role"], "img", "{name}");
    assert_eq!(chart["isNamed"], true, "{name}");
    for what in ["collisions", "outside", "crowded", "marksOutside"] {
        assert_none(&format!("{name}: {what}"), &chart[what]);
    }
    assert!(
        chart["letterHeight"].as_f64().unwrap() >= 10.0,
        "{name}: {chart}"
    );
    assert!(chart["paths"].as_u64().unwrap() >= 3, "{name}: {chart}");
    assert!(chart["lines"].as_u64().unwrap() >= 4, "{name}: {chart}");
}

fn assert_shown(name: &str, record: &Record) {
    for theme in Theme::BOTH {
        for (seen, width) in measured(name, record, theme).iter().zip(WIDTHS) {
            let name = format!("{name}, {}, {width} px", theme.name());
            assert_eq!(seen["width"], width, "{name}");
            assert_readable(&name, seen);
            let is_dark = seen["back"].as_f64().unwrap() < 0.2;
            assert_eq!(is_dark, theme == Theme::Dark, "{name}");
            assert_eq!(seen["language"], "en");
            let mut sentences = record.message.sentences().into_iter();
            assert_eq!(text(&seen["headline"]), sentences.next().unwrap(), "{name}");
            let below: Vec<&str> = sentences.collect();
            assert_eq!(seen["below"], serde_json::json!(below), "{name}");
            let outcome = if record.succeeded {
                "Succeeded"
            } else {
                "Failed"
            };
            assert_eq!(text(&seen["outcome"]), outcome, "{name}");
            assert!(text(&seen["title"]).starts_with(outcome), "{name}");
            let watched = record
                .services
                .iter()
                .filter(|one| !one.timeline.is_empty());
            let watched = watched.count();
            let charts = seen["charts"].as_array().unwrap();
            // Each figure holds a drawing for every width and shows exactly one.
            assert_eq!(seen["figures"], watched, "{name}");
            assert_eq!(charts.len(), watched, "{name}");
            for chart in charts {
                assert_drawn(&name, chart);
            }
        }
    }
}

fn started() -> Timestamp {
    // 2026-11-24T20:05:09Z
    Timestamp::from_secs(1_795_550_709)
}

fn after(seconds: u64) -> Timestamp {
    started() + Duration::from_secs(seconds)
}

fn point(at: u64, new: u32, old: u32) -> Point {
    Point {
        at,
        new,
        old,
        ..Point::default()
    }
}

fn event(at: u64, message: &str) -> EventRecord {
    EventRecord {
        at: after(at),
        message: message.to_owned(),
    }
}

fn record(
    succeeded: bool,
    message: impl Into<Message>,
    seconds: u64,
    services: Vec<ServiceRecord>,
) -> Record {
    Record {
        succeeded,
        message: message.into(),
        job: "2c1f3f0e-6b1d-4d0e-9a57-2f6d7a3c9b11".to_owned(),
        pipeline_execution_id: Some("7b1e9f60-7c1c-4b8e-8f0e-3a1de0d4b6c2".to_owned()),
        started: started(),
        waited: Duration::ZERO,
        ended: after(seconds),
        paused: Duration::ZERO,
        answered: None,
        tasks: Vec::new(),
        services,
    }
}

fn service(name: &str, end: &str, desired: i32, timeline: Vec<Point>) -> ServiceRecord {
    ServiceRecord {
        cluster: "prod".to_owned(),
        service: name.to_owned(),
        revision: "app:42".to_owned(),
        previous: Some("app:41".to_owned()),
        deployment: "ecs-svc/8473920175629384756".to_owned(),
        end: end.to_owned(),
        desired: Some(desired),
        images: vec![ImageRecord {
            container: "app".to_owned(),
            image: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/app:build-2026-11-24.3"
                .to_owned(),
            digest: Some(format!("sha256:{}", "9f86d081884c7d65".repeat(4))),
        }],
        timeline,
        events: Vec::new(),
        stopped: Vec::new(),
        waits_at: None,
        console: Some(format!(
            "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/{name}/deployments?region=eu-central-1"
        )),
    }
}

fn rolling() -> Record {
    let timeline = [
        (0, 0, 4),
        (38, 1, 4),
        (44, 2, 4),
        (95, 2, 3),
        (110, 3, 3),
        (142, 4, 2),
        (201, 4, 1),
        (246, 4, 0),
    ];
    let timeline = timeline.map(|(at, new, old)| point(at, new, old)).to_vec();
    let mut web = service("web", "serving", 4, timeline);
    web.events = vec![
        event(
            12,
            "(service web) has started 2 tasks: (task 5f0c2d3e4b5a69788796a5b4c3d2e1f0) (task 0a1b2c3d4e5f60718293a4b5c6d7e8f9).",
        ),
        event(
            61,
            "(service web) registered 2 targets in (target-group arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/6d0ecf831eec9f09)",
        ),
        event(
            95,
            "(service web) has begun draining connections on 1 tasks.",
        ),
        event(
            247,
            "(service web) (deployment ecs-svc/8473920175629384756) deployment completed.",
        ),
    ];
    record(
        true,
        "web on prod: app:42 is serving, 4 of 4 tasks, after 4 min.",
        252,
        vec![web],
    )
}

fn rolled_back() -> Record {
    let timeline = [
        (0, 0, 2),
        (35, 1, 2),
        (52, 0, 2),
        (88, 2, 2),
        (103, 0, 2),
        (170, 1, 2),
        (183, 0, 2),
    ];
    let timeline = timeline.map(|(at, new, old)| point(at, new, old)).to_vec();
    let mut web = service("web", "rolled back", 2, timeline);
    let ids = [
        "5f0c2d3e4b5a6978",
        "0a1b2c3d4e5f6071",
        "77c1d2e3f4a5b697",
        "c0ffee00c0ffee00",
    ];
    web.stopped = ids
        .iter()
        .zip([52, 103, 103, 183])
        .map(|(id, at)| StoppedRecord {
            task: id.repeat(2),
            at: Some(after(at)),
            reason: "Essential container in task exited: container app exited with code 1"
                .to_owned(),
            is_scaled_in: false,
        })
        .collect();
    web.stopped[3].at = None;
    web.stopped[3].reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/app:build-2026-11-24.3: not found".to_owned();
    web.events = (0..10)
        .map(|index| match index % 3 {
            0 => event(12 + 21 * index, "(service web) has started 1 tasks: (task 5f0c2d3e4b5a69785f0c2d3e4b5a6978)."),
            1 => event(12 + 21 * index, "(service web) (task 5f0c2d3e4b5a69785f0c2d3e4b5a6978) failed container health checks."),
            _ => event(12 + 21 * index, "(service web) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 11112222333344445555666677778888) has insufficient memory available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."),
        })
        .collect();
    record(
        false,
        Message::of([
            "web on prod: app:42 failed: container app exited with code 1 (3 tasks); its log ends: panic: DATABASE_URL is not set.",
            "Rolled back: app:41 is serving, 2 of 2 tasks.",
            "The pre-deploy task (container app) had run and succeeded: what it did stays done.",
        ])
        .with_details("\n\n3 tasks: Essential container in task exited: container app exited with code 1\n1 task: CannotPullContainerError\n\nLast lines of app's log:\n2026-11-24T20:06:51Z INFO  starting shop 3.14.2 (commit 1f2e3d4c)\n2026-11-24T20:06:51Z INFO  reading configuration from /etc/shop/configuration.production.yaml\n2026-11-24T20:06:52Z ERROR thread 'main' panicked at src/settings.rs:41:10: DATABASE_URL is not set: NotPresent\n    at shop::settings::read (/build/src/settings.rs:41)\n    at shop::main (/build/src/main.rs:12)\naVeryLongWordWithoutAnySpaceInIt_aVeryLongWordWithoutAnySpaceInIt_aVeryLongWordWithoutAnySpaceInIt_aVeryLongWordWithoutAnySpaceInIt"),
        231,
        vec![web],
    )
}

fn staged(at: u64, new: u32, old: u32, stage: &str, weight: u32) -> Point {
    Point {
        stage: Some(stage.to_owned()),
        weight: Some(weight),
        ..point(at, new, old)
    }
}

fn blue_green() -> Record {
    let timeline = vec![
        staged(0, 0, 3, "RECONCILE_SERVICE", 0),
        staged(8, 0, 3, "PRE_SCALE_UP", 0),
        staged(20, 0, 3, "SCALE_UP", 0),
        staged(64, 2, 3, "SCALE_UP", 0),
        staged(70, 3, 3, "SCALE_UP", 0),
        staged(95, 3, 3, "TEST_TRAFFIC_SHIFT", 0),
        staged(130, 3, 3, "POST_TEST_TRAFFIC_SHIFT", 0),
        staged(190, 3, 3, "PRODUCTION_TRAFFIC_SHIFT", 10),
        staged(310, 3, 3, "PRODUCTION_TRAFFIC_SHIFT", 50),
        staged(430, 3, 3, "PRODUCTION_TRAFFIC_SHIFT", 100),
        staged(445, 3, 3, "BAKE_TIME", 100),
        staged(1045, 3, 3, "CLEAN_UP", 100),
        staged(1060, 3, 1, "CLEAN_UP", 100),
        staged(1075, 3, 0, "CLEAN_UP", 100),
    ];
    let mut web = service("web", "serving", 3, timeline);
    web.images.push(ImageRecord {
        container: "envoy-sidecar".to_owned(),
        image: "public.ecr.aws/appmesh/aws-appmesh-envoy:v1.29.6.1-prod".to_owned(),
        digest: None,
    });
    web.events = vec![event(71, "(service web) has reached a steady state.")];
    let timeline = [(0, 0, 1), (31, 1, 1), (66, 1, 0)];
    let timeline = timeline.map(|(at, new, old)| point(at, new, old)).to_vec();
    let mut worker = service("worker", "serving", 1, timeline);
    worker.previous = None;
    let untouched = ServiceRecord {
        cluster: "prod".to_owned(),
        service: "mailer".to_owned(),
        end: "not touched".to_owned(),
        ..ServiceRecord::default()
    };
    record(
        true,
        "3 services: web on prod and worker on prod serve app:42; mailer on prod already did.",
        1100,
        vec![web, worker, untouched],
    )
}

fn unseen() -> Record {
    let mut web = service("web", "replaced", 2, Vec::new());
    web.console = None;
    let mut record = record(
        false,
        "web on prod: app:42 was replaced by another deployment before it was complete.",
        0,
        vec![web],
    );
    record.pipeline_execution_id = None;
    record
}

fn momentary() -> Record {
    let web = service("web", "serving", 0, vec![point(0, 0, 0)]);
    record(
        true,
        "web on prod: app:42 is serving, 0 of 0 tasks.",
        0,
        vec![web],
    )
}

/// 300 looks in 23 hours, a thousand tasks, and stages that are much too short for their names.
fn crowded() -> Record {
    let timeline = (0..300_u32)
        .map(|index| Point {
            stage: Some(format!("STAGE_NUMBER_{}", index / 7)),
            weight: (index % 50 > 10).then_some(index % 101),
            ..point(
                u64::from(index) * 276,
                (index * 37) % 1000,
                1000 - index * 3,
            )
        })
        .collect();
    let mut web = service(
        &"a-service-with-a-long-name".repeat(8),
        "left as it is",
        1000,
        timeline,
    );
    web.cluster = "w".repeat(255);
    web.images[0].container = "c".repeat(255);
    web.events = vec![
        event(40_000, &"x".repeat(400)),
        event(82_000, "The next day."),
    ];
    let mut record = record(false, "W".repeat(600), 23 * 3600, vec![web]);
    record.tasks = vec![TaskRecord {
        container: "c".repeat(255),
        reason: Some("r".repeat(300)),
        ..task(When::Before, TaskOutcome::NotStopped, None)
    }];
    record
}

fn hostile() -> Record {
    let evil = "</title></style></svg></pre><script>parent.hacked = 1</script><img src=x onerror='parent.hacked = 1'>\"'><a href=\"javascript:parent.hacked=1\">&amp;&lt;";
    let all = || evil.to_owned();
    let web = ServiceRecord {
        cluster: all(),
        service: all(),
        revision: all(),
        previous: Some(all()),
        deployment: all(),
        end: all(),
        desired: Some(i32::MIN),
        images: vec![ImageRecord {
            container: all(),
            image: all(),
            digest: Some(all()),
        }],
        timeline: vec![
            Point {
                stage: Some(all()),
                weight: Some(u32::MAX),
                ..point(3, u32::MAX, 1)
            },
            point(60, 7, u32::MAX),
        ],
        events: vec![event(1, evil)],
        stopped: vec![StoppedRecord {
            task: all(),
            at: Some(after(2)),
            reason: all(),
            is_scaled_in: false,
        }],
        waits_at: Some(HookRecord {
            id: Some(all()),
            stage: Some(all()),
            until: Some(after(600)),
            then: Some(all()),
        }),
        console: Some(format!("javascript:{evil}")),
    };
    let mut linked = web.clone();
    linked.console = Some(format!("https://example.com/{evil}"));
    let message = Message::of([evil, evil]).with_details(&format!("\n{evil}"));
    let mut record = record(false, message, 60, vec![web, linked]);
    record.answered = Some(HookAnswer {
        action: all(),
        deployment: all(),
        hook: Some(all()),
    });
    record.tasks = vec![TaskRecord {
        container: all(),
        task: Some(all()),
        reason: Some(all()),
        ..task(When::After, TaskOutcome::Failed, Some(1))
    }];
    record
}

fn task(when: When, end: TaskOutcome, exit_code: Option<i32>) -> TaskRecord {
    TaskRecord {
        when,
        container: "app".to_owned(),
        task: Some("5f0c2d3e4b5a697888776a5b4c3d2e1f".to_owned()),
        started: Some(started()),
        ended: Some(after(74)),
        end,
        exit_code,
        reason: exit_code.map(|code| format!("container app exited with code {code}")),
    }
}

/// The task before the deployment has failed, after the start has waited.
fn migration_failed() -> Record {
    let untouched = ServiceRecord {
        end: "not touched".to_owned(),
        deployment: String::new(),
        ..service("web", "not touched", 2, Vec::new())
    };
    let message = Message::of([
        "web on prod: the pre-deploy task failed: container app exited with code 3; its log ends: error: relation orders is locked.",
        "No service was changed.",
    ]);
    let message = message.with_details(
        "\nThe log of the container ends:\n  applying 0042_orders\n  error: relation orders is locked",
    );
    let mut record = record(false, message, 80, vec![untouched]);
    record.waited = Duration::from_secs(190);
    record.tasks = vec![task(When::Before, TaskOutcome::Failed, Some(3))];
    record
}

/// The action has left its deployment at a PAUSE hook; with tasks before and after it, which is not so in truth.
fn approval() -> Record {
    let timeline = vec![
        staged(0, 0, 3, "RECONCILE_SERVICE", 0),
        staged(20, 0, 3, "SCALE_UP", 0),
        staged(70, 3, 3, "SCALE_UP", 0),
        staged(95, 3, 3, "TEST_TRAFFIC_SHIFT", 0),
        staged(130, 3, 3, "POST_TEST_TRAFFIC_SHIFT", 0),
    ];
    let mut web = service("web", "waiting at a PAUSE hook", 3, timeline);
    web.waits_at = Some(HookRecord {
        id: Some("hook-0a1b2c3d4e5f60718293".to_owned()),
        stage: Some("POST_TEST_TRAFFIC_SHIFT".to_owned()),
        until: Some(after(86_400)),
        then: Some("ROLLBACK".to_owned()),
    });
    let message = Message::of([
        "web on prod: app:42 waits at hook hook-0a1b2c3d4e5f60718293 at POST_TEST_TRAFFIC_SHIFT until 2026-11-25T20:05:09Z, then ROLLBACK, 3 of 3 new tasks running, 3 old, after 2 min.",
        "Answer it with ContinueDeployment.",
    ]);
    let mut record = record(true, message, 140, vec![web]);
    record.tasks = vec![
        task(When::Before, TaskOutcome::Succeeded, Some(0)),
        task(When::After, TaskOutcome::Stopped, None),
    ];
    record.answered = Some(HookAnswer {
        action: "CONTINUE".to_owned(),
        deployment: "arn:aws:ecs:eu-central-1:111122223333:service-deployment/prod/web/sdAbCdEfGhIjKlMnOpQr12"
            .to_owned(),
        hook: Some("hook-99887766554433221100".to_owned()),
    });
    record.paused = Duration::from_secs(754);
    record
}

fn forty() -> Herd {
    let pipelines = (0..40_u64).map(|number| Pipeline {
        name: format!("app-{number:02}"),
        succeeded: number != 7,
        waited: (number != 7).then(|| Duration::from_secs(number * 37 % 61)),
        took: Duration::from_secs(90 + number * 37 % 61),
        headline: "app-07 on prod: ecs:UpdateService still failed after all retries (ThrottlingException: Rate exceeded). The start has waited for 30 min, and nothing was changed: retry the stage in CodePipeline.".to_owned(),
    });
    Herd {
        message: "39 of 40 pipelines have succeeded, the last one after 2 min".to_owned(),
        started: started(),
        pipelines: pipelines.collect(),
        quotas: vec![Quota {
            category: "task definition writes".to_owned(),
            asked: 1050,
            refused: 310,
        }],
    }
}

#[test]
fn a_task_that_failed_and_a_start_that_waited_are_readable_on_every_screen() {
    assert_shown("migration-failed", &migration_failed());
    for seen in measured("migration-failed", &migration_failed(), Theme::Dark) {
        let shown = text(&seen["text"]);
        for part in ["Pre-deploy task", "3 min 10 s after its first event"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn an_approval_is_readable_on_every_screen() {
    assert_shown("approval", &approval());
    for seen in measured("approval", &approval(), Theme::Light) {
        let shown = text(&seen["text"]);
        for part in [
            "then ROLLBACK",
            "12 min 34 s, at a PAUSE hook",
            "stopped at its time limit",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn many_pipelines_are_readable_on_every_screen() {
    for theme in Theme::BOTH {
        let measured = measured_page("herd", &herd::page(&forty()), theme);
        for (seen, width) in measured.iter().zip(WIDTHS) {
            let name = format!("herd, {}, {width} px", theme.name());
            assert_readable(&name, seen);
            let [chart] = seen["charts"].as_array().unwrap().as_slice() else {
                panic!("{name}: one chart: {seen}");
            };
            assert_drawn(&name, chart);
            assert!(text(&seen["text"]).contains("app-39"), "{name}");
        }
    }
}

#[test]
fn a_rolling_update_is_readable_on_every_screen() {
    assert_shown("rolling", &rolling());
}

#[test]
fn a_failed_deployment_with_all_its_evidence_is_readable_on_every_screen() {
    assert_shown("rolled-back", &rolled_back());
}

#[test]
fn stages_and_traffic_are_drawn_without_overlap() {
    assert_shown("blue-green", &blue_green());
    for chart in measured("blue-green", &blue_green(), Theme::Light) {
        let staged = &chart["charts"][0];
        assert_eq!(staged["stages"], 8);
        assert_eq!(chart["charts"][1]["stages"], 0);
        let texts = staged["texts"].as_array().unwrap();
        assert!(
            texts.contains(&"Traffic on the new tasks".into()),
            "{texts:?}"
        );
    }
}

#[test]
fn a_deployment_of_which_nothing_was_seen_says_so() {
    assert_shown("unseen", &unseen());
    for seen in measured("unseen", &unseen(), Theme::Light) {
        assert!(text(&seen["text"]).contains("Nothing was seen over time."));
    }
}

#[test]
fn a_moment_without_any_task_still_has_a_chart() {
    assert_shown("momentary", &momentary());
}

#[test]
fn hundreds_of_looks_and_long_names_stay_within_the_page() {
    assert_shown("crowded", &crowded());
}

#[test]
fn what_strangers_wrote_runs_nowhere_and_is_shown_as_they_wrote_it() {
    assert_shown("hostile", &hostile());
    for seen in measured("hostile", &hostile(), Theme::Light) {
        let links = seen["links"].as_array().unwrap();
        assert_eq!(links.len(), 1);
        assert!(text(&links[0]).starts_with("https://example.com/"));
        assert_eq!(seen["details"].as_str(), Some(hostile().message.details()));
    }
}

/// Width and height of a PNG (<https://www.w3.org/TR/png-3/#11IHDR>).
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

fn screenshot(folder: &Path, theme: Theme, name: &str, html: &str) -> Vec<u8> {
    let file = folder.join(format!("{name}.html"));
    fs::write(&file, html).unwrap();
    let picture = folder.join(format!("{name}.png"));
    let to = format!("--screenshot={}", picture.display());
    chromium(folder, theme, &[&to, "--window-size=1000,1400"], &file);
    let png = fs::read(picture).unwrap();
    assert_eq!(png_size(&png), Some((1000, 1400)), "{name}");
    png
}

#[test]
fn the_page_by_itself_is_painted_in_both_themes() {
    let pictures = Theme::BOTH.map(|theme| {
        let folder = folder(&format!("picture-{}", theme.name()));
        let blank = screenshot(&folder, theme, "blank", "<!doctype html>");
        let painted = screenshot(&folder, theme, "deployment", &page(&rolled_back()));
        // A single colour compresses to next to nothing, letters and lines do not.
        assert!(
            painted.len() > 10 * blank.len(),
            "{} {}",
            painted.len(),
            blank.len()
        );
        painted
    });
    assert_ne!(pictures[0], pictures[1]);
}
