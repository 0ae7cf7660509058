//! Logs as Lambda asks for them
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>).
//!
//! Only this crate's own lines are written below WARN, whatever the level: the SDK's and the
//! runtime's wire logging at DEBUG and TRACE shows requests, answers and the event, and with them
//! credentials.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::deploy::outside::printable;
use crate::settings::unreadable;

const OWN_TARGET: &str = "ecs_deploy_action";

const FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// One JSON object on each line, instead of text.
    pub json: bool,
    /// The least important level that is written.
    pub level: LevelFilter,
}

impl Format {
    /// From `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL`, with a sentence on each that cannot
    /// be read: text and INFO then, for no log line is worth a deployment.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let mut json = false;
        if let Some(written) = variable(FORMAT) {
            match written.to_ascii_lowercase().as_str() {
                "json" => json = true,
                "text" => {}
                _ => warnings.push(unreadable(FORMAT, &written, "JSON or Text", "Text")),
            }
        }
        let mut level = LevelFilter::INFO;
        if let Some(written) = variable(LEVEL) {
            match written.to_ascii_uppercase().as_str() {
                "TRACE" => level = LevelFilter::TRACE,
                "DEBUG" => level = LevelFilter::DEBUG,
                "INFO" => {}
                "WARN" => level = LevelFilter::WARN,
                "ERROR" | "FATAL" => level = LevelFilter::ERROR,
                _ => warnings.push(unreadable(
                    LEVEL,
                    &written,
                    "TRACE, DEBUG, INFO, WARN, ERROR or FATAL",
                    "INFO",
                )),
            }
        }
        (Self { json, level }, warnings)
    }
}

/// Writes each event as one line that steers nothing, whatever is in it: what a container has
/// logged, quoted in one of our messages, must not become a line of its own, from which CloudWatch
/// would make metrics.
#[derive(Debug, Clone)]
struct OneLine<W> {
    writer: W,
    /// The events are JSON, in which a character is escaped and none may be left out.
    json: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine {
            writer: self.writer.make_writer(),
            json: self.json,
        }
    }
}

impl<W: io::Write> io::Write for OneLine<W> {
    /// `event` is a whole one with its line end, as the subscriber writes it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let event_text = text.strip_suffix('\n').unwrap_or(&text);
        let line = if self.json {
            escaped(event_text)
        } else {
            printable(event_text).replace('\n', " ")
        };
        self.writer.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// JSON whose texts hold what may steer as escapes.
fn escaped(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if printable(c.encode_utf8(&mut [0; 4])).starts_with(c) && c != '\n' {
            line.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    line
}

/// A subscriber that writes to `writer`.
pub fn subscriber<W>(format: Format, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let targets = Targets::new()
        .with_default(format.level.min(LevelFilter::WARN))
        .with_target(OWN_TARGET, format.level);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(OneLine {
            writer,
            json: format.json,
        })
        .with_ansi(false);
    let layer = if format.json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed()
    } else {
        // CloudWatch puts the time beside every line.
        layer.without_time().boxed()
    };
    tracing_subscriber::registry().with(layer.with_filter(targets))
}

/// Logs to standard output from now on, and panics with them.
pub fn start(format: Format) {
    start_to(format, io::stdout);
}

/// The same to another place: the local runner has its own use for standard output.
pub fn start_to<W>(format: Format, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let started = tracing::subscriber::set_global_default(subscriber(format, writer));
    if started.is_err() {
        tracing::warn!("logs were started already");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        // A formatted text may hold anything; a literal holds what stands in the source.
        let message = panic.payload().downcast_ref::<&'static str>();
        tracing::error!(
            place = place.unwrap_or_default(),
            text = message.copied().unwrap_or_default(),
            "panicked"
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(subscriber(format, move || writer.clone()), log);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    fn format(json: bool, level: LevelFilter) -> Format {
        Format { json, level }
    }

    #[test]
    fn json_lines_have_their_fields_at_the_top() {
        let line = written(format(true, LevelFilter::INFO), || {
            tracing::info!(job = "j-1", service = "web", "looked");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["job"], "j-1");
        assert_eq!(line["service"], "web");
        assert_eq!(line["message"], "looked");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn an_event_is_one_line_whatever_it_quotes() {
        const METRICS: &str = r#"{"_aws": {"CloudWatchMetrics": []}}"#;
        for json in [false, true] {
            let lines = written(format(json, LevelFilter::INFO), || {
                let quoted = format!("its log ends:\n{METRICS}\r\n{METRICS}\u{1b}[2J");
                tracing::info!(quoted, "{quoted}");
                tracing::info!(quoted = %quoted, "another");
            });
            assert_eq!(lines.lines().count(), 2, "{lines}");
            assert!(!lines.contains(['\u{1b}', '\r']), "{lines:?}");
            for line in lines.lines() {
                assert!(!line.trim_start().starts_with(r#"{"_aws"#), "{line}");
            }
        }
    }

    #[test]
    fn what_may_steer_is_escaped_in_json_and_never_eats_a_part_of_it() {
        let lines = written(format(true, LevelFilter::INFO), || {
            tracing::info!(quoted = "a\u{9b}", other = "\u{202e}b\u{e0041}", "said");
        });
        assert!(
            !lines.contains(['\u{9b}', '\u{202e}', '\u{e0041}']),
            "{lines:?}"
        );
        let line: serde_json::Value = serde_json::from_str(lines.trim()).unwrap();
        assert_eq!(line["quoted"], "a\u{9b}");
        assert_eq!(line["other"], "\u{202e}b\u{e0041}");
    }

    #[test]
    fn at_trace_other_crates_are_not_heard_below_warn() {
        for json in [false, true] {
            let lines = written(format(json, LevelFilter::TRACE), || {
                tracing::trace!(target: "aws_smithy_runtime::client", "the wire");
                tracing::debug!(target: "lambda_runtime::layers", "the event");
                tracing::info!(target: "hyper_util", "a connection");
                tracing::warn!(target: "aws_config", "a warning");
                tracing::trace!("our own");
            });
            for hidden in ["the wire", "the event", "a connection"] {
                assert!(!lines.contains(hidden), "{lines}");
            }
            assert!(
                lines.contains("a warning") && lines.contains("our own"),
                "{lines}"
            );
        }
    }

    #[test]
    fn the_level_that_lambda_asks_for_is_kept() {
        let lines = written(format(false, LevelFilter::WARN), || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(
            lines.contains("loud") && !lines.contains("quiet"),
            "{lines}"
        );
    }

    #[test]
    fn format_and_level_come_from_lambdas_variables() {
        let read = |json: &str, level: &str| {
            Format::read(|name| match name {
                "AWS_LAMBDA_LOG_FORMAT" => Some(json.to_owned()),
                "AWS_LAMBDA_LOG_LEVEL" => Some(level.to_owned()),
                _ => None,
            })
        };
        let none = Vec::new;
        assert_eq!(
            read("JSON", "debug"),
            (format(true, LevelFilter::DEBUG), none())
        );
        assert_eq!(
            read("Text", "FATAL"),
            (format(false, LevelFilter::ERROR), none())
        );
        let default = format(false, LevelFilter::INFO);
        assert_eq!(Format::read(|_| None), (default, none()));
        for (json, level) in [("", ""), ("yaml", "loud"), ("JSON ", "3")] {
            let (format, warnings) = read(json, level);
            assert_eq!(format, default);
            assert!(warnings[0].starts_with("AWS_LAMBDA_LOG_FORMAT is '"));
            assert!(warnings[1].starts_with("AWS_LAMBDA_LOG_LEVEL is '"));
        }
    }
}
