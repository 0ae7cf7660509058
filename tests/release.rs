//! The function as it is installed: `FUNCTION_ZIP` names a zip that `cargo xtask release` has made, for either
//! CPU. Built with the feature `release`.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_deploy_action::settings::environment;
use xtask::glibc;
use zip::ZipArchive;

/// The zip's length in bytes when it was last measured, on `x86_64`, and how much more is let pass.
const MEASURED_BYTES: u64 = 4_868_005;
const ROOM_PERCENT: u64 = 10;

/// What it may never exceed.
const LIMIT_BYTES: u64 = 5_000_000;

fn zip() -> PathBuf {
    let file = environment("FUNCTION_ZIP").expect("FUNCTION_ZIP, the zip that Lambda gets");
    PathBuf::from(file)
}

/// What Lambda starts.
fn program() -> Vec<u8> {
    let mut archive = ZipArchive::new(File::open(zip()).expect("the zip")).expect("a zip");
    assert_eq!(archive.len(), 1, "the function and nothing else");
    let mut entry = archive.by_name("bootstrap").expect("the function");
    let mode = entry.unix_mode().expect("a mode");
    assert_eq!(mode & 0o777, 0o755, "Lambda may start it");
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).expect("its bytes");
    bytes
}

#[test]
fn it_is_for_the_cpu_that_its_name_says_and_needs_no_newer_glibc_than_lambda_has() {
    // e_machine of the ELF header (elf(5)): EM_X86_64, EM_AARCH64.
    const MACHINE_AT: usize = 18;
    let program = program();
    let machine = u16::from_le_bytes([program[MACHINE_AT], program[MACHINE_AT + 1]]);
    let name = zip()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let named = [("-x86_64.zip", 62), ("-arm64.zip", 183)];
    let named = named.into_iter().find(|(end, _)| name.ends_with(end));
    assert_eq!(named.map(|(_, machine)| machine), Some(machine), "{name}");
    let needed = glibc::needed(&program).expect("a program that is linked to glibc");
    assert!(needed <= glibc::OF_LAMBDA, "{name} needs glibc {needed}");
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
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bootstrap");
    fs::write(&binary, program()).expect("a file");
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
