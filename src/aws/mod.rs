//! ACTS: one file per service, translation only, no policy.

pub mod error;
