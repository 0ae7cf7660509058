//! The artifact: a folder or a zip, and the images in it.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use ecs_deploy_action::artifact::image_definitions;
use ecs_deploy_action::deploy::images::{ImageSource, Images};
use ecs_deploy_action::deploy::spec::FILE_NAME_DEFAULT;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

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
    let no_zip = |error| format!("it is no zip that can be read: {error}");
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(no_zip)?;
    let mut content = Vec::new();
    let file = archive.by_name(FILE_NAME_DEFAULT);
    let mut file = file.map_err(|_| format!("it has no {FILE_NAME_DEFAULT} at its top"))?;
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
