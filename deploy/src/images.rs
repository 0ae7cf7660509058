//! The images that a build wants to run, and what an image's name may be.

use std::fmt;

use super::partition::Partition;
use super::region::Region;
use super::text;

/// Container name and image, in the order of the file. No name occurs twice.
pub type Images = Vec<(String, String)>;

/// Where the images come from and which they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// An array of container names and images.
    Definitions {
        /// The file's name, for messages.
        file: String,
        /// At least one.
        images: Images,
    },
    /// One image, for one container.
    Detail {
        /// The file's name, for messages.
        file: String,
        /// `registry/repository@sha256:…`
        image: String,
        /// The container it is for, if the parameters say; else the only one.
        container: Option<String>,
    },
}

impl ImageSource {
    /// The file's name, for messages.
    pub fn file(&self) -> &str {
        match self {
            Self::Definitions { file, .. } | Self::Detail { file, .. } => file,
        }
    }
}

/// An image's name, split by the grammar of references
/// (<https://pkg.go.dev/github.com/distribution/reference>): `HOST[:PORT]/PATH[:TAG][@DIGEST]`.
///
/// One difference: a first part with capitals and without a dot is a path with capitals, not a host,
/// because no such host exists where tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageReference<'a> {
    /// Host and path: the image without tag and digest.
    pub name: &'a str,
    /// The registry's host, with its port; `None` for Docker Hub.
    pub host: Option<&'a str>,
    /// The repository.
    pub path: &'a str,
    /// Its tag.
    pub tag: Option<&'a str>,
    /// Its digest, `sha256:…`.
    pub digest: Option<&'a str>,
}

/// Tags have so many characters at most, host and path together so many, by that grammar.
const TAG_LIMIT_CHARS: usize = 128;
const NAME_LIMIT_CHARS: usize = 255;

/// Of an image that is none so much is shown.
const SHOWN_CHARS: usize = 200;

/// What digests may be made with, and how many digits they then have
/// (<https://pkg.go.dev/github.com/opencontainers/go-digest>).
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// What is wrong with an image's name: a sentence that follows `the image of 'web' `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageMistake {
    /// The image, fit to be shown: bounded, printable, without what might be a password.
    image: String,
    wrong: Wrong,
}

impl fmt::Display for ImageMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, wrong } = self;
        if *wrong == Wrong::LineBreak {
            return write!(
                f,
                "has a line break in it (\"{image}\"): remove it, for example with tr -d '\\n'"
            );
        }
        if *wrong == Wrong::Space {
            return write!(f, "has a space in it: '{image}'");
        }
        write!(f, "is '{image}', {wrong}")
    }
}

impl std::error::Error for ImageMistake {}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    /// As `$(cat file)` leaves one.
    #[error("with a line break")]
    LineBreak,
    #[error("with a space")]
    Space,
    #[error(
        "where a variable was not expanded: check the quotes in the buildspec (a shell expands within double quotes only)"
    )]
    Unexpanded,
    #[error("where CodePipeline did not resolve a variable: check its namespace and name")]
    Unresolved,
    #[error("where the placeholder {0} was not replaced")]
    Placeholder(String),
    #[error("with quotes as a part of it: remove them")]
    Quotes,
    #[error(
        "which begins with {0}://: an image has no scheme, write it as registry/repository:tag"
    )]
    Scheme(String),
    #[error("which is an ARN: write the image itself, as {0}")]
    Arn(String),
    #[error(
        "with the character {0} in it: hosts, tags and digests have letters, digits and . - _ only, paths no capitals"
    )]
    Character(String),
    #[error(
        "with an @ before its path: no user or password belongs there, and a digest (@sha256:…) stands last"
    )]
    User,
    #[error("with two digests: keep one")]
    TwoDigests,
    #[error("with an empty tag: was the tag's variable empty in the build?")]
    EmptyTag,
    #[error("which is not a whole image name: expected registry/repository:tag or …@sha256:…")]
    Partial,
    #[error(
        "with nothing between two slashes, or before the first: was a variable empty in the build?"
    )]
    EmptyPart,
    #[error(
        "with a slash in its tag '{0}' (a branch's name?): a tag has letters, digits and . - _ only, so write - for / (in a shell: ${{BRANCH//\\//-}})"
    )]
    SlashInTag(String),
    #[error("whose registry '{0}' has no number as its port")]
    Port(String),
    #[error("whose registry '{0}' is not a host's name")]
    Host(String),
    #[error("with the digest where a tag stands: write @ before {0}, not :")]
    DigestAsTag(String),
    #[error("with two tags, '{0}' and '{1}': keep one")]
    TwoTags(String, String),
    #[error("with capitals in its path: repositories have small letters only, so write '{0}'")]
    Capitals(String),
    #[error(
        "with '{0}' in its path: between slashes stand small letters and digits, with single . or _, __ or hyphens between them"
    )]
    PathPart(String),
    #[error("whose registry and path have {0} characters: they may have {NAME_LIMIT_CHARS}")]
    LongName(usize),
    #[error("whose tag has {0} characters: it may have {TAG_LIMIT_CHARS}")]
    LongTag(usize),
    #[error("whose tag begins with {0}: it begins with a letter, a digit or _")]
    TagStart(char),
    #[error(
        "where a digest follows the @, as sha256: and 64 hexadecimal digits; a tag follows a colon"
    )]
    NoDigest,
    #[error("whose digest is made with '{0}': registries know sha256 (and sha512)")]
    Algorithm(String),
    #[error("whose digest has {has} digits: {algorithm} has {needs}")]
    DigestLength {
        algorithm: &'static str,
        has: usize,
        needs: usize,
    },
    #[error("whose digest has other characters than 0 to 9 and a to f")]
    DigestDigits,
}

