//! The output variables of a success: each name means one thing, and all of them fit.

use std::collections::BTreeMap;

use super::spec::Target;

use super::text;

/// Names and values of all variables together may have so many bytes
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>).
const LIMIT_BYTES: usize = 122_880;

/// What a variable may take besides its name and its value: it is not documented whether the
/// limit is on them or on the JSON object, which has four quotes, a colon and a comma for each.
const AROUND_ONE_BYTES: usize = 6;

/// The variables of one service, before the service's name is appended to theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfService<'a> {
    /// The service.
    pub target: &'a Target,
    /// What is one of a kind: `ClusterName`, `TaskDefinitionArn`, …
    pub facts: Vec<(&'static str, String)>,
    /// Container and image. No `Image-…` is made of an image that is empty.
    pub images: Vec<(String, String)>,
}

/// A variable that may be set.
struct Candidate {
    name: String,
    value: String,
    /// What it is, for the message that it is not set.
    what: String,
}

/// The variables, and a sentence for what is left out.
///
/// Of several services, each has its own, with `-<service>` appended, and the first has the plain
/// ones besides. `Image-app-worker` may then be meant twice: the container `app-worker` of the
/// first service, and `app` of the service `worker`. A name with two meanings is not set at all:
/// an action that uses it fails at once, where one of the two would be the wrong image one day.
pub fn output(services: &[OfService<'_>]) -> (BTreeMap<String, String>, Vec<String>) {
    let mut left_out = Vec::new();
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let candidates = candidates(services);
    for one in &candidates {
        let meanings = by_name.entry(one.name.clone()).or_default();
        meanings.push(one.what.clone());
    }
    for (name, meanings) in &by_name {
        if meanings.len() > 1 {
            left_out.push(format!(
                "the output variable {name} is not set, because it would be {}: rename one of them, or deploy the services in separate actions",
                text::listed(meanings)
            ));
        } else if !is_name(name) {
            left_out.push(format!(
                "the output variable {name} is not set: CodePipeline takes letters, digits, -, _ and @ in a name"
            ));
        }
    }
    let is_clear = |one: &Candidate| {
        is_name(&one.name)
            && by_name
                .get(&one.name)
                .is_some_and(|meanings| meanings.len() == 1)
    };
    let mut variables = BTreeMap::new();
    let mut room = LIMIT_BYTES;
    let mut too_many = Vec::new();
    for one in candidates.into_iter().filter(is_clear) {
        let length = one.name.len() + one.value.len() + AROUND_ONE_BYTES;
        if length > room {
            too_many.push(one.name);
            continue;
        }
        room -= length;
        variables.insert(one.name, one.value);
    }
    if let Some(first) = too_many.first() {
        left_out.push(format!(
            "{} not set, {first} the first of them: CodePipeline takes {LIMIT_BYTES} bytes of them together",
            match too_many.len() {
                1 => "1 output variable is".to_owned(),
                count => format!("{count} output variables are"),
            }
        ));
    }
    (variables, left_out)
}

/// All that could be set, what matters most first: facts before images, the first service's plain
/// ones before everybody's own.
fn candidates(services: &[OfService<'_>]) -> Vec<Candidate> {
    let has_several = services.len() > 1;
    let mut candidates = Vec::new();
    for is_image in [false, true] {
        for plain in [true, false] {
            let those = if plain {
                services.get(..1).unwrap_or_default()
            } else if has_several {
                services
            } else {
                &[]
            };
            for service in those {
                let end = if plain {
                    String::new()
                } else {
                    format!("-{}", suffix(services, service.target))
                };
                let named = |name: &str, what: String, value: &str| Candidate {
                    name: format!("{name}{end}"),
                    value: value.to_owned(),
                    what: format!("{what} of {}", service.target),
                };
                if is_image {
                    let images = service.images.iter().filter(|(_, image)| !image.is_empty());
                    candidates.extend(images.map(|(container, image)| {
                        let what = format!("the image of the container {container}");
                        named(&format!("Image-{container}"), what, image)
                    }));
                } else {
                    let facts = service.facts.iter();
                    candidates
                        .extend(facts.map(|(name, value)| named(name, (*name).to_owned(), value)));
                }
            }
        }
    }
    candidates
}

/// What each of several services' variables end in: the service's name, with its cluster's where
/// two have the same.
fn suffix(services: &[OfService<'_>], target: &Target) -> String {
    let name = target.service_name();
    let namesakes = services
        .iter()
        .filter(|one| one.target.service_name() == name);
    if namesakes.count() > 1 {
        format!("{name}-{}", target.cluster_name())
    } else {
        name.to_owned()
    }
}

/// What CodePipeline takes as a variable's name
/// (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutJobSuccessResult.html>).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(service: &str, cluster: &str) -> Target {
        Target {
            cluster: cluster.to_owned(),
            service: service.to_owned(),
        }
    }

    fn with<'a>(target: &'a Target, images: &[(&str, &str)]) -> OfService<'a> {
        let text = |text: &&str| (*text).to_owned();
        OfService {
            target,
            facts: vec![("ServiceName", target.service_name().to_owned())],
            images: images.iter().map(|(a, b)| (text(a), text(b))).collect(),
        }
    }

    fn names(variables: &BTreeMap<String, String>) -> Vec<&str> {
        variables.keys().map(String::as_str).collect()
    }

    #[test]
    fn one_service_has_the_plain_names_only() {
        let web = target("web", "prod");
        let (variables, left_out) = output(&[with(&web, &[("app", "app:2"), ("proxy", "")])]);
        assert_eq!(names(&variables), ["Image-app", "ServiceName"]);
        assert_eq!(left_out, [""; 0]);
    }

    #[test]
    fn a_name_that_would_mean_two_things_is_not_set_and_that_is_reported() {
        let (web, worker) = (target("web", "prod"), target("worker", "prod"));
        let (variables, left_out) = output(&[
            with(&web, &[("app-worker", "a:1"), ("app", "a:2")]),
            with(&worker, &[("app", "b:1"), ("mail", "b:2")]),
        ]);
        assert_eq!(
            names(&variables),
            [
                "Image-app",
                "Image-app-web",
                "Image-app-worker-web",
                "Image-mail-worker",
                "ServiceName",
                "ServiceName-web",
                "ServiceName-worker",
            ]
        );
        assert_eq!(left_out.len(), 1);
        assert!(
            left_out[0].starts_with("the output variable Image-app-worker is not set, because it would be the image of the container app-worker of web on prod and the image of the container app of worker on prod"),
            "{left_out:?}"
        );
    }

    #[test]
    fn a_service_called_as_another_with_its_cluster_does_not_take_its_place() {
        let all = [
            target("web", "prod"),
            target("web", "test"),
            target("web-test", "prod"),
        ];
        let services: Vec<OfService> = all.iter().map(|one| with(one, &[("app", "x:1")])).collect();
        let (variables, left_out) = output(&services);
        assert_eq!(
            names(&variables),
            [
                "Image-app",
                "Image-app-web-prod",
                "ServiceName",
                "ServiceName-web-prod"
            ]
        );
        assert_eq!(left_out.len(), 2, "{left_out:?}");
    }

    /// Every pair of names that hyphens can confuse.
    #[test]
    fn whatever_the_names_are_no_variable_has_the_value_of_another() {
        let parts = ["a", "b", "a-b", "b-a", "a-b-a"];
        for first in parts {
            for second in parts.iter().filter(|second| **second != first) {
                let (one, two) = (target(first, "c"), target(second, "c"));
                let images: Vec<(String, String)> = parts
                    .iter()
                    .map(|container| ((*container).to_owned(), String::new()))
                    .collect();
                let of = |target: &'_ Target| -> Vec<(String, String)> {
                    let own = |container: &str| format!("{container} of {}", target.service);
                    let named = images.iter().map(|(name, _)| (name.clone(), own(name)));
                    named.collect()
                };
                let services = [&one, &two].map(|target| OfService {
                    target,
                    facts: Vec::new(),
                    images: of(target),
                });
                let (variables, _) = output(&services);
                for (name, value) in variables {
                    let readings = parts.iter().flat_map(|container| {
                        let plain = (format!("Image-{container}"), first);
                        let own = [first, *second]
                            .map(|service| (format!("Image-{container}-{service}"), service));
                        let all = own.into_iter().chain([plain]);
                        all.map(move |(name, service)| (name, format!("{container} of {service}")))
                    });
                    let meant: Vec<String> = readings
                        .filter(|(reading, _)| *reading == name)
                        .map(|(_, meant)| meant)
                        .collect();
                    assert_eq!(meant, [value], "{name}");
                }
            }
        }
    }

    #[test]
    fn more_than_codepipeline_takes_is_left_out_images_first() {
        let names: Vec<String> = (0..10).map(|n| format!("{n:a<255}")).collect();
        let targets: Vec<Target> = names.iter().map(|name| target(name, "c")).collect();
        let services: Vec<OfService> = targets
            .iter()
            .map(|target| OfService {
                images: names
                    .iter()
                    .map(|name| (name.clone(), "i".repeat(1000)))
                    .collect(),
                ..with(target, &[])
            })
            .collect();
        let (variables, left_out) = output(&services);
        let bytes: usize = variables.iter().map(|(a, b)| a.len() + b.len()).sum();
        assert!(
            bytes <= LIMIT_BYTES && bytes > LIMIT_BYTES - 3000,
            "{bytes}"
        );
        for target in &targets {
            assert!(variables.contains_key(&format!("ServiceName-{}", target.service)));
        }
        assert!(variables.contains_key(&format!("Image-{}", names[9])));
        assert_eq!(left_out.len(), 1);
        assert!(
            left_out[0].contains("output variables are not set, Image-"),
            "{left_out:?}"
        );
    }

    #[test]
    fn a_name_that_codepipeline_refuses_is_not_sent() {
        let web = target("web", "prod");
        let (variables, left_out) = output(&[with(&web, &[("a b", "x:1"), ("ok", "x:2")])]);
        assert_eq!(names(&variables), ["Image-ok", "ServiceName"]);
        assert!(left_out[0].contains("Image-a b is not set"), "{left_out:?}");
    }
}
