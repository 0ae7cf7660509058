//! map to come
pub mod artifact;
pub mod deploy;
pub mod parameters;
