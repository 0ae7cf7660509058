//! Which line of a container's log says the error.
//!
//! The last one seldom does: most runtimes end with a trailer (`Node.js v20.1.0`, `exit status 2`,
//! `... 12 more`) or with the frames of a stack trace, whose first line says what happened. Lines are
//! classified by the forms that runtimes and servers write
//! (Node, npm, Python, Java, .NET, Go, Rust, Ruby, PHP, nginx, gunicorn), and JSON logs by their members.

use serde_json::Value;

use super::text;

/// A line longer than this is not parsed as JSON.
const JSON_LIMIT_BYTES: usize = 16 * 1024;

/// How much a line says about the error; the greatest is quoted, the last of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// A trailer, a frame, or a line that says that something else has failed.
    Nothing,
    /// A package manager's account of what it was told to run.
    Account,
    /// Any other line.
    Plain,
    /// It has a word for something that went wrong.
    Suspicious,
    /// It is marked as an error.
    Marked,
    /// An exception or a panic.
    Exception,
    /// What an exception was caused by: the deepest is the root.
    Root,
}

/// The error is sought in so many of the last lines that say something: an older one did not end the container.
/// Frames and trailers are not counted, so that of the longest stack trace the first line is found.
const LINES_WEIGHED: usize = 20;

/// The line of `lines`, oldest first, that says the error. None if all are blank.
pub fn error_line(lines: &[String]) -> Option<String> {
    let mut weighed: Vec<(Weight, String)> = Vec::new();
    let mut before = "";
    for (place, line) in lines.iter().enumerate() {
        let line = line.trim_end();
        if line.trim().is_empty() {
            continue;
        }
        let next = lines.get(place + 1).map_or("", |next| next.trim());
        weighed.push(weigh(line, before, next));
        before = line;
    }
    let telling = weighed.iter().enumerate().rev();
    let mut telling = telling.filter(|(_, (weight, _))| *weight > Weight::Nothing);
    let first = telling.nth(LINES_WEIGHED - 1).map_or(0, |(place, _)| place);
    let mut best: Option<(Weight, String)> = None;
    for (weight, said) in weighed.into_iter().skip(first) {
        // Of a package manager's account the first line is the error, of all others the last.
        let is_better =
            |known: Weight| weight > known || (weight == known && weight != Weight::Account);
        if best.as_ref().is_none_or(|(known, _)| is_better(*known)) {
            best = Some((weight, said));
        }
    }
    best.map(|(_, said)| said)
}

/// What a line weighs, and what is quoted of it; `before` and `next` are the lines around it.
fn weigh(line: &str, before: &str, next: &str) -> (Weight, String) {
    if let Some((weight, message)) = of_json(line) {
        return (weight, message);
    }
    let trimmed = line.trim();
    let quoted = trimmed.to_owned();
    if is_trailer(trimmed) || is_frame(line, before) {
        return (Weight::Nothing, quoted);
    }
    // Java's, and .NET's.
    let root = trimmed.strip_prefix("Caused by: ");
    if let Some(root) = root.or_else(|| trimmed.strip_prefix("---> ")) {
        return (Weight::Root, root.to_owned());
    }
    // Rust's panic stands on two lines: where, and what.
    if is_rust_panic(trimmed) {
        let both = if trimmed.ends_with(':') && !next.is_empty() {
            format!("{trimmed} {next}")
        } else {
            quoted
        };
        return (Weight::Exception, both);
    }
    if is_rust_panic(before.trim()) && before.ends_with(':') {
        return (Weight::Nothing, quoted);
    }
    if is_exception(trimmed) {
        return (Weight::Exception, quoted);
    }
    if let Some(account) = account(trimmed) {
        let weight = if is_suspicious(account) {
            Weight::Account
        } else {
            Weight::Nothing
        };
        return (weight, quoted);
    }
    let weight = match level(trimmed) {
        Some(Level::Error) => Weight::Marked,
        None if is_suspicious(trimmed) => Weight::Suspicious,
        Some(Level::Harmless) | None => Weight::Plain,
    };
    (weight, quoted)
}

