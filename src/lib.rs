//! map to come
pub mod artifact;
pub mod aws;
pub mod deploy;
pub mod parameters;
