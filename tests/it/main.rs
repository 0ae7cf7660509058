//! Whole deployments: the real handler and clients against the simulator, over HTTP.
//!
//! One binary, because linking the AWS SDK takes longer than running all of it.

mod accounts;
mod adapters;
mod buildspec;
mod configuration;
mod crashes;
mod events;
mod layering;
mod local;
mod permissions;
mod pins;
mod readme;
mod rollback;
mod runtime_api;
mod several;
mod stories;
mod support;
mod task_definition_file;
mod template;
mod verify_images;
