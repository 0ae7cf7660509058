//! ECS: services, their deployments, task definitions, tasks.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::{
    ConfigBag, Intercept, RuntimeComponents,
    interceptors::AfterDeserializationInterceptorContextRef,
};
use aws_sdk_ecs::operation::list_tasks::builders::ListTasksFluentBuilder;
use aws_sdk_ecs::types::{
    CapacityProviderStrategyItem, ContainerOverride, Deployment, DeploymentConfiguration,
    DeploymentLifecycleHookAction, DeploymentLifecycleHookDetail, DeploymentLifecycleHookStatus,
    DeploymentLifecycleHookTargetType, DeploymentLifecycleHookTimeoutConfiguration, DesiredStatus,
    EbsTagSpecification, Failure, KeyValuePair, LaunchType, NetworkConfiguration, PropagateTags,
    Service, ServiceDeployment, ServiceDeploymentRollbackMonitorsStatus,
    ServiceVolumeConfiguration, SortOrder, StopServiceDeploymentStopType, Tag, Task,
    TaskDefinitionField, TaskDefinitionStatus, TaskManagedEbsVolumeConfiguration,
    TaskManagedEbsVolumeTerminationPolicy, TaskOverride, TaskVolumeConfiguration,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value};

use super::error::{made_before, of_sdk};
use crate::deploy::call::{CallError, Class};
use crate::deploy::dependencies::Depends;
use crate::deploy::evidence::{StoppedContainer, StoppedTask};
use crate::deploy::fit::{Needs, PortNameNeeded, PortNeeded};
use crate::deploy::hook::FailedHook;
use crate::deploy::outside::shown;
use crate::deploy::revision::Revision;
use crate::deploy::seen::{DeploymentSeen, EventSeen, Held, ServiceDeploymentSeen, ServiceSeen};
use crate::deploy::spec::{HookAction, StandaloneTask, Target, When};
use crate::deploy::task_definition::Described;
use crate::deploy::text;
use crate::deploy::time::Timestamp;

/// `DescribeTasks` takes this many
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>).
const TASKS_AT_A_TIME: usize = 100;

/// So many pages of stopped tasks are looked through for ours. The newest are not first, so all
/// are wanted; a service that has stopped more than this in an hour has shown why often enough.
const TASK_PAGES: usize = 10;

/// `DescribeServices` takes this many, and listings bring this many at most
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html>).
const SERVICES_AT_A_TIME: usize = 10;
const LISTED_AT_A_TIME: i32 = 100;

/// `DescribeServiceRevisions` takes this many
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceRevisions.html>).
const REVISIONS_AT_A_TIME: usize = 20;

