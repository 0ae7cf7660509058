//! Whole deployments: the real handler and clients against the simulator, over HTTP.
//!
//! One binary, because linking the AWS SDK takes longer than running all of it.

mod adapters;
mod buildspec;
mod crashes;
mod events;
mod layering;
mod local;
mod permissions;
mod readme;
mod rollback;
mod runtime_api;
mod stories;
mod support;
mod template;
mod verify_images;
