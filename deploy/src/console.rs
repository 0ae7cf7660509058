//! Addresses in AWS's console.

use std::fmt::Write as _;

use super::region::Region;

/// The service's deployments in the console of its partition, from the service's ARN
/// `arn:PARTITION:ecs:REGION:ACCOUNT:service/CLUSTER/SERVICE`. `None` for what is none, and for
/// partitions whose console is not known.
pub fn service(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "ecs", region, _, resource] = parts.as_slice() else {
        return None;
    };
    let region = Region::parse(region).filter(|region| region.partition().id == *partition)?;
    let (cluster, service) = resource.strip_prefix("service/")?.split_once('/')?;
    let is_name = |name: &str| {
        let is_known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !name.is_empty() && name.bytes().all(is_known)
    };
    if !is_name(cluster) || !is_name(service) {
        return None;
    }
    let host = host(&region)?;
    Some(format!(
        "https://{host}/ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}"
    ))
}

/// The object in the console of its partition. `None` for a Region that this build does not know, for partitions
/// whose console is not known, and for what cannot be a bucket's name
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
pub fn object(region: &str, bucket: &str, key: &str) -> Option<String> {
    let region = Region::parse(region)?;
    let is_of_bucket =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    if bucket.is_empty() || key.is_empty() || !bucket.bytes().all(is_of_bucket) {
        return None;
    }
    let (host, key) = (host(&region)?, percent_encoded(key));
    Some(format!(
        "https://{host}/s3/object/{bucket}?region={region}&prefix={key}"
    ))
}

/// The console's host in a Region, for partitions whose console is known
/// (`aws-eusc`: <https://docs.aws.eu/esc/latest/gr/endpoints.html>).
fn host(region: &Region) -> Option<String> {
    let domain = match region.partition().id {
        "aws" => "aws.amazon.com",
        "aws-cn" => "amazonaws.cn",
        "aws-us-gov" => "amazonaws-us-gov.com",
        "aws-eusc" => "amazonaws-eusc.eu",
        _ => return None,
    };
    Some(format!("{region}.console.{domain}"))
}

/// `text` as a part of a query: all but letters, digits, `-._~` (RFC 3986, 2.3) and `/`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_linked_in_the_console_of_its_partition() {
        let link = |region: &str| object(region, "artifacts", "web/Deployed/Ab1.zip");
        for (region, host) in [
            ("eu-central-1", "eu-central-1.console.aws.amazon.com"),
            ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
            (
                "us-gov-west-1",
                "us-gov-west-1.console.amazonaws-us-gov.com",
            ),
            ("eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
        ] {
            assert_eq!(
                link(region),
                Some(format!(
                    "https://{host}/s3/object/artifacts?region={region}&prefix=web/Deployed/Ab1.zip"
                ))
            );
        }
        for region in ["us-iso-east-1", "nz-north-1", "x@host-north-1", ""] {
            assert_eq!(link(region), None, "{region}");
        }
    }

    #[test]
    fn a_key_is_encoded_and_what_is_no_bucket_is_not_linked() {
        let link = |bucket: &str, key: &str| object("eu-central-1", bucket, key);
        let linked = link("a.b-1", "web/ü &region=x#\"<'\n%41+.zip").unwrap();
        assert!(
            linked.ends_with(
                "/a.b-1?region=eu-central-1&prefix=web/%C3%BC%20%26region%3Dx%23%22%3C%27%0A%2541%2B.zip"
            ),
            "{linked}"
        );
        for bucket in ["", "a/b", "a?b", "A", "a@b"] {
            assert_eq!(link(bucket, "k"), None, "{bucket}");
        }
        assert_eq!(link("a", ""), None);
    }
}