/// `thread 'main' panicked at src/main.rs:4:5:`; since Rust 1.91 with the thread's number.
fn is_rust_panic(trimmed: &str) -> bool {
    trimmed.starts_with("thread '") && trimmed.contains(" panicked at ")
}

fn is_suspicious(text: &str) -> bool {
    let lower = text.to_lowercase();
    SUSPICIOUS.iter().any(|word| lower.contains(word))
}

/// Words for something that went wrong, in lower case.
const SUSPICIOUS: [&str; 19] = [
    "error",
    "fatal",
    "exception",
    "panic",
    "critical",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable to",
    "failed",
    "failure",
    "denied",
    "refused",
    "not found",
    "no such",
    "invalid",
    "missing",
    "timed out",
];

/// What ends a log without saying why, by how it begins.
const TRAILERS: [&str; 34] = [
    "[signal ",
    "npm notice",
    "ELIFECYCLE",
    "error: script \"",
    "Node.js v",
    "npm error A complete log of this run",
    "npm ERR! A complete log of this run",
    "npm ERR!     /",
    "npm error     /",
    "exit status ",
    "note: run with `RUST_BACKTRACE",
    "note: Some details are omitted",
    "stack backtrace:",
    "Stack trace:",
    "Stacktrace:",
    "Traceback (most recent call last)",
    "During handling of the above exception",
    "The above exception was the direct cause",
    "goroutine ",
    "created by ",
    "Reason: Worker failed to boot",
    "Shutting down: Master",
    "Worker exiting",
    "Exception in worker process",
    "info Visit https://yarnpkg.com",
    "error Command failed with exit code",
    "throw err",
    "requireStack:",
    "code: '",
    "Press any key",
    // Lambda's own.
    "START RequestId:",
    "END RequestId:",
    "REPORT RequestId:",
    "INIT_START ",
];

fn is_trailer(trimmed: &str) -> bool {
    let body = without_prefix(trimmed);
    let is_more = trimmed.starts_with("... ") && trimmed.ends_with(" more");
    let is_worker = body.starts_with("Worker (pid:") && body.contains(" exited with code");
    let is_mark = trimmed
        .chars()
        .all(|c| matches!(c, '^' | '~' | '{' | '}' | '[' | ']' | ')' | ';' | '-' | '='));
    is_more
        || is_worker
        || is_mark
        || TRAILERS
            .iter()
            .any(|trailer| trimmed.starts_with(trailer) || body.starts_with(trailer))
}

/// A line without the bracketed time, process and level that servers write before it
/// (`[2026-11-25 10:00:00 +0000] [7] [ERROR] …`).
fn without_prefix(trimmed: &str) -> &str {
    let mut rest = trimmed;
    while let Some(after) = rest.strip_prefix('[') {
        match after.split_once(']') {
            Some((_, after)) => rest = after.trim_start(),
            None => break,
        }
    }
    rest
}

/// A frame of a stack trace, or the code that it quotes.
fn is_frame(line: &str, before: &str) -> bool {
    let trimmed = line.trim();
    let is_indented = line.starts_with([' ', '\t']);
    let is_numbered = trimmed.split_once(": ").is_some_and(|(number, _)| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    });
    let is_python = |line: &str| line.trim().starts_with("File \"") && line.contains("\", line ");
    // Java, JavaScript, .NET; Ruby; PHP; Python with the code below; Go; Rust.
    (is_indented && (trimmed.starts_with("at ") || trimmed.starts_with("from ") || is_numbered))
        || trimmed.starts_with("at ") && trimmed.contains('(')
        || trimmed.starts_with("--- End of ")
        || (trimmed.starts_with('#') && trimmed[1..].starts_with(|c: char| c.is_ascii_digit()))
        || trimmed.starts_with("thrown in ")
        || is_python(line)
        || (is_indented && is_python(before))
        || is_go_frame(line)
}

/// `main.main()` and `\t/app/main.go:12 +0x1d`.
fn is_go_frame(line: &str) -> bool {
    let trimmed = line.trim();
    let is_place =
        line.starts_with(['\t', ' ']) && (trimmed.contains(".go:") || trimmed.contains(".s:"));
    let is_call = trimmed.ends_with(')')
        && !trimmed.contains(' ')
        && trimmed
            .split_once('(')
            .is_some_and(|(name, _)| name.contains('.'));
    is_place || is_call
}