/// A service and what decides whether we may deploy to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceDescribed {
    /// What a rollout is judged by.
    pub seen: ServiceSeen,
    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`; absent means `ECS`.
    pub controller: Option<String>,
    /// `ECS` for services of Express Mode, else absent or `CUSTOMER`.
    pub resource_management: Option<String>,
    /// The ARN of the service deployment that is under way or was the last.
    pub current_service_deployment: Option<String>,
    /// How its tasks are run.
    pub settings: RunSettings,
    /// What a revision must have to be run by it.
    pub needs: Needs,
    /// What it brings that the tasks of any revision need.
    pub depends: Depends,
}

/// What a task needs to run as the service's tasks do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunSettings {
    network: Option<NetworkConfiguration>,
    launch_type: Option<LaunchType>,
    capacity_providers: Vec<CapacityProviderStrategyItem>,
    platform_version: Option<String>,
    volumes: Vec<ServiceVolumeConfiguration>,
}

/// A task that the function runs carries one of these tags, and its role may stop only tasks that do
/// (template.yaml). Not the tag of revisions: a service may pass those on to its own tasks
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html>, propagateTags).
const PRE_DEPLOY_TAG: &str = "ecs-deploy-action:pre-deploy";
const POST_DEPLOY_TAG: &str = "ecs-deploy-action:post-deploy";

fn tag_of(when: When) -> &'static str {
    match when {
        When::Before => PRE_DEPLOY_TAG,
        When::After => POST_DEPLOY_TAG,
    }
}

/// A task to run once.
#[derive(Debug, Clone, Copy)]
pub struct TaskToRun<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The revision's ARN.
    pub task_definition: &'a str,
    /// How it is run.
    pub settings: &'a RunSettings,
    /// What is asked for: container, command, and what else is replaced.
    pub asked: &'a StandaloneTask,
    /// When it runs.
    pub when: When,
    /// The same for every try: ECS runs one task for it.
    pub client_token: &'a str,
    /// Who started it, as ECS shows it.
    pub started_by: &'a str,
    /// The revision's volumes that are configured at launch.
    pub volumes: &'a [String],
}

/// What became of a task that was to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// It was made; its ARN.
    Task(String),
    /// ECS took the request and made no task: a reason for each place that it tried, as
    /// `RESOURCE:MEMORY`, each once.
    NotPlaced(Vec<String>),
}

/// A task, as `DescribeTasks` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDescribed {
    /// `PROVISIONING`, `PENDING`, `RUNNING`, … `STOPPED`.
    pub status: String,
    /// How it and its containers stopped, as far as they have.
    pub end: StoppedTask,
    /// Who started it: `ecs-svc/…` for a service's task.
    pub started_by: String,
    /// Its revision's ARN.
    pub task_definition: String,
}

/// One page of a family's revisions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevisionPage {
    /// Their ARNs.
    pub arns: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A service deployment in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ARN.
    pub arn: String,
    /// The ARN of the service revision that it brings.
    pub target_revision: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// `PENDING`, `IN_PROGRESS`, `SUCCESSFUL` and six more.
    pub status: String,
}

impl Listed {
    /// Whether it is complete.
    pub fn is_successful(&self) -> bool {
        self.status == "SUCCESSFUL"
    }

    /// Whether it was created at `since` or later, as far as ECS says when.
    pub fn is_since(&self, since: Timestamp) -> bool {
        self.created_at.is_none_or(|at| at >= since)
    }
}

/// A page of a service's service deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDeploymentPage {
    /// Newest first.
    pub listed: Vec<Listed>,
    /// Where the rest begins, if there is any.
    pub next: Option<String>,
}

/// A service deployment and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceDeploymentDescribed {
    /// What a rollout is judged by.
    pub seen: ServiceDeploymentSeen,
    /// The ARNs of the service revisions that were there before it.
    pub source_revisions: Vec<String>,
    /// The ARN of the service revision that it brings.
    pub target_revision: Option<String>,
    /// The ARN of the service revision that its rollback brings, if there is one.
    pub rollback_revision: Option<String>,
}

/// ECS in one account and Region.
#[derive(Debug, Clone)]
pub struct Ecs {
    client: Client,
}

impl Ecs {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The service, or `None` if ECS does not know it.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`] means that the cluster does not exist.
    pub async fn describe_service(
        &self,
        target: &Target,
    ) -> Result<Option<ServiceDescribed>, CallError> {
        const OPERATION: &str = "ecs:DescribeServices";
        let answer = self
            .client
            .describe_services()
            .cluster(&target.cluster)
            .services(&target.service)
            .send()
            .await
            .map_err(|error| of_sdk(OPERATION, format!("service {target}"), &error))?;
        let mut shown = answer.services().iter();
        if let Some(service) = shown.find(|service| is_of(service, target)) {
            return Ok(Some(service_described(service)));
        }
        let about = format!("service {target}");
        missing(OPERATION, about, answer.failures()).map(|()| None)
    }

    /// The revision `name` (an ARN, `family:number`, or a family for its newest ACTIVE one), every
    /// field as it came, with its tags.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`] if there is none.
    pub async fn describe_task_definition(&self, name: &str) -> Result<Described, CallError> {
        const OPERATION: &str = "ecs:DescribeTaskDefinition";
        let subject = || format!("task definition {}", text::last_part(name));
        let body = Captured::default();
        self.client
            .describe_task_definition()
            .task_definition(name)
            .include(TaskDefinitionField::Tags)
            .customize()
            .interceptor(CaptureBody(body.clone()))
            .send()
            .await
            .map_err(|error| of_sdk(OPERATION, subject(), &error))?;
        let unusable =
            |detail: String| CallError::unusable(OPERATION, subject(), Class::Refused, detail);
        let bytes = body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(|| unusable("the answer had no body".to_owned()))?;
        let mut answer: Map<String, Value> = serde_json::from_slice(&bytes)
            .map_err(|error| unusable(format!("the answer is not JSON: {error}")))?;
        let Some(Value::Object(task_definition)) = answer.remove("taskDefinition") else {
            return Err(unusable("the answer has no taskDefinition".to_owned()));
        };
        let tags = match answer.remove("tags") {
            Some(Value::Array(tags)) => tags,
            _ => Vec::new(),
        };
        let described = Described {
            task_definition,
            tags,
        };
        if is_another(&described, name) {
            return Err(CallError::unusable(
                OPERATION,
                subject(),
                Class::Unavailable,
                format!("the answer shows {}", text::last_part(described.arn())),
            ));
        }
        Ok(described)
    }

    /// A page of the family's revisions, the ACTIVE ones or the INACTIVE ones, newest first, from
    /// where `next` says.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn revisions(
        &self,
        family: &str,
        active: bool,
        next: Option<String>,
    ) -> Result<RevisionPage, CallError> {
        let status = if active {
            TaskDefinitionStatus::Active
        } else {
            TaskDefinitionStatus::Inactive
        };
        let answer = self
            .client
            .list_task_definitions()
            .family_prefix(family)
            .status(status)
            .sort(SortOrder::Desc)
            .max_results(LISTED_AT_A_TIME)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| {
                of_sdk(
                    "ecs:ListTaskDefinitions",
                    format!("family {family}"),
                    &error,
                )
            })?;
        Ok(RevisionPage {
            arns: answer.task_definition_arns().to_vec(),
            next: answer.next_token().map(str::to_owned),
        })
    }

    /// Registers a revision; `body` is the whole request. Returns its ARN.
    ///
    /// # Replay
    /// Every call makes a revision. So it is tried once: who gets [`Class::Unavailable`] looks for
    /// the revision before trying again.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn register(&self, body: &Map<String, Value>) -> Result<String, CallError> {
        const OPERATION: &str = "ecs:RegisterTaskDefinition";
        let family = body.get("family").and_then(Value::as_str);
        let family = family.unwrap_or_default().to_owned();
        let subject = || format!("family {family}");
        // A map of JSON values always has a text.
        let bytes = serde_json::to_vec(body).map_err(|error| {
            CallError::unusable(OPERATION, subject(), Class::Refused, error.to_string())
        })?;
        let answer = self
            .client
            .register_task_definition()
            .family(&family)
            .set_container_definitions(Some(Vec::new()))
            .customize()
            .config_override(once())
            .mutate_request(move |request| {
                // The typed request above is only an envelope: what is sent is `body`.
                request
                    .headers_mut()
                    .insert("content-length", bytes.len().to_string());
                *request.body_mut() = SdkBody::from(bytes.clone());
            })
            .send()
            .await
            .map_err(|error| of_sdk(OPERATION, subject(), &error))?;
        let arn = answer
            .task_definition()
            .and_then(|registered| registered.task_definition_arn());
        arn.map(str::to_owned).ok_or_else(|| {
            // Something was registered, and a second look finds it by its tag.
            CallError::unusable(
                OPERATION,
                subject(),
                Class::Unavailable,
                "the answer names no revision",
            )
        })
    }

    /// Points the service at `task_definition` and changes nothing else about it.
    ///
    /// # Replay
    /// Every call may start a deployment. So it is tried once: who gets [`Class::Unavailable`]
    /// looks at the service before trying again.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update_service(
        &self,
        target: &Target,
        task_definition: &str,
    ) -> Result<ServiceDescribed, CallError> {
        const OPERATION: &str = "ecs:UpdateService";
        let answer = self
            .client
            .update_service()
            .cluster(&target.cluster)
            .service(&target.service)
            .task_definition(task_definition)
            .customize()
            .config_override(once())
            .send()
            .await
            .map_err(|error| of_sdk(OPERATION, format!("service {target}"), &error))?;
        let shown = answer.service().filter(|service| is_of(service, target));
        shown.map(service_described).ok_or_else(|| {
            CallError::unusable(
                OPERATION,
                format!("service {target}"),
                Class::Unavailable,
                "the answer does not show the service",
            )
        })
    }

    /// The service's newest service deployments, newest first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn newest_service_deployments(
        &self,
        target: &Target,
        count: i32,
    ) -> Result<Vec<Listed>, CallError> {
        let page = self.service_deployments(target, count, None).await?;
        Ok(page.listed)
    }

    /// A page of the service's service deployments, newest first, from where `next` says.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn service_deployments(
        &self,
        target: &Target,
        count: i32,
        next: Option<String>,
    ) -> Result<ServiceDeploymentPage, CallError> {
        let answer = self
            .client
            .list_service_deployments()
            .cluster(&target.cluster)
            .service(&target.service)
            .max_results(count)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| {
                of_sdk(
                    "ecs:ListServiceDeployments",
                    format!("service {target}"),
                    &error,
                )
            })?;
        let listed = answer.service_deployments().iter();
        let listed = listed.filter_map(|brief| {
            Some(Listed {
                arn: brief.service_deployment_arn()?.to_owned(),
                target_revision: brief.target_service_revision_arn().map(str::to_owned),
                created_at: brief.created_at().map(timestamp),
                status: brief
                    .status()
                    .map_or_else(String::new, |status| status.as_str().to_owned()),
            })
        });
        Ok(ServiceDeploymentPage {
            listed: listed.collect(),
            next: answer.next_token().map(str::to_owned),
        })
    }

    /// One service deployment, or `None` if ECS does not know it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_service_deployment(
        &self,
        arn: &str,
    ) -> Result<Option<ServiceDeploymentDescribed>, CallError> {
        const OPERATION: &str = "ecs:DescribeServiceDeployments";
        let answer = self
            .client
            .describe_service_deployments()
            .service_deployment_arns(arn)
            .send()
            .await
            .map_err(|error| {
                of_sdk(
                    OPERATION,
                    format!("service deployment {}", text::last_part(arn)),
                    &error,
                )
            })?;
        let mut shown = answer.service_deployments().iter();
        if let Some(described) = shown.find(|one| one.service_deployment_arn() == Some(arn)) {
            return Ok(Some(service_deployment_described(described)));
        }
        let about = format!("service deployment {}", text::last_part(arn));
        missing(OPERATION, about, answer.failures()).map(|()| None)
    }

    /// The task definitions' ARNs of service revisions, as pairs of both ARNs.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn task_definitions_of(
        &self,
        service_revisions: &[String],
    ) -> Result<Vec<(String, String)>, CallError> {
        const OPERATION: &str = "ecs:DescribeServiceRevisions";
        if service_revisions.is_empty() {
            return Ok(Vec::new());
        }
        let asked = &service_revisions[..service_revisions.len().min(REVISIONS_AT_A_TIME)];
        let about = || format!("service revision {}", text::last_part(&asked[0]));
        let answer = self
            .client
            .describe_service_revisions()
            .set_service_revision_arns(Some(asked.to_vec()))
            .send()
            .await
            .map_err(|error| of_sdk(OPERATION, about(), &error))?;
        let revisions = answer.service_revisions().iter();
        let found: Vec<(String, String)> = revisions
            .filter_map(|revision| {
                let arn = revision.service_revision_arn()?.to_owned();
                let task_definition = revision.task_definition()?.to_owned();
                asked.contains(&arn).then_some((arn, task_definition))
            })
            .collect();
        if found.len() < asked.len() {
            missing(OPERATION, about(), answer.failures())?;
        }
        Ok(found)
    }

    /// Has ECS roll back a service deployment that is under way.
    ///
    /// # Replay
    /// ECS refuses it for one that is over or rolling back already ([`Class::Refused`]).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn roll_back_service_deployment(&self, arn: &str) -> Result<(), CallError> {
        let answer = self
            .client
            .stop_service_deployment()
            .service_deployment_arn(arn)
            .stop_type(StopServiceDeploymentStopType::Rollback)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            of_sdk(
                "ecs:StopServiceDeployment",
                format!("service deployment {}", text::last_part(arn)),
                &error,
            )
            .about_resource(arn)
        })
    }

    /// Answers the PAUSE hook that holds a service deployment.
    ///
    /// # Replay
    /// ECS refuses it for a hook that holds it no more ([`Class::Refused`]).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn answer_hook(
        &self,
        arn: &str,
        hook: &str,
        action: HookAction,
    ) -> Result<(), CallError> {
        let action = match action {
            HookAction::Continue => DeploymentLifecycleHookAction::Continue,
            HookAction::RollBack => DeploymentLifecycleHookAction::Rollback,
        };
        let answer = self
            .client
            .continue_service_deployment()
            .service_deployment_arn(arn)
            .hook_id(hook)
            .action(action)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            of_sdk(
                "ecs:ContinueServiceDeployment",
                format!("service deployment {}", text::last_part(arn)),
                &error,
            )
            .about_resource(arn)
        })
    }

    /// Makes a revision INACTIVE: nothing new can be started from it.
    ///
    /// # Replay
    /// A second call changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn deregister(&self, revision: &str) -> Result<(), CallError> {
        let answer = self
            .client
            .deregister_task_definition()
            .task_definition(revision)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            of_sdk(
                "ecs:DeregisterTaskDefinition",
                format!("task definition {}", text::last_part(revision)),
                &error,
            )
        })
    }

    /// The stopped tasks of our `deployment`, with why they stopped. ECS shows them for an hour
    /// or more. Where the deployment's id is not known any more, `own_arn` identifies them: no other
    /// deployment brings this job's revision.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stopped_tasks(
        &self,
        target: &Target,
        deployment: Option<&str>,
        own_arn: &str,
    ) -> Result<Vec<StoppedTask>, CallError> {
        let is_ours = |task: &Task| match deployment {
            Some(deployment) => task.started_by() == Some(deployment),
            None => task.task_definition_arn() == Some(own_arn),
        };
        let listing = self.client.list_tasks().service_name(target.service_name());
        let subject = format!("service {target}");
        self.stopped(listing, &target.cluster, &subject, is_ours)
            .await
    }

    /// The stopped tasks of a family, as far as they were started by this. ECS shows them for an hour or more.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stopped_of_family(
        &self,
        cluster: &str,
        family: &str,
        started_by: &str,
    ) -> Result<Vec<StoppedTask>, CallError> {
        let is_ours = |task: &Task| task.started_by() == Some(started_by);
        let listing = self.client.list_tasks().family(family);
        let subject = format!("family {family}");
        self.stopped(listing, cluster, &subject, is_ours).await
    }

    async fn stopped(
        &self,
        listing: ListTasksFluentBuilder,
        cluster: &str,
        subject: &str,
        is_ours: impl Fn(&Task) -> bool,
    ) -> Result<Vec<StoppedTask>, CallError> {
        let mut stopped = Vec::new();
        let mut next = None;
        for _ in 0..TASK_PAGES {
            // `startedBy` allows no other filter here, so it is matched on this side.
            let page = listing
                .clone()
                .cluster(cluster)
                .desired_status(DesiredStatus::Stopped)
                .set_next_token(next.take())
                .send()
                .await
                .map_err(|error| of_sdk("ecs:ListTasks", subject, &error))?;
            for arns in page.task_arns().chunks(TASKS_AT_A_TIME) {
                let tasks = self.described_tasks(cluster, arns.to_vec()).await?;
                stopped.extend(tasks.iter().filter(|task| is_ours(task)).map(stopped_task));
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(stopped)
    }
}

impl Ecs {
    /// Runs a task once.
    ///
    /// # Replay
    /// The client token makes ECS answer with the same task, also if the request differs by now.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn run_task(&self, task: TaskToRun<'_>) -> Result<Ran, CallError> {
        const OPERATION: &str = "ecs:RunTask";
        let subject = || format!("task definition {}", text::last_part(task.task_definition));
        let settings = task.settings;
        let variables = task.asked.environment.iter().map(|(name, value)| {
            let pair = KeyValuePair::builder();
            pair.name(name).value(value).build()
        });
        let environment = Some(variables.collect()).filter(|all: &Vec<_>| !all.is_empty());
        let container = ContainerOverride::builder()
            .name(&task.asked.container)
            .set_command(Some(task.asked.command.clone()))
            .set_environment(environment)
            .build();
        let providers = settings.capacity_providers.clone();
        let volumes = settings.volumes.iter();
        let volumes = volumes
            .filter(|volume| task.volumes.iter().any(|name| name == volume.name()))
            .map(|volume| {
                volume_of_task(volume).map_err(|error| {
                    CallError::unusable(OPERATION, subject(), Class::Refused, error.to_string())
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let answer = self
            .client
            .run_task()
            .cluster(task.cluster)
            .task_definition(task.task_definition)
            .set_network_configuration(settings.network.clone())
            .set_launch_type(settings.launch_type.clone())
            .set_capacity_provider_strategy(Some(providers).filter(|all| !all.is_empty()))
            .set_platform_version(settings.platform_version.clone())
            .set_volume_configurations(Some(volumes).filter(|all| !all.is_empty()))
            .overrides(
                TaskOverride::builder()
                    .container_overrides(container)
                    .set_cpu(task.asked.cpu.clone())
                    .set_memory(task.asked.memory.clone())
                    .build(),
            )
            .client_token(task.client_token)
            .started_by(task.started_by)
            .tags(
                Tag::builder()
                    .key(tag_of(task.when))
                    .value(task.started_by)
                    .build(),
            )
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let made = made_before(&error).map(Ran::Task);
                return made.ok_or_else(|| of_sdk(OPERATION, subject(), &error));
            }
        };
        if let Some(arn) = answer.tasks().first().and_then(|task| task.task_arn()) {
            return Ok(Ran::Task(arn.to_owned()));
        }
        let reasons =
            answer
                .failures()
                .iter()
                .map(|failure| match (failure.reason(), failure.detail()) {
                    (Some(reason), Some(detail)) => format!("{reason} ({detail})"),
                    (Some(text), None) | (None, Some(text)) => text.to_owned(),
                    (None, None) => "ECS gave no reason".to_owned(),
                });
        Ok(Ran::NotPlaced(text::once(reasons)))
    }

    /// The task with this id or ARN, or `None` if ECS does not show it any more.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_task(
        &self,
        cluster: &str,
        task: &str,
    ) -> Result<Option<TaskDescribed>, CallError> {
        let tasks = self.described_tasks(cluster, vec![task.to_owned()]).await?;
        Ok(tasks.first().map(|task| TaskDescribed {
            status: owned(task.last_status()),
            end: stopped_task(task),
            started_by: owned(task.started_by()),
            task_definition: owned(task.task_definition_arn()),
        }))
    }

    async fn described_tasks(
        &self,
        cluster: &str,
        tasks: Vec<String>,
    ) -> Result<Vec<Task>, CallError> {
        const OPERATION: &str = "ecs:DescribeTasks";
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let about = || format!("tasks on {}", text::last_part(cluster));
        let asked = tasks.len();
        let answer = self
            .client
            .describe_tasks()
            .cluster(cluster)
            .set_tasks(Some(tasks))
            .send()
            .await
            .map_err(|error| of_sdk(OPERATION, about(), &error))?;
        if answer.tasks().len() < asked {
            missing(OPERATION, about(), answer.failures())?;
        }
        Ok(answer.tasks().to_vec())
    }

    /// Stops a task. `reason` is what ECS then shows.
    ///
    /// # Replay
    /// One that has stopped stays as it is.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stop_task(
        &self,
        cluster: &str,
        task: &str,
        reason: &str,
    ) -> Result<(), CallError> {
        let answer = self
            .client
            .stop_task()
            .cluster(cluster)
            .task(task)
            .reason(reason)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            of_sdk(
                "ecs:StopTask",
                format!("task {}", text::last_part(task)),
                &error,
            )
        })
    }

    /// The digests of the images that the deployment's tasks run, by container.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn running_digests(
        &self,
        target: &Target,
        deployment: &str,
    ) -> Result<Vec<(String, String)>, CallError> {
        let page = self
            .client
            .list_tasks()
            .cluster(&target.cluster)
            .service_name(target.service_name())
            .send()
            .await
            .map_err(|error| of_sdk("ecs:ListTasks", format!("service {target}"), &error))?;
        let arns = page.task_arns().iter().take(TASKS_AT_A_TIME).cloned();
        let tasks = self
            .described_tasks(&target.cluster, arns.collect())
            .await?;
        let mut digests: Vec<(String, String)> = Vec::new();
        let ours = tasks
            .iter()
            .filter(|task| task.started_by() == Some(deployment));
        for container in ours.flat_map(Task::containers) {
            if let (Some(name), Some(digest)) = (container.name(), container.image_digest())
                && digests.iter().all(|(known, _)| known != name)
            {
                digests.push((name.to_owned(), digest.to_owned()));
            }
        }
        Ok(digests)
    }

    /// ARNs of all ACTIVE revisions of the family, newest first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn active_revisions(&self, family: &str) -> Result<Vec<String>, CallError> {
        let mut pages = self
            .client
            .list_task_definitions()
            .family_prefix(family)
            .status(TaskDefinitionStatus::Active)
            .sort(SortOrder::Desc)
            .into_paginator()
            .send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                of_sdk(
                    "ecs:ListTaskDefinitions",
                    format!("family {family}"),
                    &error,
                )
            })?;
            arns.extend(page.task_definition_arns().iter().cloned());
        }
        Ok(arns)
    }

    /// ARNs of all clusters.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn clusters(&self) -> Result<Vec<String>, CallError> {
        let mut pages = self.client.list_clusters().into_paginator().send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| of_sdk("ecs:ListClusters", "all clusters", &error))?;
            arns.extend(page.cluster_arns().iter().cloned());
        }
        Ok(arns)
    }

    /// The revisions that the cluster's services and the family's tasks on it use, as ARNs.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn in_use_on(&self, cluster: &str, family: &str) -> Result<Vec<String>, CallError> {
        let mut used = Vec::new();
        let about = || format!("cluster {}", text::last_part(cluster));
        let mut pages = self
            .client
            .list_services()
            .cluster(cluster)
            .max_results(LISTED_AT_A_TIME)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| of_sdk("ecs:ListServices", about(), &error))?;
            for arns in page.service_arns().chunks(SERVICES_AT_A_TIME) {
                let answer = self
                    .client
                    .describe_services()
                    .cluster(cluster)
                    .set_services(Some(arns.to_vec()))
                    .send()
                    .await
                    .map_err(|error| of_sdk("ecs:DescribeServices", about(), &error))?;
                // One that was deleted since it was listed uses nothing; one that is not shown for
                // another reason may use anything.
                if answer.services().len() < arns.len() {
                    missing("ecs:DescribeServices", about(), answer.failures())?;
                }
                for service in answer.services() {
                    used.extend(service.task_definition().map(str::to_owned));
                    let deployments = service.deployments().iter();
                    used.extend(
                        deployments.filter_map(|one| Some(one.task_definition()?.to_owned())),
                    );
                    let sets = service.task_sets().iter();
                    used.extend(sets.filter_map(|one| Some(one.task_definition()?.to_owned())));
                }
            }
        }
        let mut pages = self
            .client
            .list_tasks()
            .cluster(cluster)
            .family(family)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| of_sdk("ecs:ListTasks", about(), &error))?;
            for arns in page.task_arns().chunks(TASKS_AT_A_TIME) {
                let tasks = self.described_tasks(cluster, arns.to_vec()).await?;
                let of_tasks = tasks.iter().filter_map(|task| task.task_definition_arn());
                used.extend(of_tasks.map(str::to_owned));
            }
        }
        Ok(used)
    }
}

