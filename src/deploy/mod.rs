//! DECIDES: values in, values out. No async, clock, environment or SDK in here.

pub mod decide;
pub mod diff;
pub mod evidence;
pub mod failure;
pub mod images;
pub mod permission;
pub mod phase;
pub mod platform;
pub mod revision;
pub mod rollout;
pub mod task_definition;
pub mod text;
pub mod time;
pub mod token;
