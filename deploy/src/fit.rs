//! Whether a service can run a revision: what ECS checks when the service is set to it, which is
//! after the revision is registered and the task before the deployment has run.
//!
//! Only what ECS refuses for certain is a misfit; what this build does not understand is left to
//! it.

use serde_json::{Map, Value};

use super::platform;
use super::text;

/// What a service asks of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Its tasks run on Fargate, by launch type or capacity provider.
    pub is_on_fargate: bool,
    /// It has an `awsvpcConfiguration`.
    pub has_network: bool,
    /// Containers and ports that something sends traffic to.
    pub ports: Vec<PortNeeded>,
    /// Port mappings that something calls by their names.
    pub port_names: Vec<PortNameNeeded>,
    /// The names of the volumes that it configures at launch.
    pub volumes: Vec<String>,
}

/// A container's port that something sends traffic to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortNeeded {
    /// What, as `the load balancer (web)`.
    pub by: String,
    /// The container's name.
    pub container: String,
    /// Its `containerPort`.
    pub port: i32,
}

/// A port mapping that something calls by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortNameNeeded {
    /// What, as `Service Connect`.
    pub by: String,
    /// The mapping's `name`.
    pub name: String,
}

/// Why a service cannot run a revision. Each is one sentence, without its stop.
///
/// Sources: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LoadBalancer.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceConnectService.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_NetworkConfiguration.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceVolumeConfiguration.html>.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The service's tasks have networks of their own, which another network mode does not give them.
    #[error(
        "the new revision {}, and the service {}: write \"networkMode\": \"awsvpc\"",
        .mode.as_ref().map_or_else(
            || "has no networkMode, which means bridge".to_owned(),
            |mode| format!("has the networkMode {mode}"),
        ),
        if *.is_on_fargate { "runs on Fargate" } else { "has a network configuration (awsvpcConfiguration)" }
    )]
    NotAwsvpc {
        /// The revision's network mode.
        mode: Option<String>,
        /// The service runs on Fargate.
        is_on_fargate: bool,
    },
    /// The revision's tasks would have networks of their own, which the service does not configure.
    #[error(
        "the new revision has the networkMode awsvpc, and the service has no network configuration (awsvpcConfiguration): keep the networkMode that it has, or give the service one"
    )]
    NoNetwork,
    /// The revision is made for something else than Fargate.
    #[error(
        "the service runs on Fargate, which the new revision's requiresCompatibilities does not name: add \"FARGATE\""
    )]
    NotForFargate,
    /// The whole task has no size, which Fargate needs.
    #[error(
        "the service runs on Fargate, and the new revision does not say how much {what} the whole task has: add {what}",
        what = .missing.join(" and ")
    )]
    NoSize {
        /// `cpu`, `memory` or both.
        missing: Vec<&'static str>,
    },
    /// The container that something sends traffic to is missing.
    #[error(
        "{} sends traffic to port {} of the container '{}', which the new revision does not have; its containers are {}",
        .needed.by, .needed.port, .needed.container, text::listed(.known)
    )]
    NoContainer {
        /// What is needed.
        needed: PortNeeded,
        /// The containers that there are.
        known: Vec<String>,
    },
    /// The container does not map the port that something sends traffic to.
    #[error(
        "{} sends traffic to port {port} of the container '{}', which {} in the new revision: add {{\"containerPort\": {port}}} to its portMappings",
        .needed.by, .needed.container, said_of_ports(.mapped), port = .needed.port
    )]
    NoPort {
        /// What is needed.
        needed: PortNeeded,
        /// The ports and ranges that it maps.
        mapped: Vec<String>,
    },
    /// No port mapping has the name that something calls.
    #[error(
        "{} uses the port mapping named '{}', which the new revision does not have ({}): give a container's port mapping that name",
        .needed.by, .needed.name,
        if .known.is_empty() { "it names none".to_owned() } else { format!("it has {}", text::listed(.known)) }
    )]
    NoPortName {
        /// What is needed.
        needed: PortNameNeeded,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The service configures a volume that the revision does not leave to it.
    #[error(
        "the service configures the volume '{0}' at launch, and the new revision has no volume of that name with \"configuredAtLaunch\": true"
    )]
    NoVolume(String),
    /// The revision leaves a volume to the service, which does not configure it.
    #[error(
        "the new revision has the volume '{0}', which is configured at launch, and the service has no volumeConfigurations for it"
    )]
    VolumeNotConfigured(String),
}

fn said_of_ports(mapped: &[String]) -> String {
    if mapped.is_empty() {
        "has no portMappings".to_owned()
    } else {
        format!("maps {} only", text::listed(mapped))
    }
}

