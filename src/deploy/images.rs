//! The images that a build wants to run.

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

/// An image in a private ECR registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrImage {
    /// The account whose registry it is.
    pub registry: String,
    /// The registry's Region.
    pub region: String,
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
    /// The part of `image`, from which this was read, that names the repository: without tag and
    /// digest.
    pub fn name<'a>(&self, image: &'a str) -> &'a str {
        let end = image.find('@').unwrap_or(image.len());
        let slash = image[..end].rfind('/').unwrap_or(0);
        let tag = image[slash..end].find(':').map(|at| slash + at);
        &image[..tag.unwrap_or(end)]
    }

    /// Whether it is named by its digest.
    pub fn is_digest(&self) -> bool {
        matches!(self.reference, Reference::Digest(_))
    }

    /// Whether both are of the same repository.
    pub fn is_beside(&self, other: &Self) -> bool {
        (&self.registry, &self.region, &self.repository)
            == (&other.registry, &other.region, &other.repository)
    }

    /// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG` (or `@DIGEST`), also in its
    /// FIPS, dual-stack and China forms
    /// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html>). `None` for an
    /// image elsewhere.
    pub fn parse(image: &str) -> Option<Self> {
        let (host, path) = image.split_once('/')?;
        let (registry, host) = host.split_once(['.', '-'])?;
        if registry.len() != 12 || !registry.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let rest = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
            .into_iter()
            .find_map(|prefix| host.strip_prefix(prefix))?;
        let (region, domain) = rest.split_once('.')?;
        let is_aws = domain.starts_with("amazonaws.com") || domain.starts_with("on.aws");
        if region.is_empty() || !is_aws {
            return None;
        }
        let (repository, reference) = if let Some((repository, digest)) = path.split_once('@') {
            // A tag beside a digest says nothing more.
            let repository = repository
                .split_once(':')
                .map_or(repository, |(name, _)| name);
            (repository, Reference::Digest(digest.to_owned()))
        } else {
            let (repository, tag) = path.split_once(':').unwrap_or((path, "latest"));
            (repository, Reference::Tag(tag.to_owned()))
        };
        if repository.is_empty() {
            return None;
        }
        Some(Self {
            registry: registry.to_owned(),
            region: region.to_owned(),
            repository: repository.to_owned(),
            reference,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ecr_image_tells_its_account_region_repository_and_reference() {
        let image =
            EcrImage::parse("111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/app:v2").unwrap();
        assert_eq!(image.registry, "111122223333");
        assert_eq!(image.region, "eu-central-1");
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
        let digest = Reference::Digest("sha256:1".to_owned());
        assert_eq!(reference(&format!("{host}/app@sha256:1")), digest);
        assert_eq!(reference(&format!("{host}/app:v1@sha256:1")), digest);
        for host in [
            "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com",
            "111122223333.dkr-ecr.us-east-1.on.aws",
        ] {
            let image = EcrImage::parse(&format!("{host}/app:v1")).unwrap();
            assert_eq!(
                (image.region.as_str(), image.repository.as_str()),
                ("us-east-1", "app")
            );
        }
    }

    #[test]
    fn an_image_elsewhere_is_none() {
        for image in [
            "nginx:1.29",
            "repo/app:v2",
            "public.ecr.aws/docker/library/nginx:1.29",
            "1111.dkr.ecr.eu-central-1.amazonaws.com/app:v2",
            "111122223333.dkr.ecr.eu-central-1.example.com/app:v2",
            "111122223333.dkr.ecr.eu-central-1.amazonaws.com/:v2",
            "",
        ] {
            assert_eq!(EcrImage::parse(image), None, "{image}");
        }
    }
}
