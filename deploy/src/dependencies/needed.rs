//! What is needed, read from a revision and its services.

use serde_json::Value;

use super::Depends;
use super::missing::Missing;
use crate::outside::shown;
use crate::region::Region;
use crate::spec::Target;
use crate::task_definition::Registration;
use crate::text;

/// What the new tasks need. Nothing twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Needed {
    /// Secrets of Secrets Manager.
    pub secrets: Vec<SecretNeeded>,
    /// Parameters of Systems Manager.
    pub parameters: Vec<ParameterNeeded>,
    /// Log groups that are not made with the first line.
    pub log_groups: Vec<LogGroupNeeded>,
    /// Roles of the service's account.
    pub roles: Vec<RoleNeeded>,
    /// Target groups.
    pub target_groups: Vec<TargetGroupNeeded>,
    /// Alarms that ECS watches.
    pub alarms: Vec<AlarmsNeeded>,
    /// What cannot be looked for because it is nothing of its kind.
    pub broken: Vec<Missing>,
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNeeded {
    /// Its ARN, or its name.
    pub id: String,
    /// Its Region, if it is not the service's.
    pub region: Option<Region>,
    /// The stage of its version that is needed, if it is not `AWSCURRENT`.
    pub stage: Option<String>,
    /// The id of its version that is needed.
    pub version: Option<String>,
    /// Who needs it, as `container app (DATABASE_URL)`; at least one.
    pub by: Vec<String>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterNeeded {
    /// Its name, or its ARN.
    pub name: String,
    /// Its Region, if it is not the service's.
    pub region: Option<Region>,
    /// Who needs it; at least one.
    pub by: Vec<String>,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroupNeeded {
    /// Its name.
    pub name: String,
    /// Its Region, if it is not the service's.
    pub region: Option<Region>,
    /// The containers that write to it.
    pub by: Vec<String>,
}

/// A role that ECS assumes for the tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleNeeded {
    /// Its ARN, if the task definition has it.
    pub arn: Option<String>,
    /// Its name.
    pub name: String,
    /// What the task definition calls it: `executionRoleArn`, `taskRoleArn`.
    pub members: Vec<String>,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroupNeeded {
    /// Its ARN.
    pub arn: String,
    /// The service whose tasks ECS registers there.
    pub target: Target,
    /// The container that gets the traffic, and its port.
    pub container: String,
    /// That port.
    pub port: i32,
    /// The ports that the new revision's containers map, as far as they are numbers; its health check may ask any.
    pub mapped: Vec<i64>,
    /// A container maps a range of ports.
    pub has_range: bool,
    /// The new revision's tasks have networks of their own.
    pub is_awsvpc: bool,
}

/// The alarms of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmsNeeded {
    /// The service.
    pub target: Target,
    /// Their names.
    pub names: Vec<String>,
}

/// A service, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct OfService<'a> {
    /// Which.
    pub target: &'a Target,
    /// Its ARN.
    pub arn: &'a str,
    /// What it brings itself.
    pub depends: &'a Depends,
    /// The place of its new revision among the registrations.
    pub place: usize,
}

