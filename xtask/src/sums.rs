//! `SHA256SUMS`, as `sha256sum --check` reads it.

use std::path::Path;
use std::{fs, io};

use sha2::{Digest, Sha256};

/// The file's name.
pub const NAME: &str = "SHA256SUMS";

/// A line for each file of `folder` but [`NAME`] itself, by name.
pub fn of(folder: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != NAME {
            names.push(name);
        }
    }
    names.sort_unstable();
    let mut lines = String::new();
    for name in names {
        let digest = Sha256::digest(fs::read(folder.join(&name))?);
        for byte in digest {
            lines.push_str(&format!("{byte:02x}"));
        }
        lines.push_str(&format!("  {name}\n"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_but_itself_has_a_line_in_the_order_of_their_names() {
        let folder = std::env::temp_dir().join(format!("sums-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("b.zip", "abc"), ("a.yaml", ""), (NAME, "old")] {
            fs::write(folder.join(name), text).unwrap();
        }
        let sums = of(&folder);
        fs::remove_dir_all(&folder).unwrap();
        // FIPS 180-2's examples.
        let expected = "\
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.yaml\n\
            ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.zip\n";
        assert_eq!(sums.unwrap(), expected);
    }
}
