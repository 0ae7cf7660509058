import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { App, Duration, Fn, Lazy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import * as actions from 'aws-cdk-lib/aws-codepipeline-actions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { EcsLambdaDeployAction, EcsLambdaDeployActionProps, TaskDefinitionPatch } from 'ecs-deploy-action-cdk';
import { ACCOUNT, CDK, deployActions, deployFunction, evaluated, Members, newStack, pipelineOf, REGION, synthesised } from './support';

type Props = Partial<EcsLambdaDeployActionProps>;

const EXECUTION = codepipeline.GlobalVariables.executionId;
const CLUSTER_ARN = `arn:aws:ecs:${REGION}:${ACCOUNT}:cluster/prod`;
const SERVICE_ARN = `arn:aws:ecs:${REGION}:${ACCOUNT}:service/prod/web`;

interface Case {
  readonly what: string;
  /** The properties besides cluster `prod` and service `web`. */
  readonly props: Props | ((made: Made) => Props);
  /** The parameters that they make, besides those of cluster and service. */
  readonly parameters: Members;
  /** Instead of cluster and service. */
  readonly target?: Props;
}

/** What stands in the stack of a case. */
interface Made {
  readonly stack: Stack;
  readonly source: codepipeline.Artifact;
  readonly sourceAction: actions.S3SourceAction;
}

const PATCH: TaskDefinitionPatch = {
  cpu: '512',
  memory: '1024',
  containerDefinitions: {
    app: { environment: { RELEASE: '#{SourceVariables.CommitId}', OLD_FLAG: null }, healthCheck: null },
    agent: { image: 'public.ecr.aws/x-ray/aws-xray-daemon:3.x', essential: false },
  },
};

/** One case or more for each parameter. */
const CASES: Case[] = [
  { what: 'nothing more', props: {}, parameters: {} },
  {
    what: 'what is deployed',
    props: ({ source }) => ({ fileName: 'out/images.json', inputArtifact: source, containerName: 'app', pinDigests: true, baseRevision: 'latest' }),
    parameters: { FileName: 'out/images.json', InputArtifact: 'BuildOutput', ContainerName: 'app', PinDigests: true, BaseRevision: 'latest' },
  },
  {
    what: 'checks',
    props: { verifyImages: false, verifyDependencies: false, dryRun: true, skipIfUnchanged: true, ifDeploying: 'Wait' },
    parameters: { VerifyImages: false, VerifyDependencies: false, DryRun: true, SkipIfUnchanged: true, IfDeploying: 'Wait' },
  },
  {
    what: 'the rollout',
    props: { deploymentTimeout: Duration.hours(2), failureThreshold: 5, rollback: false, waitFor: 'Serving' },
    parameters: { DeploymentTimeout: 120, FailureThreshold: 5, Rollback: false, WaitFor: 'Serving' },
  },
  { what: 'a threshold by a word', props: { failureThreshold: 'auto' }, parameters: { FailureThreshold: 'auto' } },
  {
    what: 'switches that are off',
    props: { pinDigests: false, dryRun: false, skipIfUnchanged: false, scheduledTasks: false, failureThreshold: 0, logLines: 0 },
    parameters: { PinDigests: false, DryRun: false, SkipIfUnchanged: false, ScheduledTasks: false, FailureThreshold: 0, LogLines: 0 },
  },
  {
    what: 'tasks',
    props: {
      preDeployTask: { container: 'app', command: ['./migrate', 'up'], timeout: Duration.minutes(15), cpu: 512, memory: '2 GB' },
      postDeployTask: { container: 'app', command: ['./smoke-test'], environment: { BASE_URL: 'https://shop.example.com', EMPTY: '' } },
    },
    parameters: {
      PreDeployTask: { Container: 'app', Command: ['./migrate', 'up'], Timeout: 15, Cpu: 512, Memory: '2 GB' },
      PostDeployTask: { Container: 'app', Command: ['./smoke-test'], Environment: { BASE_URL: 'https://shop.example.com', EMPTY: '' } },
    },
  },
  { what: 'after success', props: { scheduledTasks: true, keepRevisions: 10 }, parameters: { ScheduledTasks: true, KeepRevisions: 10 } },
  {
    what: 'what is reported',
    props: { pipelineExecutionId: EXECUTION, eventBus: 'deployments', logLines: 5 },
    parameters: { PipelineExecutionId: EXECUTION, EventBus: 'deployments', LogLines: 5 },
  },
  {
    what: 'a bus of CDK',
    props: ({ stack }) => ({ eventBus: new events.EventBus(stack, 'Bus') }),
    parameters: { EventBus: `arn:aws:events:${REGION}:${ACCOUNT}:event-bus/deployments` },
  },
  {
    what: 'another account',
    props: { region: 'eu-west-1', roleArn: 'arn:aws:iam::444455556666:role/ecs-deploy', externalId: 'shop' },
    parameters: { Region: 'eu-west-1', RoleArn: 'arn:aws:iam::444455556666:role/ecs-deploy', ExternalId: 'shop' },
  },
  {
    what: 'a role of CDK',
    props: ({ stack }) => ({ roleArn: iam.Role.fromRoleArn(stack, 'Deploys', 'arn:aws:iam::444455556666:role/ecs-deploy') }),
    parameters: { RoleArn: 'arn:aws:iam::444455556666:role/ecs-deploy' },
  },
  { what: 'an existing revision', props: { input: undefined, taskDefinition: 'previous' }, parameters: { TaskDefinition: 'previous' } },
  {
    what: 'a task definition of CDK',
    props: ({ stack }) => ({
      taskDefinition: ecs.TaskDefinition.fromTaskDefinitionArn(stack, 'Revision', `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/app:41`),
    }),
    parameters: { TaskDefinition: `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/app:41` },
  },
  { what: 'a task definition file', props: { taskDefinitionFile: 'deploy/taskdef.json' }, parameters: { TaskDefinitionFile: 'deploy/taskdef.json' } },
  { what: 'a patch', props: { taskDefinitionPatch: PATCH }, parameters: { TaskDefinitionPatch: PATCH } },
  { what: 'a patch in a file', props: { taskDefinitionPatch: 'deploy/patch.json' }, parameters: { TaskDefinitionPatch: 'deploy/patch.json' } },
  {
    what: 'a deployment to continue',
    props: { input: undefined, continueDeployment: { deploymentId: '#{Deploy.ServiceDeploymentArn}', hookId: '#{Deploy.HookId}', action: 'CONTINUE' } },
    parameters: { ContinueDeployment: { DeploymentId: '#{Deploy.ServiceDeploymentArn}', HookId: '#{Deploy.HookId}', Action: 'CONTINUE' } },
  },
  { what: 'a config file', props: { configFile: 'deploy/prod.json', logLines: 3 }, parameters: { ConfigFile: 'deploy/prod.json', LogLines: 3 }, target: {} },
  {
    what: 'ARNs',
    props: {},
    parameters: { ClusterName: CLUSTER_ARN, ServiceName: SERVICE_ARN },
    target: { cluster: CLUSTER_ARN, service: SERVICE_ARN },
  },
  {
    what: 'several services',
    props: {},
    parameters: { ClusterName: 'prod', Services: ['web', 'worker', { ServiceName: 'mail', ClusterName: 'jobs' }] },
    target: { cluster: 'prod', services: ['web', { service: 'worker' }, { service: 'mail', cluster: 'jobs' }] },
  },
  {
    what: 'several services, each with its cluster',
    props: {},
    parameters: { ClusterName: 'prod', Services: ['web', { ServiceName: 'mail', ClusterName: 'jobs' }, 'worker'] },
    target: { services: [{ service: 'web', cluster: 'prod' }, { service: 'mail', cluster: 'jobs' }, { service: 'worker', cluster: 'prod' }] },
  },
];

/** The names that CloudFormation would give resources of the cases. */
const NAMES: [RegExp, string][] = [[/^Bus.*\.Arn$/, `arn:aws:events:${REGION}:${ACCOUNT}:event-bus/deployments`]];

/** An action for a case, its pipeline's template, and its parameters as the pipeline would hand them over. */
function made({ props, target = { cluster: 'prod', service: 'web' } }: Pick<Case, 'props' | 'target'>): { template: Members; action: Members; text: string } {
  const stack = newStack();
  pipelineOf(stack, (source, sourceAction) => [
    new EcsLambdaDeployAction({
      actionName: 'Deploy',
      function: lambda.Function.fromFunctionName(stack, 'DeployFunction', 'ecs-deploy-action'),
      input: source,
      ...target,
      ...(typeof props === 'function' ? props({ stack, source, sourceAction }) : props),
    }),
  ]);
  const template = synthesised(stack);
  const named = (id: string): string => id;
  const resources: Members = evaluated(template, {}, named);
  const pipeline = Object.values(resources).find((one: Members) => one.Type === 'AWS::CodePipeline::Pipeline') as Members;
  const action = pipeline.Properties.Stages[1].Actions[0];
  let text: string = action.Configuration.UserParameters;
  for (const [pattern, name] of NAMES) {
    text = text.replace(new RegExp(`"${pattern.source.slice(1, -1)}"`), `"${name}"`);
  }
  return { template, action, text };
}

for (const one of CASES) {
  test(`UserParameters with ${one.what} are what the function reads`, () => {
    const { text } = made(one);
    const target = one.target === undefined ? { ClusterName: 'prod', ServiceName: 'web' } : {};
    assert.deepEqual(JSON.parse(text), { ...target, ...one.parameters });
  });
}

test('user-parameters.json has what the construct makes', () => {
  const file = path.join(CDK, 'test/user-parameters.json');
  const all = CASES.map((one) => JSON.parse(made(one).text));
  const text = `[\n${all.map((one) => `  ${JSON.stringify(one)}`).join(',\n')}\n]\n`;
  if (process.env.UPDATE === '1') {
    fs.writeFileSync(file, text);
  }
  assert.equal(fs.readFileSync(file, 'utf8'), text, 'UPDATE=1 npm test writes it');
});

test('the action is an Invoke action of Lambda with its artifacts and its namespace', () => {
  const { action } = made({
    props: { outputs: [new codepipeline.Artifact('Record')], variablesNamespace: 'Deploy', extraInputs: [new codepipeline.Artifact('BuildOutput')], input: undefined, runOrder: 2 },
  });
  assert.deepEqual(action.ActionTypeId, { Category: 'Invoke', Owner: 'AWS', Provider: 'Lambda', Version: '1' });
  assert.deepEqual(action.InputArtifacts, [{ Name: 'BuildOutput' }]);
  assert.deepEqual(action.OutputArtifacts, [{ Name: 'Record' }]);
  assert.deepEqual([action.Namespace, String(action.RunOrder), action.Configuration.FunctionName], ['Deploy', '2', 'ecs-deploy-action']);
  // Region is where the function deploys to, and none of the action.
  assert.equal(made({ props: { region: 'eu-west-1' } }).action.Region, undefined);
});

test('what is not given is not written', () => {
  const { text } = made({ props: { rollback: undefined, preDeployTask: undefined } });
  assert.equal(text, '{"ClusterName":"prod","ServiceName":"web"}');
});

test('services of CDK are written by their names, with the cluster that they are on', () => {
  const stack = newStack();
  const cluster = new ecs.Cluster(stack, 'Cluster', { clusterName: 'prod' });
  const jobs = new ecs.Cluster(stack, 'Jobs');
  const service = (id: string, on: ecs.Cluster): ecs.FargateService => {
    const taskDefinition = new ecs.FargateTaskDefinition(stack, `${id}Definition`);
    taskDefinition.addContainer('app', { image: ecs.ContainerImage.fromRegistry('example.com/app') });
    return new ecs.FargateService(stack, id, { cluster: on, taskDefinition });
  };
  const [web, worker, mail] = [service('Web', cluster), service('Worker', cluster), service('Mail', jobs)];
  const imported = ecs.FargateService.fromFargateServiceAttributes(stack, 'Imported', { cluster, serviceName: 'billing' });
  const byArn = ecs.FargateService.fromFargateServiceArn(stack, 'ByArn', SERVICE_ARN);
  const invoked = deployFunction(stack).function;
  pipelineOf(stack, (input) => [
    new EcsLambdaDeployAction({ actionName: 'One', function: invoked, input, service: web }),
    new EcsLambdaDeployAction({ actionName: 'Several', function: invoked, input, services: [web, worker, mail, { service: imported }] }),
    new EcsLambdaDeployAction({ actionName: 'ByArn', function: invoked, input, service: byArn, cluster: 'prod' }),
  ]);
  const resources = evaluated(synthesised(stack), {}, (id) => id.replace(/[0-9A-F]{8}$/, ''));
  const [one, several, arn] = deployActions({ Resources: resources }).map((action) => JSON.parse(action.Configuration.UserParameters));
  assert.deepEqual(one, { ClusterName: 'Cluster', ServiceName: 'WebService.Name' });
  assert.deepEqual(several, {
    ClusterName: 'Cluster',
    Services: ['WebService.Name', 'WorkerService.Name', { ServiceName: 'MailService.Name', ClusterName: 'Jobs' }, 'billing'],
  });
  assert.deepEqual(arn, { ClusterName: 'prod', ServiceName: 'web' });
});

test('variables of earlier actions and values of the stack go into the texts', () => {
  const { text } = made({
    props: ({ stack, sourceAction }) => ({
      taskDefinitionPatch: {
        containerDefinitions: { app: { environment: { RELEASE: sourceAction.variables.versionId, STACK: stack.stackId, QUOTED: 'a "b"' } } },
      },
    }),
  });
  assert.deepEqual(JSON.parse(text).TaskDefinitionPatch.containerDefinitions.app.environment, {
    RELEASE: '#{Source_Source_NS.VersionId}',
    STACK: 'AWS::StackId',
    QUOTED: 'a "b"',
  });
});

test('later actions have the output variables, and the action has a namespace by itself', () => {
  const stack = newStack();
  const project = codebuild.Project.fromProjectName(stack, 'Project', 'tests');
  pipelineOf(stack, (input) => {
    const deploy = new EcsLambdaDeployAction({ actionName: 'Deploy', function: deployFunction(stack).function, input, cluster: 'prod', service: 'web' });
    const { variables } = deploy;
    const values = {
      CLUSTER: variables.clusterName,
      SERVICE: variables.serviceName,
      REVISION: variables.taskDefinitionArn,
      BEFORE: variables.previousTaskDefinitionArn,
      DEPLOYMENT: variables.deploymentId,
      SERVICE_DEPLOYMENT: variables.serviceDeploymentArn,
      HOOK: variables.hookId,
      STAGE: variables.lifecycleStage,
      EXPIRES: variables.hookExpiresAt,
      IMAGE: variables.image('app'),
      OF_WORKER: variables.service('worker').image('app'),
    };
    const environmentVariables = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
    return [deploy, new actions.CodeBuildAction({ actionName: 'Test', project, input, environmentVariables, runOrder: 2 })];
  });
  const [deploy, tests] = deployActions(synthesised(stack));
  assert.equal(deploy?.Namespace, 'Deploy_Deploy_NS');
  const variables: { name: string; value: string }[] = JSON.parse(tests?.Configuration.EnvironmentVariables);
  assert.deepEqual(Object.fromEntries(variables.map(({ name, value }) => [name, value.replace('Deploy_Deploy_NS.', '')])), {
    CLUSTER: '#{ClusterName}',
    SERVICE: '#{ServiceName}',
    REVISION: '#{TaskDefinitionArn}',
    BEFORE: '#{PreviousTaskDefinitionArn}',
    DEPLOYMENT: '#{DeploymentId}',
    SERVICE_DEPLOYMENT: '#{ServiceDeploymentArn}',
    HOOK: '#{HookId}',
    STAGE: '#{LifecycleStage}',
    EXPIRES: '#{HookExpiresAt}',
    IMAGE: '#{Image-app}',
    OF_WORKER: '#{Image-app-worker}',
  });
  // Nobody uses the variables: no namespace.
  assert.equal(made({ props: {} }).action.Namespace, undefined);
});

// --- grants ---

/** The statements of the policies of the role that the action runs with, as `action on resource`. */
function grants(template: Members, action: Members): string[] {
  const role = JSON.stringify(action.RoleArn ?? Object.values(template.Resources as Members).find((one) => one.Type === 'AWS::CodePipeline::Pipeline').Properties.RoleArn);
  const [id] = /(?<=\[")[A-Za-z0-9]+(?=","Arn)/.exec(role) ?? [role];
  const policies = Object.values(template.Resources as Members).filter(
    (one) => one.Type === 'AWS::IAM::Policy' && JSON.stringify(one.Properties.Roles).includes(`"${id}"`),
  );
  const statements: Members[] = policies.flatMap((one) => one.Properties.PolicyDocument.Statement);
  return statements.flatMap((one) => [one.Action].flat().map((name) => `${name} on ${JSON.stringify(one.Resource)}`)).sort();
}

/** The names of what is granted. */
function granted(template: Members, action: Members): string[] {
  return [...new Set(grants(template, action).map((one) => one.split(' ')[0] ?? ''))];
}

const READS = ['s3:GetBucket*', 's3:GetObject*', 's3:List*'];

function pipelineWith(props: Props, of: codepipeline.PipelineProps = {}, invoked?: (stack: Stack) => lambda.IFunction): { template: Members; action: Members } {
  const stack = newStack();
  pipelineOf(
    stack,
    (input) => [
      new EcsLambdaDeployAction({ actionName: 'Deploy', function: invoked?.(stack) ?? deployFunction(stack).function, input, cluster: 'prod', service: 'web', ...props }),
    ],
    of,
  );
  const template = synthesised(stack);
  return { template, action: deployActions(template)[0] as Members };
}

test('the role of the action may invoke the function, list functions and read the artifacts, and nothing else', () => {
  const { template, action } = pipelineWith({});
  const names = granted(template, action).filter((name) => !name.startsWith('kms:'));
  assert.deepEqual(names, ['lambda:InvokeFunction', 'lambda:ListFunctions', ...READS]);
  const all = grants(template, action);
  assert.ok(all.includes('lambda:ListFunctions on "*"'), String(all));
  const invoke = all.find((one) => one.startsWith('lambda:InvokeFunction on ')) ?? '';
  assert.match(invoke, /DeployFunctionTemplateFunction[0-9A-F]{8}","Arn"/);
});

test('the role of an action with output artifacts may write them', () => {
  const { template, action } = pipelineWith({ outputs: [new codepipeline.Artifact('Record')] });
  assert.ok(granted(template, action).includes('s3:PutObject'), String(granted(template, action)));
  assert.ok(!granted(pipelineWith({}).template, pipelineWith({}).action).includes('s3:PutObject'));
});

test('the role of an action without artifacts may read and write none', () => {
  const { template, action } = pipelineWith({ input: undefined, taskDefinition: 'previous' });
  assert.deepEqual(granted(template, action), ['lambda:InvokeFunction', 'lambda:ListFunctions']);
});

test('the key of the artifact bucket may be used as the bucket is', () => {
  const stack = newStack();
  const artifactBucket = new s3.Bucket(stack, 'Artifacts', { encryptionKey: new kms.Key(stack, 'Key') });
  pipelineOf(
    stack,
    (input) => [
      new EcsLambdaDeployAction({
        actionName: 'Deploy',
        function: deployFunction(stack).function,
        input,
        outputs: [new codepipeline.Artifact('Record')],
        cluster: 'prod',
        service: 'web',
      }),
    ],
    { artifactBucket },
  );
  const template = synthesised(stack);
  const names = granted(template, deployActions(template)[0] as Members);
  for (const name of ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey*', 's3:PutObject', 's3:GetObject*']) {
    assert.ok(names.includes(name), `${name}: ${names}`);
  }
});

test('a role of the pipeline itself gets the grants where actions use it', () => {
  const { template, action } = pipelineWith({}, { usePipelineRoleForActions: true });
  assert.equal(action.RoleArn, undefined);
  const names = granted(template, action);
  for (const name of ['lambda:InvokeFunction', 'lambda:ListFunctions', ...READS]) {
    assert.ok(names.includes(name), `${name}: ${names}`);
  }
});

test('a role that is passed gets the grants', () => {
  const stack = newStack();
  const role = new iam.Role(stack, 'Own', { assumedBy: new iam.AccountPrincipal(ACCOUNT) });
  pipelineOf(stack, (input) => [
    new EcsLambdaDeployAction({ actionName: 'Deploy', function: deployFunction(stack).function, input, cluster: 'prod', service: 'web', role }),
  ]);
  const template = synthesised(stack);
  const [action] = deployActions(template);
  assert.match(JSON.stringify(action?.RoleArn), /"Own[0-9A-F]{8}"/);
  assert.deepEqual(
    granted(template, action as Members).filter((name) => !name.startsWith('kms:')),
    ['lambda:InvokeFunction', 'lambda:ListFunctions', ...READS],
  );
});

for (const [what, imported] of [
  ['name', (stack: Stack) => lambda.Function.fromFunctionName(stack, 'Imported', 'ecs-deploy-action')],
  ['ARN', (stack: Stack) => lambda.Function.fromFunctionArn(stack, 'Imported', `arn:aws:lambda:${REGION}:${ACCOUNT}:function:ecs-deploy-action`)],
] as const) {
  test(`a function that is imported by its ${what} is invoked by its name, and the role may`, () => {
    const { template, action } = pipelineWith({}, {}, imported);
    // CDK takes the name out of the ARN.
    assert.match(JSON.stringify(action.Configuration.FunctionName), /^"ecs-deploy-action"$|^\{"Fn::Select":\[6,.*:function:ecs-deploy-action"/);
    const invoke = grants(template, action).find((one) => one.startsWith('lambda:InvokeFunction on ')) ?? '';
    assert.match(invoke, /:function:ecs-deploy-action"/);
    assert.equal(Object.values(template.Resources as Members).filter((one) => one.Type === 'AWS::Lambda::Function').length, 0);
  });
}

test('a function of another stack is invoked', () => {
  const functions = newStack('functions');
  const invoked = deployFunction(functions).function;
  const stack = new Stack(functions.node.root as App, 'pipelines', { env: { account: ACCOUNT, region: REGION } });
  pipelineOf(stack, (input) => [new EcsLambdaDeployAction({ actionName: 'Deploy', function: invoked, input, cluster: 'prod', service: 'web' })]);
  assert.match(JSON.stringify(deployActions(synthesised(stack))[0]?.Configuration.FunctionName), /Fn::ImportValue/);
  Template.fromStack(functions).hasOutput('*', Match.objectLike({ Export: Match.anyValue() }));
});

// --- what cannot be right ---

const TASK = { container: 'app', command: ['./migrate'] };
const CONTINUE = { deploymentId: '#{Deploy.DeploymentId}', action: 'CONTINUE' } as const;
const ROLL_BACK = { ...CONTINUE, action: 'ROLLBACK' } as const;

const REFUSED: [string, Props, RegExp][] = [
  ['no service', { service: undefined }, /service or services is required/],
  ['no cluster', { cluster: undefined }, /cluster is required, unless service is a service of CDK that knows its cluster/],
  ['no cluster for one of several', { cluster: undefined, service: undefined, services: ['web', { service: 'mail', cluster: 'jobs' }] }, /cluster is required, unless each of services has one of its own/],
  ['a cluster that is for no service', { service: undefined, services: [{ service: 'mail', cluster: 'jobs' }] }, /cluster is for services without one of their own, and each of services has one/],
  ['service and services', { services: ['worker'] }, /service and services both say what to deploy to/],
  ['11 services', { service: undefined, services: [...'abcdefghijk'] }, /services has 11 entries: expected 1 to 10/],
  ['no entry in services', { service: undefined, services: [] }, /services has 0 entries: expected 1 to 10/],
  ['a service twice', { service: undefined, services: ['web', { service: 'web', cluster: 'prod' }] }, /services has web on prod twice/],
  ['a time limit of seconds', { deploymentTimeout: Duration.seconds(90) }, /deploymentTimeout is 1 minute 30 seconds: expected whole minutes from 1 to 1380/],
  ['a time limit of a day', { deploymentTimeout: Duration.days(1) }, /deploymentTimeout is 1 day: expected whole minutes from 1 to 1380/],
  ['time limits that are too long together', { preDeployTask: { ...TASK, timeout: Duration.hours(22) }, postDeployTask: TASK }, /are 1440 minutes together/],
  ['a threshold of 201', { failureThreshold: 201 }, /failureThreshold is 201: expected a whole number from 0 to 200/],
  ['a threshold of a half', { failureThreshold: 0.5 }, /failureThreshold is 0.5: expected a whole number/],
  ['one revision to keep', { keepRevisions: 1 }, /keepRevisions is 1: expected a whole number from 2 to 1000000/],
  ['21 log lines', { logLines: 21 }, /logLines is 21: expected a whole number from 0 to 20/],
  ['a task without a command', { preDeployTask: { container: 'app', command: [] } }, /preDeployTask.command is empty/],
  ['a task of a day', { postDeployTask: { ...TASK, timeout: Duration.minutes(1380) } }, /postDeployTask.timeout is 23 hours: expected whole minutes from 1 to 1379/],
  ['a base and a file', { baseRevision: 'service', taskDefinitionFile: 't.json' }, /baseRevision and taskDefinitionFile both say what the new revision is made from/],
  ['a revision with what makes one', { taskDefinition: 'app:41', fileName: 'x.json', pinDigests: true }, /taskDefinition deploys a revision as it is, and fileName and pinDigests are for one that is made/],
  ['a continuation with what deploys', { continueDeployment: CONTINUE, dryRun: true }, /continueDeployment continues what an earlier action has deployed, and dryRun is for an action that deploys/],
  ['a continuation with a revision', { continueDeployment: CONTINUE, taskDefinition: 'app:41' }, /and taskDefinition is for an action that deploys/],
  ['a continuation of several services', { continueDeployment: CONTINUE, service: undefined, services: ['web', 'worker'] }, /continueDeployment is for one deployment/],
  ['a rollback that waits', { continueDeployment: ROLL_BACK, waitFor: 'Serving' }, /waitFor is for a deployment that goes on/],
  ['a rollback with a task after it', { continueDeployment: ROLL_BACK, postDeployTask: TASK }, /postDeployTask is for a deployment that goes on/],
  ['a task after a pause', { waitFor: 'Pause', postDeployTask: TASK }, /postDeployTask runs once all services serve, and waitFor is Pause/],
  ['an external id without a role', { externalId: 'shop' }, /externalId is for a role to assume: set roleArn, too/],
  ['a role that is no ARN', { roleArn: 'ecs-deploy' }, /roleArn is "ecs-deploy": expected the ARN of a role/],
  ['no input', { input: undefined }, /input is required: the artifact that holds the image definitions/],
  ['a file in no artifact', { inputArtifact: new codepipeline.Artifact('Other') }, /inputArtifact is none of input and extraInputs/],
];
for (const [what, props, message] of REFUSED) {
  test(`${what} is refused at synthesis, with what is wrong`, () => {
    assert.throws(() => pipelineWith(props), message);
  });
}

test('each mistake of an action is reported, under its name', () => {
  assert.throws(() => pipelineWith({ logLines: 21, externalId: 'shop' }), /^Error: EcsLambdaDeployAction Deploy: logLines is 21.*; externalId is for a role/);
});

const LONG = 'x'.repeat(1000);

test('more than 1000 characters are refused, with what to do instead', () => {
  const over = { taskDefinitionPatch: { containerDefinitions: { app: { environment: { LONG } } } } };
  assert.throws(() => pipelineWith(over), /Deploy: its UserParameters have 1\d\d\d characters, and CodePipeline takes 1000: write parameters into a JSON file of the artifact and name it with configFile/);
  const room = 1000 - '{"ClusterName":"prod","ServiceName":"web","ContainerName":""}'.length;
  assert.doesNotThrow(() => pipelineWith({ containerName: 'x'.repeat(room) }));
  assert.throws(() => pipelineWith({ containerName: 'x'.repeat(room + 1) }), /have 1001 characters/);
});

test('more than 1000 characters are refused as far as they are known', () => {
  assert.throws(
    () => pipelineWith({ cluster: Lazy.string({ produce: () => 'prod' }), containerName: LONG, eventBus: Fn.ref('Bus') }),
    /have at least 1\d\d\d characters/,
  );
});

test('what only the stack knows is not checked', () => {
  assert.doesNotThrow(() => pipelineWith({ logLines: Lazy.number({ produce: () => 7 }), cluster: Fn.importValue('Cluster') }));
});
