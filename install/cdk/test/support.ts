import * as fs from 'node:fs';
import * as path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as codepipeline from 'aws-cdk-lib/aws-codepipeline';
import * as actions from 'aws-cdk-lib/aws-codepipeline-actions';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { parse, ScalarTag, CollectionTag } from 'yaml';
import { EcsDeployFunction, EcsDeployFunctionProps } from 'ecs-deploy-action-cdk';

/** What was parsed or synthesised. */
export type Json = any;
export type Members = Record<string, Json>;

/** install/cdk: tests run as build/….test.js. */
export const CDK = path.join(__dirname, '..');
export const INSTALL_TEMPLATE = path.join(CDK, '../template.yaml');

export const ACCOUNT = '111122223333';
export const REGION = 'eu-central-1';
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/web-execution`;

// --- CloudFormation, as far as the template uses it ---

const SHORT_FORMS = ['Ref', 'Condition', 'GetAtt', 'Sub', 'If', 'Not', 'Equals', 'And', 'Or', 'Join'];

/** A template of YAML with CloudFormation's short forms written out. */
export function templateOf(yaml: string): Members {
  const tags = SHORT_FORMS.flatMap((form): (ScalarTag | CollectionTag)[] => {
    const name = form === 'Ref' || form === 'Condition' ? form : `Fn::${form}`;
    const scalar: ScalarTag = {
      tag: `!${form}`,
      resolve: (text) => ({ [name]: form === 'GetAtt' ? [text.slice(0, text.indexOf('.')), text.slice(text.indexOf('.') + 1)] : text }),
    };
    const sequence: CollectionTag = {
      tag: `!${form}`,
      collection: 'seq',
      // The items are nodes yet.
      resolve: (items) => ({ [name]: (items as Json).toJSON() }),
    };
    return [scalar, sequence];
  });
  return parse(yaml, { customTags: tags, logLevel: 'error' }) as Members;
}

const NO_VALUE = Symbol('AWS::NoValue');

/** The resources that CloudFormation would make of a template, each with its properties evaluated. */
export function evaluated(template: Members, parameters: Members, nameOf: (logicalId: string) => string): Members {
  const declared: Members = template.Parameters ?? {};
  const values: Members = {
    'AWS::Region': REGION,
    'AWS::AccountId': ACCOUNT,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
    'AWS::StackName': 'stack',
    'AWS::NoValue': NO_VALUE,
  };
  for (const [name, parameter] of Object.entries(declared)) {
    const value = name in parameters ? parameters[name] : (parameter as Members).Default;
    const isText = (parameter as Members).Type === 'CommaDelimitedList' && typeof value === 'string';
    values[name] = isText ? value.split(',') : Array.isArray(value) ? value : String(value);
  }
  const isTrue = (name: string): boolean => evaluate(template.Conditions[name]);
  const text = (name: string): string => {
    const [resource, ...attribute] = name.split('.');
    const isAttribute = attribute.length > 0;
    return isAttribute ? `${nameOf(resource ?? '')}.${attribute.join('.')}` : name in values ? values[name] : nameOf(name);
  };
  const evaluate = (value: Json): Json => {
    if (Array.isArray(value)) {
      return value.map(evaluate).filter((one) => one !== NO_VALUE);
    }
    if (typeof value !== 'object' || value === null) {
      return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
    }
    const [[name, of]] = Object.entries(value) as [[string, Json]];
    switch (Object.keys(value).length === 1 ? name : '') {
      case 'Ref':
        return text(of);
      case 'Condition':
        return typeof of === 'string' ? isTrue(of) : Object.fromEntries([[name, evaluate(of)]]);
      case 'Fn::GetAtt':
        return text(typeof of === 'string' ? of : of.join('.'));
      case 'Fn::Sub':
        return of.replaceAll(/\$\{([^}]+)\}/g, (_: string, inner: string) => text(inner));
      case 'Fn::Join':
        return evaluate(of[1]).join(of[0]);
      case 'Fn::Split':
        return evaluate(of[1]).split(of[0]);
      case 'Fn::Select':
        return evaluate(of[1])[Number(of[0])];
      case 'Fn::If':
        return evaluate(isTrue(of[0]) ? of[1] : of[2]);
      case 'Fn::Equals':
        return evaluate(of[0]) === evaluate(of[1]);
      case 'Fn::Not':
        return !evaluate(of[0]);
      case 'Fn::And':
        return of.map(evaluate).every(Boolean);
      case 'Fn::Or':
        return of.map(evaluate).some(Boolean);
    }
    const members = Object.entries(value).map(([member, one]) => [member, evaluate(one)]);
    return Object.fromEntries(members.filter(([, one]) => one !== NO_VALUE));
  };
  const resources = Object.entries(template.Resources as Members).map(([id, { Metadata, ...resource }]) => [nameOf(id), evaluate(resource)]);
  return Object.fromEntries(resources);
}

// --- stacks to test ---

export function newStack(name = 'stack', env = { account: ACCOUNT, region: REGION }): Stack {
  return new Stack(new App({ analyticsReporting: false }), name, { env });
}

export function synthesised(stack: Stack): Members {
  return Template.fromStack(stack).toJSON();
}

export const REQUIRED: EcsDeployFunctionProps = { codeBucket: 'releases', taskRoleArns: [ROLE] };

export function deployFunction(stack: Stack, props: Partial<EcsDeployFunctionProps> = {}): EcsDeployFunction {
  return new EcsDeployFunction(stack, 'DeployFunction', { ...REQUIRED, ...props });
}

/** A zip file, as far as CDK looks. */
export function aZip(name: string): string {
  const folder = fs.mkdtempSync(path.join(CDK, 'build/zip-'));
  const file = path.join(folder, name);
  fs.writeFileSync(file, 'PK');
  return file;
}

/** A pipeline with a source stage and these actions in the next one. */
export function pipelineOf(
  stack: Stack,
  make: (source: codepipeline.Artifact, sourceAction: actions.S3SourceAction) => codepipeline.IAction[],
  props: codepipeline.PipelineProps = {},
): codepipeline.Pipeline {
  const source = new codepipeline.Artifact('BuildOutput');
  const sourceAction = new actions.S3SourceAction({
    actionName: 'Source',
    bucket: s3.Bucket.fromBucketName(stack, 'SourceBucket', 'source'),
    bucketKey: 'build.zip',
    output: source,
  });
  return new codepipeline.Pipeline(stack, 'Pipeline', {
    pipelineType: codepipeline.PipelineType.V2,
    ...props,
    stages: [
      { stageName: 'Source', actions: [sourceAction] },
      { stageName: 'Deploy', actions: make(source, sourceAction) },
    ],
  });
}

/** The actions of the stage Deploy. */
export function deployActions(template: Members): Members[] {
  const pipelines = Object.values(template.Resources as Members).filter((one) => one.Type === 'AWS::CodePipeline::Pipeline');
  return pipelines[0].Properties.Stages[1].Actions;
}
