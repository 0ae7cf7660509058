//! Reading the artifact: one small file out of a zip, by ranges, and what it says.

pub mod document;
pub mod entry;
pub mod format;
pub mod image_definitions;
pub mod location;
pub mod ranged;
pub mod task_definition_file;
pub mod unreadable;