/// All that the tasks of these revisions need, for the services that run them.
pub fn needed(registrations: &[Registration], services: &[OfService<'_>]) -> Needed {
    let mut needed = Needed::default();
    for (place, registration) in registrations.iter().enumerate() {
        let service = services.iter().find(|service| service.place == place);
        let account = service.map_or("", |service| account_in(service.arn));
        needed.add_roles(registration, account);
        for container in registration.containers() {
            needed.add_container(container);
        }
    }
    for service in services {
        if let Some(registration) = registrations.get(service.place) {
            needed.add_target_groups(service, registration);
        }
        if !service.depends.alarms.is_empty() {
            needed.alarms.push(AlarmsNeeded {
                target: service.target.clone(),
                names: text::once(service.depends.alarms.iter().cloned()),
            });
        }
    }
    needed
}

impl Needed {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add_roles(&mut self, registration: &Registration, account: &str) {
        for (member, role) in registration.roles() {
            // ECS cannot pass on another account's, and says so when the revision is registered.
            let is_other = role.starts_with("arn:") && account_in(role) != account;
            let name = text::last_part(role);
            let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
            if is_other || name.is_empty() || !name.chars().all(is_name) {
                continue;
            }
            let known = self.roles.iter_mut().find(|known| known.name == name);
            match known {
                Some(known) => add(&mut known.members, member.to_owned()),
                None => self.roles.push(RoleNeeded {
                    arn: role.starts_with("arn:").then(|| role.to_owned()),
                    name: name.to_owned(),
                    members: vec![member.to_owned()],
                }),
            }
        }
    }

    fn add_container(&mut self, container: &Value) {
        let name = shown(container["name"].as_str().unwrap_or_default());
        let log = &container["logConfiguration"];
        let secrets = list(&container["secrets"]);
        let secrets = secrets.chain(list(&log["secretOptions"]));
        for secret in secrets {
            let variable = shown(secret["name"].as_str().unwrap_or_default());
            let by = format!("container {name} ({variable})");
            if let Some(value_from) = secret["valueFrom"].as_str() {
                self.add_value_from(value_from, by);
            }
        }
        let registry = &container["repositoryCredentials"]["credentialsParameter"];
        if let Some(id) = registry.as_str() {
            let by = format!("container {name} (repositoryCredentials)");
            // The name alone means a secret here.
            match arn_of(id) {
                Some(_) => self.add_value_from(id, by),
                None => self.add_secret(SecretNeeded {
                    id: id.to_owned(),
                    region: None,
                    stage: None,
                    version: None,
                    by: vec![by],
                }),
            }
        }
        self.add_log(log, name);
    }

    /// What `valueFrom` names
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>,
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html>):
    /// `arn:…:secret:NAME[:KEY:STAGE:VERSION]`, a parameter's ARN, or its name.
    fn add_value_from(&mut self, value_from: &str, by: String) {
        let Some(arn) = arn_of(value_from) else {
            if is_parameter(value_from) {
                self.add_parameter(value_from, None, by);
            } else {
                self.broken.push(Missing::NotASecret(by));
            }
            return;
        };
        let Some(region) = Region::parse(arn.region) else {
            self.broken.push(Missing::NotASecret(by));
            return;
        };
        let resource: Vec<&str> = arn.resource.split(':').collect();
        match (arn.service, resource.as_slice()) {
            ("secretsmanager", ["secret", name, rest @ ..])
                if !name.is_empty() && rest.len() <= 3 =>
            {
                let part = |place: usize| {
                    let part = rest.get(place).filter(|part| !part.is_empty());
                    part.map(|part| (*part).to_owned())
                };
                let id = value_from.len() - rest.iter().map(|part| part.len() + 1).sum::<usize>();
                self.add_secret(SecretNeeded {
                    id: value_from[..id].to_owned(),
                    region: Some(region),
                    stage: part(1),
                    version: part(2),
                    by: vec![by],
                });
            }
            ("ssm", [name, ..]) if name.starts_with("parameter/") && is_parameter(arn.resource) => {
                self.add_parameter(value_from, Some(region), by);
            }
            _ => self.broken.push(Missing::NotASecret(by)),
        }
    }

    fn add_secret(&mut self, secret: SecretNeeded) {
        let known = self.secrets.iter_mut().find(|known| {
            known.id == secret.id && known.stage == secret.stage && known.version == secret.version
        });
        match known {
            Some(known) => secret.by.into_iter().for_each(|by| add(&mut known.by, by)),
            None => self.secrets.push(secret),
        }
    }

    fn add_parameter(&mut self, name: &str, region: Option<Region>, by: String) {
        match self.parameters.iter_mut().find(|known| known.name == name) {
            Some(known) => add(&mut known.by, by),
            None => self.parameters.push(ParameterNeeded {
                name: name.to_owned(),
                region,
                by: vec![by],
            }),
        }
    }

    fn add_log(&mut self, log: &Value, container: String) {
        let options = &log["options"];
        let is_made = options["awslogs-create-group"]
            .as_str()
            .is_some_and(|written| {
                let written = written.trim();
                // As Docker reads it: 1, t and T are true as well.
                written.eq_ignore_ascii_case("true")
                    || written.eq_ignore_ascii_case("t")
                    || written == "1"
            });
        let (Some("awslogs"), Some(group), false) = (
            log["logDriver"].as_str(),
            options["awslogs-group"].as_str(),
            is_made,
        ) else {
            return;
        };
        let region = options["awslogs-region"].as_str();
        let parsed = region.and_then(Region::parse);
        // What is no Region's name is connected to by nobody.
        if !is_log_group(group) || (region.is_some() && parsed.is_none()) {
            return;
        }
        let mut known = self.log_groups.iter_mut();
        match known.find(|known| known.name == group && known.region == parsed) {
            Some(known) => add(&mut known.by, container),
            None => self.log_groups.push(LogGroupNeeded {
                name: group.to_owned(),
                region: parsed,
                by: vec![container],
            }),
        }
    }

    fn add_target_groups(&mut self, service: &OfService<'_>, registration: &Registration) {
        let mappings: Vec<&Value> = registration
            .containers()
            .iter()
            .flat_map(|container| list(&container["portMappings"]))
            .collect();
        let mapped = mappings.iter();
        let mapped: Vec<i64> = mapped
            .filter_map(|mapping| mapping["containerPort"].as_i64())
            .collect();
        let has_range = mappings
            .iter()
            .any(|mapping| mapping["containerPortRange"].is_string());
        let is_awsvpc = registration
            .body
            .get("networkMode")
            .is_some_and(|mode| mode == "awsvpc");
        for (arn, container, port) in &service.depends.target_groups {
            self.target_groups.push(TargetGroupNeeded {
                arn: arn.clone(),
                target: service.target.clone(),
                container: container.clone(),
                port: *port,
                mapped: mapped.clone(),
                has_range,
                is_awsvpc,
            });
        }
    }
}

/// The parts of an ARN that are asked for here.
struct Arn<'a> {
    service: &'a str,
    region: &'a str,
    resource: &'a str,
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`
fn arn_of(text: &str) -> Option<Arn<'_>> {
    let mut parts = text.splitn(6, ':');
    if parts.next() != Some("arn") {
        return None;
    }
    let (_, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, resource) = (parts.next()?, parts.next()?);
    Some(Arn {
        service,
        region,
        resource,
    })
}

fn account_in(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// A name, and perhaps a version or label of it
/// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>).
fn is_parameter(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    let (name, selector) = text.split_once(':').unwrap_or((text, "1"));
    // What begins so and is no ARN is a slip.
    !text.starts_with("arn:")
        && !name.is_empty()
        && name.len() <= 2048
        && name.chars().all(is_of_name)
        && !selector.is_empty()
        && selector.chars().all(is_of_name)
}

/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>)
fn is_log_group(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    (1..=512).contains(&text.len()) && text.chars().all(is_of_name)
}

fn add(known: &mut Vec<String>, one: String) {
    if !known.contains(&one) {
        known.push(one);
    }
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}
