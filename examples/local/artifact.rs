//! The artifact: a folder or a zip, and the images in it.

use std::borrow::Cow;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use ecs_deploy_action::artifact::{format, image_definitions};
use ecs_deploy_action::deploy::images::{ImageSource, Images};
use ecs_deploy_action::deploy::outside;
use ecs_deploy_action::deploy::spec::FILE_NAME_DEFAULT;
use ecs_deploy_action::deploy::text;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// So many of the files of an artifact are named that does not have the one.
const NAMED_LIMIT: usize = 10;
/// A longer name is cut.
const NAME_LIMIT_CHARS: usize = 100;

/// Of a pipe, a socket or a device.
const NO_FILE: &str = "it is neither a file nor a folder";

/// What CodePipeline would have stored.
pub(crate) struct Artifact {
    pub(crate) zip: Vec<u8>,
    /// The images that it asks for; none if its file is missing or wrong, which a simulated
    /// deployment will say better.
    pub(crate) images: Images,
    /// Why there are none.
    pub(crate) problem: Option<String>,
}

/// Reads a zip, or makes one of a folder.
pub(crate) fn read(path: &Path) -> Result<Artifact, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let kind = fs::metadata(path).map_err(|error| wrong(&error))?;
    let zip = if kind.is_dir() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        add(&mut writer, path, "").map_err(|error| wrong(&error))?;
        writer.finish().map_err(|error| wrong(&error))?.into_inner()
    } else if kind.is_file() {
        fs::read(path).map_err(|error| wrong(&error))?
    } else {
        return Err(wrong(&NO_FILE));
    };
    let (images, problem) = match images_in(&zip) {
        Ok(images) => (images, None),
        Err(problem) => (Images::default(), Some(wrong(&problem))),
    };
    Ok(Artifact {
        zip,
        images,
        problem,
    })
}

impl Artifact {
    /// Names one more image in its file, unless that cannot be read or has one for the container.
    pub(crate) fn name(&mut self, container: &str, image: &str) -> Result<(), String> {
        if self.images.is_empty() || self.images.iter().any(|(known, _)| known == container) {
            return Ok(());
        }
        self.images.push((container.to_owned(), image.to_owned()));
        let definitions = self.images.iter();
        let definitions: Vec<Value> = definitions
            .map(|(name, image)| json!({"name": name, "imageUri": image}))
            .collect();
        self.without(FILE_NAME_DEFAULT)
            .map_err(|error| format!("the artifact: {error}"))?;
        self.add(&[(FILE_NAME_DEFAULT, Value::from(definitions).to_string())])
    }

    /// Takes a file out of the zip.
    fn without(&mut self, name: &str) -> zip::result::ZipResult<()> {
        let mut archive = ZipArchive::new(Cursor::new(self.zip.as_slice()))?;
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index)?;
            if file.name().is_ok_and(|one| one != name) {
                writer.raw_copy_file(file)?;
            }
        }
        self.zip = writer.finish()?.into_inner();
        Ok(())
    }

    /// Adds files to the zip, as far as it is one.
    pub(crate) fn add(&mut self, files: &[(&str, String)]) -> Result<(), String> {
        if files.is_empty() {
            return Ok(());
        }
        let wrong = |error: &dyn std::fmt::Display| format!("the artifact: {error}");
        for (name, _) in files {
            // It may have one of that name, which a zip cannot have twice.
            self.without(name).map_err(|error| wrong(&error))?;
        }
        let zip = Cursor::new(std::mem::take(&mut self.zip));
        let mut writer = ZipWriter::new_append(zip).map_err(|error| wrong(&error))?;
        for (name, content) in files {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .map_err(|error| wrong(&error))?;
            writer
                .write_all(content.as_bytes())
                .map_err(|error| wrong(&error))?;
        }
        self.zip = writer.finish().map_err(|error| wrong(&error))?.into_inner();
        Ok(())
    }
}

/// Adds what is in a folder. An error names the entry.
fn add(writer: &mut ZipWriter<Cursor<Vec<u8>>>, folder: &Path, prefix: &str) -> Result<(), String> {
    let wrong = |name: &str, error: &dyn std::fmt::Display| {
        let name = text::cut(&outside::shown(name), NAME_LIMIT_CHARS);
        format!("{name}: {error}")
    };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|error| match prefix {
        "" => error.to_string(),
        prefix => wrong(prefix, &error),
    })?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let wrong = |error: &dyn std::fmt::Display| wrong(&name, error);
        if entry.file_type().map_err(|error| wrong(&error))?.is_dir() {
            add(writer, &entry.path(), &format!("{name}/"))?;
            continue;
        }
        // Of what a link leads to.
        let kind = fs::metadata(entry.path()).map_err(|error| wrong(&error))?;
        if kind.is_dir() {
            // It may lead to a folder above it, and so to no end.
            return Err(wrong(
                &"it is a link to a folder: put the folder itself there",
            ));
        }
        if !kind.is_file() {
            // Reading a named pipe would wait for whoever writes to it.
            return Err(wrong(&NO_FILE));
        }
        let content = fs::read(entry.path()).map_err(|error| wrong(&error))?;
        let started = writer.start_file(&name, SimpleFileOptions::default());
        started.map_err(|error| wrong(&error))?;
        writer.write_all(&content).map_err(|error| wrong(&error))?;
    }
    Ok(())
}

fn images_in(zip: &[u8]) -> Result<Images, String> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| no_zip(zip, &error))?;
    let names: Vec<String> = archive
        .file_names()
        .filter_map(|name| name.ok().map(Cow::into_owned))
        .collect();
    let mut content = Vec::new();
    let file = archive.by_name(FILE_NAME_DEFAULT);
    let mut file = file.map_err(|_| no_file(&names))?;
    let read = file.read_to_end(&mut content);
    read.map_err(|error| format!("{FILE_NAME_DEFAULT} in it cannot be read: {error}"))?;
    match image_definitions::parse(FILE_NAME_DEFAULT, &content, None) {
        Ok(ImageSource::Definitions { images, .. }) => Ok(images),
        Ok(ImageSource::Detail { .. }) => {
            Err(format!("{FILE_NAME_DEFAULT} in it names no container"))
        }
        Err(mistakes) => {
            let texts = mistakes.iter();
            let texts: Vec<String> = texts
                .map(|mistake| format!("{FILE_NAME_DEFAULT} in it {mistake}"))
                .collect();
            Err(texts.join(". "))
        }
    }
}

/// What it is instead, as far as its first bytes show.
fn no_zip(content: &[u8], error: &dyn std::fmt::Display) -> String {
    let head_bytes = usize::try_from(format::HEAD_BYTES).unwrap_or(usize::MAX);
    let head = &content[..content.len().min(head_bytes)];
    match format::of(head) {
        _ if content.is_empty() => "it is empty".to_owned(),
        Some(other) => format!("it is {other}, not a zip"),
        None if format::is_zip(head) => {
            format!("it begins as a zip and cannot be read as one ({error}): was it cut off?")
        }
        None => format!("it is not a zip that can be read ({error})"),
    }
}

/// What there is instead of the file.
fn no_file(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_LIMIT);
    let shown: Vec<String> = shown
        .map(|name| text::cut(&outside::shown(name), NAME_LIMIT_CHARS))
        .collect();
    let has = match (names.len(), names.len().saturating_sub(NAMED_LIMIT)) {
        (0, _) => "no file".to_owned(),
        (_, 0) => text::listed(&shown),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    };
    format!("it has no {FILE_NAME_DEFAULT} at its top: it has {has}")
}
