//! Whole deployments: the real handler and clients against the simulator, over HTTP.
//!
//! One binary, because linking the AWS SDK takes longer than running all of it.

mod accounts;
mod adapters;
mod answers;
mod artifacts;
mod asked_for;
mod buildspec;
mod cached_images;
mod configuration;
mod connections;
mod cost;
mod crashes;
mod dry_runs;
mod events;
mod hosts;
mod image_names;
mod installed;
mod layering;
mod local;
mod log_lines;
mod native;
mod outputs;
mod outside;
mod permissions;
mod pins;
mod pre_deploy;
mod raw_events;
mod readme;
mod real_account;
mod record;
mod refusals;
mod rollback;
mod runtime_api;
mod schedules;
mod several;
mod stories;
mod support;
mod task_definition_file;
mod template;
mod truth;
mod variables;
mod verify_images;