/// `TypeError: …`, `java.lang.IllegalStateException: …`, `Unhandled exception. …`, `panic: …`, and
/// Ruby's `file:3:in 'main': … (RuntimeError)`.
fn is_exception(trimmed: &str) -> bool {
    const BEGINS: [&str; 7] = [
        "panic: ",
        "fatal error: ",
        "Unhandled exception",
        "Uncaught ",
        "Exception in thread ",
        "PHP Fatal error: ",
        "Fatal error: ",
    ];
    if BEGINS.iter().any(|begin| trimmed.starts_with(begin)) {
        return true;
    }
    let is_ruby = trimmed.ends_with("Error)") && trimmed.contains(":in ");
    let (name, has_text) = match trimmed.split_once(": ") {
        Some((name, _)) => (name, true),
        None => (trimmed, false),
    };
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b':'));
    let last = text::last_part(name.rsplit(['.', ':']).next().unwrap_or(name));
    let is_class = last.len() > "Error".len()
        && last.starts_with(|c: char| c.is_ascii_uppercase())
        && (last.ends_with("Error") || last.ends_with("Exception") || last.ends_with("Failure"));
    // A class alone on its line is an exception without a message.
    is_ruby || (is_name && is_class) || (has_text && (name == "Error" || name == "error"))
}

/// What npm and yarn say of the script that they ran: the script's own error stands above.
fn account(trimmed: &str) -> Option<&str> {
    const BEGINS: [&str; 3] = ["npm ERR!", "npm error", "error Command"];
    BEGINS.iter().find_map(|begin| trimmed.strip_prefix(begin))
}

/// What the level of a line says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    /// `INFO error handler registered`.
    Harmless,
}

/// The first level among a line's first words: `2026-11-25T10:00:00Z ERROR …`, `[error] …`, `nginx: [emerg] …`,
/// `level=error msg=…`. None of what is between the two.
fn level(line: &str) -> Option<Level> {
    const ERRORS: [&str; 9] = [
        "error", "err", "fatal", "critical", "emerg", "alert", "crit", "severe", "panic",
    ];
    const HARMLESS: [&str; 5] = ["info", "information", "notice", "debug", "trace"];
    let begin = text::cut(line, 120).to_lowercase();
    let mut words = begin.split([' ', '\t', '|']).take(8);
    words.find_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '=');
        let word = word.strip_prefix("level=").unwrap_or(word);
        if ERRORS.contains(&word) {
            Some(Level::Error)
        } else {
            HARMLESS.contains(&word).then_some(Level::Harmless)
        }
    })
}

