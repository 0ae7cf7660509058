//! The share of a CPU that Lambda gives a small function, by Linux's control groups.

use std::fs;
use std::path::{Path, PathBuf};

/// Lambda gives a function CPU time by its memory, one vCPU at 1,769 MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
const VCPU_MB: u32 = 1769;
const MEMORY_MB: u32 = 128;

/// In pieces of so many microseconds.
const PERIOD_MICROS: u32 = 20_000;
const QUOTA_MICROS: u32 = PERIOD_MICROS * MEMORY_MB / VCPU_MB;

/// A control group with one process in it. Goes away when it is dropped, which is after the process.
#[derive(Debug)]
pub(crate) struct Share(PathBuf);

impl Share {
    /// Puts a process into a group of its own. `None` if this machine or its user may not.
    pub(crate) fn of_128_mb(process: u32) -> Option<Self> {
        let name = format!("ecs-deploy-action-bench-{process}");
        // Version 1 has a tree for the CPU, version 2 one for all.
        let first = Path::new("/sys/fs/cgroup/cpu").join(&name);
        let second = Path::new("/sys/fs/cgroup").join(&name);
        let group = [first, second].into_iter().find(|group| {
            let is_made = fs::create_dir(group).is_ok();
            let has_cpu = ["cpu.cfs_quota_us", "cpu.max"]
                .iter()
                .any(|file| group.join(file).exists());
            if is_made && !has_cpu {
                drop(fs::remove_dir(group));
            }
            is_made && has_cpu
        })?;
        let share = Self(group);
        let write = |file: &str, text: String| fs::write(share.0.join(file), text).is_ok();
        let is_set = if share.0.join("cpu.max").exists() {
            write("cpu.max", format!("{QUOTA_MICROS} {PERIOD_MICROS}"))
        } else {
            write("cpu.cfs_period_us", PERIOD_MICROS.to_string())
                && write("cpu.cfs_quota_us", QUOTA_MICROS.to_string())
        };
        (is_set && write("cgroup.procs", process.to_string())).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Left behind it is empty and does no harm.
        drop(fs::remove_dir(&self.0));
    }
}