/// Every reason why the service cannot run `revision`.
pub fn misfits(needs: &Needs, revision: &Map<String, Value>) -> Vec<Misfit> {
    let mut misfits = network(needs, revision);
    if needs.is_on_fargate {
        misfits.extend(fargate(revision));
    }
    misfits.extend(needs.ports.iter().filter_map(|one| port(one, revision)));
    let names = needs.port_names.iter();
    misfits.extend(names.filter_map(|one| port_name(one, revision)));
    misfits.extend(volumes(needs, revision));
    misfits
}

fn network(needs: &Needs, revision: &Map<String, Value>) -> Vec<Misfit> {
    let mode = revision.get("networkMode").and_then(Value::as_str);
    let is_awsvpc = mode == Some("awsvpc");
    let mut misfits = Vec::new();
    if !is_awsvpc && (needs.has_network || needs.is_on_fargate) {
        misfits.push(Misfit::NotAwsvpc {
            mode: mode.map(str::to_owned),
            is_on_fargate: needs.is_on_fargate,
        });
    }
    if is_awsvpc && !needs.has_network {
        misfits.push(Misfit::NoNetwork);
    }
    misfits
}

fn fargate(revision: &Map<String, Value>) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let listed = revision.get("requiresCompatibilities");
    let is_listed = listed
        .and_then(Value::as_array)
        .is_some_and(|listed| !listed.is_empty());
    if is_listed && !platform::is_for_fargate(revision) {
        misfits.push(Misfit::NotForFargate);
    }
    let is_missing = |member: &&str| revision.get(*member).is_none_or(Value::is_null);
    let missing: Vec<&str> = ["cpu", "memory"].into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        misfits.push(Misfit::NoSize { missing });
    }
    misfits
}

fn port(needed: &PortNeeded, revision: &Map<String, Value>) -> Option<Misfit> {
    let all = containers(revision);
    let Some(found) = all.iter().find(|one| one["name"] == *needed.container) else {
        let names = all.iter().filter_map(|one| one["name"].as_str());
        return Some(Misfit::NoContainer {
            needed: needed.clone(),
            known: names.map(str::to_owned).collect(),
        });
    };
    let mapped = mappings(found);
    if mapped.iter().any(|mapping| maps(mapping, needed.port)) {
        return None;
    }
    let ports = mapped
        .iter()
        .map(|mapping| match mapping["containerPortRange"].as_str() {
            Some(range) => range.to_owned(),
            None => mapping["containerPort"].to_string(),
        });
    Some(Misfit::NoPort {
        needed: needed.clone(),
        mapped: ports.collect(),
    })
}

fn maps(mapping: &Value, port: i32) -> bool {
    let port = i64::from(port);
    let range = mapping["containerPortRange"].as_str();
    let in_range = range
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| Some(first.parse::<i64>().ok()?..=last.parse().ok()?))
        .is_some_and(|range| range.contains(&port));
    in_range || mapping["containerPort"].as_i64() == Some(port)
}

fn port_name(needed: &PortNameNeeded, revision: &Map<String, Value>) -> Option<Misfit> {
    let named = containers(revision)
        .iter()
        .flat_map(mappings)
        .filter_map(|mapping| mapping["name"].as_str());
    let known: Vec<String> = named.map(str::to_owned).collect();
    if known.contains(&needed.name) {
        return None;
    }
    Some(Misfit::NoPortName {
        needed: needed.clone(),
        known,
    })
}

fn volumes(needs: &Needs, revision: &Map<String, Value>) -> Vec<Misfit> {
    let at_launch = volumes_at_launch(revision);
    let lacking = needs
        .volumes
        .iter()
        .filter(|name| !at_launch.contains(name));
    let open = at_launch
        .iter()
        .filter(|name| !needs.volumes.contains(name));
    let lacking = lacking.map(|name| Misfit::NoVolume(name.clone()));
    lacking
        .chain(open.map(|name| Misfit::VolumeNotConfigured(name.clone())))
        .collect()
}

/// A size of tasks that Fargate does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FargateSize {
    /// In CPU units, 1024 of which are a vCPU.
    cpu: u64,
    /// In MiB.
    memory: u64,
    /// What a task with so much CPU may have: the least, the most, and the step between.
    steps: [u64; 3],
}

