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