/// An image as messages show it: bounded, printable, without what might be a password.
pub fn shown(image: &str) -> String {
    // What stands before an @ that a path follows may be a user and a password.
    let begin = image.find("://").map_or(0, |at| at + "://".len());
    let rest = &image[begin..];
    let user_end = rest
        .rfind('/')
        .and_then(|slash| rest[..slash].rfind('@'))
        .filter(|_| !rest.contains(char::is_whitespace));
    let whole = match user_end {
        Some(at) => format!("{}…{}", &image[..begin], &rest[at..]),
        None => image.to_owned(),
    };
    let mut shown = String::new();
    for c in whole.chars().take(SHOWN_CHARS + 1) {
        if c.is_ascii_graphic() || c == ' ' || c == '…' {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    text::cut(&shown, SHOWN_CHARS)
}

impl<'a> ImageReference<'a> {
    /// Splits `image` by the grammar. Whether such an image exists is not checked here.
    ///
    /// # Errors
    /// The first [`ImageMistake`].
    pub fn parse(image: &'a str) -> Result<Self, ImageMistake> {
        taken_apart(image).map_err(|wrong| ImageMistake {
            image: shown(image),
            wrong,
        })
    }
}

fn taken_apart(image: &str) -> Result<ImageReference<'_>, Wrong> {
    no_image_at_all(image)?;
    let (named, digest) = match image.split_once('@') {
        None => (image, None),
        Some((_, rest)) if rest.contains('/') => return Err(Wrong::User),
        Some((_, rest)) if rest.contains('@') => return Err(Wrong::TwoDigests),
        Some((_, "")) => return Err(Wrong::Partial),
        Some((named, digest)) => (named, Some(digest)),
    };
    let (host, rest) = host_of(named)?;
    let (path, tag) = match rest.split_once(':') {
        None => (rest, None),
        Some((path, tag)) => (path, Some(tag)),
    };
    // Without a part at its end it is half a name, whatever else is wrong.
    if path.is_empty() || path.ends_with('/') {
        return Err(Wrong::Partial);
    }
    tag.map_or(Ok(()), check_tag)?;
    check_path(path)?;
    let name = &image[..named.len() - tag.map_or(0, |tag| tag.len() + 1)];
    if name.len() > NAME_LIMIT_CHARS {
        return Err(Wrong::LongName(name.len()));
    }
    digest.map_or(Ok(()), check_digest)?;
    Ok(ImageReference {
        name,
        host,
        path,
        tag,
        digest,
    })
}

/// What is wrong with the text as a whole, before it is split.
fn no_image_at_all(image: &str) -> Result<(), Wrong> {
    if image.contains(['\n', '\r']) {
        return Err(Wrong::LineBreak);
    }
    if image.contains("#{") {
        return Err(Wrong::Unresolved);
    }
    if image.contains(['$', '{', '%']) {
        return Err(Wrong::Unexpanded);
    }
    if let Some((_, rest)) = image.split_once('<') {
        let name = rest.split_once('>').map_or(rest, |(name, _)| name);
        return Err(Wrong::Placeholder(shown(&format!("<{name}>"))));
    }
    if image.contains(char::is_whitespace) {
        return Err(Wrong::Space);
    }
    if image.contains(['"', '\'', '`']) {
        return Err(Wrong::Quotes);
    }
    if let Some((scheme, _)) = image.split_once("://") {
        return Err(Wrong::Scheme(shown(scheme)));
    }
    if let Some(arn) = image.strip_prefix("arn:") {
        return Err(Wrong::Arn(instead_of_arn(arn)));
    }
    let is_known = |c: char| c.is_ascii_alphanumeric() || ".-_/:@[]".contains(c);
    match image.chars().find(|c| !is_known(*c)) {
        Some(c) if c.is_ascii_graphic() => Err(Wrong::Character(format!("'{c}'"))),
        Some(c) => Err(Wrong::Character(format!("U+{:04X}", u32::from(c)))),
        None => Ok(()),
    }
}

/// The image of a repository's ARN, given what follows `arn:`.
fn instead_of_arn(rest: &str) -> String {
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    if let [partition, "ecr", region, account, resource] = parts.as_slice()
        && let (Some(partition), Some(region)) =
            (Partition::named(partition), Region::parse(region))
        && is_account(account)
        && let Some(path) = resource.strip_prefix("repository/")
        && check_path(path).is_ok()
    {
        return format!(
            "{account}.dkr.ecr.{region}.{}/{path}:TAG",
            partition.dns_suffix
        );
    }
    "registry/repository:tag".to_owned()
}

/// The registry's host, if the first part is one, and what follows it.
fn host_of(named: &str) -> Result<(Option<&str>, &str), Wrong> {
    let Some((first, rest)) = named.split_once('/') else {
        return Ok((None, named));
    };
    // As Docker does it; see [`ImageReference`] on capitals.
    if !(first.contains(['.', ':', '[']) || first == "localhost") {
        return Ok((None, named));
    }
    if first.is_empty() || first.starts_with(':') {
        return Err(Wrong::Partial);
    }
    let (host, port) = match first.strip_prefix('[') {
        Some(ipv6) => match ipv6.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) if port.starts_with(':') => (host, Some(&port[1..])),
            _ => return Err(Wrong::Host(shown(first))),
        },
        None => match first.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (first, None),
        },
    };
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()))
    {
        let is_host = host.contains('.') || host == "localhost" || first.starts_with('[');
        let tag = &named[(host.len() + 1).min(named.len())..];
        return Err(if is_host {
            Wrong::Port(shown(first))
        } else {
            Wrong::SlashInTag(shown(tag))
        });
    }
    let is_host = if first.starts_with('[') {
        host.parse::<core::net::Ipv6Addr>().is_ok()
    } else {
        host.split('.').all(is_host_part)
    };
    if is_host {
        Ok((Some(first), rest))
    } else {
        Err(Wrong::Host(shown(first)))
    }
}