/// A service's volume as a task that runs by itself takes it, which is deleted with the task
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskManagedEBSVolumeConfiguration.html>).
fn volume_of_task(
    volume: &ServiceVolumeConfiguration,
) -> Result<TaskVolumeConfiguration, aws_smithy_types::error::operation::BuildError> {
    let mut of_task = TaskVolumeConfiguration::builder().name(volume.name());
    if let Some(ebs) = volume.managed_ebs_volume() {
        let tags = ebs.tag_specifications().iter().cloned().map(|mut tags| {
            // There is no service that it could have them from.
            let from = tags.propagate_tags.take();
            tags.propagate_tags = from.filter(|from| *from != PropagateTags::Service);
            tags
        });
        let tags: Vec<EbsTagSpecification> = tags.collect();
        of_task = of_task.managed_ebs_volume(
            TaskManagedEbsVolumeConfiguration::builder()
                .set_encrypted(ebs.encrypted())
                .set_kms_key_id(ebs.kms_key_id().map(str::to_owned))
                .set_volume_type(ebs.volume_type().map(str::to_owned))
                .set_size_in_gib(ebs.size_in_gib())
                .set_snapshot_id(ebs.snapshot_id().map(str::to_owned))
                .set_volume_initialization_rate(ebs.volume_initialization_rate())
                .set_iops(ebs.iops())
                .set_throughput(ebs.throughput())
                .set_tag_specifications(Some(tags).filter(|tags| !tags.is_empty()))
                .role_arn(ebs.role_arn())
                .set_filesystem_type(ebs.filesystem_type().cloned())
                .termination_policy(
                    TaskManagedEbsVolumeTerminationPolicy::builder()
                        .delete_on_termination(true)
                        .build()?,
                )
                .build()?,
        );
    }
    of_task.build()
}

