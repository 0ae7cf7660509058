// Adds the stage to a small pipeline and prints the template: for the test of deploy-stage.ts.
import { App, aws_codepipeline as codepipeline, aws_codepipeline_actions as actions, aws_s3 as s3, Stack } from 'aws-cdk-lib';
import { addDeployStage } from './deploy-stage';

const app = new App();
const stack = new Stack(app, 'Example');
const buildOutput = new codepipeline.Artifact('BuildOutput');
const pipeline = new codepipeline.Pipeline(stack, 'Pipeline', {
  stages: [
    {
      stageName: 'Source',
      actions: [
        new actions.S3SourceAction({
          actionName: 'Source',
          bucket: new s3.Bucket(stack, 'Bucket', { versioned: true }),
          bucketKey: 'build.zip',
          output: buildOutput,
        }),
      ],
    },
  ],
});
addDeployStage(pipeline, buildOutput);
process.stdout.write(JSON.stringify(app.synth().getStackByName('Example').template));
