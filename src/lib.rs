//! map to come
pub mod artifact;
pub mod aws;
pub mod clock;
pub mod deploy;
pub mod engine;
pub mod explain;
pub mod handler;
pub mod job;
pub mod logs;
pub mod parameters;
pub mod report;
pub mod settings;