/// The deployment whose settings are the service's.
fn primary(service: &Service) -> Option<&Deployment> {
    let mut deployments = service.deployments().iter();
    deployments.find(|deployment| deployment.status() == Some("PRIMARY"))
}

/// What the service asks of a revision.
fn needs(service: &Service) -> Needs {
    let providers = service.capacity_provider_strategy().iter();
    let port = |by: String, container: Option<&str>, port: Option<i32>| {
        Some(PortNeeded {
            by,
            container: container.filter(|name| !name.is_empty())?.to_owned(),
            port: port?,
        })
    };
    let balancers = service.load_balancers().iter().filter_map(|balancer| {
        let name = balancer
            .load_balancer_name()
            .or(balancer.target_group_arn());
        let name = name.map_or("unnamed", text::target_group);
        let by = format!("the load balancer ({name})");
        port(by, balancer.container_name(), balancer.container_port())
    });
    let registries = service.service_registries().iter().filter_map(|registry| {
        let name = text::last_part(registry.registry_arn().unwrap_or("unnamed"));
        let by = format!("the service registry ({name})");
        port(by, registry.container_name(), registry.container_port())
    });
    let primary = primary(service);
    let connect = primary.and_then(Deployment::service_connect_configuration);
    let connect = connect.filter(|connect| connect.enabled());
    let connect = connect.map_or(&[][..], |connect| connect.services());
    let connect = connect.iter().map(|one| PortNameNeeded {
        by: "Service Connect".to_owned(),
        name: one.port_name().to_owned(),
    });
    let lattice = primary.map_or(&[][..], Deployment::vpc_lattice_configurations);
    let lattice = lattice.iter().map(|one| PortNameNeeded {
        by: "VPC Lattice".to_owned(),
        name: one.port_name().to_owned(),
    });
    let volumes = primary.map_or(&[][..], Deployment::volume_configurations);
    Needs {
        is_on_fargate: service.launch_type() == Some(&LaunchType::Fargate)
            || providers
                .map(CapacityProviderStrategyItem::capacity_provider)
                .any(|provider| provider.starts_with("FARGATE")),
        has_network: service
            .network_configuration()
            .is_some_and(|network| network.awsvpc_configuration().is_some()),
        ports: balancers.chain(registries).collect(),
        port_names: connect.chain(lattice).collect(),
        volumes: volumes.iter().map(|one| one.name().to_owned()).collect(),
    }
}

