//! Looks at what the new tasks need besides their images, before anything is changed.

use std::future::Future;
use std::time::Duration;

use super::Run;
use super::at_once::few_at_once;
use crate::aws::{cloudwatch, ssm};
use crate::deploy::call::{CallError, Class};
use crate::deploy::dependencies::{
    self, AlarmSeen, AlarmsNeeded, Finding, Missing, Needed, OfService, ParameterNeeded,
    TargetGroupSeen, Unseen,
};
use crate::deploy::plan::{Draft, Observed};
use crate::deploy::region::Region;
use crate::deploy::time::human;

/// These looks are worth no longer wait: a service that is not reached (from a VPC without its endpoint, say) must not
/// hold up every start.
const LONGEST: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// What the new tasks need and is not there. What is only worth knowing, or could not be looked at, becomes a
    /// warning.
    pub(super) async fn check_dependencies(
        &self,
        observed: &Observed,
        draft: &Draft,
    ) -> Vec<Missing> {
        if !self.spec.verify_dependencies {
            return Vec::new();
        }
        let services = observed.services.iter().zip(&observed.places);
        let services: Vec<OfService<'_>> = services
            .map(|(service, place)| OfService {
                target: &service.target,
                arn: &service.seen.arn,
                depends: &service.depends,
                place: *place,
            })
            .collect();
        let needed = dependencies::needed(&draft.registrations, &services);
        if needed.is_empty() {
            return Vec::new();
        }
        let findings = self.look_at_dependencies(&needed).await;
        let mut missing = needed.broken;
        let mut unseen: Vec<Unseen> = Vec::new();
        for finding in findings {
            match finding {
                Finding::Missing(one) => missing.push(one),
                Finding::Warning(sentence) => self.warn(format!("{sentence}.")),
                Finding::Unseen(one) => unseen.push(Unseen {
                    error: self.placed(&one.error),
                    ..one
                }),
            }
        }
        for sentence in dependencies::unseen(unseen, self.caller()) {
            self.warn(format!("{sentence}."));
        }
        missing
    }

    /// All of them, side by side.
    async fn look_at_dependencies(&self, needed: &Needed) -> Vec<Finding> {
        let account = &self.target_account;
        let secrets = needed.secrets.iter().map(|one| async {
            let secrets = account.secrets(one.region.as_ref());
            let seen = in_time("secretsmanager:DescribeSecret", secrets.describe(&one.id));
            dependencies::secret(one, seen.await)
        });
        let log_groups = needed.log_groups.iter().map(|one| async {
            let logs = account.logs(one.region.as_ref());
            let seen = in_time("logs:DescribeLogStreams", logs.group(&one.name));
            dependencies::log_group(one, seen.await)
        });
        let roles = needed.roles.iter().map(|one| async {
            let iam = account.iam();
            let seen = in_time("iam:GetRole", iam.trust_policy(&one.name)).await;
            // IAM's text has a role's name alone.
            let seen = seen.map_err(|error| match &one.arn {
                Some(arn) => error.about_resource(arn.as_str()),
                None => error,
            });
            dependencies::role(one, seen)
        });
        let target_groups = needed.target_groups.iter().map(|one| async {
            let balancers = account.load_balancers();
            let seen = in_time(
                "elasticloadbalancing:DescribeTargetGroups",
                balancers.target_group(&one.arn),
            );
            let seen = seen.await.map(|group| TargetGroupSeen {
                kind: group.kind,
                check_port: group.check.port,
            });
            dependencies::target_group(one, seen)
        });
        let alarms = needed.alarms.iter().map(|one| self.look_at_alarms(one));
        let (secrets, parameters, log_groups, roles, target_groups, alarms) = tokio::join!(
            few_at_once(secrets),
            self.look_at_parameters(&needed.parameters),
            few_at_once(log_groups),
            few_at_once(roles),
            few_at_once(target_groups),
            few_at_once(alarms),
        );
        let found = [secrets, parameters, log_groups, roles, target_groups];
        let found = found.into_iter().flatten().flatten();
        found.chain(alarms.into_iter().flatten()).collect()
    }

    /// A few with each call; one by one where that is not allowed, for one may be what is not.
    async fn look_at_parameters(&self, needed: &[ParameterNeeded]) -> Vec<Option<Finding>> {
        let mut of_regions: Vec<(Option<&Region>, Vec<&ParameterNeeded>)> = Vec::new();
        for one in needed {
            let region = one.region.as_ref();
            let region = region.filter(|region| Some(region.name()) != self.region());
            match of_regions.iter_mut().find(|(known, _)| *known == region) {
                Some((_, ones)) => ones.push(one),
                None => of_regions.push((region, vec![one])),
            }
        }
        let mut calls = Vec::new();
        for (region, ones) in &of_regions {
            for ones in ones.chunks(ssm::AT_ONCE) {
                calls.push(self.look_at_some_parameters(*region, ones));
            }
        }
        few_at_once(calls).await.into_iter().flatten().collect()
    }

    async fn look_at_some_parameters(
        &self,
        region: Option<&Region>,
        needed: &[&ParameterNeeded],
    ) -> Vec<Option<Finding>> {
        const OPERATION: &str = "ssm:GetParameters";
        let parameters = self.target_account.parameters(region);
        let names: Vec<&str> = needed.iter().map(|one| one.name.as_str()).collect();
        let answers = match in_time(OPERATION, parameters.invalid(&names)).await {
            Ok(invalid) => invalid.into_iter().map(Ok).collect(),
            Err(error) if error.class == Class::Denied && names.len() > 1 => {
                let alone = names.iter().map(|name| async {
                    let names = [*name];
                    let invalid = in_time(OPERATION, parameters.invalid(&names)).await;
                    invalid.map(|invalid| invalid.contains(&true))
                });
                few_at_once(alone).await
            }
            Err(error) => vec![Err(error); names.len()],
        };
        let answered = needed.iter().zip(answers);
        let answered = answered.map(|(one, invalid)| dependencies::parameter(one, invalid));
        answered.collect()
    }

    async fn look_at_alarms(&self, needed: &AlarmsNeeded) -> Vec<Finding> {
        let cloudwatch = self.target_account.cloudwatch();
        let calls = needed.names.chunks(cloudwatch::AT_ONCE);
        let calls =
            calls.map(|names| in_time("cloudwatch:DescribeAlarms", cloudwatch.alarms(names)));
        let seen = few_at_once(calls).await.into_iter();
        let seen: Result<Vec<Vec<AlarmSeen>>, CallError> = seen.collect();
        dependencies::alarms(needed, seen.map(|seen| seen.concat()))
    }
}

/// What a look came to, if it came in time.
async fn in_time<T>(
    operation: &'static str,
    look: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let late = || {
        let detail = format!("AWS did not answer within {}", human(LONGEST));
        CallError::unusable(operation, "", Class::Unavailable, detail)
    };
    let looked = tokio::time::timeout(LONGEST, look).await;
    looked.unwrap_or_else(|_| Err(late()))
}
