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
    let zip = if path.is_dir() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        add(&mut writer, path, "").map_err(|error| wrong(&error))?;
        writer.finish().map_err(|error| wrong(&error))?.into_inner()
    } else {
        fs::read(path).map_err(|error| wrong(&error))?
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

fn add(
    writer: &mut ZipWriter<Cursor<Vec<u8>>>,
    folder: &Path,
    prefix: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add(writer, &entry.path(), &format!("{name}/"))?;
        } else {
            writer.start_file(&name, SimpleFileOptions::default())?;
            writer.write_all(&fs::read(entry.path())?)?;
        }
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