impl std::fmt::Display for FargateSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [least, most, step] = self.steps;
        let all: Vec<u64> = sizes(self.cpu, self.steps).collect();
        let fitting = match all.as_slice() {
            [others @ .., largest] if all.len() <= 4 => {
                let others: Vec<String> = others.iter().map(u64::to_string).collect();
                format!("{} or {largest}", others.join(", "))
            }
            _ => format!("{least} to {most} in steps of {step}"),
        };
        let (cpu, memory) = (self.cpu, self.memory);
        write!(
            f,
            "on Fargate a task with cpu {cpu} has memory {fitting}, and not {memory}"
        )
    }
}

/// What is wrong with a size of a task on Fargate, by its table
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>). A size with more CPU than
/// that has is let pass, and so is what is no size: ECS knows better.
pub fn fargate_size(cpu: &str, memory: &str) -> Option<FargateSize> {
    const GB: u64 = 1024;
    let (cpu, memory) = (units(cpu, "vcpu")?, units(memory, "gb")?);
    let steps = match cpu {
        256 => [512, 2 * GB, GB],
        512 => [GB, 4 * GB, GB],
        1024 => [2 * GB, 8 * GB, GB],
        2048 => [4 * GB, 16 * GB, GB],
        4096 => [8 * GB, 30 * GB, GB],
        8192 => [16 * GB, 60 * GB, 4 * GB],
        16384 => [32 * GB, 120 * GB, 8 * GB],
        _ => return None,
    };
    let mut fitting = sizes(cpu, steps);
    let is_fitting = fitting.any(|one| one == memory);
    (!is_fitting).then_some(FargateSize { cpu, memory, steps })
}

fn sizes(cpu: u64, [least, most, step]: [u64; 3]) -> impl Iterator<Item = u64> {
    // The smallest has one size more.
    let first = (cpu == 256).then_some(least);
    let least = if cpu == 256 { step } else { least };
    let count = (most - least) / step;
    first
        .into_iter()
        .chain((0..=count).map(move |number| least + number * step))
}

/// `512` or `0.5 vCPU`: 1024 of ECS's units are one of the larger.
pub fn units(written: &str, larger: &str) -> Option<u64> {
    let written = written.trim().to_ascii_lowercase();
    let Some(number) = written.strip_suffix(larger) else {
        return written.parse().ok();
    };
    let (whole, part) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) || part.len() > 4 {
        return None;
    }
    let scale = 10u64.pow(u32::try_from(part.len()).ok()?);
    let part: u64 = if part.is_empty() {
        0
    } else {
        part.parse().ok()?
    };
    let whole: u64 = whole.parse().ok()?;
    let units = whole.checked_mul(1024)? + part * 1024 / scale;
    Some(units)
}

/// The names of the volumes that are configured when a task is started.
pub fn volumes_at_launch(revision: &Map<String, Value>) -> Vec<String> {
    let volumes = revision.get("volumes").and_then(Value::as_array);
    let at_launch = volumes
        .into_iter()
        .flatten()
        .filter(|volume| volume["configuredAtLaunch"] == true);
    at_launch
        .filter_map(|volume| Some(volume["name"].as_str()?.to_owned()))
        .collect()
}

