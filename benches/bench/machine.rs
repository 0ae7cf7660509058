//! Where and when the figures were made.

use std::fs;
use std::process::Command;

/// One paragraph: date, commit, CPU, system, load.
pub(crate) fn described() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = cpu
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split_once(": "))
        .map(|(_, model)| model)
        .collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, commit {}, {}; {} x {}, Linux {} {}, load before {}",
        output_of("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        output_of("git", &["describe", "--always", "--dirty"]),
        output_of("rustc", &["--version"]),
        models.len(),
        models.first().unwrap_or(&"unknown CPU"),
        kernel.trim(),
        std::env::consts::ARCH,
        load.split(' ').next().unwrap_or_default(),
    )
}

/// The first line that a program of this machine says; "unknown" if there is no such program.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
