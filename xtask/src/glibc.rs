//! The GNU C library that a program needs of the machine it runs on.

use std::fmt;

use object::elf::FileHeader64;
use object::read::elf::FileHeader;
use object::{Endianness, StringTable};
use thiserror::Error;

/// What Lambda's `provided.al2023` has: Amazon Linux 2023's
/// (<https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>).
pub const OF_LAMBDA: Version = Version(2, 34);

/// `2.34`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}.{}", self.0, self.1)
    }
}

/// Why it is not known.
#[derive(Debug, Error)]
pub enum Error {
    /// It is no ELF file of 64 bits, or a broken one.
    #[error("not a program for Lambda")]
    Elf(#[from] object::read::Error),
    /// It asks for a version of the library that is no number: `GLIBC_PRIVATE`.
    #[error("it needs {0:?}, which no release of glibc promises")]
    Unknown(String),
    /// It is linked statically, or to another library: a build that was not meant.
    #[error("it needs no glibc at all")]
    None,
}

/// The newest version of glibc that `program` asks for.
pub fn needed(program: &[u8]) -> Result<Version, Error> {
    let header = FileHeader64::<Endianness>::parse(program)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, program)?;
    let Some((mut needs, link)) = sections.gnu_verneed(endian, program)? else {
        return Err(Error::None);
    };
    let strings: StringTable<'_> = sections.strings(endian, program, link)?;
    let mut newest = None;
    while let Some((_, mut versions)) = needs.next()? {
        while let Some(version) = versions.next()? {
            let name = version.name(endian, strings)?;
            let name = String::from_utf8_lossy(name).into_owned();
            // Others are of libgcc_s: GCC_3.0.
            if let Some(number) = name.strip_prefix("GLIBC_") {
                let parsed = parse(number).ok_or_else(|| Error::Unknown(name.clone()))?;
                newest = newest.max(Some(parsed));
            }
        }
    }
    newest.ok_or(Error::None)
}

/// `2.34`, `2.2.5`
fn parse(number: &str) -> Option<Version> {
    let mut parts = number.split('.').map(|part| part.parse().ok());
    Some(Version(parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_not_texts() {
        assert!(parse("2.4") < parse("2.34"));
        assert!(parse("2.2.5") < parse("2.17"));
        assert_eq!(parse("PRIVATE"), None);
        assert_eq!(parse("2"), None);
    }

    #[test]
    fn what_is_no_program_is_an_error() {
        assert!(matches!(needed(b"#!/bin/sh\n"), Err(Error::Elf(_))));
    }

    #[test]
    fn a_program_that_was_built_here_needs_a_version_that_is_known() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let version = needed(&program).unwrap();
        assert!(
            version >= Version(2, 2) && version < Version(3, 0),
            "{version}"
        );
    }
}
