//! DECIDES: values in, values out. No async, clock, environment or SDK in here.

pub mod call;
pub mod cleanup;
pub mod decide;
pub mod diff;
pub mod evidence;
pub mod facts;
pub mod failure;
pub mod fit;
pub mod images;
pub mod outcome;
pub mod outside;
pub mod partition;
mod partitions;
pub mod permission;
pub mod phase;
pub mod plan;
pub mod platform;
pub mod pre_deploy;
pub mod prior;
pub mod region;
pub mod revision;
pub mod rollout;
pub mod schedules;
pub mod spec;
pub mod task_definition;
pub mod text;

pub mod time;
pub mod timeline;
pub mod token;
pub mod variables;