/// What the service brings that the tasks of any revision need.
fn depends(service: &Service) -> Depends {
    let balancers = service.load_balancers().iter();
    let groups = balancers.flat_map(|balancer| {
        let other = balancer.advanced_configuration();
        let other = other.and_then(|other| other.alternate_target_group_arn());
        let arns = balancer.target_group_arn().into_iter().chain(other);
        arns.filter(|arn| !arn.is_empty()).map(|arn| {
            let container = owned(balancer.container_name());
            let port = balancer.container_port().unwrap_or_default();
            (arn.to_owned(), container, port)
        })
    });
    let alarms = service
        .deployment_configuration()
        .and_then(|configuration| configuration.alarms())
        .filter(|alarms| alarms.enable());
    Depends {
        target_groups: groups.collect(),
        alarms: alarms.map_or_else(Vec::new, |alarms| alarms.alarm_names().to_vec()),
    }
}

/// How long the most patient of the PAUSE hooks waits, in minutes.
fn pause_minutes(configuration: &DeploymentConfiguration) -> Option<i32> {
    /// What holds if a hook does not say
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-lifecycle-hooks.html>).
    const DEFAULT_MINUTES: i32 = 1440;
    let hooks = configuration.lifecycle_hooks().iter();
    let pauses =
        hooks.filter(|hook| hook.target_type() == Some(&DeploymentLifecycleHookTargetType::Pause));
    pauses
        .map(|hook| {
            let timeout = hook.timeout_configuration();
            timeout
                .and_then(DeploymentLifecycleHookTimeoutConfiguration::timeout_in_minutes)
                .unwrap_or(DEFAULT_MINUTES)
        })
        .max()
}

