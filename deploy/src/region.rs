//! A Region, and the partition that it belongs to. Hosts and ARNs are made from these, never from
//! text that only might be a Region's name.

use std::fmt;
use std::ops::Deref;

use super::partition::Partition;
use super::partitions::PARTITIONS;

/// The partition that the SDKs take for a Region of none that they know.
const FALLBACK: &Partition = &PARTITIONS[0];

impl Partition {
    /// The partition with this id.
    pub fn named(id: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|partition| partition.id == id)
    }
}

/// The name of a Region of a known partition, as `eu-central-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    name: String,
    partition: &'static Partition,
}

impl Region {
    /// Reads a Region's name. `None` for anything that is not one by its partition's pattern.
    pub fn parse(text: &str) -> Option<Self> {
        let prefix = prefix_of(text)?;
        let mut partitions = PARTITIONS.iter();
        let partition = partitions.find(|partition| partition.region_prefixes.contains(&prefix))?;
        Some(Self {
            name: text.to_owned(),
            partition,
        })
    }

    /// The same for the Region in which the function runs, which may be of a part of the world that
    /// this build has not heard of: such a one is treated as one of the partition `aws`, as the SDKs
    /// do.
    pub fn of_function(text: &str) -> Option<Self> {
        let newer = || {
            prefix_of(text).map(|_| Self {
                name: text.to_owned(),
                partition: FALLBACK,
            })
        };
        Self::parse(text).or_else(newer)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The partition that it belongs to.
    pub fn partition(&self) -> &'static Partition {
        self.partition
    }
}

impl Deref for Region {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The partition of a Region in ARNs; `aws` for one that is not known.
pub fn partition_id(region: Option<&str>) -> &'static str {
    let region = region.and_then(Region::parse);
    region.map_or(FALLBACK, |region| region.partition).id
}

/// What stands before `-word-number`, if `text` has the shape of a Region's name.
///
/// botocore's pattern takes any number; none has had two digits yet, and a slip of the finger makes
/// them.
fn prefix_of(text: &str) -> Option<&str> {
    /// None comes near that.
    const LONGEST: usize = 32;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let (rest, number) = text.rsplit_once('-')?;
    let (prefix, word) = rest.rsplit_once('-')?;
    let is_number = number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit());
    let is_shaped = is_number && is_word(word) && prefix.split('-').all(is_word);
    (is_shaped && text.len() <= LONGEST).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::partitions::REGIONS;
    use super::*;

    #[test]
    fn every_region_that_botocore_lists_belongs_to_its_partition() {
        for (id, name) in REGIONS {
            let region = Region::parse(name).unwrap();
            assert_eq!((region.name(), region.partition().id), (name, id));
            assert_eq!(partition_id(Some(name)), id);
        }
        assert_eq!(
            Partition::named("aws-eusc").unwrap().dns_suffix,
            "amazonaws.eu"
        );
        assert_eq!(Partition::named("aws-x"), None);
    }

    #[test]
    fn what_is_no_regions_name_is_none() {
        for text in [
            "",
            "eu",
            "eu-1",
            "EU-central-1",
            "eu--1",
            "eu-central-",
            "eu-central-12",
            "eu-central-1.",
            "eu-central-1/",
            "eu-central-1\n",
            "eu-центр-1",
            "aws-global",
            "xx-central-1",
            "us-gov-gov-west-1",
            "x@127.0.0.1:443/",
            "x@[::1]:443#",
        ] {
            assert_eq!(Region::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_functions_own_region_may_be_newer_than_this_build_and_is_still_a_name() {
        let newer = Region::of_function("nz-north-1").unwrap();
        assert_eq!(newer.partition().id, "aws");
        assert_eq!(
            Region::of_function("cn-north-1").unwrap().partition().id,
            "aws-cn"
        );
        assert_eq!(Region::of_function("x@host-north-1"), None);
        assert_eq!(partition_id(Some("nz-north-1")), "aws");
        assert_eq!(partition_id(None), "aws");
    }

    #[test]
    fn registries_over_ipv6_are_under_a_name_of_their_own() {
        let suffix = |id| Partition::named(id).unwrap().registry_dual_stack_suffix();
        assert_eq!(suffix("aws"), "on.aws");
        assert_eq!(suffix("aws-us-gov"), "on.aws");
        assert_eq!(suffix("aws-cn"), "on.amazonwebservices.com.cn");
        assert_eq!(suffix("aws-eusc"), "on.amazonwebservices.eu");
    }

    proptest! {
        #[test]
        fn a_region_is_letters_hyphens_and_a_digit_whatever_is_read(text in any::<String>()) {
            prop_assert!(Region::of_function(&text).is_none_or(|region| is_label(&region)));
        }

        #[test]
        fn so_it_is_when_the_text_resembles_one(
            text in "(us|eu|cn|us-gov|eusc-de|x)[-@:/#.a-z]{0,12}(-[a-z@]{1,8}){0,2}-[0-9a-z/]{1,3}"
        ) {
            prop_assert!(Region::of_function(&text).is_none_or(|region| is_label(&region)));
        }
    }

    fn is_label(text: &str) -> bool {
        text.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
}
