import * as assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { PARAMETER_OF } from '../dist/function';
import { aZip, CDK, Members } from './support';

const read = (file: string): string => fs.readFileSync(path.join(CDK, file), 'utf8');
const PACKAGE = JSON.parse(read('package.json'));
const README = read('README.md');

test('its version is the one of the function, and so are those in its README', () => {
  const [, version] = /^version = "([^"]+)"/m.exec(read('../../Cargo.toml')) ?? [];
  assert.equal(PACKAGE.version, version);
  const named = [...README.matchAll(/ecs-deploy-action(?:-cdk)?-(\d[^-\s`']*?)(-arm64|\.tgz)/g)];
  assert.deepEqual(new Set(named.map((found) => found[1])), new Set([version]));
  assert.deepEqual(new Set(named.map((found) => found[2])), new Set(['-arm64', '.tgz']));
});

test('its tarball has the constructs, their types, the template, the licence and the README, and nothing else', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: CDK, encoding: 'utf8' });
  const files: string[] = JSON.parse(packed)[0].files.map((one: { path: string }) => one.path);
  const modules = fs.readdirSync(path.join(CDK, 'lib')).filter((name) => name.endsWith('.ts'));
  const compiled = modules.flatMap((name) => ['js', 'd.ts'].map((end) => `dist/${name.slice(0, -'ts'.length)}${end}`));
  assert.deepEqual(files.sort(), [...compiled, 'README.md', 'dist/LICENSE', 'dist/template.yaml', 'package.json'].sort());
});

test('the complete example of the README makes its stack', () => {
  const zip = aZip(`ecs-deploy-action-${PACKAGE.version}-arm64.zip`);
  const out = path.join(path.dirname(zip), 'out');
  execFileSync('node', [path.join(CDK, 'build/readme/block-1.js')], { cwd: path.dirname(zip), env: { ...process.env, CDK_OUTDIR: out } });
  const { Resources } = JSON.parse(fs.readFileSync(path.join(out, 'ShopPipeline.template.json'), 'utf8')) as { Resources: Members };
  const pipeline = Object.values(Resources).find((one) => one.Type === 'AWS::CodePipeline::Pipeline');
  const [action] = pipeline.Properties.Stages.at(-1).Actions;
  assert.deepEqual(JSON.parse(action.Configuration.UserParameters), {
    ClusterName: 'prod',
    ServiceName: 'web',
    DeploymentTimeout: 15,
    PipelineExecutionId: '#{codepipeline.PipelineExecutionId}',
  });
});

test('the README names each property of both constructs', () => {
  const source = read('lib/action.ts');
  const [, properties = ''] = /export interface EcsLambdaDeployActionProps [^{]*\{(.*?)\n\}/s.exec(source) ?? [];
  const names = [...properties.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((found) => found[1] ?? '');
  assert.ok(names.length > 30, String(names));
  for (const name of ['zip', ...Object.keys(PARAMETER_OF), ...names.filter((one) => one !== 'function')]) {
    assert.match(README, new RegExp(`\`${name}\``), name);
  }
});

test('each parameter of the function is written by one of the tests', () => {
  const names = [...read('../../src/parameters/table.rs').matchAll(/^ {8}name: "(\w+)",$/gm)].map((found) => found[1] ?? '');
  const written = new Set((JSON.parse(read('test/user-parameters.json')) as Members[]).flatMap((one) => Object.keys(one)));
  assert.ok(names.length > 30, String(names));
  assert.deepEqual(names.filter((name) => !written.has(name)), []);
});