/// How long the service's strategy takes to shift traffic, in minutes
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html>).
fn shift_minutes(configuration: &DeploymentConfiguration) -> i32 {
    const ALL_PERCENT: f64 = 100.0;
    let strategy = configuration
        .strategy()
        .map(aws_sdk_ecs::types::DeploymentStrategy::as_str);
    match strategy {
        Some("LINEAR") => configuration.linear_configuration().map_or(0, |linear| {
            let bake = linear.step_bake_time_in_minutes().unwrap_or(0);
            let percent = linear.step_percent().unwrap_or(ALL_PERCENT);
            let mut steps = 0;
            let mut shifted = percent;
            // The last step needs no bake time of its own.
            while percent > 0.0 && shifted < ALL_PERCENT {
                steps += 1;
                shifted += percent;
            }
            bake.saturating_mul(steps)
        }),
        Some("CANARY") => configuration
            .canary_configuration()
            .and_then(aws_sdk_ecs::types::CanaryConfiguration::canary_bake_time_in_minutes)
            .unwrap_or(0),
        _ => 0,
    }
}

/// For calls that must not be repeated blindly.
fn once() -> aws_sdk_ecs::config::Builder {
    aws_sdk_ecs::Config::builder().retry_config(RetryConfig::disabled())
}

type Captured = Arc<Mutex<Option<Vec<u8>>>>;

