//! The parameters, parsed in two stages: what was [`Written`] → `TypedParameters`, each value as
//! its type → [`DeploySpec`], which cannot be invalid.
//!
//! `table.rs` has one row for each parameter: its name, the kind of its value, its default, whether
//! a `ConfigFile` may set it, and the field of [`DeploySpec`] that it becomes. A new parameter is a
//! row there and that field. Strings that hold numbers or booleans are accepted, because the
//! built-in action's parameters are strings. All problems are reported together, each with what to
//! write instead.
//!
//! [`DeploySpec`]: crate::deploy::spec::DeploySpec

mod config_file;
mod grammar;
mod kinds;
mod objects;
mod parse;
mod problems;
mod reader;
mod table;
mod written;

pub use config_file::{config_file, merged};
pub use parse::parse;
pub use problems::Problem;
pub use table::{Parameter, Reason, SetBy, table};
pub use written::{Written, written_in, written_in_configuration};
