import * as fs from 'node:fs';
import * as path from 'node:path';
import { CfnParameter, Stack, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as assets from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import { declaredParameters, Template } from './template';

/** Each property but `zip` is the template's parameter of the same name, with the template's default. */
export interface EcsDeployFunctionProps {
  // --- the function's code: `zip`, or `codeBucket` with or without `codeKey` ---

  /** Path to the release's zip on this machine. `cdk deploy` uploads it. */
  readonly zip?: string;
  /** Bucket that the release's zip was copied to. It must be in the Region of the stack. */
  readonly codeBucket?: string;
  /** Key of the zip in that bucket, if it is not the file's own name. */
  readonly codeKey?: string;

  // --- what the function may deploy ---

  /**
   * ARNs of the roles that the task definitions name (`executionRoleArn` and `taskRoleArn`). The function
   * passes them on to ECS with each revision.
   */
  readonly taskRoleArns: string[];
  /** Cluster whose services the function may deploy. @default '*' every cluster of the account in this Region */
  readonly clusterName?: string;
  /** Service that the function may deploy. @default '*' every service of the cluster */
  readonly serviceName?: string;
  /** Task definition family that the function may register revisions of. @default '*' every family */
  readonly taskDefinitionFamily?: string;

  // --- what it may do besides ---

  /** Whether it may run a task before or after a deployment (`preDeployTask`, `postDeployTask`). @default false */
  readonly allowPreDeployTasks?: boolean;
  /** Whether it may answer PAUSE hooks (`continueDeployment`). @default false */
  readonly allowApprovals?: boolean;
  /** Whether it may point EventBridge rules and schedules at new revisions (`scheduledTasks`). @default false */
  readonly allowScheduledTasks?: boolean;
  /**
   * ARNs of the roles that those rules and schedules run tasks with. They hold only with `allowScheduledTasks`.
   * @default [] none
   */
  readonly scheduleRoleArns?: string[];
  /**
   * Whether it may see which revisions are in use anywhere in the account, to deregister the others
   * (`keepRevisions`). @default false
   */
  readonly allowKeepRevisions?: boolean;
  /** ARNs of roles of other accounts that it may assume to deploy there (`roleArn` of the action). @default [] none */
  readonly deployRoleArns?: string[];
  /** ARN of the EventBridge bus that it may send events to (`eventBus`). @default '' none */
  readonly eventBusArn?: string;

  // --- what it may read ---

  /** Whether it may look at what new tasks need before it deploys (`verifyDependencies`). @default true */
  readonly allowVerifyDependencies?: boolean;
  /** ECR repository whose images it may look at before it deploys them. @default '*' every repository */
  readonly imageRepository?: string;
  /** Log group whose last lines explain why a container failed. @default '*' every log group */
  readonly containerLogGroup?: string;
  /** Function that lifecycle hooks call, whose log explains why one failed. @default '*' every function */
  readonly hookFunction?: string;
  /** Bucket whose artifacts it may read when it is invoked by hand with `Artifact`. @default '' none */
  readonly manualArtifactBucket?: string;
  /** ARN of the customer's KMS key that encrypts that bucket. @default '' none */
  readonly manualArtifactKeyArn?: string;

  // --- the function itself ---

  /** Name of the function. Each one in an account and Region needs a name of its own. @default 'ecs-deploy-action' */
  readonly functionName?: string;
  /** CPU of the function, not of the tasks that it deploys. The zip must be for it. @default ARM_64 */
  readonly architecture?: lambda.Architecture;
  /** How long the function's log is kept. @default THREE_MONTHS */
  readonly logRetentionInDays?: logs.RetentionDays;
  /** ARN of the SNS topic that is notified when the function itself fails. @default '' none */
  readonly alarmTopicArn?: string;
  /** ARN of the policy that bounds its role, if your organization requires one. @default '' none */
  readonly permissionsBoundaryArn?: string;
}

type ParameterProp = Exclude<keyof EcsDeployFunctionProps, 'zip'>;

/**
 * The template's parameter of each property. The compiler wants a row for each property, a test one for each
 * parameter.
 *
 * @internal
 */
export const PARAMETER_OF: Readonly<Record<ParameterProp, string>> = {
  codeBucket: 'CodeBucket',
  codeKey: 'CodeKey',
  taskRoleArns: 'TaskRoleArns',
  clusterName: 'ClusterName',
  serviceName: 'ServiceName',
  taskDefinitionFamily: 'TaskDefinitionFamily',
  allowPreDeployTasks: 'AllowPreDeployTasks',
  allowApprovals: 'AllowApprovals',
  allowScheduledTasks: 'AllowScheduledTasks',
  scheduleRoleArns: 'ScheduleRoleArns',
  allowKeepRevisions: 'AllowKeepRevisions',
  deployRoleArns: 'DeployRoleArns',
  eventBusArn: 'EventBusArn',
  allowVerifyDependencies: 'AllowVerifyDependencies',
  imageRepository: 'ImageRepository',
  containerLogGroup: 'ContainerLogGroup',
  hookFunction: 'HookFunction',
  manualArtifactBucket: 'ManualArtifactBucket',
  manualArtifactKeyArn: 'ManualArtifactKeyArn',
  functionName: 'FunctionName',
  architecture: 'Architecture',
  logRetentionInDays: 'LogRetentionInDays',
  alarmTopicArn: 'AlarmTopicArn',
  permissionsBoundaryArn: 'PermissionsBoundaryArn',
};

/**
 * The function, with its role, log group, alarm, saved queries and dashboard.
 *
 * It includes the release's CloudFormation template, so what it installs is what that template installs.
 */
export class EcsDeployFunction extends Construct {
  /** The function, for `EcsLambdaDeployAction`. */
  readonly function: lambda.IFunction;
  /** Its name, as a reference to the resource. */
  readonly functionName: string;
  readonly functionArn: string;
  /** Its role. A KMS key or a repository of another account may have to name it. */
  readonly role: iam.IRole;
  readonly logGroup: logs.ILogGroup;
  readonly logGroupName: string;
  /** The CloudWatch dashboard of the deployments. */
  readonly dashboardName: string;

  /** The name as it was given, to be compared with other functions' of the stack. */
  private readonly givenName: string;

  constructor(scope: Construct, id: string, props: EcsDeployFunctionProps) {
    super(scope, id);
    const parameters = declaredParameters();
    const values: Record<string, unknown> = {};
    const problems: string[] = [];
    const given: EcsDeployFunctionProps = { ...props, ...code(this, props, problems) };
    for (const [prop, name] of Object.entries(PARAMETER_OF)) {
      const parameter = parameters[name];
      if (parameter) {
        values[name] = value(prop, parameter, given[prop as ParameterProp], problems);
      }
    }
    this.givenName = String(values.FunctionName);
    const others = Stack.of(this)
      .node.findAll()
      .filter((one): one is EcsDeployFunction => one instanceof EcsDeployFunction && one !== this);
    if (others.some((one) => one.givenName === this.givenName)) {
      problems.push(`functionName: ${this.givenName} is the name of another function of this stack: give each one of its own`);
    }
    if (problems.length > 0) {
      throw new Error(`${this.node.path}: ${problems.join('; ')}`);
    }

    const template = new Template(this, 'Template', values);
    if (others.length > 0) {
      // The template names them by the stack.
      for (const query of template.node.findAll()) {
        if (query instanceof logs.CfnQueryDefinition) {
          query.name = `${query.name} (${this.givenName})`;
        }
      }
    }

    const resource = template.getResource('Function') as lambda.CfnFunction;
    const role = template.getResource('Role') as iam.CfnRole;
    this.functionName = resource.ref;
    this.functionArn = resource.attrArn;
    this.role = iam.Role.fromRoleArn(this, 'Role', role.attrArn);
    this.function = new IncludedFunction(this, 'Function', {
      functionName: this.functionName,
      functionArn: this.functionArn,
      role: this.role,
      architecture: props.architecture ?? lambda.Architecture.ARM_64,
    });
    this.logGroupName = template.getResource('LogGroup').ref;
    this.logGroup = logs.LogGroup.fromLogGroupName(this, 'LogGroup', this.logGroupName);
    this.dashboardName = template.getResource('Dashboard').ref;
  }
}

/**
 * The template's function as one of CDK's. An imported one would be of an unknown account, which no pipeline takes.
 */
class IncludedFunction extends lambda.FunctionBase {
  readonly functionName: string;
  readonly functionArn: string;
  readonly role: iam.IRole;
  readonly grantPrincipal: iam.IPrincipal;
  readonly architecture: lambda.Architecture;
  readonly permissionsNode = this.node;
  readonly tenancyConfig = undefined;
  readonly resourceArnsForGrantInvoke: string[];
  protected readonly canCreatePermissions = true;

  constructor(scope: Construct, id: string, of: Pick<lambda.IFunction, 'functionName' | 'functionArn' | 'architecture'> & { readonly role: iam.IRole }) {
    super(scope, id);
    this.functionName = of.functionName;
    this.functionArn = of.functionArn;
    this.role = of.role;
    this.grantPrincipal = of.role;
    this.architecture = of.architecture;
    this.resourceArnsForGrantInvoke = [of.functionArn, `${of.functionArn}:*`];
  }
}

/** Where the code is. */
function code(scope: Construct, props: EcsDeployFunctionProps, problems: string[]): { codeBucket?: string; codeKey?: string } {
  const { zip, codeBucket, codeKey } = props;
  if (zip === undefined) {
    if (codeBucket === undefined) {
      problems.push("zip or codeBucket is required: the path to the release's zip, or the bucket that it was copied to");
    }
    return { codeBucket: codeBucket ?? 'missing', codeKey };
  }
  const none = { codeBucket: 'missing', codeKey: 'missing' };
  if (codeBucket !== undefined || codeKey !== undefined) {
    problems.push('zip and codeBucket both say where the code is: keep one');
    return none;
  }
  if (!zip.endsWith('.zip') || !fs.existsSync(zip) || !fs.statSync(zip).isFile()) {
    problems.push(`zip: ${zip} is not a zip file: give the path to ecs-deploy-action-VERSION-CPU.zip of the release`);
    return none;
  }
  const wanted = (props.architecture ?? lambda.Architecture.ARM_64).name;
  const [, of] = /-(arm64|x86_64)\.zip$/.exec(zip) ?? [];
  if (of !== undefined && of !== wanted) {
    problems.push(`zip: ${path.basename(zip)} is for ${of}, and architecture is ${wanted}: a function cannot start with code for another CPU`);
    return none;
  }
  const asset = new assets.Asset(scope, 'Code', { path: zip });
  return { codeBucket: asset.s3BucketName, codeKey: asset.s3ObjectKey };
}

/** The value of a parameter, as the template would have it, by what the template declares. */
function value(prop: string, parameter: CfnParameter, given: unknown, problems: string[]): unknown {
  const isList = parameter.type === 'CommaDelimitedList';
  if (given === undefined) {
    const { default: unset } = parameter;
    if (unset === undefined) {
      problems.push(`${prop} is required`);
    }
    return isList ? String(unset ?? '').split(',') : unset;
  }
  if (isList) {
    const items = given as string[];
    if (items.length === 0 && parameter.default === undefined) {
      problems.push(`${prop} has no entry: give at least one`);
    }
    const { allowedPattern } = parameter;
    for (const item of items) {
      if (allowedPattern && !Token.isUnresolved(items) && !Token.isUnresolved(item) && !new RegExp(allowedPattern).test(item)) {
        problems.push(`${prop} has ${JSON.stringify(item)}: expected ${allowedPattern}`);
      }
    }
    // What an empty text is as a list.
    return items.length === 0 ? [''] : items;
  }
  const written =
    typeof given === 'boolean' ? String(given) : given instanceof lambda.Architecture ? given.name : (given as string | number);
  if (Token.isUnresolved(written)) {
    return written;
  }
  const { allowedPattern, allowedValues, maxLength } = parameter;
  const shown = JSON.stringify(written);
  if (allowedValues && !allowedValues.map(String).includes(String(written))) {
    problems.push(`${prop} is ${shown}: expected one of ${allowedValues.join(', ')}`);
  } else if (allowedPattern && !new RegExp(allowedPattern).test(String(written))) {
    problems.push(`${prop} is ${shown}: expected ${allowedPattern}`);
  } else if (maxLength !== undefined && String(written).length > maxLength) {
    problems.push(`${prop} is longer than ${maxLength} characters`);
  }
  return written;
}