fn is_host_part(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_tag(tag: &str) -> Result<(), Wrong> {
    if tag.contains('/') {
        return Err(Wrong::SlashInTag(shown(tag)));
    }
    if let Some((first, second)) = tag.split_once(':') {
        let is_digest = ALGORITHMS.iter().any(|(algorithm, _)| *algorithm == first);
        return Err(if is_digest {
            Wrong::DigestAsTag(shown(tag))
        } else if second.is_empty() {
            Wrong::EmptyTag
        } else {
            Wrong::TwoTags(shown(first), shown(second))
        });
    }
    match tag.chars().next() {
        None => return Err(Wrong::EmptyTag),
        Some(first @ ('.' | '-')) => return Err(Wrong::TagStart(first)),
        Some(_) => {}
    }
    if let Some(bracket) = tag.chars().find(|c| "[]".contains(*c)) {
        return Err(Wrong::Character(format!("'{bracket}'")));
    }
    match tag.len() {
        ..=TAG_LIMIT_CHARS => Ok(()),
        length => Err(Wrong::LongTag(length)),
    }
}

fn check_path(path: &str) -> Result<(), Wrong> {
    for part in path.split('/') {
        if part.is_empty() {
            return Err(Wrong::EmptyPart);
        }
        if part.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(Wrong::Capitals(shown(&path.to_ascii_lowercase())));
        }
        if !is_path_part(part) {
            return Err(Wrong::PathPart(shown(part)));
        }
    }
    Ok(())
}

