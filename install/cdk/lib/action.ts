import { Duration, Lazy, Stack, Token } from 'aws-cdk-lib';
import * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import * as actions from 'aws-cdk-lib/aws-codepipeline-actions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { EcsDeployVariables } from './variables';

/** What CodePipeline takes as `UserParameters`. */
const USER_PARAMETERS_LIMIT_CHARS = 1000;

/** CodePipeline gives an action 24 hours; all time limits of the action end before that. */
const TIMEOUT_MAX_MINUTES = 1380;
const TIMEOUT_DEFAULT_MINUTES = 60;

const SERVICES_LIMIT = 10;
const FAILURE_THRESHOLD_MAX = 200;
const KEEP_REVISIONS_MIN = 2;
const KEEP_REVISIONS_MAX = 1_000_000;
const LOG_LINES_MAX = 20;

/** A service with its cluster. A service of CDK's knows its cluster by itself. */
export interface ServiceEntry {
  /** The service, or its name or ARN. */
  readonly service: ecs.IService | string;
  /** Its cluster, or that one's name or ARN. @default the action's `cluster` */
  readonly cluster?: ecs.ICluster | string;
}

/** A task that runs once, before or after the deployment, on the new revision. */
export interface StandaloneTask {
  /** The container that runs the command. Its exit code decides. */
  readonly container: string;
  /** The command, a text for each word. */
  readonly command: string[];
  /** Whole minutes, fewer than 1380. @default 60 minutes */
  readonly timeout?: Duration;
  /** Variables of the container besides its own. Who may see the pipeline sees them: put no secret here. */
  readonly environment?: Record<string, string>;
  /** CPU of the task, as `512` or `'1 vCPU'`. @default the task definition's */
  readonly cpu?: number | string;
  /** Memory of the task, as `1024` or `'2 GB'`. @default the task definition's */
  readonly memory?: number | string;
}

/** The answer to the PAUSE hook at which an earlier action has left a deployment. */
export interface ContinueDeployment {
  /** `variables.serviceDeploymentArn` or `variables.deploymentId` of that action. */
  readonly deploymentId: string;
  /** `variables.hookId` of that action. */
  readonly hookId?: string;
  readonly action: 'CONTINUE' | 'ROLLBACK';
}

/** Changes to a container, in ECS's own field names. `null` removes. */
export interface ContainerPatch {
  readonly image?: string;
  readonly cpu?: number | null;
  readonly memory?: number | null;
  readonly essential?: boolean | null;
  readonly command?: string[] | null;
  /** By name. */
  readonly environment?: Record<string, string | null> | null;
  /** By name: the secret's or parameter's ARN. */
  readonly secrets?: Record<string, string | null> | null;
  readonly [field: string]: unknown;
}

/**
 * Changes to the base revision, as a JSON merge patch in ECS's own field names. `null` removes. Containers,
 * volumes, ulimits, `environment`, `secrets` and `systemControls` are objects by name.
 */
export interface TaskDefinitionPatch {
  readonly cpu?: string | null;
  readonly memory?: string | null;
  /** By the container's name. */
  readonly containerDefinitions?: Record<string, ContainerPatch | null>;
  readonly [field: string]: unknown;
}

/** Properties of `EcsLambdaDeployAction`. What is not given is not written into `UserParameters`. */
export interface EcsLambdaDeployActionProps extends codepipeline.CommonAwsActionProps {
  /** The function to invoke: `EcsDeployFunction.function`, or an imported one. */
  readonly function: lambda.IFunction;

  // --- artifacts ---

  /** The artifact that holds the image definitions. Not needed with `taskDefinition` or `continueDeployment`. */
  readonly input?: codepipeline.Artifact;
  /** More artifacts, 5 with `input` at most. */
  readonly extraInputs?: codepipeline.Artifact[];
  /** Artifacts that the record of the deployment is written to, 5 at most. Each gets the same zip. */
  readonly outputs?: codepipeline.Artifact[];

  // --- what is deployed, and where ---

