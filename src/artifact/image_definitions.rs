//! `imagedefinitions.json` and `imageDetail.json`: what the build says should run.
//!
//! Format of both: <https://docs.aws.amazon.com/codepipeline/latest/userguide/file-reference.html>.

use serde_json::Value;

use super::document::{self, Unusable};
use crate::deploy::images::{ImageMistake, ImageReference, ImageSource, Images};
use crate::deploy::text;

/// An image definitions file is at most this long (100 KB in CodePipeline's quotas:
/// <https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>).
pub const FILE_LIMIT_BYTES: usize = 100 * 1024;

/// More entries than this cannot all be meant: ten services, each with a task definition of ten
/// containers.
pub const ENTRY_LIMIT: usize =
    crate::deploy::spec::SERVICES_LIMIT * super::task_definition_file::CONTAINER_LIMIT;

/// The file that an ECR source action writes. It names an image, but no container.
pub const IMAGE_DETAIL_FILE: &str = "imageDetail.json";

/// What is wrong with an image definitions file. Each is a sentence that says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// The file has no bytes, or nothing but white space.
    #[error(r#"is empty: expected [{{"name": "<container>", "imageUri": "<image>"}}]"#)]
    EmptyFile,
    /// Longer than [`FILE_LIMIT_BYTES`].
    #[error("is larger than {} KB, the most that an image definitions file may have", FILE_LIMIT_BYTES / 1024)]
    TooLarge,
    /// No text, or no JSON.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// An object without `ImageURI`.
    #[error(
        r#"holds an object where an array is expected: put [ ] around it: [{{"name": "<container>", "imageUri": "<image>"}}]"#
    )]
    ObjectNotArray,
    /// An object with `ImageURI`, under another name than `imageDetail.json`.
    #[error(
        "is an imageDetail.json (it has ImageURI), not a list of image definitions: set FileName to {IMAGE_DETAIL_FILE}, or set ContainerName to the container that gets the image"
    )]
    IsImageDetail,
    /// A text, number, `true`, `false` or `null`.
    #[error(
        r#"holds {0} where an array is expected: [{{"name": "<container>", "imageUri": "<image>"}}]"#
    )]
    NotArray(&'static str),
    /// `[]`.
    #[error("is an empty array: name at least one container and its image")]
    EmptyArray,
    /// More than [`ENTRY_LIMIT`].
    #[error(
        "has {0} entries; the services of an action have {ENTRY_LIMIT} containers at most: name those alone whose image changes"
    )]
    TooManyEntries(usize),
    /// An element that is not an object.
    #[error(
        r#"entry {entry} is {kind}: expected {{"name": "<container>", "imageUri": "<image>"}}"#
    )]
    NotObject {
        /// From 1.
        entry: usize,
        /// What it is instead.
        kind: &'static str,
    },
    /// A member is missing.
    #[error("entry {entry} has no '{member}'{hint}")]
    Missing {
        /// From 1.
        entry: usize,
        /// `name` or `imageUri`.
        member: &'static str,
        /// The member that was probably meant, as ` (it has 'imageURI': the name is case-sensitive)`.
        hint: String,
    },
    /// A member is an empty text.
    #[error("entry {entry} has an empty '{member}'")]
    Empty {
        /// From 1.
        entry: usize,
        /// `name` or `imageUri`.
        member: &'static str,
    },
    /// A member is not a text.
    #[error("entry {entry}: '{member}' is {kind}, expected a text in double quotes")]
    NotText {
        /// From 1.
        entry: usize,
        /// `name` or `imageUri`.
        member: &'static str,
        /// What it is instead.
        kind: &'static str,
    },
    /// The same container with two images.
    #[error("names the container '{container}' twice, with '{first}' and with '{second}'")]
    Twice {
        /// The container.
        container: String,
        /// Its first image.
        first: String,
        /// Its second image.
        second: String,
    },
    /// The image cannot be one.
    #[error("the image of '{container}' {reason}")]
    Image {
        /// The container, or `ImageURI` in an imageDetail.json.
        container: String,
        /// What is wrong with it, with the image in quotes.
        reason: ImageMistake,
    },
    /// An imageDetail.json whose `ImageURI` is missing or not a text.
    #[error("has no ImageURI with an image: expected what an ECR source action writes")]
    NoImageUri,
    /// `ContainerName` beside an array.
    #[error(
        "names its containers itself, so ContainerName has no meaning here: remove it (it is for {IMAGE_DETAIL_FILE})"
    )]
    NeedlessContainerName,
}

impl Mistake {
    /// Whether the sentence is about one entry, rather than about the file.
    pub fn is_about_an_entry(&self) -> bool {
        matches!(
            self,
            Self::NotObject { .. }
                | Self::Missing { .. }
                | Self::Empty { .. }
                | Self::NotText { .. }
                | Self::Image { .. }
        )
    }
}

