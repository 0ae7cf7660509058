//! Decides: values in, values out. No async, clock, environment or SDK in here.
//!
//! [`machine`] has the states and what leads from one to the next, [`judge`] when it is a success.

#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

pub mod approval;
pub mod call;
pub mod cleanup;
pub mod console;
pub mod containers;
pub mod dependencies;
pub mod deployment;
pub mod diff;
pub mod evidence;
pub mod exit_code;
pub mod facts;
pub mod failure;
pub mod failures;
pub mod fit;
pub mod hook;
pub mod images;
pub mod judge;
pub mod log_line;
pub mod machine;
pub mod message;
pub mod notice;
pub mod outcome;
pub mod outside;
pub mod pace;
pub mod partition;
mod partitions;
pub mod patch;
pub mod permission;
pub mod plan;
pub mod platform;
pub mod prior;
pub mod refusal;
pub mod region;
pub mod revision;
pub mod rollback;
pub mod rollout;
pub mod schedules;
pub mod seen;
pub mod setting;
pub mod spec;
pub mod task;
pub mod task_definition;
mod testing;
pub mod text;
pub mod time;
pub mod timeline;
pub mod token;
pub mod trouble;
pub mod unchanged;
pub mod variables;
pub mod verdict;
pub mod waiting;
pub mod words;