  /** The cluster, or its name or ARN. @default the cluster of `service`, if that is a service of CDK's */
  readonly cluster?: ecs.ICluster | string;
  /** The service, or its name or ARN. */
  readonly service?: ecs.IService | string;
  /** Up to 10 services, instead of `service`. */
  readonly services?: (ecs.IService | string | ServiceEntry)[];
  /** Path inside the artifact. @default imagedefinitions.json */
  readonly fileName?: string;
  /** Which of the input artifacts has the file. @default the only one that has it */
  readonly inputArtifact?: codepipeline.Artifact;
  /** Which container, if the file is an `imageDetail.json`. @default the only container */
  readonly containerName?: string;
  /** An existing revision to deploy as it is: `app:41`, its ARN, a task definition of CDK's, or `previous`. */
  readonly taskDefinition?: ecs.ITaskDefinition | string;
  /** A task definition in the artifact that replaces the base revision. */
  readonly taskDefinitionFile?: string;
  /** Changes to the base revision beside the images, or a file in the artifact that holds them. */
  readonly taskDefinitionPatch?: TaskDefinitionPatch | string;
  /** Start from the revision that the service runs, or from the family's newest. @default service */
  readonly baseRevision?: 'service' | 'latest';
  /** Replace ECR tags by the digests that they mean now. @default false */
  readonly pinDigests?: boolean;

  // --- checks before anything is changed ---

  /** Check in ECR that each image exists and fits the task's CPU architecture. @default true */
  readonly verifyImages?: boolean;
  /** Check what the new tasks will need: secrets, parameters, log groups, roles, target groups, alarms. @default true */
  readonly verifyDependencies?: boolean;
  /** Check everything, change nothing, report what would change. @default false */
  readonly dryRun?: boolean;
  /** Succeed without a deployment if the new revision would equal the one that serves. @default false */
  readonly skipIfUnchanged?: boolean;
  /** What to do about somebody else's deployment of the service that is under way. @default Replace */
  readonly ifDeploying?: 'Replace' | 'Wait' | 'Fail';

  // --- the rollout ---

  /** Whole minutes, 1 to 1380. @default 60 minutes */
  readonly deploymentTimeout?: Duration;
  /**
   * So many tasks of the new revision may fail, 1 to 200, before the rollout is given up; 0 leaves it to ECS and the
   * time limit. @default auto
   */
  readonly failureThreshold?: number | 'auto';
  /** Roll back a rollout that fails or runs out of time, unless ECS does. @default true */
  readonly rollback?: boolean;
  /** What ends the action with success. @default Complete */
  readonly waitFor?: 'Complete' | 'Serving' | 'Pause';
  /** Answer the PAUSE hook at which an earlier action has left a deployment, and follow that. */
  readonly continueDeployment?: ContinueDeployment;
  /** A task to run before any service is changed. */
  readonly preDeployTask?: StandaloneTask;
  /** A task to run once all services serve. Unless it exits with 0 in time, they are rolled back. */
  readonly postDeployTask?: StandaloneTask;

  // --- after success ---

  /** Point EventBridge rules and schedules that run the family at the new revision. @default false */
  readonly scheduledTasks?: boolean;
  /** Keep so many of the newest revisions, 2 or more, and deregister older ones that nobody needs. @default all */
  readonly keepRevisions?: number;

  // --- what is reported ---

  /** `codepipeline.GlobalVariables.executionId`, for reports. */
  readonly pipelineExecutionId?: string;
  /** The event bus, or its name or ARN, that is sent an event at the start and at the end. */
  readonly eventBus?: events.IEventBus | string;
  /** So many of the last log lines of a failed container may be shown, 0 to 20. @default 20 */
  readonly logLines?: number;

  // --- another Region or account ---

  /** Deploy to another Region than the function's. The action itself stays in the pipeline's. */
  readonly region?: string;
  /** Deploy with this role, or its ARN, which may be another account's. `role` is the action's own. */
  readonly roleArn?: iam.IRole | string;
  /** What that role's trust policy asks for. */
  readonly externalId?: string;

  // --- more than 1000 characters ---

  /** A JSON file in the artifact with more parameters, which those given here win over. */
  readonly configFile?: string;
}

/** Deploys to ECS services with the function that `EcsDeployFunction` installs. */
export class EcsLambdaDeployAction extends actions.Action {
  /** The output variables, for later actions. */
  readonly variables: EcsDeployVariables;

  private readonly props: EcsLambdaDeployActionProps;
  private readonly userParameters: Readonly<Record<string, unknown>>;

  constructor(props: EcsLambdaDeployActionProps) {
    const { actionName, role, runOrder, variablesNamespace, outputs } = props;
    super({
      actionName,
      role,
      runOrder,
      variablesNamespace,
      inputs: inputsOf(props),
      outputs,
      resource: props.function,
      category: codepipeline.ActionCategory.INVOKE,
      provider: 'Lambda',
      artifactBounds: { minInputs: 0, maxInputs: 5, minOutputs: 0, maxOutputs: 5 },
    });
    const problems: string[] = [];
    this.props = props;
    this.userParameters = userParametersOf(props, problems);
    checkTogether(props, problems);
    if (problems.length > 0) {
      throw new Error(`EcsLambdaDeployAction ${actionName}: ${problems.join('; ')}`);
    }
    this.variables = new EcsDeployVariables((name) => this.variableExpression(name));
  }