/// Keeps the body of an answer as it came, with the fields that the SDK does not know.
#[derive(Debug)]
struct CaptureBody(Captured);

impl Intercept for CaptureBody {
    fn name(&self) -> &'static str {
        "CaptureBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().map(<[u8]>::to_vec);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(())
    }
}

/// Whether `service` is the one that was asked for, as far as the answer names one.
fn is_of(service: &Service, target: &Target) -> bool {
    let named = service.service_name();
    let named = named.or_else(|| service.service_arn().map(text::last_part));
    named.is_none_or(|name| name == target.service_name())
}

/// Whether `described` is certainly not what `name` asks for: a revision, or a family's newest.
fn is_another(described: &Described, name: &str) -> bool {
    let Ok(shown) = Revision::parse(described.arn()) else {
        return false;
    };
    match Revision::parse(name) {
        Ok(asked) => asked != shown,
        Err(_) => text::last_part(name) != shown.family(),
    }
}

/// What was asked for is missing, if ECS says so: in `failures`, for each that it does not show. An
/// answer that does not mention it, or with another reason, is no answer.
fn missing(
    operation: &'static str,
    subject: String,
    failures: &[Failure],
) -> Result<(), CallError> {
    const NOTHING: &str = "the answer shows neither it nor a failure";
    let other = failures.iter().find(|one| one.reason() != Some("MISSING"));
    match (failures, other) {
        ([], _) => Err(CallError::unusable(
            operation,
            subject,
            Class::Unavailable,
            NOTHING,
        )),
        (_, Some(failure)) => Err(CallError::unusable(
            operation,
            subject,
            Class::Unavailable,
            failure.reason().unwrap_or("no reason given"),
        )),
        (_, None) => Ok(()),
    }
}

