//! Reading the artifact: one small file out of a zip, by ranges, and what it says.

pub mod entry;
pub mod image_definitions;
pub mod ranged;