  protected override bound(scope: Construct, _stage: codepipeline.IStage, options: codepipeline.ActionBindOptions): codepipeline.ActionConfig {
    const { role, bucket } = options;
    this.props.function.grantInvoke(role);
    role.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['lambda:ListFunctions'], resources: ['*'] }));
    // The job brings this role's credentials, and the function reads and writes with them.
    if (inputsOf(this.props).length > 0) {
      bucket.grantRead(role);
    }
    if ((this.props.outputs ?? []).length > 0) {
      bucket.grantWrite(role);
    }
    const stack = Stack.of(scope);
    const text = stack.toJsonString(this.userParameters);
    scope.node.addValidation({ validate: () => tooLong(this.props.actionName, stack.resolve(text)) });
    return { configuration: { FunctionName: this.props.function.functionName, UserParameters: text } };
  }
}

function inputsOf({ input, extraInputs }: EcsLambdaDeployActionProps): codepipeline.Artifact[] {
  return [...(input ? [input] : []), ...(extraInputs ?? [])];
}

/** A problem if the text, as far as it is known, is longer than CodePipeline takes. */
function tooLong(action: string, text: unknown): string[] {
  const parts: unknown[] = typeof text === 'string' ? [text] : partsOfJoin(text);
  const known = parts.filter((part): part is string => typeof part === 'string');
  const chars = known.reduce((sum, part) => sum + [...part].length, 0);
  if (chars <= USER_PARAMETERS_LIMIT_CHARS) {
    return [];
  }
  const least = known.length < parts.length ? 'at least ' : '';
  return [
    `EcsLambdaDeployAction ${action}: its UserParameters have ${least}${chars} characters, and CodePipeline takes ${USER_PARAMETERS_LIMIT_CHARS}: ` +
      'write parameters into a JSON file of the artifact and name it with configFile',
  ];
}

function partsOfJoin(text: unknown): unknown[] {
  const join = (text as { 'Fn::Join'?: [string, unknown[]] } | undefined)?.['Fn::Join'];
  return join ? join[1] : [text];
}

/** The parameters under the names that the function reads, in the order of its table. */
function userParametersOf(props: EcsLambdaDeployActionProps, problems: string[]): Record<string, unknown> {
  return {
    ...targetsOf(props, problems),
    FileName: props.fileName,
    InputArtifact: artifactName(props, problems),
    DeploymentTimeout: minutes('deploymentTimeout', props.deploymentTimeout, TIMEOUT_MAX_MINUTES, problems),
    FailureThreshold:
      props.failureThreshold === 'auto' ? 'auto' : whole('failureThreshold', props.failureThreshold, 0, FAILURE_THRESHOLD_MAX, problems),
    IfDeploying: props.ifDeploying,
    SkipIfUnchanged: props.skipIfUnchanged,
    WaitFor: props.waitFor,
    ContinueDeployment: props.continueDeployment && {
      DeploymentId: props.continueDeployment.deploymentId,
      HookId: props.continueDeployment.hookId,
      Action: props.continueDeployment.action,
    },
    Rollback: props.rollback,
    DryRun: props.dryRun,
    BaseRevision: props.baseRevision,
    VerifyImages: props.verifyImages,
    VerifyDependencies: props.verifyDependencies,
    ContainerName: props.containerName,
    PipelineExecutionId: props.pipelineExecutionId,
    Region: props.region,
    RoleArn: typeof props.roleArn === 'object' ? props.roleArn.roleArn : props.roleArn,
    ExternalId: props.externalId,
    TaskDefinition: typeof props.taskDefinition === 'object' ? props.taskDefinition.taskDefinitionArn : props.taskDefinition,
    TaskDefinitionFile: props.taskDefinitionFile,
    TaskDefinitionPatch: props.taskDefinitionPatch,
    PinDigests: props.pinDigests,
    PreDeployTask: taskOf('preDeployTask', props.preDeployTask, problems),
    PostDeployTask: taskOf('postDeployTask', props.postDeployTask, problems),
    KeepRevisions: whole('keepRevisions', props.keepRevisions, KEEP_REVISIONS_MIN, KEEP_REVISIONS_MAX, problems),
    ScheduledTasks: props.scheduledTasks,
    EventBus: typeof props.eventBus === 'object' ? props.eventBus.eventBusArn : props.eventBus,
    LogLines: whole('logLines', props.logLines, 0, LOG_LINES_MAX, problems),
    ConfigFile: props.configFile,
  };
}

interface Target {
  readonly service: string;
  readonly cluster?: string;
}