/// Reads the file's bytes as the parameters mean it.
///
/// `file` is its name, which decides whether an object with `ImageURI` is welcome;
/// `container` is the `ContainerName` parameter.
///
/// # Errors
/// Every [`Mistake`] found, in the order of the file.
pub fn parse(
    file: &str,
    bytes: &[u8],
    container: Option<&str>,
) -> Result<ImageSource, Vec<Mistake>> {
    let value = decode(bytes).map_err(|mistake| vec![mistake])?;
    from_value(file, &value, container)
}

/// The same for JSON that is parsed already, as a manual event brings it.
///
/// # Errors
/// Every [`Mistake`] found, in the order of the file.
pub fn from_value(
    file: &str,
    value: &Value,
    container: Option<&str>,
) -> Result<ImageSource, Vec<Mistake>> {
    let basename = text::last_part(file);
    let detail_expected = container.is_some() || basename.eq_ignore_ascii_case(IMAGE_DETAIL_FILE);
    let one = |mistake| Err(vec![mistake]);
    match value {
        Value::Array(_) if container.is_some() => one(Mistake::NeedlessContainerName),
        Value::Array(entries) => Ok(ImageSource::Definitions {
            file: file.to_owned(),
            images: definitions(entries)?,
        }),
        Value::Object(object) if detail_expected => match object.get("ImageURI") {
            Some(Value::String(image)) if !image.is_empty() => {
                ImageReference::parse(image).map_err(|reason| {
                    vec![Mistake::Image {
                        container: "ImageURI".to_owned(),
                        reason,
                    }]
                })?;
                Ok(ImageSource::Detail {
                    file: file.to_owned(),
                    image: image.clone(),
                    container: container.map(str::to_owned),
                })
            }
            _ => one(Mistake::NoImageUri),
        },
        Value::Object(object) if object.contains_key("ImageURI") => one(Mistake::IsImageDetail),
        Value::Object(_) => one(Mistake::ObjectNotArray),
        other => one(Mistake::NotArray(kind_of(other))),
    }
}

fn decode(bytes: &[u8]) -> Result<Value, Mistake> {
    if bytes.len() > FILE_LIMIT_BYTES {
        return Err(Mistake::TooLarge);
    }
    document::json(bytes).map_err(|unusable| match unusable {
        Unusable::Empty => Mistake::EmptyFile,
        other => Mistake::Unusable(other),
    })
}

fn definitions(entries: &[Value]) -> Result<Images, Vec<Mistake>> {
    if entries.is_empty() {
        return Err(vec![Mistake::EmptyArray]);
    }
    if entries.len() > ENTRY_LIMIT {
        return Err(vec![Mistake::TooManyEntries(entries.len())]);
    }
    let mut mistakes = Vec::new();
    let mut images: Images = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let entry_number = index + 1;
        if !entry.is_object() {
            mistakes.push(Mistake::NotObject {
                entry: entry_number,
                kind: kind_of(entry),
            });
            continue;
        }
        let name = member(entry, entry_number, "name");
        let image = member(entry, entry_number, "imageUri");
        let (name, image) = match (name, image) {
            (Ok(name), Ok(image)) => (name, image),
            (name, image) => {
                mistakes.extend(name.err());
                mistakes.extend(image.err());
                continue;
            }
        };
        if let Err(reason) = ImageReference::parse(image) {
            mistakes.push(Mistake::Image {
                container: name.to_owned(),
                reason,
            });
            continue;
        }
        match images.iter().find(|(known, _)| known == name) {
            Some((_, first)) if first != image => mistakes.push(Mistake::Twice {
                container: name.to_owned(),
                first: first.clone(),
                second: image.to_owned(),
            }),
            Some(_) => {}
            None => images.push((name.to_owned(), image.to_owned())),
        }
    }
    if mistakes.is_empty() {
        Ok(images)
    } else {
        Err(mistakes)
    }
}