fn timestamp(time: &aws_smithy_types::DateTime) -> Timestamp {
    Timestamp::from_millis(time.to_millis().unwrap_or(i64::MAX))
}

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn service_described(service: &Service) -> ServiceDescribed {
    let deployments = service.deployments().iter();
    let events = service.events().iter();
    let configuration = service.deployment_configuration();
    let strategy = configuration.and_then(|configuration| configuration.strategy());
    let breaker =
        configuration.and_then(|configuration| configuration.deployment_circuit_breaker());
    let alarms = configuration.and_then(|configuration| configuration.alarms());
    ServiceDescribed {
        seen: ServiceSeen {
            arn: owned(service.service_arn()),
            status: owned(service.status()),
            task_definition: owned(service.task_definition()),
            strategy: strategy.map(|strategy| strategy.as_str().to_owned()),
            desired: service.desired_count(),
            bake_minutes: configuration
                .and_then(aws_sdk_ecs::types::DeploymentConfiguration::bake_time_in_minutes)
                .unwrap_or(0),
            shift_minutes: configuration.map_or(0, shift_minutes),
            pause_minutes: configuration.and_then(pause_minutes),
            percents: configuration.and_then(|configuration| {
                let minimum = configuration.minimum_healthy_percent()?;
                Some((minimum, configuration.maximum_percent()?))
            }),
            early_success_percent: configuration
                .and_then(aws_sdk_ecs::types::DeploymentConfiguration::early_success_criteria)
                .filter(|early| early.enable())
                .map(|early| early.healthy_percent().unwrap_or(100)),
            breaker_rolls_back: breaker
                .filter(|breaker| breaker.enable())
                .map(aws_sdk_ecs::types::DeploymentCircuitBreaker::rollback),
            alarms_roll_back: alarms
                .filter(|alarms| alarms.enable())
                .map(aws_sdk_ecs::types::DeploymentAlarms::rollback),
            deployments: deployments
                .map(|deployment| DeploymentSeen {
                    id: owned(deployment.id()),
                    status: owned(deployment.status()),
                    task_definition: owned(deployment.task_definition()),
                    rollout_state: deployment
                        .rollout_state()
                        .map(|state| state.as_str().to_owned()),
                    rollout_state_reason: deployment.rollout_state_reason().map(shown),
                    desired: deployment.desired_count(),
                    pending: deployment.pending_count(),
                    running: deployment.running_count(),
                    failed: deployment.failed_tasks(),
                    created_at: deployment.created_at().map(timestamp),
                })
                .collect(),
            events: events
                .map(|event| EventSeen {
                    id: owned(event.id()),
                    at: event
                        .created_at()
                        .map_or(Timestamp::from_millis(0), timestamp),
                    message: shown(event.message().unwrap_or_default()),
                })
                .collect(),
        },
        controller: service
            .deployment_controller()
            .map(|controller| controller.r#type().as_str().to_owned()),
        resource_management: service
            .resource_management_type()
            .map(|kind| kind.as_str().to_owned()),
        current_service_deployment: service.current_service_deployment().map(str::to_owned),
        settings: RunSettings {
            network: service.network_configuration().cloned(),
            // A service with capacity providers has no launch type, and a task may not have both.
            launch_type: service
                .launch_type()
                .filter(|_| service.capacity_provider_strategy().is_empty())
                .cloned(),
            capacity_providers: service.capacity_provider_strategy().to_vec(),
            platform_version: service.platform_version().map(str::to_owned),
            volumes: primary(service)
                .map_or_else(Vec::new, |primary| primary.volume_configurations().to_vec()),
        },
        needs: needs(service),
        depends: depends(service),
    }
}

fn service_deployment_described(described: &ServiceDeployment) -> ServiceDeploymentDescribed {
    let target = described.target_service_revision();
    let sources = described.source_service_revisions().iter();
    let alarms = described.alarms();
    ServiceDeploymentDescribed {
        seen: ServiceDeploymentSeen {
            arn: owned(described.service_deployment_arn()),
            id: text::last_part(described.service_deployment_arn().unwrap_or_default()).to_owned(),
            status: described
                .status()
                .map_or_else(String::new, |status| status.as_str().to_owned()),
            status_reason: described.status_reason().map(shown),
            created_at: described.created_at().map(timestamp),
            finished_at: described.finished_at().map(timestamp),
            task_definition: None,
            lifecycle_stage: described
                .lifecycle_stage()
                .map(|stage| stage.as_str().to_owned()),
            new_weight: target.and_then(
                aws_sdk_ecs::types::ServiceRevisionSummary::requested_production_traffic_weight,
            ),
            waiting: waiting(described),
            failed_hook: failed_hook(described),
            held: held(described),
            rollback_reason: described
                .rollback()
                .and_then(|rollback| rollback.reason())
                .map(shown),
            rollback_to: None,
            alarms: alarms.map_or_else(Vec::new, |alarms| alarms.triggered_alarm_names().to_vec()),
            breaker: described
                .deployment_circuit_breaker()
                .filter(|breaker| {
                    breaker.status() != Some(&ServiceDeploymentRollbackMonitorsStatus::Disabled)
                })
                .map(|breaker| (breaker.failure_count(), breaker.threshold())),
        },
        source_revisions: sources
            .filter_map(|source| source.arn().map(str::to_owned))
            .collect(),
        target_revision: target.and_then(|target| target.arn()).map(str::to_owned),
        rollback_revision: described
            .rollback()
            .and_then(|rollback| rollback.service_revision_arn())
            .map(str::to_owned),
    }
}

/// The hook that holds the deployment, if one does.
fn open_hook(described: &ServiceDeployment) -> Option<&DeploymentLifecycleHookDetail> {
    let mut hooks = described.lifecycle_hook_details().iter();
    hooks.find(|hook| hook.status() == Some(&DeploymentLifecycleHookStatus::AwaitingAction))
}

/// The PAUSE hooks that hold it.
fn held(described: &ServiceDeployment) -> Vec<Held> {
    let hooks = described.lifecycle_hook_details().iter();
    let open = hooks.filter(|hook| {
        hook.status() == Some(&DeploymentLifecycleHookStatus::AwaitingAction)
            && hook.target_type() != Some(&DeploymentLifecycleHookTargetType::AwsLambda)
    });
    let held = open.map(|hook| Held {
        hook: hook.hook_id().map(str::to_owned),
        stage: described
            .lifecycle_stage()
            .map(|stage| shown(stage.as_str())),
        until: hook.expires_at().map(timestamp),
        then: hook
            .timeout_action()
            .map(|action| action.as_str().to_owned()),
    });
    held.collect()
}

/// What a hook holds the deployment for, if one does.
fn waiting(described: &ServiceDeployment) -> Option<String> {
    let hook = open_hook(described)?;
    let stage = described
        .lifecycle_stage()
        .map_or("the deployment", |stage| stage.as_str());
    let name = hook.hook_id().or(hook.target_arn()).unwrap_or("a hook");
    let until = hook
        .expires_at()
        .and_then(|at| at.fmt(aws_smithy_types::date_time::Format::DateTime).ok())
        .map_or_else(String::new, |at| format!(" until {at}"));
    let then = hook
        .timeout_action()
        .map_or_else(String::new, |action| format!(", then {}", action.as_str()));
    Some(format!(
        "{stage} waits at hook {}{until}{then}",
        shown(text::last_part(name))
    ))
}

/// The hook that ended the deployment, if one did.
fn failed_hook(described: &ServiceDeployment) -> Option<FailedHook> {
    let mut hooks = described.lifecycle_hook_details().iter();
    let (hook, timed_out) = hooks.find_map(|hook| match hook.status()? {
        DeploymentLifecycleHookStatus::Failed => Some((hook, false)),
        DeploymentLifecycleHookStatus::TimedOut => Some((hook, true)),
        _ => None,
    })?;
    Some(FailedHook {
        id: hook.hook_id().map(shown),
        stage: described
            .lifecycle_stage()
            .map(|stage| stage.as_str().to_owned()),
        target: hook.target_arn().map(shown),
        timed_out,
    })
}

fn stopped_task(task: &Task) -> StoppedTask {
    let containers = task.containers().iter().map(|container| StoppedContainer {
        name: owned(container.name()),
        exit_code: container.exit_code(),
        reason: container.reason().map(shown),
        runtime_id: container.runtime_id().map(str::to_owned),
    });
    StoppedTask {
        id: text::last_part(task.task_arn().unwrap_or_default()).to_owned(),
        stopped_at: task.stopped_at().map(timestamp),
        stop_code: task
            .stop_code()
            .map_or_else(String::new, |code| code.as_str().to_owned()),
        reason: shown(task.stopped_reason().unwrap_or_default()),
        containers: containers.collect(),
    }
}