/** `ClusterName` with `ServiceName` or `Services`. */
function targetsOf(props: EcsLambdaDeployActionProps, problems: string[]): Record<string, unknown> {
  const { service, services, configFile } = props;
  const cluster = props.cluster === undefined ? undefined : clusterName(props.cluster);
  if (service !== undefined && services !== undefined) {
    problems.push('service and services both say what to deploy to: keep one, or put the first into the second');
    return {};
  }
  if (service !== undefined) {
    const target = targetOf(service);
    const of = cluster ?? target.cluster;
    if (of === undefined && configFile === undefined) {
      problems.push('cluster is required, unless service is a service of CDK that knows its cluster');
    }
    return { ClusterName: of, ServiceName: target.service };
  }
  if (services === undefined) {
    if (configFile === undefined) {
      problems.push('service or services is required');
    }
    return { ClusterName: cluster };
  }
  if (services.length < 1 || services.length > SERVICES_LIMIT) {
    problems.push(`services has ${services.length} entries: expected 1 to ${SERVICES_LIMIT}`);
  }
  const targets = services.map(targetOf);
  const own = targets.map((target) => target.cluster);
  // The cluster of services without one of their own, and of those that are on the same.
  const common = cluster ?? own[0];
  if (cluster === undefined && own.includes(undefined) && configFile === undefined) {
    problems.push('cluster is required, unless each of services has one of its own');
  }
  if (cluster !== undefined && own.length > 0 && own.every((one) => one !== undefined && one !== cluster)) {
    problems.push('cluster is for services without one of their own, and each of services has one: remove it');
  }
  const places = targets.map((target) => `${target.service} on ${target.cluster ?? common}`);
  const twice = places.find((place, index) => places.indexOf(place) !== index);
  if (twice !== undefined) {
    problems.push(`services has ${Token.isUnresolved(twice) ? 'an entry' : twice} twice: keep one`);
  }
  const mixed = cluster === undefined && own.includes(undefined);
  const entries = targets.map((target) =>
    target.cluster === undefined || (!mixed && target.cluster === common)
      ? target.service
      : { ServiceName: target.service, ClusterName: target.cluster },
  );
  return { ClusterName: mixed ? undefined : common, Services: entries };
}

function targetOf(entry: ecs.IService | string | ServiceEntry): Target {
  if (typeof entry === 'string') {
    return { service: entry };
  }
  if (!('service' in entry)) {
    return { service: serviceName(entry), cluster: clusterOf(entry) };
  }
  const { service, cluster } = entry;
  const known = typeof service === 'string' ? undefined : clusterOf(service);
  return { service: serviceName(service), cluster: cluster === undefined ? known : clusterName(cluster) };
}

function serviceName(service: ecs.IService | string): string {
  if (typeof service === 'string') {
    return service;
  }
  const name = service.serviceName;
  // Of an imported service's long ARN, CDK may give `cluster/service`.
  return Token.isUnresolved(name) ? name : name.slice(name.lastIndexOf('/') + 1);
}

function clusterOf(service: ecs.IService): string | undefined {
  const { cluster } = service as Partial<ecs.IBaseService>;
  return cluster?.clusterName;
}

function clusterName(cluster: ecs.ICluster | string): string {
  return typeof cluster === 'string' ? cluster : cluster.clusterName;
}

function artifactName(props: EcsLambdaDeployActionProps, problems: string[]): string | undefined {
  const { inputArtifact } = props;
  if (inputArtifact === undefined) {
    return undefined;
  }
  if (!inputsOf(props).includes(inputArtifact)) {
    problems.push('inputArtifact is none of input and extraInputs: add it to extraInputs');
  }
  // CDK names some artifacts later than now.
  return Lazy.string({ produce: () => inputArtifact.artifactName });
}

function taskOf(prop: string, task: StandaloneTask | undefined, problems: string[]): Record<string, unknown> | undefined {
  if (task === undefined) {
    return undefined;
  }
  if (task.command.length === 0) {
    problems.push(`${prop}.command is empty: expected the command, a text for each word`);
  }
  return {
    Container: task.container,
    Command: task.command,
    Timeout: minutes(`${prop}.timeout`, task.timeout, TIMEOUT_MAX_MINUTES - 1, problems),
    Environment: task.environment,
    Cpu: task.cpu,
    Memory: task.memory,
  };
}

function minutes(prop: string, duration: Duration | undefined, max: number, problems: string[]): number | undefined {
  if (duration === undefined || duration.isUnresolved()) {
    return duration?.toMinutes();
  }
  const number = duration.toMinutes({ integral: false });
  if (!Number.isInteger(number) || number < 1 || number > max) {
    problems.push(`${prop} is ${duration.toHumanString()}: expected whole minutes from 1 to ${max}`);
  }
  return number;
}