/// `alpha-numeric [separator alpha-numeric]*`, where a separator is `.`, `_`, `__` or hyphens.
fn is_path_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |run: &str| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-');
    let mut rest = part;
    loop {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let run = rest.find(is_word).unwrap_or(rest.len());
        if !is_separator(&rest[..run]) {
            return false;
        }
        rest = &rest[run..];
    }
}

fn check_digest(digest: &str) -> Result<(), Wrong> {
    let (written, digits) = digest.split_once(':').ok_or(Wrong::NoDigest)?;
    let mut known = ALGORITHMS.iter();
    let (algorithm, needs) = known
        .find(|(algorithm, _)| *algorithm == written)
        .ok_or_else(|| Wrong::Algorithm(shown(written)))?;
    if digits.len() != *needs {
        return Err(Wrong::DigestLength {
            algorithm,
            has: digits.len(),
            needs: *needs,
        });
    }
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.bytes().all(is_digit) {
        Ok(())
    } else {
        Err(Wrong::DigestDigits)
    }
}

/// Whether `text` is a digest, as `sha256:` and 64 hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    check_digest(text).is_ok()
}

/// An image in a private ECR registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrImage {
    /// The account whose registry it is.
    pub registry: String,
    /// The registry's Region.
    pub region: Region,
    /// The repository's name.
    pub repository: String,
    /// Which of its images.
    pub reference: Reference,
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By tag, `latest` if the image says none.
    Tag(String),
    /// By digest, `sha256:…`.
    Digest(String),
}

impl EcrImage {
    /// Whether it is named by its digest.
    pub fn is_digest(&self) -> bool {
        matches!(self.reference, Reference::Digest(_))
    }

    /// Whether both are of the same repository.
    pub fn is_beside(&self, other: &Self) -> bool {
        (&self.registry, &self.region, &self.repository)
            == (&other.registry, &other.region, &other.repository)
    }

