//! x
pub mod image_definitions;
