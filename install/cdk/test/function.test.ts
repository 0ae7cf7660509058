import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { App, CfnParameter, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EcsDeployFunction, EcsDeployFunctionProps } from 'ecs-deploy-action-cdk';
import { PARAMETER_OF } from '../dist/function';
import { templateFile } from '../dist/template';
import { ACCOUNT, aZip, deployFunction, evaluated, INSTALL_TEMPLATE, Members, newStack, REGION, REQUIRED, ROLE, synthesised, templateOf } from './support';

const TEMPLATE = templateOf(fs.readFileSync(INSTALL_TEMPLATE, 'utf8'));

/** Each property but `zip`, with another value than the template's default. */
const OTHER: Omit<Required<EcsDeployFunctionProps>, 'zip'> = {
  codeBucket: 'releases',
  codeKey: 'ecs/function.zip',
  taskRoleArns: [ROLE, `arn:aws:iam::${ACCOUNT}:role/web-task`],
  clusterName: 'prod',
  serviceName: 'web-*',
  taskDefinitionFamily: 'web',
  allowPreDeployTasks: true,
  allowApprovals: true,
  allowScheduledTasks: true,
  scheduleRoleArns: [`arn:aws:iam::${ACCOUNT}:role/schedules`],
  allowKeepRevisions: true,
  deployRoleArns: ['arn:aws:iam::444455556666:role/ecs-deploy'],
  eventBusArn: `arn:aws:events:${REGION}:${ACCOUNT}:event-bus/deployments`,
  allowVerifyDependencies: false,
  imageRepository: 'team/web',
  containerLogGroup: '/ecs/web',
  hookFunction: 'smoke-*',
  manualArtifactBucket: 'artifacts',
  manualArtifactKeyArn: `arn:aws:kms:${REGION}:${ACCOUNT}:key/00000000-0000-0000-0000-000000000000`,
  functionName: 'deploy-web',
  architecture: lambda.Architecture.X86_64,
  logRetentionInDays: logs.RetentionDays.ONE_YEAR,
  alarmTopicArn: `arn:aws:sns:${REGION}:${ACCOUNT}:alarms`,
  permissionsBoundaryArn: `arn:aws:iam::${ACCOUNT}:policy/boundary`,
};

/** The value of a property as a parameter of the template. */
function written(value: unknown): unknown {
  return value instanceof lambda.Architecture ? value.name : typeof value === 'boolean' ? String(value) : value;
}

/** What a stack with the template and these parameters would make. */
function ofTheTemplate(props: Partial<EcsDeployFunctionProps>): Members {
  const entries = Object.entries(props).map(([prop, value]) => [PARAMETER_OF[prop as keyof typeof PARAMETER_OF], written(value)]);
  return evaluated(TEMPLATE, Object.fromEntries(entries), (id) => id);
}

/** What a stack with the construct would make, under the template's logical ids. */
function ofTheConstruct(template: Members, id = 'DeployFunction'): Members {
  const short = new RegExp(`^${id}Template([A-Za-z]+?)[0-9A-F]{8}$`);
  return evaluated(template, {}, (name) => short.exec(name)?.[1] ?? name);
}

function assertSame(props: Partial<EcsDeployFunctionProps>): void {
  const stack = newStack();
  deployFunction(stack, props);
  assert.deepEqual(ofTheConstruct(synthesised(stack)), ofTheTemplate({ ...REQUIRED, ...props }));
}

test('what it makes without a property is what the template makes without a parameter', () => {
  assertSame({});
  assert.equal(Object.keys(ofTheTemplate(REQUIRED)).length, Object.keys(TEMPLATE.Resources).length);
});

test('what it makes with every property is what the template makes with every parameter', () => {
  assertSame(OTHER);
});

for (const [prop, value] of Object.entries(OTHER)) {
  test(`what it makes with ${prop} is what the template makes with ${PARAMETER_OF[prop as keyof typeof PARAMETER_OF]}`, () => {
    // Roles of schedules hold for scheduled tasks only, and so does each other dependent grant.
    const needed = prop === 'scheduleRoleArns' ? { allowScheduledTasks: true } : {};
    const props = { ...needed, [prop]: value };
    assertSame(props);
    const without = ofTheTemplate({ ...REQUIRED, ...needed });
    if (!(prop in REQUIRED) || prop === 'taskRoleArns') {
      assert.notDeepEqual(ofTheTemplate({ ...REQUIRED, ...props }), without, 'the parameter changes something');
    }
  });
}

test('each parameter of the template has a property of its name, and each property but zip a parameter', () => {
  const props = Object.keys(TEMPLATE.Parameters).map((name) => name.charAt(0).toLowerCase() + name.slice(1));
  assert.deepEqual(Object.keys(PARAMETER_OF).sort(), props.sort());
  for (const [prop, name] of Object.entries(PARAMETER_OF)) {
    assert.equal(name.toLowerCase(), prop.toLowerCase());
  }
});

test('the template of the package is the one in the repository, byte for byte', () => {
  assert.ok(templateFile().endsWith('/dist/template.yaml'), templateFile());
  assert.ok(fs.readFileSync(templateFile()).equals(fs.readFileSync(INSTALL_TEMPLATE)));
});