fn containers(revision: &Map<String, Value>) -> &[Value] {
    let containers = revision.get("containerDefinitions");
    containers
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn mappings(container: &Value) -> &[Value] {
    container["portMappings"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn web() -> Needs {
        Needs {
            is_on_fargate: true,
            has_network: true,
            ports: vec![PortNeeded {
                by: "the load balancer (web)".to_owned(),
                container: "app".to_owned(),
                port: 8080,
            }],
            port_names: vec![PortNameNeeded {
                by: "Service Connect".to_owned(),
                name: "http".to_owned(),
            }],
            volumes: vec!["data".to_owned()],
        }
    }

    fn revision() -> Value {
        json!({
            "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512",
            "containerDefinitions": [
                {"name": "proxy"},
                {"name": "app", "portMappings": [{"containerPort": 8080, "name": "http"}]},
            ],
            "volumes": [{"name": "data", "configuredAtLaunch": true}, {"name": "scratch"}],
        })
    }

    fn of(needs: &Needs, revision: &Value) -> Vec<String> {
        let misfits = misfits(needs, revision.as_object().unwrap());
        misfits.iter().map(Misfit::to_string).collect()
    }

    #[test]
    fn a_revision_with_all_that_the_service_asks_for_fits() {
        assert_eq!(of(&web(), &revision()), Vec::<String>::new());
        let mut range = revision();
        range["containerDefinitions"][1]["portMappings"] =
            json!([{"containerPortRange": "8000-8100", "name": "http"}]);
        assert_eq!(of(&web(), &range), Vec::<String>::new());
        // Nothing is asked of it, and ECS fills in what it does not say.
        let on_instances = json!({"containerDefinitions": [{"name": "app"}]});
        assert_eq!(of(&Needs::default(), &on_instances), Vec::<String>::new());
        let mut silent = revision();
        silent
            .as_object_mut()
            .unwrap()
            .remove("requiresCompatibilities");
        assert_eq!(of(&web(), &silent), Vec::<String>::new());
    }

    #[test]
    fn each_misfit_has_its_sentence() {
        for (member, value, told) in [
            (
                "/containerDefinitions/1/name",
                json!("api"),
                "the load balancer (web) sends traffic to port 8080 of the container 'app', which the new revision does not have; its containers are proxy and api",
            ),
            (
                "/containerDefinitions/1/portMappings/0/containerPort",
                json!(80),
                "the load balancer (web) sends traffic to port 8080 of the container 'app', which maps 80 only in the new revision: add {\"containerPort\": 8080} to its portMappings",
            ),
            (
                "/containerDefinitions/1/portMappings/0/name",
                json!("web"),
                "Service Connect uses the port mapping named 'http', which the new revision does not have (it has web): give a container's port mapping that name",
            ),
            (
                "/networkMode",
                json!("bridge"),
                "the new revision has the networkMode bridge, and the service runs on Fargate: write \"networkMode\": \"awsvpc\"",
            ),
            (
                "/requiresCompatibilities",
                json!(["EC2"]),
                "the service runs on Fargate, which the new revision's requiresCompatibilities does not name: add \"FARGATE\"",
            ),
            (
                "/memory",
                Value::Null,
                "the service runs on Fargate, and the new revision does not say how much memory the whole task has: add memory",
            ),
            (
                "/volumes/0/configuredAtLaunch",
                json!(false),
                "the service configures the volume 'data' at launch, and the new revision has no volume of that name with \"configuredAtLaunch\": true",
            ),
            (
                "/volumes/1/configuredAtLaunch",
                json!(true),
                "the new revision has the volume 'scratch', which is configured at launch, and the service has no volumeConfigurations for it",
            ),
        ] {
            let mut changed = revision();
            if changed.pointer(member).is_none() {
                changed["volumes"][1]["configuredAtLaunch"] = json!(false);
            }
            *changed.pointer_mut(member).unwrap() = value;
            assert_eq!(of(&web(), &changed), [told]);
        }
    }

    #[test]
    fn a_service_without_a_network_cannot_run_awsvpc_and_one_with_it_nothing_else() {
        let on_instances = Needs {
            has_network: true,
            ..Needs::default()
        };
        let silent = json!({"containerDefinitions": []});
        assert_eq!(
            of(&on_instances, &silent),
            [
                "the new revision has no networkMode, which means bridge, and the service has a network configuration (awsvpcConfiguration): write \"networkMode\": \"awsvpc\""
            ]
        );
        let awsvpc = json!({"networkMode": "awsvpc"});
        assert!(
            of(&Needs::default(), &awsvpc)[0].contains("the service has no network configuration")
        );
    }

    #[test]
    fn a_size_that_fargate_does_not_have_is_told_with_those_that_it_has() {
        let wrong = |cpu: &str, memory: &str| fargate_size(cpu, memory).map(|one| one.to_string());
        for (cpu, memory) in [
            ("256", "512"),
            ("256", "1024"),
            ("0.25 vCPU", "2 GB"),
            ("1 vcpu", "8GB"),
            ("4096", "30720"),
            ("8192", "20480"),
            ("16384", "122880"),
            // Not in the table, or no size.
            ("32768", "1"),
            ("many", "512"),
            ("256", "lots"),
            ("256", "0.x GB"),
        ] {
            assert_eq!(wrong(cpu, memory), None, "{cpu} {memory}");
        }
        assert_eq!(
            wrong(".25 vCPU", "512").as_deref(),
            None,
            "no number by ECS's grammar"
        );
        assert_eq!(
            wrong("256", "4096").unwrap(),
            "on Fargate a task with cpu 256 has memory 512, 1024 or 2048, and not 4096"
        );
        assert_eq!(
            wrong("8192", "17 GB").unwrap(),
            "on Fargate a task with cpu 8192 has memory 16384 to 61440 in steps of 4096, and not 17408"
        );
    }

    #[test]
    fn what_is_odd_is_no_panic() {
        for odd in [
            json!({}),
            json!({"containerDefinitions": {"a": 1}, "volumes": "x", "networkMode": 7}),
            json!({"containerDefinitions": [null, 1, {"name": "app", "portMappings": [null, {"containerPortRange": "9-"}]}]}),
        ] {
            assert!(!of(&web(), &odd).is_empty());
        }
    }
}