fn member<'a>(object: &'a Value, entry: usize, member: &'static str) -> Result<&'a str, Mistake> {
    match object.get(member) {
        Some(Value::String(written)) if written.trim().is_empty() => {
            Err(Mistake::Empty { entry, member })
        }
        Some(Value::String(written)) => Ok(written),
        Some(other) => Err(Mistake::NotText {
            entry,
            member,
            kind: kind_of(other),
        }),
        None => {
            let near = object.as_object().and_then(|members| {
                let known = members.keys().take(ENTRY_LIMIT);
                text::nearest(member, known.map(String::as_str))
            });
            Err(Mistake::Missing {
                entry,
                member,
                hint: near.map_or_else(String::new, |near| {
                    format!(" (it has '{near}'; names are case-sensitive)")
                }),
            })
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "imagedefinitions.json";

    fn sentence(content: &str) -> String {
        sentence_of(content.as_bytes())
    }

    fn sentence_of(content: &[u8]) -> String {
        let mistakes = parse(FILE, content, None).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        mistakes[0].to_string()
    }

    fn sentence_for_image(image: &str) -> String {
        sentence(&serde_json::json!([{"name": "web", "imageUri": image}]).to_string())
    }

    #[test]
    fn a_sound_file_is_read_in_order_with_other_keys_ignored_and_a_bom_tolerated() {
        let text = "\u{feff}[{\"name\":\"web\",\"imageUri\":\"localhost:5000/r/app:v1@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865\",\"note\":1},\
                    {\"imageUri\":\"b\",\"name\":\"side\"},{\"name\":\"side\",\"imageUri\":\"b\"}]";
        let expected = ImageSource::Definitions {
            file: FILE.to_owned(),
            images: vec![
                (
                    "web".to_owned(),
                    "localhost:5000/r/app:v1@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865".to_owned(),
                ),
                ("side".to_owned(), "b".to_owned()),
            ],
        };
        assert_eq!(parse(FILE, text.as_bytes(), None).unwrap(), expected);
    }

    #[test]
    fn an_empty_file_is_reported_as_empty() {
        assert!(sentence("").starts_with("is empty"));
        assert!(sentence(" \n\t").starts_with("is empty"));
        assert!(sentence("\u{feff}").starts_with("is empty"));
    }

    #[test]
    fn what_is_not_json_is_reported_with_line_and_column() {
        assert_eq!(
            sentence("[\n  {\"name\": \"web\",}\n]"),
            "contains invalid JSON at line 2, column 18: trailing comma"
        );
        assert!(sentence("[{}").contains("line 1, column 3"));
    }

    #[test]
    fn an_object_instead_of_an_array_is_reported() {
        assert!(sentence(r#"{"name":"web","imageUri":"a:1"}"#).contains("put [ ] around it"));
    }

    #[test]
    fn an_image_detail_under_another_name_is_recognised() {
        assert!(sentence(r#"{"ImageURI":"a:1"}"#).starts_with("is an imageDetail.json"));
    }

    #[test]
    fn a_json_value_that_is_no_array_is_reported_with_its_kind() {
        assert!(sentence("\"web\"").starts_with("holds a text"));
        assert!(sentence("null").starts_with("holds null"));
        assert!(sentence("12").starts_with("holds a number"));
        assert!(sentence("true").starts_with("holds true or false"));
    }

    #[test]
    fn an_empty_array_is_reported() {
        assert!(sentence("[]").starts_with("is an empty array"));
    }

    #[test]
    fn an_entry_that_is_no_object_is_reported_with_its_number() {
        assert!(sentence(r#"[{"name":"a","imageUri":"b"}, "x"]"#).starts_with("entry 2 is a text"));
    }

    #[test]
    fn a_missing_name_is_reported() {
        assert_eq!(sentence(r#"[{"imageUri":"a:1"}]"#), "entry 1 has no 'name'");
    }

    #[test]
    fn a_missing_image_is_reported_with_the_key_that_was_meant() {
        assert_eq!(
            sentence(r#"[{"name":"web","imageURI":"a:1"}]"#),
            "entry 1 has no 'imageUri' (it has 'imageURI'; names are case-sensitive)"
        );
    }

    #[test]
    fn an_empty_name_is_reported() {
        assert_eq!(
            sentence(r#"[{"name":"","imageUri":"a:1"}]"#),
            "entry 1 has an empty 'name'"
        );
    }

    #[test]
    fn an_empty_image_is_reported() {
        assert_eq!(
            sentence(r#"[{"name":"a","imageUri":" "}]"#),
            "entry 1 has an empty 'imageUri'"
        );
    }

    #[test]
    fn a_name_that_is_no_text_is_reported() {
        assert_eq!(
            sentence(r#"[{"name":["a"],"imageUri":"a:1"}]"#),
            "entry 1: 'name' is an array, expected a text in double quotes"
        );
    }

    #[test]
    fn an_image_that_is_no_text_is_reported() {
        assert_eq!(
            sentence(r#"[{"name":"a","imageUri":null}]"#),
            "entry 1: 'imageUri' is null, expected a text in double quotes"
        );
    }

    #[test]
    fn one_container_with_two_images_is_reported() {
        assert_eq!(
            sentence(r#"[{"name":"a","imageUri":"x:1"},{"name":"a","imageUri":"x:2"}]"#),
            "names the container 'a' twice, with 'x:1' and with 'x:2'"
        );
    }

    #[test]
    fn an_image_with_a_space_is_reported() {
        assert_eq!(
            sentence_for_image("repo/app :v1"),
            "the image of 'web' has a space in it: 'repo/app :v1'"
        );
    }

    #[test]
    fn an_image_with_a_line_break_is_reported() {
        assert!(
            sentence_for_image("repo/app:v1\n")
                .contains(r#"has a line break in it ("repo/app:v1\n")"#)
        );
        assert!(sentence_for_image("repo\r/app:v1").contains("line break"));
    }

    #[test]
    fn an_image_with_an_empty_tag_is_reported() {
        assert!(sentence_for_image("repo/app:").contains("with an empty tag"));
        assert!(sentence_for_image("repo/app:@sha256:1").contains("with an empty tag"));
    }

    #[test]
    fn an_unexpanded_variable_is_reported() {
        assert!(sentence_for_image("$REPOSITORY:v1").contains("a variable was not expanded"));
        assert!(sentence_for_image("repo/app:${TAG}").contains("a variable was not expanded"));
        assert!(sentence_for_image("repo/app:$(cat tag)").contains("a variable was not expanded"));
    }

    #[test]
    fn an_unreplaced_placeholder_is_reported() {
        assert_eq!(
            sentence_for_image("<IMAGE1_NAME>"),
            "the image of 'web' is '<IMAGE1_NAME>', where the placeholder <IMAGE1_NAME> was not replaced"
        );
    }

    #[test]
    fn half_an_image_name_is_reported() {
        for image in ["repo/", ":v1", "repo/:v1", "repo/app@", "repo/@sha256:1"] {
            assert!(
                sentence_for_image(image).contains("not a whole image name"),
                "{image}"
            );
        }
    }

    #[test]
    fn what_is_no_image_by_the_grammar_of_references_is_reported_with_what_to_write() {
        assert_eq!(
            sentence_for_image("https://repo.example/app:v1"),
            "the image of 'web' is 'https://repo.example/app:v1', which begins with https://: an image has no scheme, write it as registry/repository:tag"
        );
        assert!(sentence_for_image("Repo/App:v1").contains("capitals in its path"));
        assert!(sentence_for_image("repo/app:feature/x").contains("a slash in its tag"));
    }

    #[test]
    fn utf_16_is_recognised_with_and_without_its_mark() {
        let utf16: Vec<u8> = "[]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(sentence_of(&utf16).contains("PowerShell"));
        assert!(sentence_of(&[[0xFF, 0xFE].as_slice(), &utf16].concat()).contains("PowerShell"));
        let big: Vec<u8> = "[]".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(sentence_of(&big).contains("PowerShell"));
    }

    #[test]
    fn what_is_not_utf_8_is_reported_with_its_place() {
        assert_eq!(
            sentence_of(b"[\xff]"),
            "is not UTF-8: byte 2 is the first that is wrong"
        );
    }

    #[test]
    fn a_file_over_100_kb_is_refused_and_one_of_just_100_kb_is_read() {
        let mut text = r#"[{"name":"a","imageUri":"b"}]"#.to_owned();
        text.push_str(&" ".repeat(FILE_LIMIT_BYTES - text.len()));
        assert!(parse(FILE, text.as_bytes(), None).is_ok());
        text.push(' ');
        assert!(sentence(&text).starts_with("is larger than 100 KB"));
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let mistakes = parse(FILE, br#"[{"name":""},{"imageUri":"$A"},7]"#, None).unwrap_err();
        let messages: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages
                .iter()
                .map(|t| t.split(['(', ':']).next().unwrap().trim())
                .collect::<Vec<_>>(),
            [
                "entry 1 has an empty 'name'",
                "entry 1 has no 'imageUri'",
                "entry 2 has no 'name'",
                "entry 3 is a number"
            ]
        );
    }

    #[test]
    fn an_image_detail_is_read_where_its_name_or_a_container_asks_for_it() {
        let bytes = br#"{"ImageURI":"r/app@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865","ImageTags":["v1"]}"#;
        let detail = |file: &str, container: Option<&str>| parse(file, bytes, container).unwrap();
        assert_eq!(
            detail("out/imageDetail.json", None),
            ImageSource::Detail {
                file: "out/imageDetail.json".to_owned(),
                image:
                    "r/app@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
                        .to_owned(),
                container: None
            }
        );
        assert!(matches!(
            detail("x.json", Some("web")),
            ImageSource::Detail { container: Some(name), .. } if name == "web"
        ));
        assert_eq!(
            parse("imageDetail.json", b"{}", None).unwrap_err(),
            [Mistake::NoImageUri]
        );
        assert!(
            parse("imageDetail.json", br#"{"ImageURI":"a:"}"#, None).unwrap_err()[0]
                .to_string()
                .contains("empty tag")
        );
    }

    #[test]
    fn a_container_name_beside_a_list_is_refused() {
        let mistakes = parse(FILE, br#"[{"name":"a","imageUri":"b"}]"#, Some("a")).unwrap_err();
        assert_eq!(mistakes, [Mistake::NeedlessContainerName]);
    }
}
