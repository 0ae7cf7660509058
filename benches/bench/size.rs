//! The binary: what is uploaded to Lambda.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::program::{Program, Programs, baseline};
use crate::table::{Table, bytes, times};

const MB: u64 = 1_000_000;

/// Levels of deflate: what zip(1) takes by itself, and its most.
const USUAL: i64 = 6;
const BEST: i64 = 9;

/// What of a Python environment is no package of the function's.
const NOT_INSTALLED: [&str; 4] = ["pip", "setuptools", "_distutils_hack", "__pycache__"];

pub(crate) fn run(programs: &Programs) {
    let handler = vec![baseline().join("handler.py")];
    let mut with_packages = handler.clone();
    let packages = fs::read_dir(programs.environment.join("lib")).expect("the environment's lib");
    for python in packages.flatten() {
        collect(&python.path().join("site-packages"), &mut with_packages);
    }
    let mut all = vec![("this function", vec![programs.ours.clone()])];
    all.extend(
        programs
            .before
            .clone()
            .map(|before| (Program::Before.name(), vec![before])),
    );
    all.extend([
        ("minimal function", vec![programs.minimal.clone()]),
        ("Python, boto3 of the managed runtime", handler),
        ("Python, its own pinned boto3", with_packages),
    ]);
    let mut table = Table::new(
        "Binary: stripped release build, zipped for Lambda",
        &[
            "program",
            "files",
            "length",
            "zipped, level 6",
            "level 9",
            "level 6, to ours",
        ],
    );
    let mut ours = None;
    for (name, files) in all {
        let lengths = files
            .iter()
            .map(|file| fs::metadata(file).expect("a file").len());
        let length: u64 = lengths.sum();
        let [zipped, best] = [USUAL, BEST].map(|level| zipped(&files, level));
        #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
        let ratio = times(zipped as f64, *ours.get_or_insert(zipped) as f64);
        table.row(vec![
            name.to_owned(),
            files.len().to_string(),
            bytes(length),
            format!("{zipped} B"),
            format!("{best} B"),
            ratio,
        ]);
    }
    let ours = ours.unwrap_or_default();
    table.aim(
        "under 5 MB (5,000,000 bytes) zipped, level 6",
        &format!("{ours} B"),
        ours < 5 * MB,
    );
    table.print();
}

/// The files in a folder and the folders in it.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if NOT_INSTALLED.iter().any(|not| name.starts_with(not)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The length of a zip of them.
fn zipped(files: &[PathBuf], level: i64) -> u64 {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level));
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        writer
            .start_file(file.to_string_lossy(), options)
            .expect("an entry");
        let content = fs::read(file).expect("a file");
        writer.write_all(&content).expect("its content");
    }
    let zip = writer.finish().expect("a zip").into_inner();
    u64::try_from(zip.len()).expect("a length")
}