test('no parameter and no description of the template comes into the stack', () => {
  const stack = newStack();
  deployFunction(stack);
  const template = synthesised(stack);
  const parameters = Object.keys(template.Parameters ?? {}).filter((name) => name !== 'BootstrapVersion');
  assert.deepEqual([parameters, template.Description, template.Metadata], [[], undefined, undefined]);
});

test('a zip is uploaded by CDK, and the function has its code from there', () => {
  const stack = newStack();
  new EcsDeployFunction(stack, 'DeployFunction', { zip: aZip('ecs-deploy-action-0.2.0-arm64.zip'), taskRoleArns: [ROLE] });
  const made = ofTheConstruct(synthesised(stack));
  const { S3Bucket, S3Key, ...more } = made.Function.Properties.Code;
  assert.equal(S3Bucket, `cdk-hnb659fds-assets-${ACCOUNT}-${REGION}`);
  assert.match(S3Key, /^[0-9a-f]{64}\.zip$/);
  assert.deepEqual(more, {});
  const template = ofTheTemplate(REQUIRED);
  delete made.Function.Properties.Code;
  delete template.Function.Properties.Code;
  assert.deepEqual(made, template, 'all but the code');
});

test('what the construct shows is what the stack has', () => {
  const stack = newStack();
  const made = deployFunction(stack);
  const shown = stack.resolve({
    name: made.functionName,
    arn: made.functionArn,
    functionName: made.function.functionName,
    functionArn: made.function.functionArn,
    role: made.role.roleArn,
    logGroup: made.logGroup.logGroupName,
    logGroupName: made.logGroupName,
    dashboard: made.dashboardName,
  });
  const template = synthesised(stack);
  const id = (name: string): string => Object.keys(template.Resources).find((one) => one.startsWith(`DeployFunctionTemplate${name}`)) ?? '';
  const logGroup = id('LogGroup');
  assert.deepEqual(shown, {
    name: { Ref: id('Function') },
    arn: { 'Fn::GetAtt': [id('Function'), 'Arn'] },
    functionName: { Ref: id('Function') },
    functionArn: { 'Fn::GetAtt': [id('Function'), 'Arn'] },
    role: { 'Fn::GetAtt': [id('Role'), 'Arn'] },
    logGroup: { Ref: logGroup },
    logGroupName: { Ref: logGroup },
    dashboard: { Ref: id('Dashboard') },
  });
});

test('the role can be granted more', () => {
  const stack = newStack();
  deployFunction(stack).role.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['kms:Decrypt'], resources: ['*'] }));
  const policies = Object.values(synthesised(stack).Resources as Members).filter((one) => one.Type === 'AWS::IAM::Policy');
  assert.equal(policies.length, 1);
  assert.match(JSON.stringify(policies[0].Properties.Roles), /DeployFunctionTemplateRole/);
});

test('several functions in a stack are each what the template makes, but for the names of saved queries', () => {
  const stack = newStack();
  deployFunction(stack);
  new EcsDeployFunction(stack, 'Second', { ...REQUIRED, functionName: 'deploy-jobs', allowApprovals: true });
  const template = synthesised(stack);
  const ofOne = (id: string): Members => {
    const resources = Object.entries(template.Resources as Members).filter(([name]) => name.startsWith(id));
    return ofTheConstruct({ ...template, Resources: Object.fromEntries(resources) }, id);
  };
  assert.deepEqual(ofOne('DeployFunction'), ofTheTemplate(REQUIRED));
  const expected = ofTheTemplate({ ...REQUIRED, functionName: 'deploy-jobs', allowApprovals: true });
  for (const query of ['FailedDeployments', 'Durations']) {
    expected[query].Properties.Name += ' (deploy-jobs)';
  }
  assert.deepEqual(ofOne('Second'), expected);
});

test('two functions of one name in a stack are refused', () => {
  const stack = newStack();
  deployFunction(stack);
  assert.throws(() => new EcsDeployFunction(stack, 'Second', REQUIRED), /functionName: ecs-deploy-action is the name of another function of this stack/);
});

