import { aws_codepipeline as codepipeline, aws_lambda as lambda, Duration, Stack } from 'aws-cdk-lib';
import { EcsLambdaDeployAction } from 'ecs-deploy-action-cdk';

/** Adds a stage that deploys what `buildOutput` says with the function of template.yaml. */
export function addDeployStage(pipeline: codepipeline.Pipeline, buildOutput: codepipeline.Artifact): void {
  const stack = Stack.of(pipeline);
  pipeline.addStage({
    stageName: 'Deploy',
    actions: [
      new EcsLambdaDeployAction({
        actionName: 'Deploy',
        function: lambda.Function.fromFunctionName(stack, 'DeployFunction', 'ecs-deploy-action'),
        input: buildOutput,
        cluster: 'prod',
        service: 'web',
        deploymentTimeout: Duration.minutes(15),
        variablesNamespace: 'Deploy',
      }),
    ],
  });
}
