//! What a release is made of, and what in this repository is made of something else.
//!
//! - [`plain`]: `install/template.yaml` and `install/pipeline.yaml`, made of the templates that SAM builds
//! - [`terraform`]: what of `install/terraform` is made of `install/template.yaml`
//! - [`release`]: the folder that people install from: [`build`] compiles, [`pack`] zips, [`glibc`] and
//!   [`sbom`] look at what came out, [`sums`] writes `SHA256SUMS`
//!
//! Everything here may be repeated elsewhere: no clock, no path and no name of a machine gets into a file
//! that is made.

pub mod build;
pub mod generated;
pub mod glibc;
pub mod pack;
pub mod plain;
pub mod release;
pub mod sbom;
pub mod sums;
pub mod terraform;