function whole(prop: string, number: number | undefined, min: number, max: number, problems: string[]): number | undefined {
  if (number === undefined || Token.isUnresolved(number)) {
    return number;
  }
  if (!Number.isInteger(number) || number < min || number > max) {
    problems.push(`${prop} is ${number}: expected a whole number from ${min} to ${max}`);
  }
  return number;
}

/** What cannot be said together, as the function would report it. */
function checkTogether(props: EcsLambdaDeployActionProps, problems: string[]): void {
  const { continueDeployment, taskDefinition, waitFor } = props;
  const rollsBack = continueDeployment?.action === 'ROLLBACK';

  const forRevisions = written(props, ['fileName', 'baseRevision', 'containerName', 'taskDefinitionFile', 'taskDefinitionPatch', 'pinDigests']);
  if (continueDeployment !== undefined) {
    const deploys = [...forRevisions, ...written(props, ['ifDeploying', 'skipIfUnchanged', 'dryRun', 'taskDefinition', 'preDeployTask'])];
    if (deploys.length > 0) {
      problems.push(`continueDeployment continues what an earlier action has deployed, and ${listed(deploys)} for an action that deploys: remove one or the other`);
    }
    if ((props.services?.length ?? 0) > 1) {
      problems.push('continueDeployment is for one deployment: name its service with service');
    }
    if (rollsBack && waitFor !== undefined && waitFor !== 'Complete') {
      problems.push("waitFor is for a deployment that goes on, and continueDeployment's action is ROLLBACK: remove waitFor");
    }
  } else if (taskDefinition !== undefined && forRevisions.length > 0) {
    problems.push(`taskDefinition deploys a revision as it is, and ${listed(forRevisions)} for one that is made: remove one or the other`);
  } else if (props.baseRevision !== undefined && props.taskDefinitionFile !== undefined) {
    problems.push('baseRevision and taskDefinitionFile both say what the new revision is made from: keep one');
  }

  if (props.postDeployTask !== undefined && waitFor === 'Pause') {
    problems.push('postDeployTask runs once all services serve, and waitFor is Pause, which ends the action before that: give it to the action that continues the deployment');
  }
  if (props.postDeployTask !== undefined && rollsBack) {
    problems.push("postDeployTask is for a deployment that goes on, and continueDeployment's action is ROLLBACK: remove postDeployTask");
  }
  if (props.externalId !== undefined && props.roleArn === undefined) {
    problems.push('externalId is for a role to assume: set roleArn, too, or remove it');
  }
  if (typeof props.roleArn === 'string' && !Token.isUnresolved(props.roleArn) && !/^arn:[a-z-]+:iam::\d{12}:role\/.+$/.test(props.roleArn)) {
    problems.push(`roleArn is ${JSON.stringify(props.roleArn)}: expected the ARN of a role, as arn:aws:iam::111122223333:role/ecs-deploy`);
  }

  const limits = [props.deploymentTimeout, ...[props.preDeployTask, props.postDeployTask].map((task) => task && (task.timeout ?? DEFAULT_TIMEOUT))];
  const known = [limits[0] ?? DEFAULT_TIMEOUT, ...limits.slice(1)].filter((one): one is Duration => one !== undefined && !one.isUnresolved());
  const together = known.reduce((sum, one) => sum + one.toMinutes({ integral: false }), 0);
  if (known.length > 1 && together > TIMEOUT_MAX_MINUTES) {
    problems.push(
      `deploymentTimeout and the tasks' timeouts are ${together} minutes together, and CodePipeline gives an action 24 hours: shorten one to make them ${TIMEOUT_MAX_MINUTES} at most`,
    );
  }

  const readsArtifact = props.configFile !== undefined || (continueDeployment === undefined && taskDefinition === undefined);
  if (readsArtifact && inputsOf(props).length === 0) {
    problems.push('input is required: the artifact that holds the image definitions');
  }
}

const DEFAULT_TIMEOUT = Duration.minutes(TIMEOUT_DEFAULT_MINUTES);

/** Those of the properties that are given, but for switches that are off. */
function written(props: EcsLambdaDeployActionProps, names: (keyof EcsLambdaDeployActionProps)[]): string[] {
  return names.filter((name) => props[name] !== undefined && props[name] !== false);
}

function listed(names: string[]): string {
  const [last, ...before] = [...names].reverse();
  return before.length === 0 ? `${last} is` : `${before.reverse().join(', ')} and ${last} are`;
}