    /// Reads the image if its host is one of a private registry's, and nothing else. `None` for
    /// an image elsewhere, and for what is no image's name.
    pub fn parse(image: &str) -> Option<Self> {
        let ImageReference {
            host,
            path,
            tag,
            digest,
            ..
        } = ImageReference::parse(image).ok()?;
        let (registry, region) = registry_at(host?)?;
        // A tag beside a digest says nothing more.
        let reference = match digest {
            Some(digest) => Reference::Digest(digest.to_owned()),
            None => Reference::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Some(Self {
            registry: registry.to_owned(),
            region,
            repository: path.to_owned(),
            reference,
        })
    }
}

/// Account and Region of a private registry, from its host: `ACCOUNT.dkr.ecr.REGION.SUFFIX`, or with
/// `ecr-fips`, or `ACCOUNT.dkr-ecr.REGION.on.SUFFIX` over IPv6, too
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html>,
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html>).
fn registry_at(host: &str) -> Option<(&str, Region)> {
    let (account, rest) = host.split_once('.')?;
    let (rest, is_dual_stack) = [
        ("dkr.ecr.", false),
        ("dkr.ecr-fips.", false),
        ("dkr-ecr.", true),
        ("dkr-ecr-fips.", true),
    ]
    .into_iter()
    .find_map(|(prefix, is_dual_stack)| Some((rest.strip_prefix(prefix)?, is_dual_stack)))?;
    let (region, suffix) = rest.split_once('.')?;
    let region = Region::parse(region)?;
    let partition = region.partition();
    let is_ours = if is_dual_stack {
        suffix == partition.registry_dual_stack_suffix()
    } else {
        suffix == partition.dns_suffix
    };
    (is_account(account) && is_ours).then_some((account, region))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A rule by which ECR fetches images from another registry on their first pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRule {
    /// What the names of the repositories begin with that it is for; `ROOT` for all.
    pub prefix: String,
    /// The other registry.
    pub upstream: String,
}

/// The rule that a repository falls under: that with the longest prefix.
pub fn cache_rule_for(repository: &str, rules: Vec<CacheRule>) -> Option<CacheRule> {
    let matches = |rule: &CacheRule| {
        let prefix = rule.prefix.trim_end_matches('/');
        let below = repository.strip_prefix(prefix);
        prefix == "ROOT"
            || (!prefix.is_empty() && below.is_some_and(|below| below.starts_with('/')))
    };
    let matching = rules.into_iter().filter(matches);
    matching.max_by_key(|rule| match rule.prefix.as_str() {
        "ROOT" => 0,
        prefix => prefix.len(),
    })
}

/// Whether an image that is none of a private ECR registry looks as if it were meant to be one.
pub fn resembles_ecr(image: &str) -> bool {
    let image = image.to_ascii_lowercase();
    image.contains(".dkr.ecr") || image.contains(".dkr-ecr")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

    #[test]
    fn an_image_is_split_into_host_path_tag_and_digest() {
        let with_digest = format!("localhost:5000/r/app:v1@{DIGEST}");
        for (image, expected) in [
            ("nginx", (None, "nginx", None, None)),
            ("nginx:1.29", (None, "nginx", Some("1.29"), None)),
            (
                "team/app_1__b.c--d:V-1.2_3",
                (None, "team/app_1__b.c--d", Some("V-1.2_3"), None),
            ),
            ("a:5000/b", (Some("a:5000"), "b", None, None)),
            ("[::1]:5000/b:1", (Some("[::1]:5000"), "b", Some("1"), None)),
            (
                "GHCR.io/org/app:main",
                (Some("GHCR.io"), "org/app", Some("main"), None),
            ),
            ("localhost/app", (Some("localhost"), "app", None, None)),
            (
                with_digest.as_str(),
                (Some("localhost:5000"), "r/app", Some("v1"), Some(DIGEST)),
            ),
        ] {
            let read = ImageReference::parse(image).unwrap();
            assert_eq!((read.host, read.path, read.tag, read.digest), expected);
        }
        assert_eq!(
            ImageReference::parse(&with_digest).unwrap().name,
            "localhost:5000/r/app"
        );
        let tag = "x".repeat(128);
        assert!(ImageReference::parse(&format!("app:{tag}")).is_ok());
        let sha512 = format!("app@sha512:{}", "0".repeat(128));
        assert!(ImageReference::parse(&sha512).is_ok());
    }

    #[track_caller]
    fn message(image: &str) -> String {
        ImageReference::parse(image).unwrap_err().to_string()
    }

    #[test]
    fn each_wrong_form_has_its_sentence_with_what_to_write() {
        let hex = &DIGEST["sha256:".len()..];
        for (image, sentence) in [
            ("https://repo.example/app:1", "which begins with https://"),
            ("docker://app:1", "which begins with docker://"),
            (
                "MyOrg/App:v1",
                "with capitals in its path: repositories have small letters only, so write 'myorg/app'",
            ),
            ("repo.example/Team/app:v1", "so write 'team/app'"),
            ("App", "so write 'app'"),
            (
                "repo/app:feature/login",
                "with a slash in its tag 'feature/login'",
            ),
            (
                "app:feature/login",
                "with a slash in its tag 'feature/login'",
            ),
            (
                "r.example:5000/app:feature/a/b",
                "with a slash in its tag 'feature/a/b'",
            ),
            (
                "r.example:v1/app",
                "whose registry 'r.example:v1' has no number as its port",
            ),
            (
                "r_x.example/app",
                "whose registry 'r_x.example' is not a host's name",
            ),
            ("[::z]/app", "whose registry '[::z]' is not a host's name"),
            (
                "arn:aws:ecr:eu-central-1:111122223333:repository/team/app",
                "which is an ARN: write the image itself, as 111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/app:TAG",
            ),
            (
                "arn:aws:ecr:x@y:1:repository/app",
                "as registry/repository:tag",
            ),
            ("app:v1:v2", "with two tags, 'v1' and 'v2': keep one"),
            (&format!("app:{DIGEST}"), "write @ before sha256:4355"),
            (
                &format!("app:{}", "x".repeat(129)),
                "whose tag has 129 characters: it may have 128",
            ),
            (
                &format!("{}/app", "x".repeat(252)),
                "have 256 characters: they may have 255",
            ),
            ("app:-v1", "whose tag begins with -"),
            ("app:v1.0.0+build", "with the character '+' in it"),
            ("app:v\u{202e}1", "with the character U+202E in it"),
            ("app:tätig", "with the character U+00E4 in it"),
            ("'app:v1'", "with quotes as a part of it"),
            ("app#:v1", "with the character '#' in it"),
            ("app:v[1]", "with the character '[' in it"),
            ("app@v1", "where a digest follows the @"),
            ("app@md5:0123", "whose digest is made with 'md5'"),
            ("app@SHA256:0123", "whose digest is made with 'SHA256'"),
            (
                "app@sha256:0123",
                "whose digest has 4 digits: sha256 has 64",
            ),
            (
                &format!("app@sha512:{hex}"),
                "whose digest has 64 digits: sha512 has 128",
            ),
            (
                &format!("app@sha256:{}", hex.to_uppercase()),
                "whose digest has other characters than 0 to 9 and a to f",
            ),
            (&format!("app@{DIGEST}@{DIGEST}"), "with two digests"),
            ("repo//app:v1", "with nothing between two slashes"),
            (
                "/app:v1",
                "with nothing between two slashes, or before the first",
            ),
            ("repo/a..b", "with 'a..b' in its path"),
            ("repo/-app", "with '-app' in its path"),
            ("repo/app_", "with 'app_' in its path"),
            ("app:%TAG%", "where a variable was not expanded"),
            ("app:{{ tag }}", "where a variable was not expanded"),
            (
                "app:#{Build.Tag}",
                "where CodePipeline did not resolve a variable",
            ),
            ("", "which is not a whole image name"),
        ] {
            let message = message(image);
            assert!(message.contains(sentence), "{image}: {message}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_shown_and_what_is_long_is_cut() {
        for image in [
            "user:MARK@repo.example/app:v1",
            "https://user:MARK@repo.example/app:v1",
            "https://MARK@repo.example/a/b",
        ] {
            let message = message(image);
            assert!(
                !message.contains("MARK") && message.contains("@repo.example/"),
                "{message}"
            );
        }
        let long = message(&"É".repeat(1_000_000));
        assert!(long.len() < 1000, "{}", long.len());
    }

    #[test]
    fn an_ecr_image_tells_its_account_region_repository_and_reference() {
        let image =
            EcrImage::parse("111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/app:v2").unwrap();
        assert_eq!(image.registry, "111122223333");
        assert_eq!(image.region.name(), "eu-central-1");
        assert_eq!(image.repository, "team/app");
        assert_eq!(image.reference, Reference::Tag("v2".to_owned()));
    }

    #[test]
    fn its_other_hosts_and_references_are_known() {
        let reference = |image: &str| EcrImage::parse(image).unwrap().reference;
        let host = "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn";
        assert_eq!(
            reference(&format!("{host}/app")),
            Reference::Tag("latest".to_owned())
        );
        let digest = Reference::Digest(DIGEST.to_owned());
        assert_eq!(reference(&format!("{host}/app@{DIGEST}")), digest);
        assert_eq!(reference(&format!("{host}/app:v1@{DIGEST}")), digest);
        for (host, region) in [
            ("dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("dkr-ecr.us-east-1.on.aws", "us-east-1"),
            ("dkr-ecr-fips.us-east-1.on.aws", "us-east-1"),
            (
                "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
                "cn-north-1",
            ),
            ("dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
            (
                "dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu",
                "eusc-de-east-1",
            ),
            ("dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            ("dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
            ("dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"),
            ("dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"),
        ] {
            let image = EcrImage::parse(&format!("111122223333.{host}/app:v1")).unwrap();
            assert_eq!(
                (image.region.name(), image.repository.as_str()),
                (region, "app")
            );
        }
    }

    #[test]
    fn an_image_elsewhere_is_none_however_much_its_host_resembles_a_registrys() {
        for image in [
            "nginx:1.29",
            "repo/app:v2",
            "public.ecr.aws/docker/library/nginx:1.29",
            "1111.dkr.ecr.eu-central-1.amazonaws.com/app:v2",
            "111122223333.dkr.ecr.eu-central-1.example.com/app:v2",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com/:v2",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com.evil.example/app:v2",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com.cn/app:v2",
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com/app:v2",
            "111122223333.dkr.ecr.eu-central-1.on.aws/app:v2",
            "111122223333.dkr-ecr.eu-central-1.amazonaws.com/app:v2",
            "111122223333-dkr.ecr.eu-central-1.amazonaws.com/app:v2",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com:443/app:v2",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com./app:v2",
            "x.111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2",
            "111122223333.dkr.ecr.nowhere.amazonaws.com/app:v2",
            "111122223333.dkr.ecr.x@[::1]:443#.amazonaws.com/a",
            "111122223333.dkr.ecr.x@localhost:443#.amazonaws.com/a",
            "",
        ] {
            assert_eq!(EcrImage::parse(image), None, "{image}");
        }
        assert!(resembles_ecr(
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com.evil.example/app"
        ));
        assert!(!resembles_ecr("public.ecr.aws/docker/library/nginx:1.29"));
    }

    #[test]
    fn a_repository_falls_under_the_cache_rule_with_the_longest_prefix() {
        let rule = |prefix: &str| CacheRule {
            prefix: prefix.to_owned(),
            upstream: "registry-1.docker.io".to_owned(),
        };
        let found = |repository: &str, prefixes: &[&str]| {
            let rules = prefixes.iter().map(|prefix| rule(prefix)).collect();
            cache_rule_for(repository, rules).map(|rule| rule.prefix)
        };
        let hub = ["docker-hub", "docker-hub/library/", "quay"];
        assert_eq!(
            found("docker-hub/library/nginx", &hub).unwrap(),
            "docker-hub/library/"
        );
        assert_eq!(found("docker-hub/org/app", &hub).unwrap(), "docker-hub");
        assert_eq!(found("docker-hubs/app", &hub), None);
        assert_eq!(found("docker-hub", &hub), None);
        assert_eq!(found("app", &["", "ROOT"]).unwrap(), "ROOT");
        assert_eq!(found("quay/app", &["ROOT", "quay"]).unwrap(), "quay");
    }

    fn check(image: &str) -> Result<(), TestCaseError> {
        match ImageReference::parse(image) {
            Ok(read) => {
                let tag = read.tag.map_or_else(String::new, |tag| format!(":{tag}"));
                let digest = read
                    .digest
                    .map_or_else(String::new, |digest| format!("@{digest}"));
                prop_assert_eq!(format!("{}{tag}{digest}", read.name), image);
                let host = read
                    .host
                    .map_or_else(String::new, |host| format!("{host}/"));
                prop_assert_eq!(format!("{host}{}", read.path), read.name);
            }
            Err(mistake) => {
                let message = mistake.to_string();
                prop_assert!(!message.is_empty() && !message.chars().any(char::is_control));
            }
        }
        if let Some(EcrImage {
            registry,
            region,
            repository,
            ..
        }) = EcrImage::parse(image)
        {
            let partition = region.partition();
            let dual_stack = partition.registry_dual_stack_suffix();
            let hosts = [
                format!("{registry}.dkr.ecr.{region}.{}", partition.dns_suffix),
                format!("{registry}.dkr.ecr-fips.{region}.{}", partition.dns_suffix),
                format!("{registry}.dkr-ecr.{region}.{dual_stack}"),
                format!("{registry}.dkr-ecr-fips.{region}.{dual_stack}"),
            ];
            let is_one = |host: &String| image.starts_with(&format!("{host}/{repository}"));
            prop_assert!(hosts.iter().any(is_one), "{image}");
            prop_assert!(Region::parse(region.name()).is_some());
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_an_image_that_reads_back_or_a_sentence(image in any::<String>()) {
            check(&image)?;
        }

        #[test]
        fn so_is_what_resembles_an_image(
            image in "([a-zA-Z0-9.:\\[\\]@-]{0,12}/)?[a-zA-Z0-9_./:-]{0,20}(:[a-zA-Z0-9/._-]{0,10})?(@(sha256:)?[0-9a-f]{0,8})?"
        ) {
            check(&image)?;
        }

        #[test]
        fn only_ecrs_own_hosts_are_its_registries(
            image in "([0-9]{12}|1)[.-]dkr[.-]ecr(-fips)?\\.(eu-central-1|cn-north-1|us-gov-west-1|eusc-de-east-1|x@localhost:1#|[a-z-]{1,9}-[0-9])\\.(amazonaws\\.com|amazonaws\\.com\\.cn|amazonaws\\.eu|on\\.aws|on\\.amazonwebservices\\.eu)(\\.x|:1|@[a-z]{3})?/[a-z]{0,3}(/[a-z])?(:v1)?"
        ) {
            check(&image)?;
        }
    }
}
