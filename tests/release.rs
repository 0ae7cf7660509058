//! The function as it is installed: `FUNCTION_ZIP` names what `cargo lambda build --release
//! --output-format zip` has made. Built with the feature `release`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_deploy_action::settings::environment;
use zip::ZipArchive;

/// The zip's length in bytes when it was last measured, on `x86_64`, and how much more is let pass.
const MEASURED_BYTES: u64 = 4_878_682;
const ROOM_PERCENT: u64 = 10;

/// What it may never exceed.
const LIMIT_BYTES: u64 = 5_000_000;

fn zip() -> PathBuf {
    let file = environment("FUNCTION_ZIP").expect("FUNCTION_ZIP, the zip that Lambda gets");
    PathBuf::from(file)
}

#[test]
fn the_zip_is_about_as_small_as_it_was_and_under_five_megabytes() {
    let length = fs::metadata(zip()).expect("the zip").len();
    let most = MEASURED_BYTES + MEASURED_BYTES * ROOM_PERCENT / 100;
    assert!(
        length <= most,
        "{length} bytes, {MEASURED_BYTES} when last measured"
    );
    assert!(length < LIMIT_BYTES, "{length} bytes");
}

/// Where a panic may be caught stands in the section `.gcc_except_table`: of a function that
/// cannot catch one, only the standard library's places are there.
#[test]
fn a_panic_can_be_caught_in_the_built_function() {
    const LEAST_BYTES: u64 = 150_000;
    let mut archive = ZipArchive::new(File::open(zip()).expect("the zip")).expect("a zip");
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bootstrap");
    let mut entry = archive.by_name("bootstrap").expect("the function");
    let mut file = File::create(&binary).expect("a file");
    std::io::copy(&mut entry, &mut file).expect("its bytes");
    let output = Command::new("readelf")
        .args(["--sections", "--wide"])
        .arg(&binary)
        .output()
        .expect("readelf, which comes with the linker");
    let sections = String::from_utf8_lossy(&output.stdout);
    // Name, kind, address, offset, size; the numbers in hexadecimal.
    let section = sections
        .lines()
        .find_map(|line| line.split_once(".gcc_except_table"));
    let (_, fields) = section.expect("the section");
    let size = fields.split_whitespace().nth(3).expect("its size");
    let size = u64::from_str_radix(size, 16).expect("a number");
    assert!(size >= LEAST_BYTES, "{size} bytes of {sections}");
}