/// What a line of a structured log says, with its weight.
fn of_json(line: &str) -> Option<(Weight, String)> {
    // Lambda's runtimes write time, request, level and text before an error.
    let json = line.find('{').map(|begin| line[begin..].trim())?;
    let is_all = line.trim().len() == json.len();
    if json.len() > JSON_LIMIT_BYTES || !(is_all || json.contains("\"errorMessage\"")) {
        return None;
    }
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(json) else {
        return None;
    };
    let find = |names: &[&str]| {
        let mut members = members.iter();
        let is_named = |name: &String| names.iter().any(|one| name.eq_ignore_ascii_case(one));
        members
            .find(|(name, _)| is_named(name))
            .map(|(_, value)| value)
    };
    // Rust's tracing keeps them one level deeper.
    let fields = members.get("fields").and_then(Value::as_object);
    let find_text = |names: &[&str]| {
        let deeper = || {
            let mut fields = fields?.iter();
            let (_, value) = fields.find(|(name, _)| names.contains(&name.as_str()))?;
            text_of(value)
        };
        find(names).and_then(text_of).or_else(deeper)
    };
    let message = find_text(&["message", "msg", "@m", "@mt", "text", "log"]);
    let error = find_text(&[
        "error",
        "err",
        "exception",
        "@x",
        "exc_info",
        "stack_trace",
        "error_message",
        "errorMessage",
    ]);
    // It may be a whole stack trace.
    let error = error.and_then(|error| error_line(&lines_of(&error)));
    let kind = find(&["errorType"]).and_then(Value::as_str);
    let error = match (kind, error) {
        (Some(kind), Some(error)) => Some(format!("{kind}: {error}")),
        (_, error) => error,
    };
    let said = match (message, error) {
        (Some(message), Some(error)) if !message.contains(&error) => format!("{message}: {error}"),
        (Some(message), _) => message,
        (None, Some(error)) => error,
        (None, None) => return None,
    };
    let written = find(&[
        "level",
        "severity",
        "lvl",
        "@l",
        "levelname",
        "level_name",
        "loglevel",
        "log.level",
        "severity_text",
        "severityText",
    ]);
    // Monolog has a number and a name.
    let level = match find(&["level_name"]).or(written) {
        Some(Value::String(name)) => level(name),
        // Pino and bunyan: 30 is info, 50 is error, 60 is fatal. Syslog's numbers end at 7 and are not judged.
        Some(Value::Number(number)) => match number.as_f64().unwrap_or_default() {
            50.0.. => Some(Level::Error),
            10.0..=30.0 => Some(Level::Harmless),
            _ => None,
        },
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    let first = said.lines().find(|line| !line.trim().is_empty());
    let first = first.unwrap_or_default().trim().to_owned();
    let weight = match level {
        _ if kind.is_some() => Weight::Exception,
        Some(Level::Error) => Weight::Exception,
        Some(Level::Harmless) => Weight::Plain,
        None => weigh(&first, "", "").0.min(Weight::Suspicious),
    };
    Some((weight, first))
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// A member's text: its own, or an error object's.
fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let named = |name: &str| members.get(name).and_then(Value::as_str);
            let message = named("message").or(named("msg")).or(named("Message"))?;
            match named("type").or(named("name")).or(named("Type")) {
                Some(kind) if !message.starts_with(kind) => format!("{kind}: {message}"),
                Some(_) | None => message.to_owned(),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(log: &str) -> String {
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        error_line(&lines).unwrap_or_default()
    }

    #[test]
    fn of_each_runtimes_log_the_line_that_says_the_error_is_quoted() {
        for (runtime, log, expected) in [
            (
                "Node",
                "/app/server.js:12\n    throw new Error('DATABASE_URL is not set');\n    ^\n\nError: DATABASE_URL is not set\n    at Object.<anonymous> (/app/server.js:12:9)\n    at Module._compile (node:internal/modules/cjs/loader:1554:14)\n\nNode.js v18.20.0",
                "Error: DATABASE_URL is not set",
            ),
            (
                "Node, a module",
                "node:internal/modules/cjs/loader:1228\n  throw err;\n  ^\n\nError: Cannot find module 'express'\nRequire stack:\n- /app/server.js\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: [ '/app/server.js' ]\n}\n\nNode.js v20.11.1",
                "Error: Cannot find module 'express'",
            ),
            (
                "npm",
                "> api@1.0.0 start\n> node server.js\n\nTypeError: Cannot read properties of undefined (reading 'url')\n    at start (/app/server.js:4:20)\n\nNode.js v22.3.0\nnpm error Lifecycle script `start` failed with error:\nnpm error code 1\nnpm error path /app\nnpm error A complete log of this run can be found in: /app/.npm/_logs/x-debug-0.log",
                "TypeError: Cannot read properties of undefined (reading 'url')",
            ),
            (
                "npm without a script",
                "npm error Missing script: \"start\"\nnpm error\nnpm error To see a list of scripts, run:\nnpm error   npm run\nnpm error A complete log of this run can be found in: /app/.npm/_logs/x-debug-0.log",
                "npm error Missing script: \"start\"",
            ),
            (
                "Python",
                "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    import flask\nModuleNotFoundError: No module named 'flask'",
                "ModuleNotFoundError: No module named 'flask'",
            ),
            (
                "gunicorn",
                "[2026-11-25 10:00:00 +0000] [7] [ERROR] Exception in worker process\nTraceback (most recent call last):\n  File \"/usr/lib/gunicorn/arbiter.py\", line 609, in spawn_worker\n    worker.init_process()\nKeyError: 'SECRET_KEY'\n[2026-11-25 10:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)\n[2026-11-25 10:00:00 +0000] [1] [ERROR] Worker (pid:7) exited with code 3\n[2026-11-25 10:00:00 +0000] [1] [ERROR] Shutting down: Master\n[2026-11-25 10:00:00 +0000] [1] [ERROR] Reason: Worker failed to boot.",
                "KeyError: 'SECRET_KEY'",
            ),
            (
                "Java",
                "Exception in thread \"main\" org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dataSource'\n\tat org.springframework.Foo.bar(Foo.java:1)\n\t... 12 more\nCaused by: java.net.ConnectException: Connection refused\n\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)\n\t... 30 more",
                "java.net.ConnectException: Connection refused",
            ),
            (
                ".NET",
                "Unhandled exception. System.InvalidOperationException: No connection string named 'Default'\n   at Program.<Main>$(String[] args) in /src/Program.cs:line 5\n   at Program.<Main>(String[] args)",
                "Unhandled exception. System.InvalidOperationException: No connection string named 'Default'",
            ),
            (
                "Go",
                "panic: DATABASE_URL is not set\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d\nexit status 2",
                "panic: DATABASE_URL is not set",
            ),
            (
                "Go, log.Fatal",
                "2026/11/25 10:00:00 listening on :8080\n2026/11/25 10:00:01 dial tcp 10.0.0.1:5432: connect: connection refused\nexit status 1",
                "2026/11/25 10:00:01 dial tcp 10.0.0.1:5432: connect: connection refused",
            ),
            (
                "Rust",
                "thread 'main' panicked at src/main.rs:4:5:\nDATABASE_URL is not set\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
                "thread 'main' panicked at src/main.rs:4:5: DATABASE_URL is not set",
            ),
            (
                "Ruby",
                "/app/config.rb:3:in `fetch': key not found: \"DATABASE_URL\" (KeyError)\n\tfrom /app/config.rb:3:in `<main>'",
                "/app/config.rb:3:in `fetch': key not found: \"DATABASE_URL\" (KeyError)",
            ),
            (
                "PHP",
                "PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /var/www/db.php:4\nStack trace:\n#0 /var/www/db.php(4): PDO->__construct()\n#1 {main}\n  thrown in /var/www/db.php on line 4",
                "PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /var/www/db.php:4",
            ),
            (
                "nginx",
                "/docker-entrypoint.sh: Configuration complete; ready for start up\n2026/11/25 10:00:00 [emerg] 1#1: host not found in upstream \"api\" in /etc/nginx/conf.d/default.conf:5\nnginx: [emerg] host not found in upstream \"api\" in /etc/nginx/conf.d/default.conf:5",
                "nginx: [emerg] host not found in upstream \"api\" in /etc/nginx/conf.d/default.conf:5",
            ),
            (
                "JSON, pino",
                "{\"level\":30,\"msg\":\"starting\"}\n{\"level\":60,\"err\":{\"type\":\"Error\",\"message\":\"connect ECONNREFUSED 10.0.0.1:5432\"},\"msg\":\"startup failed\"}\n{\"level\":30,\"msg\":\"closing\"}",
                "startup failed: Error: connect ECONNREFUSED 10.0.0.1:5432",
            ),
            (
                "JSON, slog",
                "{\"time\":\"x\",\"level\":\"ERROR\",\"msg\":\"migrate\",\"error\":\"dirty database version 7\"}",
                "migrate: dirty database version 7",
            ),
            (
                "logfmt",
                "level=info msg=\"starting\"\nlevel=error msg=\"cannot bind\" port=80\nlevel=info msg=\"stopped\"",
                "level=error msg=\"cannot bind\" port=80",
            ),
            (
                "one line",
                "migrating\ntable users is locked",
                "table users is locked",
            ),
            (
                "Go, a nil pointer",
                "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d",
                "panic: runtime error: invalid memory address or nil pointer dereference",
            ),
            (
                "Rust, since 1.91",
                "thread 'main' (1) panicked at src/main.rs:4:5:\nDATABASE_URL is not set\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
                "thread 'main' (1) panicked at src/main.rs:4:5: DATABASE_URL is not set",
            ),
            (
                ".NET, inner exceptions",
                "Unhandled exception. System.AggregateException: One or more errors occurred.\n ---> System.Net.Http.HttpRequestException: Connection refused (db:5432)\n ---> System.Net.Sockets.SocketException (111): Connection refused\n   at System.Net.Sockets.Socket.Connect()\n   --- End of inner exception stack trace ---\n   at Program.<Main>(String[] args)",
                "System.Net.Sockets.SocketException (111): Connection refused",
            ),
            (
                "npm, with a notice",
                "Error: DATABASE_URL is not set\n    at Object.<anonymous> (/app/server.js:12:9)\nnpm notice\nnpm notice New major version of npm available! 10.8.2 -> 11.0.0\nnpm notice To update run: npm install -g npm@11.0.0",
                "Error: DATABASE_URL is not set",
            ),
            (
                "pnpm",
                "Error: DATABASE_URL is not set\n ELIFECYCLE  Command failed with exit code 1.",
                "Error: DATABASE_URL is not set",
            ),
            (
                "bun",
                "cannot open /data/app.db\nerror: script \"start\" exited with code 1",
                "cannot open /data/app.db",
            ),
            (
                "an INFO line that speaks of errors",
                "2026-11-25 10:00:00 WARN port 80 is in use, cannot bind\n2026-11-25 10:00:01 INFO error reporter flushed",
                "2026-11-25 10:00:00 WARN port 80 is in use, cannot bind",
            ),
            (
                "JSON, an INFO line that speaks of errors",
                "{\"level\":\"warn\",\"msg\":\"cannot bind port 80\"}\n{\"level\":\"info\",\"msg\":\"error reporter flushed\"}",
                "cannot bind port 80",
            ),
            (
                "JSON, Monolog",
                "{\"message\":\"no such table: users\",\"context\":{},\"level\":400,\"level_name\":\"ERROR\"}\n{\"message\":\"bye\",\"level\":200,\"level_name\":\"INFO\"}",
                "no such table: users",
            ),
            (
                "JSON, Python's exc_info",
                "{\"levelname\":\"ERROR\",\"message\":\"startup failed\",\"exc_info\":\"Traceback (most recent call last):\\n  File \\\"/app/m.py\\\", line 3, in <module>\\n    f()\\nKeyError: 'DATABASE_URL'\"}",
                "startup failed: KeyError: 'DATABASE_URL'",
            ),
            (
                "JSON, .NET",
                "{\"EventId\":0,\"LogLevel\":\"Critical\",\"Message\":\"Host terminated\",\"Exception\":\"System.IO.IOException: Failed to bind to address\\n   at Program.Main()\"}",
                "Host terminated: System.IO.IOException: Failed to bind to address",
            ),
            (
                "JSON, Rust's tracing",
                "{\"timestamp\":\"x\",\"level\":\"ERROR\",\"fields\":{\"message\":\"cannot migrate\",\"error\":\"dirty version 7\"},\"target\":\"app\"}",
                "cannot migrate: dirty version 7",
            ),
            ("only a trailer", "exit status 2", "exit status 2"),
            ("nothing", "\n  \n", ""),
        ] {
            assert_eq!(chosen(log), expected, "{runtime}");
        }
    }

    #[test]
    fn of_a_long_stack_trace_the_first_line_is_found_and_an_error_of_long_ago_is_not() {
        let frames = "\tat com.example.App.run(App.java:1)\n".repeat(300);
        let log = format!("starting\njava.lang.IllegalStateException: no database\n{frames}");
        assert_eq!(chosen(&log), "java.lang.IllegalStateException: no database");
        let served = "GET /health 200\n".repeat(LINES_WEIGHED - 1);
        let log = format!("IOError: a client went away\n{served}cannot open /data/app.db");
        assert_eq!(chosen(&log), "cannot open /data/app.db");
    }

    #[test]
    fn a_line_that_is_no_json_or_too_long_to_be_parsed_is_quoted_as_it_is() {
        assert_eq!(chosen("{not json"), "{not json");
        let long = format!("{{\"msg\":\"{}\"}}", "x".repeat(JSON_LIMIT_BYTES));
        assert_eq!(chosen(&long), long);
        assert_eq!(chosen("{\"level\":\"error\"}"), "{\"level\":\"error\"}");
    }
}
