//! Any text as an image, a registry's host and a Region: a sentence, or parts of which nothing is a
//! host but what the grammar and AWS's partitions make one.
#![no_main]

use deploy::images::{EcrImage, ImageReference, resembles_ecr};
use deploy::region::Region;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ImageReference::parse(text) {
        Ok(read) => {
            let tag = read.tag.map_or_else(String::new, |tag| format!(":{tag}"));
            let digest = read
                .digest
                .map_or_else(String::new, |digest| format!("@{digest}"));
            assert_eq!(format!("{}{tag}{digest}", read.name), text);
            assert!(!read.name.contains(['@', '#', '?', '%', '\\']));
        }
        Err(mistake) => {
            let text = mistake.to_string();
            assert!(text.len() < 4096 && !text.chars().any(char::is_control));
        }
    }
    if let Some(image) = EcrImage::parse(text) {
        let (host, _) = text.split_once('/').expect("a registry has repositories");
        let partition = image.region.partition();
        let region = image.region.name();
        let dual_stack = partition.registry_dual_stack_suffix();
        let known = [
            format!("dkr.ecr.{region}.{}", partition.dns_suffix),
            format!("dkr.ecr-fips.{region}.{}", partition.dns_suffix),
            format!("dkr-ecr.{region}.{dual_stack}"),
            format!("dkr-ecr-fips.{region}.{dual_stack}"),
        ];
        let rest = host.strip_prefix(&format!("{}.", image.registry));
        assert!(rest.is_some_and(|rest| known.iter().any(|known| known == rest)));
        assert!(resembles_ecr(text));
    }
    if let Some(region) = Region::own(text) {
        let is_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        assert!(region.bytes().all(is_label) && region.name() == text);
    }
});