test('a value that is known only when the stack is deployed is no part of a condition', () => {
  const stack = newStack();
  const topic = new sns.Topic(stack, 'Topic');
  const role = new iam.Role(stack, 'Schedules', { assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com') });
  const other = new Stack(stack.node.root as App, 'other', { env: { account: ACCOUNT, region: REGION } });
  const elsewhere = new iam.Role(other, 'Deploys', { assumedBy: new iam.AccountPrincipal(ACCOUNT) });
  deployFunction(stack, {
    alarmTopicArn: topic.topicArn,
    allowScheduledTasks: true,
    scheduleRoleArns: [role.roleArn],
    deployRoleArns: [elsewhere.roleArn],
    taskRoleArns: [role.roleArn],
  });
  const template = synthesised(stack);
  assert.equal(template.Conditions, undefined);
  const made = ofTheConstruct(template);
  assert.equal(made.UnansweredAlarm.Properties.AlarmActions.length, 1);
  const statements: Members[] = made.Role.Properties.Policies[0].PolicyDocument.Statement;
  const sids = statements.map((one) => one.Sid);
  for (const sid of ['PassTheSchedulesRoles', 'AssumeTheRolesOfOtherAccounts']) {
    assert.ok(sids.includes(sid), sid);
  }
  assert.ok(!sids.includes('TellTheEventBus'));
});

test('a parameter of the stack decides its condition when the stack is deployed, and no other condition is left', () => {
  const stack = newStack();
  const roles = new CfnParameter(stack, 'ScheduleRoles', { type: 'CommaDelimitedList' });
  deployFunction(stack, { allowScheduledTasks: true, scheduleRoleArns: roles.valueAsList });
  const template = synthesised(stack);
  const [condition, ...others] = Object.keys(template.Conditions);
  assert.match(condition ?? '', /HasScheduleRoles/);
  assert.deepEqual(template.Conditions[condition ?? ''], { 'Fn::Not': [{ 'Fn::Equals': [{ 'Fn::Join': ['', { Ref: 'ScheduleRoles' }] }, ''] }] });
  assert.deepEqual(others, []);
  const sids = (value: string): string[] => {
    const made = evaluated(template, { ScheduleRoles: value }, (id) => id.replace(/^DeployFunctionTemplate|[0-9A-F]{8}$/g, ''));
    return made.Role.Properties.Policies[0].PolicyDocument.Statement.map((one: Members) => one.Sid);
  };
  assert.ok(!sids('').includes('PassTheSchedulesRoles'));
  assert.ok(sids(`arn:aws:iam::${ACCOUNT}:role/schedules`).includes('PassTheSchedulesRoles'));
});

test('CDK has nothing to say of what is synthesised', () => {
  const stack = newStack();
  deployFunction(stack, OTHER);
  new EcsDeployFunction(stack, 'Second', REQUIRED);
  const assembly = (stack.node.root as App).synth();
  const file = `${assembly.directory}/validation-report.json`;
  // Older versions of CDK write none.
  const reports = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).pluginReports : [];
  assert.deepEqual(reports, []);
});

const REFUSED: [string, Partial<EcsDeployFunctionProps>, RegExp][] = [
  ['a name that the template refuses', { functionName: 'deploy web' }, /functionName is "deploy web": expected \^\[A-Za-z0-9_-\]/],
  ['an ARN that the template refuses', { alarmTopicArn: 'alarms' }, /alarmTopicArn is "alarms": expected/],
  ['a retention that the template refuses', { logRetentionInDays: logs.RetentionDays.INFINITE }, /logRetentionInDays is 9999: expected one of 1, 3, 5/],
  ['a key that is too long', { codeKey: 'k'.repeat(1025) }, /codeKey is longer than 1024 characters/],
  ['no role', { taskRoleArns: [] }, /taskRoleArns has no entry: give at least one/],
  ['the name of a role', { taskRoleArns: ['arn:aws:iam::111122223333:role/app', 'ecsTaskExecutionRole'] }, /taskRoleArns has "ecsTaskExecutionRole": expected/],
  ['every role', { taskRoleArns: ['*'] }, /taskRoleArns has "\*": expected/],
  ['two roles in one text', { taskRoleArns: ['arn:aws:iam::111122223333:role/a\tarn:aws:iam::111122223333:role/b'] }, /taskRoleArns has .*: expected/],
  ['a role to assume that is no ARN', { deployRoleArns: ['ecs-deploy'] }, /deployRoleArns has "ecs-deploy": expected/],
  ['no code', { codeBucket: undefined }, /zip or codeBucket is required/],
  ['code in two places', { zip: 'x.zip' }, /zip and codeBucket both say where the code is: keep one/],
  ['a zip that is not there', { codeBucket: undefined, zip: 'nowhere.zip' }, /zip: nowhere.zip is not a zip file/],
];
for (const [what, props, message] of REFUSED) {
  test(`${what} is refused at synthesis`, () => {
    assert.throws(() => deployFunction(newStack(), props), message);
  });
}

test('a zip for another CPU is refused at synthesis', () => {
  const make = (zip: string, architecture?: lambda.Architecture) => () =>
    new EcsDeployFunction(newStack(), 'F', { zip: aZip(zip), taskRoleArns: [ROLE], architecture });
  assert.throws(make('ecs-deploy-action-0.2.0-x86_64.zip'), /is for x86_64, and architecture is arm64/);
  assert.throws(make('ecs-deploy-action-0.2.0-arm64.zip', lambda.Architecture.X86_64), /is for arm64, and architecture is x86_64/);
  assert.doesNotThrow(make('ecs-deploy-action-0.2.0-x86_64.zip', lambda.Architecture.X86_64));
  assert.doesNotThrow(make('mine.zip'));
});

test('several mistakes are reported together', () => {
  assert.throws(() => deployFunction(newStack(), { functionName: '', clusterName: 'a b' }), /^Error: stack\/DeployFunction: clusterName is .*; functionName is ""/);
});

test('a switch takes no text', () => {
  // @ts-expect-error a text is no boolean
  const props: Partial<EcsDeployFunctionProps> = { allowApprovals: 'true' };
  assert.ok(props);
});
